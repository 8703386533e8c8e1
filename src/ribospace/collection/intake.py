"""Molecules that come in by and by, over hours: what was committed stays, whatever happens next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection import append
from ribospace.collection.ids import IdIndex, hashes_of
from ribospace.collection.store import Collection
from ribospace.files import disk_full_said


class Intake:
    """Takes records in, each id once; made by `intake`."""

    def __init__(self, collection: Collection) -> None:
        self._collection, self._ids = collection, IdIndex()
        self._waiting: list[pa.RecordBatch] = []
        for batch in collection.read(["id"]):
            self._ids.add(hashes_of(batch.column("id")))

    def holds(self, ids: list[str]) -> npt.NDArray[np.bool_]:
        """(n,) whether each id is in the collection or waits for the next commit."""
        return self._ids.contains(hashes_of(pa.array(ids, pa.string())))

    @property
    def waiting(self) -> int:
        """Records that the next commit will write."""
        return sum(batch.num_rows for batch in self._waiting)

    def add(self, batch: pa.RecordBatch) -> int:
        """Take in those records whose id is new, and say how many these are."""
        fresh = self._ids.add(hashes_of(batch.column("id")))
        if fresh.any():
            self._waiting.append(batch.filter(pa.array(fresh)))
        return int(fresh.sum())

    def commit(self) -> None:
        """Write what waits."""
        with disk_full_said(self._collection.uri):
            for batches in append.commits(iter([*self._waiting])):
                append.write(self._collection, batches)
                self._waiting = self._waiting[len(batches) :]


@contextmanager
def intake(collection: Collection) -> Iterator[Intake]:
    """Hold the collection for writing, and give an Intake; the caller commits.

    A collection made for it is taken away again if it fails before anything was committed.

    Examples
    --------
    >>> import tempfile
    >>> from ribospace.records import record_batch
    >>> collection = Collection.create(tempfile.mkdtemp() + "/mine")
    >>> with intake(collection) as taken:
    ...     n = taken.add(record_batch(["a"], ["ACGU"]))
    ...     m = taken.add(record_batch(["a", "b"], ["ACGU", "GGCC"]))
    ...     taken.commit()
    >>> n, m, len(collection)
    (1, 1, 2)
    """
    with collection.writing():
        append.close_open_runs(collection)
        try:
            yield Intake(collection)
        except BaseException:
            if collection.undo is not None and not len(collection):
                collection.undo()
            raise
        collection.undo = None
