"""Appending molecules: batch by batch, each committed; no id twice; a killed run is finished by running it again.

A named run notes in a journal beside the table in which rows it writes. Batches are committed in order, so after a
kill these rows are exactly what the run had accepted so far; run again, it accepts the same molecules in the same
order and writes from there on, whatever other runs have appended in between. A run that fails, by a bad record or a
full disk, takes back what it had committed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from ribospace.collection.ids import IdIndex, hashes_of
from ribospace.collection.store import Collection, Duplicates, require_column_name
from ribospace.errors import UserError, is_disk_full
from ribospace.files import cannot_write, written_whole
from ribospace.records import came_before, place_of

COMMIT_ROWS = 131_072
COMMIT_BYTES = 256 << 20


@dataclass(frozen=True)
class Appended:
    """What an append did.

    Attributes
    ----------
    added
        Molecules that are new in the collection.
    skipped
        Duplicates left out (with duplicates="keep-first").
    resumed
        Molecules that a killed run of the same name had already brought in.
    """

    added: int
    skipped: int
    resumed: int


def append(
    collection: Collection, batches: Iterable[pa.RecordBatch], *, duplicates: Duplicates, run: str | None
) -> Appended:
    """Append record batches to a collection.

    Parameters
    ----------
    collection
        Where to.
    batches
        As `ribospace.records.record_batch` makes them. New columns are added, null in the molecules before.
    duplicates
        What to do with an id that is there already or comes twice: refuse all, or keep the first.
    run
        A name of the whole append that is the same when it is run again (such as the command and its files' sizes
        and dates): then a killed run is finished by the next of that name. None: not resumable.

    Returns
    -------
    Appended

    Raises
    ------
    UserError
        For a duplicate id, a column that does not fit, or a full disk; the collection is then as it was before.
    """
    with collection.writing():
        journal = _Journal(collection.home / "import.json")
        start = _Start(collection.lance().version, len(collection))
        before = journal.begin(run, start)
        try:
            result = _append(collection, batches, duplicates, start, before)
        except Exception as error:
            stays = _take_back(collection, journal, run, start)
            if collection.undo is not None and not start.rows:
                collection.undo()
            if is_disk_full(error):
                raise cannot_write(collection.uri, error) from error
            if journal.runs and "already in the collection" in str(error):
                stays = "An earlier import was broken off here: finish it first, or add --duplicates keep-first."
            if isinstance(error, UserError) and stays:
                raise UserError(f"{error} {stays}") from error
            raise
        journal.finish(run)
        collection.undo = None
        return result


def _append(
    collection: Collection, batches: Iterable[pa.RecordBatch], duplicates: Duplicates, start: _Start, before: _Ranges
) -> Appended:
    done = sum(end - first for first, end in before)
    stored, seen = IdIndex(), IdIndex()
    row = 0
    for batch in collection.read(["id"]):
        rows = np.arange(row, row + batch.num_rows)
        others = ~np.any([(rows >= first) & (rows < end) for first, end in before], axis=0)
        stored.add(hashes_of(batch.column("id").filter(pa.array(np.broadcast_to(others, rows.shape)))))
        row += batch.num_rows
    accepted, skipped = 0, 0

    def new_ones() -> Iterator[pa.RecordBatch]:
        nonlocal accepted, skipped
        for batch in batches:
            hashes = hashes_of(batch.column("id"))
            known, twice = stored.contains(hashes), ~seen.add(hashes)
            old = known | twice
            if old.any():
                if duplicates == "refuse":
                    _refuse(batch, int(np.argmax(old)), bool(known[np.argmax(old)]))
                skipped += int(old.sum())
                batch = batch.filter(pa.array(~old))
            ahead = min(max(done - accepted, 0), batch.num_rows)
            accepted += batch.num_rows
            if ahead < batch.num_rows:
                yield batch.slice(ahead)

    for table in commits(new_ones()):
        write(collection, table)
    return Appended(accepted - min(done, accepted), skipped, min(done, accepted))


def close_open_runs(collection: Collection) -> None:
    """Before others write: note where the rows end that broken-off runs have written."""
    _Journal(collection.home / "import.json").begin(None, _Start(collection.lance().version, len(collection)))


def _refuse(batch: pa.RecordBatch, row: int, known: bool) -> None:
    said = f"{place_of(batch, row)}: this id is already in the collection." if known else came_before(batch, row)
    raise UserError(f"{said} Rename it, or add --duplicates keep-first to leave the later one out.")


def commits(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Gather small batches until a commit is worth its while; columns must agree within one."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        full = sum(b.num_rows for b in waiting) + batch.num_rows > COMMIT_ROWS
        heavy = sum(b.nbytes for b in waiting) + batch.nbytes > COMMIT_BYTES
        if waiting and (full or heavy or not batch.schema.equals(waiting[0].schema)):
            yield waiting
            waiting = []
        waiting.append(batch)
    if waiting:
        yield waiting


def write(collection: Collection, batches: list[pa.RecordBatch]) -> None:
    """Write batches of like columns as one commit; columns that are new are added."""
    table = pa.Table.from_batches(batches)
    for field in table.schema:
        _fit_column(collection, field)
    schema = collection.schema
    columns = []
    for field in schema:
        if field.name not in table.schema.names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        try:
            columns.append(table[field.name].cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(
                f"Column {field.name!r} is {field.type} in {collection.uri}, but {table[field.name].type} in the "
                f"input: {str(error).splitlines()[0]}. Rename or convert it."
            ) from error
    collection._table.add(pa.Table.from_arrays(columns, schema=schema))


def _fit_column(collection: Collection, field: pa.Field) -> None:
    """Add a column that the collection does not have yet; refuse one that can never be one."""
    require_column_name(field.name)
    if field.name not in collection.schema.names:
        kind = pa.string() if pa.types.is_null(field.type) else field.type
        collection._table.add_columns(pa.field(field.name, kind, metadata=field.metadata))
    there = collection.schema.field(field.name).type
    if pa.types.is_fixed_size_list(there) and there.list_size != getattr(field.type, "list_size", there.list_size):
        raise UserError(
            f"The embedding {field.name!r} has width {there.list_size} in {collection.uri}, {field.type.list_size} in "
            "the input. Rename it."
        )


def _take_back(collection: Collection, journal: _Journal, run: str | None, start: _Start) -> str:
    """Undo the run: back to where it first began, or where others wrote since, to where it went on; say what stays."""
    origin = journal.origin(run)
    for version in dict.fromkeys([origin or start.version, start.version]):
        try:
            if collection.lance().version > version:
                collection._table.restore(version)
        except (OSError, RuntimeError, ValueError):
            continue  # that version was tidied away, or the disk takes nothing more
        stays = len(collection) if version != origin and origin is not None else 0
        journal.finish(run)
        collection.tidy()
        return "What an earlier, broken-off run of it had brought in stays." if stays else ""
    return "What it had brought in could not be taken back: mend the cause and run it again to finish it."


#: Rows, from the first to behind the last, that a run has written.
_Ranges: TypeAlias = list[tuple[int, int]]


@dataclass(frozen=True)
class _Start:
    """Version and number of molecules that a run finds."""

    version: int
    rows: int


class _Journal:
    """The named runs that are not finished: the version each began at, and the rows it wrote (the last range open)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: dict[str, dict[str, Any]] = {}
        try:
            for run, said in json.loads(path.read_text(encoding="utf-8")).items():
                ranges = [[int(first), None if end is None else int(end)] for first, end in said["ranges"]]
                self.runs[run] = {"version": int(said["version"]), "ranges": ranges}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.runs = {}  # none, or damaged: then nothing is known of earlier runs

    def begin(self, run: str | None, start: _Start) -> _Ranges:
        """Note that a run begins or goes on, and give the rows that it has written before."""
        for name, said in self.runs.items():
            if name != run and said["ranges"][-1][1] is None:
                said["ranges"][-1][1] = start.rows
        ranges: list[list[int | None]] = []
        if run is not None:
            said = self.runs.setdefault(run, {"version": start.version, "ranges": [[start.rows, None]]})
            ranges = said["ranges"]
            if ranges[-1][1] is not None:
                ranges.append([start.rows, None])
        self._write()
        return [(first or 0, start.rows if end is None else end) for first, end in ranges]

    def origin(self, run: str | None) -> int | None:
        """The version that a run began at, if nobody has appended since."""
        said = self.runs.get(run or "")
        return said["version"] if said and len(said["ranges"]) == 1 else None

    def finish(self, run: str | None) -> None:
        """Forget a run."""
        self.runs.pop(run or "", None)
        self._write()

    def _write(self) -> None:
        if not self.runs:
            self.path.unlink(missing_ok=True)
            return
        with written_whole(self.path) as beside:
            beside.write_text(json.dumps(self.runs), encoding="utf-8")
