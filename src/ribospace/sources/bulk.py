"""RNAcentral's bulk files: a FASTA of tens of millions of records, joined with what its databases say of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ribospace.errors import UserError
from ribospace.net.waiting import result
from ribospace.progress import Progress, silent
from ribospace.records import SCHEMA
from ribospace.sources.descriptions import read_descriptions
from ribospace.sources.fasta import read_fasta

if TYPE_CHECKING:
    from ribospace.sources.mapping import Mapping

BASE_URL = "https://ftp.ebi.ac.uk/pub/databases/RNAcentral/"
CHUNK_ROWS = 131_072
CHUNK_BYTES = 64 << 20
CHUNKS_AHEAD = 4

T = TypeVar("T")


@dataclass
class Tally:
    """What `read_bulk` has met: records read, those with a row in the mapping, those that the filters keep."""

    read: int = 0
    mapped: int = 0
    kept: int = 0


def release_files(release: str, base_url: str = BASE_URL) -> tuple[str, str]:
    """Addresses of a release's FASTA of active molecules and of its mapping.

    Examples
    --------
    >>> release_files("24.0", "http://mirror/RNAcentral")[0]
    'http://mirror/RNAcentral/releases/24.0/sequences/rnacentral_active.fasta.gz'
    """
    folder = f"{base_url.rstrip('/')}/{'current_release' if release == 'current' else f'releases/{release}'}"
    return f"{folder}/sequences/rnacentral_active.fasta.gz", f"{folder}/id_mapping/id_mapping.tsv.gz"


def read_bulk(
    chunks: Iterable[pa.RecordBatch],
    mapping: Mapping | None = None,
    *,
    source: str,
    rna_types: Collection[str] = (),
    taxids: Collection[int] = (),
    tally: Tally | None = None,
    progress: Progress = silent,
) -> Iterator[pa.RecordBatch]:
    """Join the records of a bulk FASTA with the mapping, in bounded memory.

    Parameters
    ----------
    chunks
        As `read_chunks` gives them; ids are URS…, or URS…_taxid, which are joined with the rows of that organism.
    mapping
        Gives rna_type, taxid (null where a molecule is of several organisms), databases and organisms (how many).
        Without it, and where it knows nothing of a molecule, the description gives the rna_type, the id the taxid.
    source
        Written into every record.
    rna_types, taxids
        Keep only these; a molecule is of a taxid if it is of that organism among others, and then has that taxid.
    tally, progress
        Count what is met, and are told of records read.

    Yields
    ------
    pa.RecordBatch
        In the file's order, with the further columns isotype, anticodon and, with a mapping, databases and organisms.

    Raises
    ------
    UserError
        If no record is kept.
    """
    tally = tally or Tally()
    for chunk in chunks:
        joined = None if mapping is None else mapping.join(chunk.column("id"), sorted(taxids))
        batch, keep = _joined(chunk, joined, source, rna_types, taxids)
        tally.read += batch.num_rows
        tally.mapped += 0 if joined is None else batch.num_rows - joined["organisms"].null_count
        batch = batch.filter(keep) if keep is not None else batch
        tally.kept += batch.num_rows
        progress(tally.read, None)
        if batch.num_rows:
            yield batch
    if not tally.kept:
        raise _nothing(tally, source, mapping)


def _nothing(tally: Tally, source: str, mapping: Mapping | None) -> UserError:
    hint = "" if mapping else " Without an id mapping only descriptions and ids say what a molecule is."
    return UserError(f"None of the {tally.read:,} records of {source} is of what was asked for.{hint}")


class ReadAhead(Iterator[T]):
    """Lets a thread make the next items, from now on, while others are worked on; close it, or use it in a `with`.

    Parameters
    ----------
    items
        Made in that thread, one after the other.
    depth
        Most items that wait.

    Examples
    --------
    >>> with ReadAhead(range(3)) as ahead:
    ...     list(ahead)
    [0, 1, 2]
    """

    def __init__(self, items: Iterable[T], depth: int = 1) -> None:
        self._iterator, self._end = iter(items), object()
        self._pool = ThreadPoolExecutor(1)
        self._coming = deque(self._next() for _ in range(depth))

    def __enter__(self) -> ReadAhead[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __next__(self) -> T:
        item = result(self._coming.popleft()) if self._coming else self._end
        if item is self._end:
            raise StopIteration
        self._coming.append(self._next())
        return item  # type: ignore[return-value]

    def close(self) -> None:
        """Make no more items; waits for the one that is being made."""
        self._coming.clear()
        self._pool.shutdown(cancel_futures=True)

    def _next(self) -> Future[Any]:
        return self._pool.submit(next, self._iterator, self._end)


def read_chunks(fasta: Path) -> ReadAhead[pa.RecordBatch]:
    """Begin to read a FASTA, in chunks that make a join worth its while."""
    return ReadAhead(_chunks(read_fasta(fasta)), CHUNKS_AHEAD)


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Gather batches: a join pays when there are many molecules in it."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch.replace_schema_metadata(None))
        if sum(b.num_rows for b in waiting) >= CHUNK_ROWS or sum(b.nbytes for b in waiting) >= CHUNK_BYTES:
            yield pa.concat_batches(waiting)
            waiting = []
    if waiting:
        yield pa.concat_batches(waiting)


def _joined(
    chunk: pa.RecordBatch,
    joined: pa.Table | None,
    source: str,
    rna_types: Collection[str],
    taxids: Collection[int],
) -> tuple[pa.RecordBatch, pa.BooleanArray | None]:
    """Records as they are stored, and which to keep (None: all)."""
    said = read_descriptions(chunk.column("description"))
    known = {} if joined is None else {name: joined[name].combine_chunks() for name in joined.schema.names}
    types, own = said.column("rna_type"), chunk.column("taxid")
    columns = {name: chunk.column(name) for name in SCHEMA.names} | {
        "rna_type": pc.coalesce(known["rna_type"], types) if known else types,
        "taxid": pc.coalesce(own, known["taxid"]) if known else own,
        "species": said.column("species"),
        "source": pa.repeat(source, chunk.num_rows),
        "isotype": said.column("isotype"),
        "anticodon": said.column("anticodon"),
    }
    columns |= {name: known[name] for name in ("databases", "organisms") if known}
    fields = [
        *SCHEMA,
        *(pa.field(name, array.type) for name, array in columns.items() if name not in SCHEMA.names),
    ]
    keep = []
    if rna_types:
        keep.append(pc.is_in(columns["rna_type"], pa.array(sorted(rna_types))))
    if taxids:
        by_id = pc.is_in(own, pa.array(sorted(taxids), pa.int32()))
        keep.append(pc.coalesce(known["wanted"], by_id) if known else by_id)
    mask = None if not keep else keep[0] if len(keep) == 1 else pc.and_(*keep)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=pa.schema(fields)), mask
