"""Import of a million short molecules from FASTA, into a new collection each time; and reading alone, as its limit."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import dnaio
import numpy as np

from benchmarks.measure import measure
from ribospace.collection import Collection
from ribospace.sources.fasta import read_fasta

MOLECULES = 1_000_000


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    file = folder / "million.fasta"
    _write(file)
    number = iter(range(1000))

    def bring_in() -> None:
        path = folder / f"c{next(number)}"
        Collection.create(path).append(read_fasta(file), run="benchmark")
        shutil.rmtree(path)

    def read() -> None:
        with dnaio.open(file, open_threads=0) as reader:
            for _ in reader:
                pass

    try:
        measure("peer: dnaio alone reads 1,000,000 molecules of 20-60 nt", MOLECULES, read, runs=5)
        measure("records: read, clean, md5", MOLECULES, lambda: sum(b.num_rows for b in read_fasta(file)), runs=5)
        measure("import: read, clean, md5, ids checked, stored", MOLECULES, bring_in, runs=5)
    finally:
        shutil.rmtree(folder)


def _write(file: Path) -> None:
    generator = np.random.default_rng(0)
    letters = generator.choice(np.frombuffer(b"ACGU", dtype=np.uint8), 60 * 1024).tobytes().decode()
    with open(file, "w", encoding="ascii") as out:
        for number in range(MOLECULES):
            start, length = number * 7 % 60_000, 20 + number % 41
            out.write(f">URS{number:010X} tRNA molecule {number}\n{letters[start : start + length]}\n")


if __name__ == "__main__":
    main()
