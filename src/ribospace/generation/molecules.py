"""Who is judged and beside whom: generated molecules of a file, natural ones of a collection."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ribospace.collection import Collection
from ribospace.errors import UserError, nearest
from ribospace.records import RNA_TYPES, clean
from ribospace.sources.fasta import read_raw

TRAINING, HELD_OUT = "train", "test"


@dataclass(frozen=True)
class Molecules:
    """Molecules in upper case and U.

    Attributes
    ----------
    sequences
        (n,); those of a generator may be empty.
    types
        (n,) rna_type, for generated ones that which was asked; "" where it is not known.
    """

    sequences: Sequence[str]
    types: Sequence[str]

    def __len__(self) -> int:
        return len(self.sequences)

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Molecules:
        """Those with these numbers.

        Examples
        --------
        >>> Molecules(["GAC", "AU"], ["tRNA", ""]).take([1]).sequences
        ['AU']
        """
        return Molecules([self.sequences[row] for row in rows], [self.types[row] for row in rows])


@dataclass(frozen=True)
class Natural:
    """Natural molecules in two parts.

    Attributes
    ----------
    training, held_out
        Which a generator may know, and which not.
    note
        What is to be known of how they were parted; "" where a split says it.
    """

    training: Molecules
    held_out: Molecules
    note: str


def read_generated(path: Path, rna_type: str = "") -> Molecules:
    """Read molecules, and which type was asked of each.

    A type stands in the column rna_type of a .tsv of the same stem, or in the header, as `>id rna_type=tRNA` or,
    for types of the INSDC vocabulary, `>id tRNA`; else it is `rna_type`.

    Raises
    ------
    UserError
        For a file that is no FASTA or is empty, or letters that are not RNA's.
    """
    records = list(read_raw(path))
    headers = [[*header.split(None, 1), "", ""][:2] for header, _ in records]
    letters = [sequence for _, sequence in records]
    there = [row for row, sequence in enumerate(letters) if sequence.strip()]
    names = [f"{path}, record {row + 1} ({headers[row][0]!r})" for row in there]
    sequences = [""] * len(records)
    for row, sequence in zip(there, clean([letters[row] for row in there], names=names).to_pylist(), strict=True):
        sequences[row] = sequence
    said = _table_beside(path)
    return Molecules(sequences, [said.get(one) or _type_in(rest) or rna_type for one, rest in headers])


def _type_in(description: str) -> str:
    words = description.split()
    for word in words:
        if word.startswith("rna_type="):
            return word.removeprefix("rna_type=")
    return words[0] if words and words[0] in RNA_TYPES else ""


def _table_beside(path: Path) -> dict[str, str]:
    """Types by id of the .tsv beside a FASTA file; none without one, or where it has no such columns."""
    table = path.with_suffix(".tsv")
    if not table.is_file():
        return {}
    try:
        with open(table, encoding="utf-8", newline="") as file:
            rows = csv.DictReader((line for line in file if line[:1] != "#"), delimiter="\t")
            if not {"id", "rna_type"} <= set(rows.fieldnames or []):
                return {}
            return {row["id"]: row["rna_type"] or "" for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table}, which lies beside {path.name}, is no readable table: {error}.") from error


def read_natural(store: Collection, split: str = "", where: str = "", seed: int = 0) -> Natural:
    """Read the natural molecules of a collection that are all A C G U, in two parts.

    Parameters
    ----------
    store
        Its molecules; without types where it knows none.
    split
        The column whose values are train and test (and validation, which is left out); by default `split`, where there
        is one. Without one the molecules are halved at random.
    where
        An SQL condition.
    seed
        Of the halving.

    Raises
    ------
    UserError
        For a column that is not there, or one that does not say train and test.
    """
    if split and split not in store.schema.names:
        raise UserError(f"{store.uri} has no column {split!r}. {nearest(split, store.plain_columns)}")
    column = split or ("split" if "split" in store.schema.names else "")
    columns = dict.fromkeys(["sequence", "rna_type", *([column] if column else [])])
    table = store.table(list(columns), where or None)
    everyone = Molecules(table["sequence"].to_pylist(), [one or "" for one in table["rna_type"].to_pylist()])
    if column:
        parts = np.array([str(one) for one in table[column].to_pylist()])
        note = ""
        if len(parts) and not {TRAINING, HELD_OUT} <= set(parts.tolist()):
            found = ", ".join(sorted(set(parts.tolist()))[:5])
            raise UserError(
                f"The column {column!r} of {store.uri} says {found}, not {TRAINING} and {HELD_OUT}{_holding(where)}. "
                "Make such a column: ribospace split"
            )
    else:
        parts = np.where(np.random.default_rng(seed).permutation(len(everyone)) % 2 == 0, TRAINING, HELD_OUT)
        note = (
            f"{store.uri} has no split: its molecules were halved at random, so near copies are on both sides and the "
            "held-out figures are better than can be expected"
        )
    training, held_out = (everyone.take(np.flatnonzero(parts == part)) for part in (TRAINING, HELD_OUT))
    return Natural(training, held_out, note)


def _holding(where: str) -> str:
    return f" where {where}" if where else ""
