"""Upkeep: small fragments made large, indexes over columns and embeddings made or renewed, old versions tidied away.

Every step is a commit of its own; killed in between, what was done stays and the next run does the rest.

Fragments are rewritten here and not by Lance's compaction, as that moves what it merges behind what it leaves alone
(seen with pylance 14), and a collection keeps its order. So what is rewritten is always the end of the collection,
from some fragment on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import lance
import pyarrow as pa
from lance.fragment import write_fragments

from ribospace.collection.projections import embeddings_proper
from ribospace.collection.store import Collection
from ribospace.collection.vector_index import build_index_unlocked, index_of, not_in_index, pays
from ribospace.files import disk_full_said
from ribospace.progress import Progress, silent

#: Most rows of a fragment: as many as an import commits, since embedding rewrites a fragment's column at every write.
FRAGMENT_ROWS = 131_072
#: Share of deleted rows from which on fragments are rewritten without them.
MANY_DELETED = 0.1

#: The columns that are filtered by, and the kind of their index: few values, or an order.
INDEXED = {"rna_type": "BITMAP", "taxid": "BTREE", "length": "BTREE", "md5": "BTREE", "id": "BTREE"}


@dataclass(frozen=True)
class Optimized:
    """What upkeep did.

    Attributes
    ----------
    fragments_before, fragments_after
        Parts the table is stored in.
    indexed
        Columns whose index was made or renewed.
    embeddings_indexed
        Embeddings whose index was renewed, or made where that pays.
    disk_before, disk_after
        Bytes.
    """

    fragments_before: int
    fragments_after: int
    indexed: list[str]
    embeddings_indexed: list[str]
    disk_before: int
    disk_after: int


def optimize(collection: Collection, progress: Progress = silent) -> Optimized:
    """Compact a collection, make or renew its indexes and tidy it; content and order stay.

    Parameters
    ----------
    collection
        Which.
    progress
        Told before each step.

    Returns
    -------
    Optimized

    Raises
    ------
    UserError
        If another command is writing, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ribospace.records import record_batch
    >>> collection = Collection.create(Path(tempfile.mkdtemp()) / "mine")
    >>> for name in "abc":
    ...     _ = collection.append([record_batch([name], ["ACGU"])])
    >>> done = optimize(collection)
    >>> done.fragments_before, done.fragments_after, done.indexed
    (3, 1, ['rna_type', 'taxid', 'length', 'md5', 'id'])
    """
    with collection.writing(), disk_full_said(collection.uri):
        return _optimize(collection, progress)


def _optimize(collection: Collection, progress: Progress) -> Optimized:
    before = collection.lance()
    vectors = list(embeddings_proper(collection))
    disk, total = disk_bytes(before), 2 + len(INDEXED) + len(vectors)
    progress(0, total, "compacting")
    _compact(collection, _within(progress, 0, total, "compacting"))
    columns, embeddings = [], []
    for step, (column, kind) in enumerate(INDEXED.items(), 1):
        progress(step, total, f"indexing {column}")
        if _index(collection.lance(), column, kind):
            columns.append(column)
    for step, column in enumerate(vectors, 1 + len(INDEXED)):
        progress(step, total, f"indexing {column}")
        if pays(collection, column) or (index_of(collection, column) and not_in_index(collection, column)):
            build_index_unlocked(collection, column, _within(progress, step, total, f"indexing {column}"))
            embeddings.append(column)
    progress(total - 1, total, "tidying")
    collection.tidy()
    after = collection.lance()
    fragments = [len(dataset.get_fragments()) for dataset in (before, after)]
    return Optimized(fragments[0], fragments[1], columns, embeddings, disk, disk_bytes(after))


def _within(progress: Progress, step: int, steps: int, what: str) -> Progress:
    """Tell how far a step is as a note on it."""

    def tell(done: int, total: int | None, note: str = "") -> None:
        of = f" of {total:,}" if total else ""
        progress(step, steps, f"{what}: {done:,}{of} {note}".rstrip())

    return tell


def disk_bytes(dataset: Any) -> int:
    """Bytes of all files of a table, on disk or in an object store, those of older versions among them."""
    return sum(sum(batch.column("size_bytes").to_pylist()) for batch in dataset.all_files())


def _compact(collection: Collection, progress: Progress) -> None:
    dataset = collection.lance()
    old = dataset.get_fragments()
    first = worth_rewriting([one.count_rows() for one in old], [one.num_deletions for one in old])
    if first == len(old):
        return
    old = old[first:]
    rows = sum(one.count_rows() for one in old)

    def batches() -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in dataset.scanner(fragments=old, batch_size=8192).to_batches():
            yield batch
            done += batch.num_rows
            progress(done, rows, "molecules")

    new = write_fragments(
        pa.RecordBatchReader.from_batches(dataset.schema, batches()),
        dataset.uri,
        schema=dataset.schema,
        mode="append",
        max_rows_per_file=FRAGMENT_ROWS,
        data_storage_version=dataset.data_storage_version,
    )
    groups = [lance.LanceOperation.RewriteGroup([one.metadata for one in old], new)]
    lance.LanceDataset.commit(dataset.uri, lance.LanceOperation.Rewrite(groups, []), read_version=dataset.version)


def worth_rewriting(rows: Sequence[int], deleted: Sequence[int], most: int = FRAGMENT_ROWS) -> int:
    """Give the first fragment from which on rewriting at least halves their number or drops many deleted rows.

    Parameters
    ----------
    rows, deleted
        (n,) rows of each fragment, and rows deleted from it.
    most
        Rows of a fragment that is rewritten.

    Returns
    -------
    int
        n if there is none.

    Examples
    --------
    >>> worth_rewriting([100, 100, 3, 2, 1], [0] * 5, most=100)
    2
    >>> worth_rewriting([100, 50, 100, 100], [0, 50, 0, 0], most=100)
    1
    >>> worth_rewriting([100, 3, 100], [0, 0, 0], most=100)
    3
    """
    kept = list(accumulate(reversed(rows)))[::-1]
    gone = list(accumulate(reversed(deleted)))[::-1]
    for first in range(len(rows)):
        halves = len(rows) - first >= 2 * max(1, -(-kept[first] // most))
        if halves or gone[first] > MANY_DELETED * (kept[first] + gone[first]):
            as_good = (at for at in range(first, len(rows)) if rows[at] < most or deleted[at])
            return next(as_good, len(rows))
    return len(rows)


def _index(dataset: Any, column: str, kind: str) -> bool:
    """Make the index over a column, or renew it where it does not cover all rows; say whether there was anything to."""
    for index in dataset.describe_indices():
        if index.field_names == [column]:
            if index.num_rows_indexed == dataset.count_rows():
                return False
            dataset.optimize.optimize_indices(index_names=[index.name])
            return True
    dataset.create_scalar_index(column, kind)
    return True
