"""Ten million generated molecules with vectors of width 64: made, opened, filtered, counted; before and after upkeep.

It takes 7 GB of disk (in the folder for temporary files) and some minutes; all of it is removed at the end. Molecules
a second for what is made; for all else times a second (1/s is a second each), with the time in the words.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.searching import molecules, print_rate
from ribospace.collection import Collection
from ribospace.collection.upkeep import optimize

MOLECULES = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
QUERY = f"URS{MOLECULES // 2:010X}"


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    path = folder / "rnas"
    try:
        began = time.perf_counter()
        Collection.create(path).append(molecules(MOLECULES, 64), run="benchmark")
        print_rate(f"make {MOLECULES:,} molecules with vectors, ids checked, stored", MOLECULES / _since(began))
        _ask(path, "")
        began = time.perf_counter()
        optimize(Collection.open(path))
        seconds = _since(began)
        print_rate(f"optimize: fragments, five columns and the vectors indexed, {seconds:.0f} s", MOLECULES / seconds)
        _ask(path, ", optimized")
    finally:
        shutil.rmtree(folder)


def _ask(path: Path, state: str) -> None:
    store = Collection.open(path)
    command = "from ribospace.cli import main; main()"
    vector = store.embedding("v", f"id = '{QUERY}'")[1][0]
    questions: dict[str, Callable[[], object]] = {
        "open and count": lambda: len(Collection.open(path)),
        "count one type": lambda: store.count("rna_type = 'tRNA'"),
        "count one taxon": lambda: store.count("taxid = 9606"),
        "count by type and length": lambda: store.count("rna_type = 'tRNA' AND length < 90"),
        "get one molecule by its id": lambda: store.table(where=f"id = '{QUERY}'"),
        "read the ids of one taxon": lambda: store.table(["id"], "taxid = 9606"),
        "10 nearest, exact": lambda: store.neighbours("v", vector),
        "10 nearest, by the index where there is one": lambda: store.neighbours("v", vector, exact=False),
        "the whole of `ribospace info`": lambda: subprocess.run(
            [sys.executable, "-c", command, "info", str(path)], check=True, capture_output=True
        ),
    }
    for what, ask in questions.items():
        ask()
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            ask()
            seconds.append(_since(began))
        print_rate(f"{what}{state}: {median(seconds) * 1e3:,.1f} ms", 1 / median(seconds))


def _since(began: float) -> float:
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
