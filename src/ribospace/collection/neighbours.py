"""Nearest molecules by cosine distance: exactly, or by an index whose recall was measured when it was built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection.store import Collection
from ribospace.collection.vector_index import K, index_of
from ribospace.errors import UserError
from ribospace.records import SCHEMA


@dataclass(frozen=True)
class Neighbours:
    """Nearest molecules of one query, the nearest first.

    Attributes
    ----------
    records
        (k rows) the record's fields of each neighbour.
    distances
        (k,) float32, cosine distance, 0 to 2.
    """

    records: pa.Table
    distances: npt.NDArray[np.float32]


def neighbours(
    collection: Collection,
    column: str,
    vector: npt.ArrayLike,
    k: int = 10,
    *,
    exact: bool = True,
    where: str | None = None,
    columns: Sequence[str] | None = None,
) -> Neighbours:
    """See `Collection.neighbours`."""
    info = collection.require_embedding(column)
    query = np.asarray(vector, dtype=np.float32)
    if query.shape != (info.width,):
        raise UserError(f"The query has shape {query.shape}, vectors of {column!r} have width {info.width}.")
    if not np.isfinite(query).all() or not query.any():
        raise UserError("The query vector is zero or not finite: it has no direction to compare.")
    index = None if exact or where else index_of(collection, column)
    asked: dict[str, Any] = {"column": column, "q": query, "k": k, "metric": "cosine", "use_index": index is not None}
    if index is not None:
        asked["nprobes"] = ceil(index.probes * max(1.0, k / (K + 1)))
    names = list(columns or SCHEMA.names)
    dataset = collection.lance()
    found = collection._asked(
        where,
        lambda: dataset.scanner(columns=[*names, "_distance"], filter=where, prefilter=True, nearest=asked).to_table(),
    )
    distances = found["_distance"].to_numpy().astype(np.float32).clip(min=0)  # of equal vectors rounding gives -1e-7
    order = np.argsort(distances, kind="stable")
    return Neighbours(found.select(names).take(pa.array(order)), distances[order])
