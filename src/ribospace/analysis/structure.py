"""Secondary structures of minimum free energy, by ViennaRNA."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Folded:
    """A molecule's structure.

    Attributes
    ----------
    sequence, structure
        In U, and in dots and brackets.
    energy
        Minimum free energy, kcal/mol at 37 °C.
    places
        (n, 2) where the nucleotides are drawn, in units of about a fifteenth of the way between two.
    """

    sequence: str
    structure: str
    energy: float
    places: npt.NDArray[np.float64]

    def pairs(self) -> list[tuple[int, int]]:
        """Places of the paired nucleotides, from 0, the left one first.

        Examples
        --------
        >>> Folded("GAC", "(.)", 0.0, np.zeros((3, 2))).pairs()
        [(0, 2)]
        """
        found, waiting = [], []
        for place, sign in enumerate(self.structure):
            if sign == "(":
                waiting.append(place)
            elif sign == ")":
                found.append((waiting.pop(), place))
        return sorted(found)


def fold(sequence: str) -> Folded | None:
    """Fold a molecule; None without ViennaRNA. Ambiguity codes are N, which pairs with nothing."""
    try:
        import RNA
    except ImportError:
        return None
    known = "".join(letter if letter in "ACGU" else "N" for letter in sequence)
    structure, energy = RNA.fold(known)
    drawn = RNA.get_xy_coordinates(structure)
    places = np.array([(drawn.get(place).X, drawn.get(place).Y) for place in range(len(sequence))]).reshape(-1, 2)
    return Folded(sequence, structure, float(energy), places)
