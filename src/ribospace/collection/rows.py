"""Plain columns written and molecules deleted, by row: each one commit, whole or not at all.

Both take the rows in the order in which `Collection.read` gives them, and leave every other column, embedding and index
as it is. A run that is killed before its commit has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection.store import Collection, require_column_name
from ribospace.errors import UserError
from ribospace.files import disk_full_said
from ribospace.records import SCHEMA

MADE_BY = b"made_by"


def rows_where(collection: Collection, where: str | None) -> npt.NDArray[np.bool_]:
    """(n,) for which molecules a condition holds, in the collection's order; for all without one."""
    if where is None:
        return np.ones(len(collection), dtype=bool)
    collection.count(where)  # a condition that is not SQL is refused here
    dataset = collection.lance()
    return np.isin(_row_ids(dataset), _row_ids(dataset, where), assume_unique=True)


def require_free_column(collection: Collection, name: str, made_by: str) -> None:
    """Refuse a name that no column may have, or that a column has which something else made.

    Raises
    ------
    UserError
        It names the column.
    """
    require_column_name(name)
    schema = collection.schema
    if name not in schema.names:
        return
    said = (schema.field(name).metadata or {}).get(MADE_BY, b"").decode()
    if name in SCHEMA.names or said != made_by:
        raise UserError(f"{name!r} is a column of {collection.uri} already. Choose another with --column NAME.")


def write_columns(collection: Collection, values: Iterable[pa.RecordBatch], made_by: str) -> None:
    """Add plain columns, or replace those that the same maker wrote before.

    Parameters
    ----------
    collection
        Hold its lock (`Collection.writing`).
    values
        The columns' values for every molecule, in the collection's order; batches of any size, one schema.
    made_by
        What makes them; it stands in the columns' metadata.

    Raises
    ------
    UserError
        If a column of that name was made by something else, an import is broken off, or the disk is full.
    ValueError
        If there are more or fewer values than molecules; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ribospace.records import record_batch
    >>> collection = Collection.create(Path(tempfile.mkdtemp()) / "mine")
    >>> _ = collection.append([record_batch(["a", "b"], ["ACGU", "GGCC"])])
    >>> with collection.writing():
    ...     write_columns(collection, [pa.record_batch({"mark": ["x", None]})], "me")
    >>> collection.table(["id", "mark"]).to_pylist()
    [{'id': 'a', 'mark': 'x'}, {'id': 'b', 'mark': None}]
    """
    refuse_broken_import(collection)
    batches = iter(values)
    first = next(batches, None)
    if first is None:
        raise ValueError("no batch: a column needs its type")
    for field in first.schema:
        require_free_column(collection, field.name, made_by)
    with disk_full_said(collection.uri):
        there = {field.name: field.type for field in collection.schema}
        other = [field.name for field in first.schema if there.get(field.name, field.type) != field.type]
        if other:
            collection._table.drop_columns(other)
        new = [field for field in first.schema if field.name not in there or field.name in other]
        if new:
            said = {MADE_BY: made_by.encode()}
            collection._table.add_columns([pa.field(field.name, field.type, metadata=said) for field in new])
        dataset = collection.lance()
        updated, modified = _updated(dataset, _Queue(first, batches))
        if updated:
            operation = lance.LanceOperation.Update(
                updated_fragments=updated, fields_modified=modified, update_mode="rewrite_columns"
            )
            lance.LanceDataset.commit(dataset.uri, operation, read_version=dataset.version)


def delete_rows(collection: Collection, remove: npt.NDArray[np.bool_]) -> None:
    """Delete molecules in one commit; disk space comes back when the collection is compacted.

    Parameters
    ----------
    collection
        Hold its lock (`Collection.writing`).
    remove
        (n,) which molecules, in the collection's order.

    Raises
    ------
    UserError
        If an import is broken off, or the disk is full.
    ValueError
        If `remove` is not as long as the collection.
    """
    refuse_broken_import(collection)
    dataset = collection.lance()
    if len(remove) != len(collection):
        raise ValueError(f"{len(remove)} marks for {len(collection)} molecules")
    updated, emptied, row = [], [], 0
    with disk_full_said(collection.uri):
        for fragment in dataset.get_fragments():
            ids = _row_ids(fragment)
            gone = ids[remove[row : row + len(ids)]]
            row += len(ids)
            if len(gone) == len(ids):
                emptied.append(fragment.fragment_id)
            elif len(gone):
                updated.append(fragment.delete(f"_rowid IN ({','.join(map(str, gone.tolist()))})"))
        if updated or emptied:
            operation = lance.LanceOperation.Delete(
                updated_fragments=updated, deleted_fragment_ids=emptied, predicate="by row"
            )
            lance.LanceDataset.commit(dataset.uri, operation, read_version=dataset.version)


def refuse_broken_import(collection: Collection) -> None:
    """Refuse to change rows while an import is broken off: its journal counts them."""
    journal = collection.home / "import.json"
    if journal.exists():
        raise UserError(
            f"An import into {collection.uri} was broken off. Run it again to finish it, or delete {journal} to leave "
            "it at what came in."
        )


def _row_ids(source: Any, where: str | None = None) -> npt.NDArray[np.uint64]:
    return source.scanner(columns=[], filter=where, with_row_id=True).to_table()["_rowid"].to_numpy()


def _updated(dataset: Any, values: _Queue) -> tuple[list[Any], Any]:
    updated, modified = [], []
    for fragment in dataset.get_fragments():
        ids = _row_ids(fragment)
        data = values.take(len(ids)).append_column("_rowid", pa.array(ids))
        metadata, modified = fragment.update_columns(data)
        updated.append(metadata)
    values.require_end()
    return updated, modified


class _Queue:
    """Batches, taken out by any number of rows."""

    def __init__(self, first: pa.RecordBatch, batches: Iterator[pa.RecordBatch]) -> None:
        self.waiting, self.batches = pa.Table.from_batches([first]), batches

    def take(self, rows: int) -> pa.Table:
        pieces, have = [self.waiting], self.waiting.num_rows
        while have < rows:
            batch = next(self.batches, None)
            if batch is None:
                raise ValueError("fewer values than molecules")
            pieces.append(pa.Table.from_batches([batch]))
            have += batch.num_rows
        table = pa.concat_tables(pieces)
        self.waiting = table.slice(rows)
        return table.slice(0, rows)

    def require_end(self) -> None:
        if self.waiting.num_rows or any(batch.num_rows for batch in self.batches):
            raise ValueError("more values than molecules")
