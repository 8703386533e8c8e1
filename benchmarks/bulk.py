"""fetch-bulk of generated files with an id mapping, the whole command in a process of its own: rate and peak memory."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RECORDS = (500_000, 2_000_000)  # four times the records, the same memory
RUNS = 3
TYPES = ("tRNA", "rRNA", "piRNA", "pre_miRNA", "misc_RNA")
DATABASES = ("ENA", "RFAM", "GTRNADB", "MIRBASE", "REFSEQ", "SILVA", "LNCIPEDIA", "ENSEMBL")
DESCRIPTIONS = (
    "Homo sapiens (human) tRNA-Leu (anticodon TAA) {}-1",
    "uncultured bacterium partial 16S ribosomal RNA {}",
    "Mus musculus (house mouse) piRNA piR-mmu-{}",
    "Myotis brandtii mir-{} microRNA precursor family",
    "misc_RNA from 3 species",
)


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        for records in RECORDS:
            _write(folder, records)
            done = [_fetch(folder, records) for _ in range(RUNS)]
            rates, peaks = zip(*done, strict=True)
            what = f"fetch-bulk: {records:,} of ~100 nt, with mapping"
            said = {"what": what, "median": float(np.median(rates)), "runs": rates, "peak_mb": max(peaks)}
            print(json.dumps(said), flush=True)
    finally:
        shutil.rmtree(folder)


def _fetch(folder: Path, records: int) -> tuple[float, float]:
    """Records a second and MB of a process that does it all: start, index the mapping, join, store."""
    to, cache = folder / "collection", folder / "cache"
    files = ["--fasta", folder / "a.fasta.gz", "--id-mapping", folder / "id_mapping.tsv.gz", "--cache", cache]
    program = "import sys; from ribospace.cli import main; sys.argv[0] = 'ribospace'; main()"
    command = [sys.executable, "-c", program, "fetch-bulk", "--to", to, *files, "--json"]
    began = time.perf_counter()
    process = subprocess.Popen([str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answer = json.load(process.stdout)  # type: ignore[arg-type]
    _, status, used = os.wait4(process.pid, 0)  # its own peak memory
    seconds = time.perf_counter() - began
    assert status == 0
    assert answer["added"] == answer["with_id_mapping"] == records
    shutil.rmtree(to)
    shutil.rmtree(cache)
    return records / seconds, used.ru_maxrss * 1024 / 1e6


def _write(folder: Path, records: int) -> None:
    """Molecules of 60 to 140 nt in the order of URS, two or three rows of the mapping each."""
    generator = np.random.default_rng(0)
    letters = generator.choice(np.frombuffer(b"ACGT", dtype=np.uint8), 1 << 20).tobytes().decode()
    lengths, starts = generator.integers(60, 141, records), generator.integers(0, (1 << 20) - 140, records)
    kinds, rows = generator.integers(0, len(TYPES), records), generator.integers(2, 4, records)
    taxids, databases = generator.integers(1, 100_000, (records, 3)), generator.integers(0, 8, (records, 3))
    numbers, alone = np.cumsum(generator.integers(1, 3, records)), generator.random(records) < 0.7
    with (
        gzip.open(folder / "a.fasta.gz", "wt", compresslevel=4) as fasta,
        gzip.open(folder / "id_mapping.tsv.gz", "wt", compresslevel=4) as mapping,
    ):
        for i in range(records):
            sequence = letters[starts[i] : starts[i] + lengths[i]]
            fasta.write(f">URS{numbers[i]:010X} {DESCRIPTIONS[kinds[i]].format(i)}\n{sequence}\n")
            for row in range(rows[i]):
                database, taxid = DATABASES[databases[i, row]], taxids[i, 0 if alone[i] else row]
                mapping.write(f"URS{numbers[i]:010X}\t{database}\tX{i}:{row}\t{taxid}\t{TYPES[kinds[i]]}\t\n")


if __name__ == "__main__":
    main()
