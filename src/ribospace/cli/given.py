"""What commands are given: one of the words that they know, a file of molecules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ribospace.errors import UserError, nearest

if TYPE_CHECKING:
    import pyarrow as pa


def one_of(what: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value that is none of the known ones."""
    known = list(known)
    if value not in known:
        raise UserError(f"{what} cannot be {value!r}. {nearest(value, known)}")


def read_file(name: str, *, strip_gaps: bool = False, header: str = "id") -> Iterator[pa.RecordBatch]:
    """Records of a file by its ending; see `ribospace.cli.data.import_`."""
    from ribospace.sources.fasta import read_fasta
    from ribospace.sources.tables import read_parquet, read_tsv

    gaps: Any = "strip" if strip_gaps else "refuse"
    lower = name.lower()
    if lower.endswith((".tsv", ".tsv.gz")):
        return read_tsv(name, gaps=gaps)
    if lower.endswith((".parquet", ".pq")):
        return read_parquet(name, gaps=gaps)
    return read_fasta(name, gaps=gaps, header=header)  # type: ignore[arg-type]
