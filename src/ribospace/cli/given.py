"""What commands are given: one of the words that they know, a file of molecules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ribospace.errors import UserError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

#: Molecules that ship with the package.
BUILT_IN = ("sample", "ribosome", "ribosome-regions")


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


def read_input(name: str, strip_gaps: bool = False, header: str = "id") -> Iterator[pa.RecordBatch]:
    """Records of a file, or of molecules that ship with the package by their name."""
    if not is_built_in(name):
        return read_file(name, strip_gaps=strip_gaps, header=header)
    from ribospace.sources.ribosome import read_regions, read_ribosome
    from ribospace.sources.sample import read_sample

    readers = {"sample": read_sample, "ribosome": read_ribosome, "ribosome-regions": read_regions}
    return readers[name]()


def is_input(name: str) -> bool:
    """Whether a name means molecules to be read (a file, standard input, some that ship), and no collection."""
    return name == "-" or Path(name).is_file() or (is_built_in(name) and not Path(name).exists())


def is_built_in(name: str) -> bool:
    """Whether a name means molecules that ship with the package."""
    return name in BUILT_IN and not Path(name).is_file()  # a folder may be a collection of that name
