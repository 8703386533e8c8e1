"""Folding 400 molecules by one process and by two, minimum free energy and partition function, in one run.

The molecules are drawn from nRC's training set, ../shared/data/nrc_train.fasta beside the repository, or the FASTA that
is named. Ends with a line on the ratios, medians of rounds taken in turn. `python -m benchmarks.folding [FASTA]`
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.measure import report
from ribospace.analysis.structure import fold_many
from ribospace.sources.fasta import read_fasta

MOLECULES, ROUNDS = 400, 3
FASTA = Path(__file__).parents[2] / "shared" / "data" / "nrc_train.fasta"


def main() -> None:
    fasta = Path(sys.argv[1]) if len(sys.argv) > 1 else FASTA
    if not fasta.exists():
        print(json.dumps({"said": f"folding is skipped: {fasta} is not there"}))
        return
    every = [one for batch in read_fasta(fasta) for one in batch["sequence"].to_pylist()]
    sequences = random.Random(0).sample(every, MOLECULES)
    nt = sum(map(len, sequences)) / MOLECULES
    for what, ensemble in (("minimum free energy", False), ("and partition function", True)):
        rates: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(ROUNDS):
            for processes, seen in rates.items():
                began = time.perf_counter()
                list(fold_many(sequences, ensemble, processes))
                seen.append(MOLECULES / (time.perf_counter() - began))
        ratio = median(rates[2]) / median(rates[1])
        report(f"fold {nt:.0f} nt, {what}, 1 process", rates[1])
        report(f"fold {nt:.0f} nt, {what}, 2 processes", rates[2], f"{ratio:.2f} times, their start included")


if __name__ == "__main__":
    main()
