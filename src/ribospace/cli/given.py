"""What commands are given: one of the words that they know, a file of molecules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribospace.collection.place import is_remote
from ribospace.errors import UserError, nearest
from ribospace.files import existing_file, exists, is_file, is_folder, is_named_molecules

if TYPE_CHECKING:
    import pyarrow as pa

StripGaps = Annotated[bool, typer.Option("--strip-gaps", help="Take - and . out of the sequences.")]

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
    from ribospace.sources.tables import read_csv, read_parquet, read_tsv

    gaps: Any = "strip" if strip_gaps else "refuse"
    plain = re.sub(r"\.(gz|bz2|zst)$", "", name.lower())
    if plain.endswith(".tsv"):
        return read_tsv(name, gaps=gaps)
    if plain.endswith(".csv"):
        return read_csv(name, gaps=gaps)
    if plain.endswith((".xlsx", ".xls", ".ods")):
        raise UserError(f"{name} is a spreadsheet: save it as .tsv or .csv with the columns id and sequence.")
    if plain.endswith((".parquet", ".pq")):
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
    """Whether a name means molecules to be read (a file, standard input, some that ship), and no collection.

    Raises
    ------
    UserError
        For a file that is not there.
    """
    if is_named_molecules(name) and not is_remote(name) and not exists(name):
        existing_file(name)
    return name == "-" or is_file(name) or (is_built_in(name) and not exists(name))


def sequences_of(what: str, *, strip_gaps: bool = False) -> tuple[list[str], list[str], list[str]]:
    """Ids, sequences, and how to call each in an error: of a file, or of the one sequence that was given."""
    from ribospace.records import clean, place_of

    if what != "-" and not is_file(what):
        if _is_path(what):
            existing_file(what)
        gaps: Any = "strip" if strip_gaps else "refuse"
        return ["the sequence"], clean([what], gaps=gaps, names=["the sequence"]).to_pylist(), ["the sequence"]
    batches = list(read_file(what, strip_gaps=strip_gaps))
    ids, sequences = ([one for batch in batches for one in batch[name].to_pylist()] for name in ("id", "sequence"))
    return ids, sequences, [place_of(batch, row) for batch in batches for row in range(len(batch))]


def _is_path(text: str) -> bool:
    """Whether a text is more like a path than a sequence, in which a dot is a gap.

    Examples
    --------
    >>> [_is_path(one) for one in ("none.fasta", "data/rnas", "AC..GU", "proteins!")]
    [True, True, False, False]
    """
    from ribospace.alphabet import LETTERS

    is_sequence = set(text.upper()) <= {*LETTERS, *"T-. \n"}
    return is_folder(text) or is_named_molecules(text) or (not is_sequence and any(one in text for one in "./\\"))


def require_apart(what: str | Path, *outs: Path | str) -> None:
    """Refuse to write over the file that is read."""
    for out in outs:
        if is_file(str(what)) and exists(out) and Path(out).samefile(what):
            raise UserError(f"{out} would be written over {what}, which is read. Choose another --out.")


def is_built_in(name: str) -> bool:
    """Whether a name means molecules that ship with the package."""
    return name in BUILT_IN and not Path(name).is_file()  # a folder may be a collection of that name
