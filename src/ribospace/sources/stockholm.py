"""Alignments in Stockholm's format, with the structure that their molecules share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ribospace.errors import UserError
from ribospace.files import existing_file

GAPS = ".-_~"
OPENING, CLOSING = "(<[{", ")>]}"


@dataclass(frozen=True)
class Alignment:
    """Molecules aligned with each other.

    Attributes
    ----------
    ids
        (n,) names.
    rows
        (n,) aligned sequences, all of one length.
    consensus
        The structure that they share, a sign a column; "" where the file has none.
    structures
        By id the molecule's own structure, a sign a column, where the file has them.
    """

    ids: list[str]
    rows: list[str]
    consensus: str
    structures: dict[str, str]

    def molecule(self, row: int) -> tuple[str, list[tuple[int, int]]]:
        """A molecule without gaps, in U, and its pairs, from 0: the consensus's where it has both nucleotides.

        Examples
        --------
        >>> Alignment(["one"], ["G.AC-"], "(.. .)".replace(" ", ""), {}).molecule(0)
        ('GAC', [])
        >>> Alignment(["one"], ["G.AC"], "<..>", {}).molecule(0)
        ('GAC', [(0, 2)])
        """
        letters = self.rows[row]
        place: dict[int, int] = {}
        for column, letter in enumerate(letters):
            if letter not in GAPS:
                place[column] = len(place)
        pairs = [
            (place[one], place[other]) for one, other in paired_columns(self.consensus) if {one, other} <= place.keys()
        ]
        return "".join(letters[column] for column in place).upper().replace("T", "U"), pairs


def paired_columns(structure: str) -> list[tuple[int, int]]:
    """Pairs of columns of a structure in brackets, of which those that cross (letters) are left out.

    Raises
    ------
    UserError
        If a bracket has no partner.
    """
    waiting: dict[str, list[int]] = {sign: [] for sign in OPENING}
    found = []
    for column, sign in enumerate(structure):
        if sign in OPENING:
            waiting[sign].append(column)
        elif sign in CLOSING:
            same = waiting[OPENING[CLOSING.index(sign)]]
            if not same:
                raise UserError(f"The structure has a {sign!r} without partner in column {column + 1}. Mend the file.")
            found.append((same.pop(), column))
    if left := [columns[-1] for columns in waiting.values() if columns]:
        raise UserError(f"The structure's bracket in column {left[0] + 1} has no partner. Mend the file.")
    return sorted(found)


def read_stockholm(path: Path | str) -> Alignment:
    """Read a Stockholm file, its blocks put together.

    Raises
    ------
    UserError
        If it is no Stockholm file, has no molecule, or rows of different lengths.
    """
    path = existing_file(Path(path))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text: {error.reason}. Name a Stockholm alignment (.sto).") from error
    if not lines or not lines[0].startswith("# STOCKHOLM"):
        raise UserError(f"{path} does not begin with '# STOCKHOLM 1.0'. Name a Stockholm alignment (.sto).")
    rows: dict[str, str] = {}
    structures: dict[str, str] = {}
    consensus = ""
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if line.startswith("//"):
            break
        if words[:2] == ["#=GC", "SS_cons"] and len(words) == 3:
            consensus += words[2]
        elif words[:1] == ["#=GR"] and len(words) == 4 and words[2] == "SS":
            structures[words[1]] = structures.get(words[1], "") + words[3]
        elif words and not line.startswith("#"):
            if len(words) != 2:
                raise UserError(f"{path}, line {number} is no name and its letters. Mend the file.")
            rows[words[0]] = rows.get(words[0], "") + words[1]
    lengths = {len(row) for row in rows.values()} | ({len(consensus)} if consensus else set())
    if len(lengths) != 1:
        raise UserError(f"{path} has no molecules, or rows of different lengths. Mend the file.")
    return Alignment(list(rows), list(rows.values()), consensus, structures)
