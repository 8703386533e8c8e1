"""An embedding column filled by several processes: each reads and writes shares of it, and one commits for all.

A share is some rows of one fragment at one version of the collection, so it is the same molecules in every process.
What a process has written is no part of the collection until it is committed; a write that another machine's command
has overtaken is refused by Lance and has to be made again on the newest version.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lance.commit import CommitConflictError

from ribospace.collection.columns import PIECE_LETTERS, vectors_table
from ribospace.collection.place import first_line
from ribospace.collection.store import Collection
from ribospace.errors import UserError
from ribospace.files import disk_full_said

Part: TypeAlias = tuple[npt.NDArray[np.uint64], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Share:
    """Molecules of one fragment, of which some have no vector yet.

    Attributes
    ----------
    version
        Of the collection, in which the rows are counted.
    fragment
        The fragment's number.
    start, stop
        Its rows, from and up to which.
    missing
        How many of them have no vector.
    """

    version: int
    fragment: int
    start: int
    stop: int
    missing: int


@dataclass(frozen=True)
class Written:
    """A fragment with vectors that are on disk, but not in the collection until they are committed."""

    fragment: Any
    fields: list[int]


def shares_left(collection: Collection, column: str, most: int) -> Iterator[Share]:
    """Give shares of at most `most` molecules without a vector (and about 4 million nt), of the newest version."""
    dataset = collection.lance()
    for number in [fragment.fragment_id for fragment in dataset.get_fragments()]:
        rows = dataset.get_fragment(number).scanner(columns=_missing_and("length", column)).to_table()
        missing = rows["missing"].to_numpy()
        where = np.flatnonzero(missing)
        letters = rows["length"].to_numpy()[where].mean() if len(where) else 1
        size = max(1, min(most, int(PIECE_LETTERS / max(letters, 1))))
        for first in range(0, len(where), size):
            part = where[first : first + size]
            yield Share(dataset.version, number, int(part[0]), int(part[-1]) + 1, len(part))


def open_version(uri: str, version: int) -> Any:
    """Open a collection's table where a worker sees it.

    Raises
    ------
    UserError
        If this machine does not see it, or sees something older; it names the machine.
    """
    try:
        return lance.dataset(uri, version=version)
    except (ValueError, RuntimeError, OSError) as error:
        raise UserError(
            f"The machine {platform.node()} cannot read {uri}: {first_line(error)}. Put the collection where every "
            "machine sees it under this name: a shared folder, or an object store with its credentials on each."
        ) from error


def read_share(dataset: Any, column: str, share: Share) -> tuple[npt.NDArray[np.uint64], pa.Array]:
    """Row ids (n,) and sequences (n,) of the share's molecules without a vector."""
    rows = (
        dataset.get_fragment(share.fragment)
        .scanner(
            columns=_missing_and("sequence", column),
            offset=share.start,
            limit=share.stop - share.start,
            with_row_id=True,
        )
        .to_table()
    )
    rows = rows.filter(rows["missing"])
    return rows["_rowid"].to_numpy(), rows["sequence"].combine_chunks()


def write_fragment(dataset: Any, column: str, fragment: int, parts: Sequence[Part]) -> Written:
    """Write vectors of one fragment, to be committed with others.

    Parameters
    ----------
    dataset, column, fragment
        Where; the same version for all that is committed together.
    parts
        Row ids (n,) and vectors (n, width) float32. Rows that were deleted meanwhile are passed over.

    Raises
    ------
    UserError
        If the disk is full, or a vector is not finite.
    """
    field = dataset.schema.field(column)
    data = pa.concat_tables([vectors_table(field, rows, vectors) for rows, vectors in parts])
    with disk_full_said(dataset.uri):
        return Written(*dataset.get_fragment(fragment).update_columns(data))


def commit_fragments(dataset: Any, written: Sequence[Written]) -> bool:
    """Take written fragments into the collection, in one commit; False if another command has changed them since."""
    operation = lance.LanceOperation.Update(
        updated_fragments=[one.fragment for one in written],
        fields_modified=written[0].fields,
        update_mode="rewrite_columns",
    )
    try:
        with disk_full_said(dataset.uri):
            lance.LanceDataset.commit(dataset.uri, operation, read_version=dataset.version)
    except CommitConflictError:
        return False
    return True


def _missing_and(name: str, column: str) -> dict[str, str]:
    return {name: name, "missing": f"`{column}` IS NULL"}
