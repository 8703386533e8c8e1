"""A balanced sample: at most so many molecules of each type, in a collection of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection import Collection
from ribospace.collection.place import is_remote
from ribospace.collection.rows import rows_where
from ribospace.errors import UserError
from ribospace.files import written_whole
from ribospace.progress import Progress, silent

TAKEN_AT_ONCE = 4096

#: Draw and row of the molecules of a type that are in so far.
Pool: TypeAlias = "tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]"


@dataclass(frozen=True)
class Sampled:
    """What a sample holds.

    Attributes
    ----------
    taken, there
        Molecules by type ("" where it is not known): in the sample, and in all of what was drawn from.
    """

    taken: dict[str, int]
    there: dict[str, int]


def sample(
    collection: Collection,
    to: Path | str,
    per_type: int,
    *,
    seed: int = 0,
    where: str | None = None,
    progress: Progress = silent,
) -> Sampled:
    """Copy at most `per_type` molecules of each type, with all columns and embeddings, into a new collection.

    A molecule's draw is a hash of its id and the seed: the sample does not depend on the order, and those drawn stay
    drawn when others come or go as long as they rank among the first `per_type`.

    Parameters
    ----------
    collection
        What to draw from. 16 bytes of memory for each molecule taken.
    to
        A folder that does not exist yet.
    per_type
        Most molecules of a type.
    seed
        Of the draw.
    where
        An SQL condition on the molecules.
    progress
        Told of the molecules read.

    Raises
    ------
    UserError
        If `to` exists or is a URI, nothing is there to be drawn, or the disk is full; nothing is left of it then.
    """
    if is_remote(str(to)):
        raise UserError(f"A sample is made in a folder, and {to} is none. Choose a folder.")
    to = Path(to)
    if to.exists():
        raise UserError(f"{to} exists. Choose a new name for the sample's collection.")
    pools, there = _drawn(collection, per_type, seed, where, progress)
    if not there:
        raise UserError(f"{collection.uri} has no molecule{f' where {where}' if where else ''} to draw from.")
    rows = np.sort(np.concatenate([rows for _, rows in pools.values()]))
    with written_whole(to) as beside:
        Collection.create(beside).append(_taken(collection, rows, progress))
    return Sampled({name: len(pools[name][1]) for name in sorted(pools)}, dict(sorted(there.items())))


def _drawn(
    collection: Collection, per_type: int, seed: int, where: str | None, progress: Progress
) -> tuple[dict[str, Pool], dict[str, int]]:
    pools: dict[str, Pool] = {}
    there: dict[str, int] = {}
    rows, done = np.flatnonzero(rows_where(collection, where)), 0
    key = seed.to_bytes(8, "little")
    for batch in collection.read(["id", "rna_type"], where, 65_536):
        ids = batch.column("id").to_pylist()
        digests = b"".join(hashlib.blake2b(one.encode(), digest_size=8, key=key).digest() for one in ids)
        draws = np.frombuffer(digests, dtype="<u8").astype(np.uint64)
        types = batch.column("rna_type").fill_null("").dictionary_encode()
        codes = types.indices.to_numpy()
        for code, name in enumerate(types.dictionary.to_pylist()):
            mine = np.flatnonzero(codes == code)
            there[name] = there.get(name, 0) + len(mine)
            old = pools.get(name, (np.empty(0, np.uint64), np.empty(0, np.int64)))
            draw, row = np.append(old[0], draws[mine]), np.append(old[1], rows[done + mine])
            lowest = np.argsort(draw, kind="stable")[:per_type]
            pools[name] = (draw[lowest], row[lowest])
        done += batch.num_rows
        progress(done, len(rows))
    return pools, there


def _taken(collection: Collection, rows: npt.NDArray[np.int64], progress: Progress) -> Iterator[pa.RecordBatch]:
    dataset, schema = collection.lance(), collection.schema
    for start in range(0, len(rows), TAKEN_AT_ONCE):
        table = dataset.take(rows[start : start + TAKEN_AT_ONCE].tolist(), columns=schema.names)
        yield from table.cast(schema.remove_metadata()).combine_chunks().to_batches()
        progress(min(start + TAKEN_AT_ONCE, len(rows)), len(rows), "copied")
