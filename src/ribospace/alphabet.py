"""The letters of RNA, their token ids, and tokenising without a Python loop.

The ids are those of the talk: START 1, END 2, PAD 3, MASK 4, then the letters from 6 on.
They are stated here and nowhere else.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.errors import UserError

START, END, PAD, MASK = 1, 2, 3, 4
FIRST_LETTER = 6
LETTERS = "UGCAXNYRSMKWVDBH"
VOCABULARY_SIZE = FIRST_LETTER + len(LETTERS)

#: The bases that a letter stands for (IUPAC; X, as N, may be any).
BASES_OF = {
    "A": "A", "C": "C", "G": "G", "U": "U", "X": "ACGU", "N": "ACGU", "Y": "CU", "R": "AG", "S": "CG", "M": "AC",
    "K": "GU", "W": "AU", "V": "ACG", "D": "AGU", "B": "CGU", "H": "ACU",
}  # fmt: skip

Sequences: TypeAlias = "Sequence[str] | pa.StringArray | pa.ChunkedArray"
IdArray: TypeAlias = "npt.NDArray[np.uint8]"

_NOT_A_LETTER = 0
_ID_OF_BYTE = np.full(256, _NOT_A_LETTER, dtype=np.uint8)
_BYTE_OF_ID = np.zeros(256, dtype=np.uint8)
for _position, _letter in enumerate(LETTERS):
    _ID_OF_BYTE[[ord(_letter), ord(_letter.lower())]] = FIRST_LETTER + _position
    _BYTE_OF_ID[FIRST_LETTER + _position] = ord(_letter)
_ID_OF_BYTE[[ord("T"), ord("t")]] = _ID_OF_BYTE[ord("U")]


@dataclass(frozen=True)
class Tokens:
    """Ragged token ids: molecule i is `ids[offsets[i]:offsets[i + 1]]`, nucleotides only.

    Attributes
    ----------
    ids
        (total nucleotides,) uint8.
    offsets
        (molecules + 1,) int64, rising from 0.
    """

    ids: IdArray
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(molecules,) int64, nucleotides of each molecule."""
        return np.diff(self.offsets)

    def take(self, rows: npt.NDArray[np.int64]) -> Tokens:
        """The molecules with these numbers, in this order.

        Examples
        --------
        >>> detokenize(tokenize(["AC", "G", "UU"]).take(np.array([2, 0])))
        ['UU', 'AC']
        """
        lengths = self.lengths[rows]
        offsets = offsets_of(lengths)
        index = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Tokens(self.ids[index], offsets)

    def padded(self, rows: npt.NDArray[np.int64] | None = None, *, ends: bool = True) -> IdArray:
        """Lay molecules out as a rectangle filled up with PAD.

        Parameters
        ----------
        rows
            (batch,) int64, which molecules, in which order; all by default.
        ends
            Put START before and END behind each molecule.

        Returns
        -------
        ndarray
            (batch, longest + 2 * ends) uint8.

        Examples
        --------
        >>> tokenize(["AC", "G"]).padded()
        array([[1, 9, 8, 2],
               [1, 7, 2, 3]], dtype=uint8)
        """
        rows = np.arange(len(self)) if rows is None else np.asarray(rows)
        starts, lengths = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        width = int(lengths.max(initial=0))
        inside = np.arange(width) < lengths[:, None]
        table = np.full((len(rows), width + 2 * ends), PAD, dtype=np.uint8)
        letters = table[:, 1 : width + 1] if ends else table
        letters[inside] = self.ids[(starts[:, None] + np.arange(width))[inside]]
        if ends:
            table[:, 0] = START
            table[np.arange(len(rows)), lengths + 1] = END
        return table


def flat_bytes(sequences: Sequences) -> tuple[IdArray, npt.NDArray[np.int64]]:
    """Give the sequences' bytes end to end, and where each begins, without a copy where Arrow holds them.

    Returns
    -------
    data : ndarray
        (total bytes,) uint8.
    offsets : ndarray
        (molecules + 1,) int64, rising from 0.
    """
    if isinstance(sequences, pa.ChunkedArray):
        sequences = sequences.combine_chunks()
    if isinstance(sequences, pa.StringArray):
        _, offset_buffer, data_buffer = sequences.buffers()
        ends = np.frombuffer(offset_buffer, dtype=np.int32)[sequences.offset : sequences.offset + len(sequences) + 1]
        data = np.frombuffer(data_buffer or b"", dtype=np.uint8)[ends[0] : ends[-1]]
        return data, (ends - ends[0]).astype(np.int64)
    text = "".join(sequences)
    data = np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8)  # a lone surrogate, which is none, as ?
    if len(data) == len(text):
        lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    else:
        lengths = np.array([len(one.encode("utf-8", "replace")) for one in sequences], dtype=np.int64)
    return data, offsets_of(lengths)


def offsets_of(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) lengths to (n + 1,) int64 offsets."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def tokenize(sequences: Sequences) -> Tokens:
    """Turn sequences into token ids, all at once.

    Upper and lower case are alike, T is U; IUPAC codes are kept.

    Parameters
    ----------
    sequences
        Strings, or an Arrow string array (then without a copy of the text).

    Returns
    -------
    Tokens
        The ids; `detokenize` is its exact inverse for upper-case sequences in U.

    Raises
    ------
    UserError
        For a letter that is not RNA's, with the sequence's and the letter's number, both from 1; for a single string,
        whose letters would be taken for molecules.

    Examples
    --------
    >>> detokenize(tokenize(["ACGUN", "", "GG"]))
    ['ACGUN', '', 'GG']
    """
    if isinstance(sequences, str):
        raise UserError("Sequences come as a list, also a single one: tokenize([sequence]).")
    data, offsets = flat_bytes(sequences)
    ids = _ID_OF_BYTE[data]
    if not ids.all():
        at = int(np.flatnonzero(ids == _NOT_A_LETTER)[0])
        row = int(np.searchsorted(offsets, at, side="right")) - 1
        text = data[offsets[row] : offsets[row + 1]].tobytes().decode("utf-8", errors="replace")
        position = len(data[offsets[row] : at].tobytes().decode("utf-8", errors="replace"))
        raise UserError(f"Sequence {row + 1}, position {position + 1}: {text[position]!r} is not an RNA letter.")
    return Tokens(ids, offsets)


def as_tokens(molecules: Tokens | Sequences) -> Tokens:
    """Tokens as they are, sequences tokenised."""
    return molecules if isinstance(molecules, Tokens) else tokenize(molecules)


def detokenize(tokens: Tokens) -> list[str]:
    """Turn token ids back into sequences; the exact inverse of `tokenize`.

    Raises
    ------
    ValueError
        If an id is not that of a letter.
    """
    data = _BYTE_OF_ID[tokens.ids]
    if not data.all():
        raise ValueError("token ids other than letters cannot be written as a sequence")
    text, offsets = data.tobytes().decode("ascii"), tokens.offsets.tolist()
    return [text[start:end] for start, end in itertools.pairwise(offsets)]


def letters_of(ids: npt.NDArray[np.integer]) -> str:
    """Write one molecule's ids as letters, leaving out special tokens and stopping at END.

    Examples
    --------
    >>> letters_of(np.array([START, 9, 8, END, PAD]))
    'AC'
    """
    ends = np.flatnonzero(ids == END)
    ids = ids[: ends[0]] if len(ends) else ids
    return _BYTE_OF_ID[ids[ids >= FIRST_LETTER]].tobytes().decode("ascii")


@cache
def nucleobase_properties() -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """The eight properties of the nucleobases, for every letter.

    Returns
    -------
    names : tuple of str
        Of the eight properties, with their units (enthalpies of the solid in kJ/mol, weight in g/mol).
    table : ndarray
        (16 letters in the order of LETTERS, 8) float64; an ambiguity code has the mean of its bases.
    """
    text = (resources.files("ribospace") / "data" / "nucleobases.tsv").read_text(encoding="utf-8")
    header, *rows = [line.split("\t") for line in text.strip().splitlines()]
    of_base = {row[0]: np.array(row[2:], dtype=np.float64) for row in rows}
    table = np.stack([np.mean([of_base[base] for base in BASES_OF[letter]], axis=0) for letter in LETTERS])
    return tuple(header[2:]), table
