"""Multiple alignments of a few sequences, and the columns that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ribospace.errors import UserError

#: Longest sequence that is aligned, nt: time and memory go with its square.
LONGEST = 5000
_OPEN, _EXTEND = -10, -1
_KNOWN = frozenset("ACGURYSWKMBDHVN")


@dataclass(frozen=True)
class Alignment:
    """Sequences beneath each other.

    Attributes
    ----------
    rows
        (n,) of equal length, in U, with - for a gap.
    conserved
        (columns,) whether a column holds one and the same base in every row.
    """

    rows: tuple[str, ...]
    conserved: tuple[bool, ...]

    @property
    def identity(self) -> float:
        """Share of columns that are conserved."""
        return sum(self.conserved) / max(1, len(self.conserved))


def align(sequences: Sequence[str]) -> Alignment:
    """Align two or more sequences progressively, by biotite: NUC.4.4, affine gaps (10, 1), free at the ends.

    Raises
    ------
    UserError
        For a sequence of more than 5,000 nt.

    Examples
    --------
    >>> found = align(["GGGACGUACC", "GGGCGUACC", "GGGACGUAC"])
    >>> found.rows
    ('GGGACGUACC', '-GGGCGUACC', 'GGGACGUAC-')
    >>> "".join("*" if one else " " for one in found.conserved)
    ' ** ***** '
    """
    from biotite.sequence import NucleotideSequence
    from biotite.sequence.align import SubstitutionMatrix, align_multiple

    longest = max(len(one) for one in sequences)
    if longest > LONGEST:
        raise UserError(f"A sequence of {longest:,} nt is too long to align: {LONGEST:,} at most.")
    letters = ["".join(letter if letter in _KNOWN else "N" for letter in one).replace("U", "T") for one in sequences]
    made = [NucleotideSequence(one, ambiguous=True) for one in letters]
    alphabet = made[0].get_alphabet()
    matrix = SubstitutionMatrix(alphabet, alphabet, "NUC")
    places = align_multiple(made, matrix, gap_penalty=(_OPEN, _EXTEND), terminal_penalty=False)[0].trace
    rows = tuple(
        "".join("-" if place < 0 else sequences[row][place] for place in places[:, row]) for row in range(len(made))
    )
    columns = zip(*rows, strict=True)
    return Alignment(rows, tuple(len(set(column)) == 1 and column[0] in "ACGU" for column in columns))
