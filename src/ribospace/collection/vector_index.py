"""The index over an embedding: when it pays, building it, and the recall that is measured then.

An IVF_FLAT index parts the vectors into lists and compares a query with the nearest lists only; distances are exact.
How many lists are probed is chosen by the recall it gives on molecules of the collection, and stands with that recall
in the table's configuration. Vectors that come after the index are compared one by one, so that none is missed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection.layout import count_vectors
from ribospace.collection.store import Collection, vectors_of
from ribospace.errors import UserError
from ribospace.progress import Progress, silent

#: Bytes of vectors from which on an index pays: exact search then takes about 0.15 s and more, by the index 4 ms.
PAYS_BYTES = 200_000_000
#: An index is built over no fewer vectors, and has no more lists: the time to build it grows with both.
FEWEST, MOST_LISTS = 256, 1024
#: Recall is that of K neighbours, of QUERIES molecules; PROBES lists or more are probed, until it is ENOUGH.
K, QUERIES, PROBES, ENOUGH = 10, 100, 8, 0.99
#: Distances that differ by less are equal: float32 sums in another order.
SAME = 5e-6


@dataclass(frozen=True)
class VectorIndex:
    """An index over an embedding.

    Attributes
    ----------
    column
        The embedding.
    vectors
        How many it was built over.
    probes
        Lists that a search looks into.
    recall
        Share of the true 10 nearest that it found, over `queries` molecules, themselves left out.
    queries
        Molecules that the recall was measured with.
    """

    column: str
    vectors: int
    probes: int
    recall: float
    queries: int


def index_of(collection: Collection, column: str) -> VectorIndex | None:
    """The index over an embedding and its measured recall, if there is one."""
    dataset = collection.lance()
    said = dataset.config().get(_key(column))
    if said is None or _rows_in_index(dataset, column) is None:
        return None
    return VectorIndex(**json.loads(said))


def not_in_index(collection: Collection, column: str) -> int:
    """How many molecules the index over an embedding does not cover yet."""
    dataset = collection.lance()
    return int(dataset.count_rows()) - ((_rows_in_index(dataset, column) or 0) if index_of(collection, column) else 0)


def pays(collection: Collection, column: str) -> bool:
    """Whether searching the vectors that are in no index takes so long that building one is worth while."""
    field = collection.schema.field(collection.require_embedding(column).column)
    size = field.type.list_size * field.type.value_type.bit_width // 8
    rows = not_in_index(collection, column)
    return rows * size >= PAYS_BYTES and min(rows, count_vectors(collection.lance(), column)) * size >= PAYS_BYTES


def build_index(collection: Collection, column: str, progress: Progress = silent) -> VectorIndex:
    """Build (or renew) the index over an embedding and measure its recall.

    Parameters
    ----------
    collection, column
        The embedding.
    progress
        Told of the stages of the work.

    Returns
    -------
    VectorIndex

    Raises
    ------
    UserError
        If there are fewer than 256 vectors: then exact search needs no index.
    """
    collection.require_embedding(column)
    with collection.writing():
        return build_index_unlocked(collection, column, progress)


def build_index_unlocked(collection: Collection, column: str, progress: Progress = silent) -> VectorIndex:
    """See `build_index`; for who holds the lock already."""
    there = f"`{column}` IS NOT NULL"
    rows = collection.count(there)
    if rows < FEWEST:
        raise UserError(f"{column} has {rows} vectors; an index pays from {FEWEST} on. Search without one.")
    dataset = collection.lance()
    if _key(column) in dataset.config():
        dataset.delete_config_keys([_key(column)])

    lists = min(MOST_LISTS, int(rows**0.5))
    progress(0, rows, "building the index")
    dataset = collection.lance().create_index(  # without its progress_callback, which hangs (4 of 8 times, pylance 14)
        f"`{column}`", "IVF_FLAT", metric="cosine", num_partitions=lists, replace=True
    )
    progress(rows, rows, "measuring recall")
    queries, itself = _some_vectors(dataset, column)
    truth = _distances_of_nearest(dataset, column, queries, itself)
    probes, recall = min(PROBES, lists), 0.0
    while True:
        recall = _recall(dataset, column, queries, itself, truth, probes)
        if recall >= ENOUGH or probes == lists:
            break
        probes = min(2 * probes, lists)
    index = VectorIndex(column, rows, probes, round(recall, 4), len(queries))
    dataset.update_config({_key(column): json.dumps(asdict(index))})
    return index


def _key(column: str) -> str:
    return f"ribospace.index.{column}"


def _rows_in_index(dataset: Any, column: str) -> int | None:
    for index in dataset.describe_indices():
        if [name.strip("`") for name in index.field_names] == [column]:
            return int(index.num_rows_indexed)
    return None


def _batches(dataset: Any, column: str) -> Any:
    """Vectors that have a direction, (n, width) float32, with their rows' numbers."""
    for batch in dataset.scanner(columns=[column], with_row_id=True, batch_size=16_384).to_batches():
        kept = batch.filter(batch.column(column).is_valid())
        vectors = vectors_of(pa.chunked_array([kept.column(column)]), batch.schema.field(column).type.list_size)
        lengths = np.linalg.norm(vectors, axis=1)
        yield vectors[lengths > 0] / lengths[lengths > 0, None], kept.column("_rowid").to_numpy()[lengths > 0]


def _some_vectors(dataset: Any, column: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint64]]:
    """Vectors of molecules drawn evenly, (at most QUERIES, width) float32, and their rows' numbers; one pass."""
    generator = np.random.default_rng(0)
    drawn: list[Any] = []
    for vectors, rows in _batches(dataset, column):
        lots = generator.random(len(rows))
        few = np.argsort(lots)[:QUERIES]
        drawn = sorted([*drawn, *zip(lots[few], rows[few], vectors[few], strict=True)], key=lambda one: one[0])
        drawn = drawn[:QUERIES]
    return np.array([one[2] for one in drawn]), np.array([one[1] for one in drawn])


def _distances_of_nearest(
    dataset: Any, column: str, queries: npt.NDArray[np.float32], itself: npt.NDArray[np.uint64]
) -> npt.NDArray[np.float32]:
    """(n, K) true distances of the K nearest of each query, itself left out; inf where there are fewer."""
    best = np.full((len(queries), K), np.inf, dtype=np.float32)
    for vectors, rows in _batches(dataset, column):
        distances = 1 - queries @ vectors.T
        distances[itself[:, None] == rows[None, :]] = np.inf
        best = np.sort(np.concatenate([best, np.partition(distances, min(K, len(rows)) - 1)[:, :K]], axis=1))[:, :K]
    return best


def _recall(
    dataset: Any,
    column: str,
    queries: npt.NDArray[np.float32],
    itself: npt.NDArray[np.uint64],
    truth: npt.NDArray[np.float32],
    probes: int,
) -> float:
    """Share of the true K nearest found by probing so many lists; equally near molecules count as each other."""
    found = 0
    for query, row, distances in zip(queries, itself, truth, strict=True):
        asked = {"column": column, "q": query, "k": K + 1, "metric": "cosine", "nprobes": probes}
        said = dataset.scanner(columns=["_distance"], with_row_id=True, nearest=asked).to_table()
        near = said["_distance"].to_numpy()[said["_rowid"].to_numpy() != row]
        found += min(int((near <= distances[-1] + SAME).sum()), K)
    return found / (K * len(queries))
