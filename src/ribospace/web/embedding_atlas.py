"""A Parquet file for Apple's embedding-atlas: molecules, their points, and each one's nearest others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ribospace.collection import Collection
from ribospace.collection.projections import ProjectionInfo
from ribospace.errors import UserError
from ribospace.files import disk_full_said, require_ending, written_whole
from ribospace.progress import Progress, silent
from ribospace.web.nearest import nearest_by_cosine
from ribospace.web.space import Space

X, Y, NEIGHBOURS = "projection_x", "projection_y", "neighbors"


def command_for(path: Path) -> str:
    """How embedding-atlas opens such a file."""
    return f"embedding-atlas {path} --x {X} --y {Y} --neighbors {NEIGHBOURS} --text description"


def export_for_embedding_atlas(
    collection: Collection,
    path: Path,
    projection: str | None = None,
    embedding: str | None = None,
    where: str | None = None,
    k: int = 10,
    progress: Progress = silent,
) -> tuple[int, ProjectionInfo]:
    """Write what `embedding-atlas FILE --x projection_x --y projection_y --neighbors neighbors` shows.

    Parameters
    ----------
    collection, path
        From where, and a file ending in .parquet: every plain column; `projection_x` and `projection_y` (float32);
        `neighbors`, a struct of `ids` (k row numbers of the file, the nearest first) and `distances` (k, cosine).
    projection
        A stored 2-D projection; by default the first of the embedding, or one that is fitted for this file.
    embedding
        What is near goes by this; by default what the projection was made of.
    where
        An SQL condition on the molecules.
    k
        Neighbours of each; fewer in a file of k molecules or less.
    progress
        Told how many molecules have their neighbours.

    Returns
    -------
    rows : int
        Molecules written: those with a point and a vector that is not zero.
    projection : ProjectionInfo
        What x and y are.

    Raises
    ------
    UserError
        If there is no such projection or embedding, or no molecule with both.
    """
    require_ending(path, [".parquet"])
    space = Space.open(collection, embedding, projection, progress, where)
    near_by = space.embedding(None).column
    if space.projection(None).dims == 3 and projection is None:
        projection = space.fit(near_by, progress)
    shown = space.projection(projection)
    if shown.dims == 3:
        raise UserError(f"{shown.name!r} has three dimensions; embedding-atlas draws two. Store a map with --dims 2.")
    points = space.points(shown.name)
    rows, vectors = space.vectors(near_by)
    both = vectors.any(axis=1) & np.isfinite(points[rows]).all(axis=1)
    rows, vectors = rows[both], vectors[both]
    if not len(rows):
        raise UserError(f"No molecule of {space.uri} has both a point in {shown.name!r} and a vector of {near_by!r}.")
    near, distances = nearest_by_cosine(vectors, min(k, len(rows) - 1), progress)
    table = space.records(rows, [name for name in space.plain if name not in (X, Y, NEIGHBOURS)])
    added = {X: pa.array(points[rows, 0]), Y: pa.array(points[rows, 1]), NEIGHBOURS: _pairs(near, distances)}
    for name, values in added.items():
        table = table.append_column(name, values)
    with disk_full_said(path), written_whole(path) as beside:
        pq.write_table(table.replace_schema_metadata(None), beside, compression="zstd")
    return len(rows), shown


def _pairs(rows: npt.NDArray[np.int64], distances: npt.NDArray[np.float32]) -> pa.StructArray:
    starts = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1])

    def lists(values: npt.NDArray[Any]) -> pa.ListArray:
        return pa.ListArray.from_arrays(starts, pa.array(values.ravel()))

    return pa.StructArray.from_arrays([lists(rows), lists(distances)], names=["ids", "distances"])
