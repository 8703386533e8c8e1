"""Each sequence once: the first molecule of each md5 stays, a table says which stands for which."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.alphabet import flat_bytes
from ribospace.collection import Collection
from ribospace.collection.rows import delete_rows, refuse_broken_import
from ribospace.files import written_whole
from ribospace.progress import Progress, silent

Rows: TypeAlias = "npt.NDArray[np.int64]"

BATCH_ROWS = 65_536
_NIBBLE = np.zeros(256, dtype=np.uint8)
for _value, _digit in enumerate("0123456789abcdef"):
    _NIBBLE[ord(_digit)] = _value


@dataclass(frozen=True)
class Deduped:
    """What de-duplication did, or would do.

    Attributes
    ----------
    molecules, removed
        How many there were, and how many of them repeat the sequence of an earlier one.
    table
        The file that says, for each removed molecule, which one stands for it; None if nothing was removed.
    """

    molecules: int
    removed: int
    table: Path | None


def dedupe(collection: Collection, *, dry_run: bool = False, progress: Progress = silent) -> Deduped:
    """Keep the first molecule of each sequence (by md5), with its embeddings, and delete the others in one commit.

    Parameters
    ----------
    collection
        What to clean. About 60 bytes of memory a molecule, whatever is in it.
    dry_run
        Only count.
    progress
        Told of the molecules read.

    Returns
    -------
    Deduped
        Its table, `removed-N.tsv` in the collection's folder with the version N that it began with, has the columns
        id, kept_id, rna_type and md5, and is written before anything is deleted.

    Raises
    ------
    UserError
        If an import is broken off, another command writes, or the disk is full.
    """
    with nullcontext() if dry_run else collection.writing():
        if not dry_run:
            refuse_broken_import(collection)
        first = first_rows(collection, progress=progress)
        remove = first != np.arange(len(first))
        removed = int(remove.sum())
        if dry_run or not removed:
            return Deduped(len(first), removed, None)
        table = collection.home / f"removed-{collection.lance().version}.tsv"
        with written_whole(table) as beside:
            _write_table(collection, beside, first, remove)
        delete_rows(collection, remove)
        return Deduped(len(first), removed, table)


def first_rows(collection: Collection, where: str | None = None, progress: Progress = silent) -> Rows:
    """(n,) for each molecule that a condition holds for, the number among them of the first with its sequence."""
    parts, total = [np.empty((2, 0), np.uint64)], collection.count(where)
    for batch in collection.read(["md5"], where, BATCH_ROWS):
        parts.append(_numbers(batch.column("md5")))
        progress(sum(part.shape[1] for part in parts), total)
    digests = np.concatenate(parts, axis=1)
    order = np.lexsort(digests)  # stable: within one digest the rows rise
    ordered = digests[:, order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first


def _numbers(md5: pa.StringArray) -> npt.NDArray[np.uint64]:
    """(2, n) MD5 digests, of 32 hexadecimal digits each, as two numbers."""
    nibbles = _NIBBLE[flat_bytes(md5)[0]].reshape(-1, 2)
    digests = (nibbles[:, 0] << 4) | nibbles[:, 1]
    return np.ascontiguousarray(digests).view(np.uint64).reshape(-1, 2).T


def _write_table(collection: Collection, path: Path, first: Rows, remove: npt.NDArray[np.bool_]) -> None:
    standing = np.unique(first[remove])
    names, row = [], 0
    for batch in collection.read(["id"], batch_rows=BATCH_ROWS):
        inside = standing[slice(*np.searchsorted(standing, [row, row + batch.num_rows]))]
        names.append(batch.column("id").take(pa.array(inside - row)))
        row += batch.num_rows
    kept, row = pa.concat_arrays(names), 0
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("id\tkept_id\trna_type\tmd5\n")
        for batch in collection.read(["id", "rna_type", "md5"], batch_rows=BATCH_ROWS):
            rows = np.flatnonzero(remove[row : row + batch.num_rows])
            stands = kept.take(pa.array(np.searchsorted(standing, first[row + rows])))
            gone: list[dict[str, Any]] = batch.take(pa.array(rows)).to_pylist()
            for one, other in zip(gone, stands.to_pylist(), strict=True):
                file.write(f"{one['id']}\t{other}\t{one['rna_type'] or ''}\t{one['md5']}\n")
            row += batch.num_rows
