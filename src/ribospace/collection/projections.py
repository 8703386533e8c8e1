"""Stored projections: a map's coordinates kept as a column, which says what made them.

A projection is a column of vectors of width 2 or 3 with the pooling "projection"; its encoder is the embedding that it
was made of. It may be named wherever an embedding may, but nothing takes it unless it is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ribospace.collection.embedding import EmbeddingInfo
from ribospace.collection.layout import count_vectors
from ribospace.collection.rows import refuse_broken_import
from ribospace.collection.store import Collection, require_column_name
from ribospace.errors import UserError
from ribospace.files import disk_full_said

POOLING = "projection"


@dataclass(frozen=True)
class ProjectionInfo:
    """A stored projection.

    Attributes
    ----------
    name, embedding
        Its column, and the embedding that it was made of.
    method, dims, seed
        What made it ("umap", "pca", "tsne"; "" where that is not known), 2 or 3 dimensions, and the seed.
    molecules
        How many have a point.
    """

    name: str
    embedding: str
    method: str
    dims: int
    seed: int | None
    molecules: int


def is_projection(info: EmbeddingInfo) -> bool:
    """Whether a column of vectors is a stored projection."""
    return info.pooling == POOLING and info.width in (2, 3)


def embeddings_proper(collection: Collection) -> dict[str, EmbeddingInfo]:
    """The embeddings that are no projections: what is meant where none is named."""
    return {name: info for name, info in collection.embeddings.items() if not is_projection(info)}


def projections_of(dataset: Any) -> dict[str, ProjectionInfo]:
    """The stored projections by name.

    Parameters
    ----------
    dataset
        A version of a collection, as `Collection.lance` gives it.
    """
    fields = [field for field in dataset.schema if pa.types.is_fixed_size_list(field.type)]
    kept = [info for info in map(EmbeddingInfo.of, fields) if is_projection(info)]
    return {info.column: _read(info, count_vectors(dataset, info.column)) for info in kept}


def require_projection_name(collection: Collection, name: str) -> None:
    """Refuse a name that no column may have, or that a column has which is no stored projection."""
    require_column_name(name)
    there = collection.embeddings.get(name)
    if name in collection.schema.names and (there is None or not is_projection(there)):
        raise UserError(
            f"{name!r} is a column of {collection.uri} already, and no stored map. Choose another with --column NAME."
        )


def store_projection(
    collection: Collection,
    name: str,
    embedding: EmbeddingInfo,
    ids: Sequence[str],
    points: npt.NDArray[np.float32],
    about: Mapping[str, Any],
) -> None:
    """Keep a projection as a column, in place of an earlier one of that name.

    A new column comes with its points in one commit. An earlier one is dropped first, when all is ready: a kill between
    these two leaves none, and nothing else is touched.

    Parameters
    ----------
    collection
        Hold its lock (`Collection.writing`).
    name, embedding
        The column, and the embedding that was projected.
    ids, points
        (n,) molecules and (n, 2 or 3) their coordinates; the other molecules have none (null).
    about
        What made it: "method", "seed" and whatever else is to be known.

    Raises
    ------
    UserError
        If the name is taken by something else, an import is broken off, points are not finite, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ribospace.records import record_batch
    >>> collection = Collection.create(Path(tempfile.mkdtemp()) / "mine")
    >>> _ = collection.append([record_batch(["a", "b"], ["ACGU", "GGCC"])])
    >>> kmer = EmbeddingInfo("kmer4", "kmer4", "1", "none", 256)
    >>> with collection.writing():
    ...     store_projection(collection, "flat", kmer, ["b"], np.ones((1, 2), np.float32), {"method": "pca"})
    >>> projections_of(collection.lance())
    {'flat': ProjectionInfo(name='flat', embedding='kmer4', method='pca', dims=2, seed=None, molecules=1)}
    """
    require_projection_name(collection, name)
    refuse_broken_import(collection)
    if points.shape != (len(ids), 2) and points.shape != (len(ids), 3):
        raise ValueError(f"{points.shape} points for {len(ids)} molecules")
    if not np.isfinite(points).all():
        raise UserError(f"The map {name!r} has points that are NaN or infinite, and is not stored. Try another seed.")
    location = json.dumps({**about, "dims": points.shape[1]}, sort_keys=True)
    made = f"{embedding.column}\n{embedding.revision}\n{location}"
    revision = hashlib.sha256(made.encode()).hexdigest()[:12]
    info = EmbeddingInfo(name, embedding.column, revision, POOLING, points.shape[1], location)
    with disk_full_said(collection.uri):
        values = _column(collection.table(["id"])["id"], ids, points)
        field = pa.field(name, values.type, metadata=info.metadata())
        if name in collection.schema.names:
            collection.drop_column(name)
        collection.lance().add_columns(pa.table([values], schema=pa.schema([field])).to_reader())


def _column(every: pa.ChunkedArray, ids: Sequence[str], points: npt.NDArray[np.float32]) -> pa.FixedSizeListArray:
    """The points of `ids` laid beside all molecules, null where there is none."""
    place = pc.index_in(every, value_set=pa.array(ids, pa.string())).combine_chunks()
    there = place.is_valid().to_numpy(zero_copy_only=False)
    spread = np.zeros((len(there), points.shape[1]), dtype=np.float32)
    spread[there] = points[place.drop_null().to_numpy()]
    return pa.FixedSizeListArray.from_arrays(pa.array(spread.ravel()), points.shape[1], mask=pa.array(~there))


def _read(info: EmbeddingInfo, molecules: int) -> ProjectionInfo:
    try:
        said = dict(json.loads(info.location))
    except (ValueError, TypeError):  # it came in from elsewhere
        said = {}
    method, seed = said.get("method"), said.get("seed")
    return ProjectionInfo(
        info.column,
        info.encoder,
        method if isinstance(method, str) else "",
        info.width,
        seed if isinstance(seed, int) else None,
        molecules,
    )
