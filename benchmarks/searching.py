"""Search among 1,000,000 vectors of width 64: exact, by the index with its recall@10, and numpy as a peer."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.measure import measure
from ribospace.collection import Collection
from ribospace.collection.vector_index import build_index
from ribospace.records import record_batch

VECTORS, WIDTH, QUERIES, ROWS = 1_000_000, 64, 100, 65_536
TYPES = ("rRNA", "tRNA", "lncRNA", "miRNA", "snoRNA", "snRNA", "misc_RNA", "piRNA", "ncRNA", "pre_miRNA")
SIZE = f"{VECTORS:,} x {WIDTH}"


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        store = Collection.create(folder / "c")
        store.append(molecules(VECTORS, WIDTH))
        _, vectors = store.embedding("v")
        generator = np.random.default_rng(1)
        near = vectors[generator.integers(0, VECTORS, QUERIES)]
        queries = near + 0.3 * generator.standard_normal((QUERIES, WIDTH), dtype=np.float32)
        _peer(vectors, queries)

        def ask(exact: bool, count: int) -> list[set[str]]:
            return [
                set(store.neighbours("v", one, 10, exact=exact, columns=["id"]).records["id"].to_pylist())
                for one in queries[:count]
            ]

        measure(f"search {SIZE}, exact", 10, lambda: ask(True, 10), runs=5)
        began = time.perf_counter()
        index = build_index(store, "v")
        seconds = time.perf_counter() - began
        print_rate(f"index {SIZE}, built and its recall measured", VECTORS / seconds)
        found, truth = ask(False, QUERIES), ask(True, QUERIES)
        recall = np.mean([len(a & b) / 10 for a, b in zip(truth, found, strict=True)])
        said = f"recall@10 {recall:.4f} (stated: {index.recall:.4f}, {index.probes} lists)"
        measure(f"search {SIZE}, by the index, {said}", QUERIES, lambda: ask(False, QUERIES), runs=5)
    finally:
        shutil.rmtree(folder)


def molecules(count: int, width: int, seed: int = 0) -> Iterator[pa.RecordBatch]:
    """Molecules of 20 to 139 nt, of ten types and 50,000 taxa, with vectors around 500 centres; streamed."""
    generator = np.random.default_rng(seed)
    letters = generator.choice(np.frombuffer(b"ACGU", dtype=np.uint8), 70_000).tobytes().decode()
    types = np.array(TYPES)
    centres = generator.standard_normal((500, width), dtype=np.float32)
    for start in range(0, count, ROWS):
        n = min(ROWS, count - start)
        vectors = centres[generator.integers(0, 500, n)] + generator.standard_normal((n, width), dtype=np.float32)
        places = zip(generator.integers(0, 69_000, n).tolist(), generator.integers(20, 140, n).tolist(), strict=True)
        columns = {
            "rna_type": types[np.minimum(generator.geometric(0.3, n) - 1, 9)].tolist(),
            "taxid": generator.integers(1, 50_000, n).tolist(),
            "description": [f"molecule {number} of some species" for number in range(start, start + n)],
            "v": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width),
        }
        ids = [f"URS{number:010X}" for number in range(start, start + n)]
        yield record_batch(ids, [letters[at : at + length] for at, length in places], columns)


def _peer(vectors: npt.NDArray[np.float32], queries: npt.NDArray[np.float32]) -> None:
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def ask() -> None:
        for one in queries[:10]:
            np.argpartition(directions @ one, -10)

    measure(f"peer: numpy, exact, {SIZE} in memory", 10, ask, runs=5)


def print_rate(what: str, rate: float) -> None:
    """Print what was measured once."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"what": what, "median": rate, "runs": [rate], "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()
