"""RNAcentral's bulk files: a FASTA of tens of millions of records, joined with what its databases say of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ribospace.errors import UserError
from ribospace.progress import Progress, silent
from ribospace.records import SCHEMA
from ribospace.sources.descriptions import read_descriptions
from ribospace.sources.fasta import read_fasta

if TYPE_CHECKING:
    from ribospace.sources.mapping import Mapping

BASE_URL = "https://ftp.ebi.ac.uk/pub/databases/RNAcentral/"
CHUNK_ROWS = 131_072
CHUNK_BYTES = 64 << 20

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
    fasta: Path,
    mapping: Mapping | None = None,
    *,
    source: str,
    rna_types: Collection[str] = (),
    taxids: Collection[int] = (),
    tally: Tally | None = None,
    progress: Progress = silent,
) -> Iterator[pa.RecordBatch]:
    """Read a bulk FASTA in bounded memory, one thread reading ahead.

    Parameters
    ----------
    fasta
        Its ids are URS…, or URS…_taxid, which are joined with the rows of that organism.
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
        If the file cannot be read (see `read_fasta`), or no record is kept.
    """
    tally = tally or Tally()
    for chunk in read_ahead(_chunks(read_fasta(fasta))):
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
        raise _nothing(tally, fasta, mapping)


def _nothing(tally: Tally, fasta: Path, mapping: Mapping | None) -> UserError:
    hint = "" if mapping else " Without an id mapping only descriptions and ids say what a molecule is."
    return UserError(f"None of the {tally.read:,} records of {fasta} is of what was asked for.{hint}")


def read_ahead(items: Iterable[T]) -> Iterator[T]:
    """Let a thread make the next item while one is worked on.

    Examples
    --------
    >>> list(read_ahead(range(3)))
    [0, 1, 2]
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc]


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
