"""Embedding columns: begun as nulls, filled fragment by fragment, so that what is null is what is left to do.

A vector is written by its row, each write one commit; a killed run loses what it had not written yet and no more, and
molecules that come later are null until the same run is made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection.embedding import EmbeddingInfo
from ribospace.collection.store import Collection, require_column_name
from ribospace.errors import UserError
from ribospace.files import disk_full_said

PIECE_LETTERS = 4_000_000


@dataclass(frozen=True)
class Piece:
    """Molecules of one fragment that have no vector yet.

    Attributes
    ----------
    fragment
        The fragment's number.
    rows
        (n,) uint64, Lance row ids.
    sequences
        (n,) their sequences.
    """

    fragment: int
    rows: npt.NDArray[np.uint64]
    sequences: pa.StringArray


def begin_embedding(
    collection: Collection, info: EmbeddingInfo, *, half: bool = False, overwrite: bool = False
) -> None:
    """Make an embedding column of nulls, or go on with the one that is there.

    Parameters
    ----------
    collection, info
        Where, and what the column will say of itself.
    half
        Store float16 in place of float32.
    overwrite
        Drop a column of the same name that another encoder made.

    Raises
    ------
    UserError
        If a column of that name is no embedding, or was made by another encoder, revision or pooling.
    """
    require_column_name(info.column)
    there = collection.embeddings.get(info.column)
    if there is None and info.column in collection.schema.names:
        raise UserError(f"{info.column!r} is a column of {collection.uri} already. Choose another with --column NAME.")
    if there is not None:
        same = ("encoder", "revision", "pooling", "width")
        if all(getattr(there, name) == getattr(info, name) for name in same):
            return
        if not overwrite:
            raise UserError(
                f"The embedding {info.column!r} was made by {there.encoder} (revision {there.revision or 'unknown'}, "
                f"{there.pooling}, width {there.width}), not by this {info.encoder} (revision {info.revision}, "
                f"{info.pooling}, width {info.width}). Choose --column NAME, or --overwrite."
            )
        collection.drop_column(info.column)
    kind = pa.list_(pa.float16() if half else pa.float32(), info.width)
    collection._table.add_columns(pa.field(info.column, kind, metadata=info.metadata()))


def left_to_embed(collection: Collection, column: str, rows: int = 16_384) -> Iterator[Piece]:
    """Give the molecules without a vector, by fragment, at most `rows` (and about 4 million nt) at a time."""
    dataset = collection.lance()
    for number in [fragment.fragment_id for fragment in dataset.get_fragments()]:
        fragment = dataset.get_fragment(number)
        lengths = fragment.to_table(columns=["length"], filter=f"`{column}` IS NULL")["length"].to_numpy()
        most = max(1, min(rows, int(PIECE_LETTERS / max(lengths.mean(), 1)))) if len(lengths) else rows
        scanner = fragment.scanner(
            columns=["sequence"], filter=f"`{column}` IS NULL", with_row_id=True, batch_size=most
        )
        for batch in scanner.to_batches():
            if batch.num_rows:
                yield Piece(number, batch.column("_rowid").to_numpy(), batch.column("sequence"))


def write_vectors(
    collection: Collection,
    column: str,
    fragment: int,
    rows: npt.NDArray[np.uint64],
    vectors: npt.NDArray[np.float32],
) -> None:
    """Write vectors into rows of one fragment: one commit.

    Parameters
    ----------
    collection, column, fragment, rows
        As `left_to_embed` gives them.
    vectors
        (n, width) float32.

    Raises
    ------
    UserError
        If the disk is full, or a vector is not finite.
    """
    update_rows(collection, fragment, vectors_table(collection.schema.field(column), rows, vectors))


def vectors_table(field: pa.Field, rows: npt.NDArray[np.uint64], vectors: npt.NDArray[np.float32]) -> pa.Table:
    """`_rowid` and an embedding column, as `update_rows` takes them.

    Raises
    ------
    UserError
        If a vector is not finite, or too large for a column of float16.
    """
    if not np.isfinite(vectors).all():
        raise UserError(
            f"The encoder of {field.name!r} gave NaN or infinity for a molecule. Its weights may be damaged."
        )
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(vectors, dtype=field.type.value_type.to_pandas_dtype()).ravel()
    if not np.isfinite(stored).all():
        raise UserError(f"A vector of {field.name!r} has a number too large for float16. Embed without --half.")
    values = pa.FixedSizeListArray.from_arrays(pa.array(stored), field.type.list_size)
    return pa.table({"_rowid": rows, field.name: values})


def add_text_columns(collection: Collection, names: Iterable[str]) -> None:
    """Add columns of text, all null, where the collection does not have them."""
    add_columns(collection, [pa.field(name, pa.string()) for name in names])


def add_columns(collection: Collection, fields: Iterable[pa.Field]) -> None:
    """Add columns, all null, where the collection does not have them.

    Raises
    ------
    UserError
        If it has one of that name with another type.
    """
    fields = list(fields)
    require_addable(collection, fields)
    for field in fields:
        if field.name not in collection.schema.names:
            collection._table.add_columns(field)


def require_addable(collection: Collection, fields: Iterable[pa.Field]) -> None:
    """Refuse columns that the collection has with another type."""
    for field in fields:
        if field.name in collection.schema.names and (there := collection.schema.field(field.name).type) != field.type:
            raise UserError(
                f"{collection.uri} has a column {field.name!r} of {there} already, where {field.type} is to be kept. "
                "Rename it in what was imported."
            )


def fragments(
    collection: Collection, columns: Sequence[str], where: str | None = None
) -> Iterator[tuple[int, pa.Table]]:
    """Give each fragment's number and some of its columns, with `_rowid`, for `update_rows`; none without a row."""
    dataset = collection.lance()
    for number in [fragment.fragment_id for fragment in dataset.get_fragments()]:
        rows = dataset.get_fragment(number).to_table(columns=list(columns), filter=where, with_row_id=True)
        if len(rows):
            yield number, rows


def update_rows(collection: Collection, fragment: int, data: pa.Table) -> None:
    """Write columns of some rows of one fragment: one commit.

    Parameters
    ----------
    collection, fragment
        Where.
    data
        `_rowid` and the columns' new values.

    Raises
    ------
    UserError
        If the disk is full.
    """
    with disk_full_said(collection.uri):
        dataset = collection.lance()
        updated, fields = dataset.get_fragment(fragment).update_columns(data)
        lance.LanceDataset.commit(
            dataset.uri,
            lance.LanceOperation.Update(
                updated_fragments=[updated], fields_modified=fields, update_mode="rewrite_columns"
            ),
            read_version=dataset.version,
        )
