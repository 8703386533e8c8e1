"""Queries a second among 200,000 vectors of width 64: exact, and by the index (with its recall)."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measure import measure
from ribospace.collection import Collection
from ribospace.records import record_batch

VECTORS, WIDTH, QUERIES = 200_000, 64, 20


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(500, WIDTH))
    vectors = (centres[generator.integers(0, 500, VECTORS)] + generator.normal(size=(VECTORS, WIDTH))).astype(
        np.float32
    )
    store = Collection.create(folder / "c")
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), WIDTH)
    store.append([record_batch([f"m{n}" for n in range(VECTORS)], ["ACGU"] * VECTORS, {"v": column})])
    queries = vectors[generator.integers(0, VECTORS, QUERIES)] + generator.normal(size=(QUERIES, WIDTH)) * 0.3
    try:

        def ask(exact: bool) -> list[set[str]]:
            return [
                set(store.neighbours("v", one, 10, exact=exact, columns=["id"]).records["id"].to_pylist())
                for one in queries
            ]

        measure(f"search {VECTORS:,} x {WIDTH}, exact", QUERIES, lambda: ask(True), runs=3)
        store.build_index("v")
        measure(f"search {VECTORS:,} x {WIDTH}, by the index", QUERIES, lambda: ask(False), runs=3)
        recall = np.mean([len(a & b) / 10 for a, b in zip(ask(True), ask(False), strict=True)])
        print(json.dumps({"recall@10": recall}), file=sys.stderr)
        measure(f"  its recall@10 is {recall:.3f}", QUERIES, lambda: ask(False), runs=1)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
