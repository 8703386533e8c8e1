"""Size of `ribospace atlas`'s single file, and seconds to write it: python -m benchmarks.atlas_file.

The shipped sample and hairpins with 4-mers; median of three runs of the whole command, start of Python included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.measure import machine

ROUNDS = 3


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "sample"
        ribospace("import", "sample", "--to", place)
        embedded(place)
        ribospace("map", place, "--model", "kmer4", "--store")
        ribospace("map", place, "--model", "kmer4", "--method", "pca", "--store")
        measured("the sample, two maps stored", place)
        for count, stored in ((10_000, True), (50_000, False)):
            place = Path(folder) / f"hairpins{count}"
            ribospace("synthesize", "hairpins", "-n", count, "--to", place)
            embedded(place)
            if stored:
                ribospace("map", place, "--model", "kmer4", "--store")
            measured(f"{count:,} hairpins, {'its map stored' if stored else 'PCA fitted with it'}", place)


def embedded(place: Path) -> None:
    ribospace("embed", place, "--model", "kmer4")


def measured(what: str, place: Path) -> None:
    """Write the file, and print megabytes and seconds."""
    out, seconds = place.with_suffix(".html"), []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ribospace("atlas", place, "--out", out)
        seconds.append(time.perf_counter() - began)
    said = {"what": what, "mb": out.stat().st_size / 1e6, "seconds": median(seconds), "runs": seconds}
    print(json.dumps(said), flush=True)


def ribospace(*words: object) -> None:
    command = [sys.executable, "-m", "ribospace", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
