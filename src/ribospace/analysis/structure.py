"""Secondary structures by ViennaRNA, at 37 °C with its default parameters.

The rule for letters: A, C, G and U are what they are; every other letter (N, X and the IUPAC codes) is N, which pairs
with nothing, so that no pair is made up from what is not known.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError
from ribospace.progress import Progress, silent

#: Longest molecule that is folded, nt: time goes with the cube of the length.
LONGEST = 5000
_WORK = 6_000_000  # nt² of the molecules that a process takes at a time


@dataclass(frozen=True)
class Folded:
    """A molecule's structure of minimum free energy.

    Attributes
    ----------
    sequence, structure
        In U, and in dots and brackets.
    energy
        Minimum free energy, kcal/mol.
    ensemble
        Free energy of the ensemble of all structures, kcal/mol; NaN if it was not asked for.
    centroid
        The structure nearest to all of the ensemble, in dots and brackets; "" if it was not asked for.
    diversity
        Mean base-pair distance of two structures of the ensemble; NaN if it was not asked for.
    """

    sequence: str
    structure: str
    energy: float
    ensemble: float = np.nan
    centroid: str = ""
    diversity: float = np.nan

    def pairs(self) -> list[tuple[int, int]]:
        """Places of the paired nucleotides, from 0, the left one first.

        Examples
        --------
        >>> Folded("GAC", "(.)", 0.0).pairs()
        [(0, 2)]
        """
        return pairs_of(self.structure)


def pairs_of(structure: str) -> list[tuple[int, int]]:
    """Places of the pairs of a structure in dots and brackets, from 0, the left one first."""
    found, waiting = [], []
    for place, sign in enumerate(structure):
        if sign == "(":
            waiting.append(place)
        elif sign == ")":
            found.append((waiting.pop(), place))
    return sorted(found)


def installed() -> bool:
    """Whether ViennaRNA is there."""
    try:
        import RNA  # noqa: F401
    except ImportError:
        return False
    return True


def _vienna() -> Any:
    try:
        import RNA
    except ImportError as error:
        raise UserError(
            "Folding needs ViennaRNA, which is not installed: pip install 'ribospace[structure]'."
        ) from error
    return RNA


def _known(sequence: str) -> str:
    if len(sequence) > LONGEST:
        raise UserError(f"A molecule of {len(sequence):,} nt is too long to be folded: {LONGEST:,} nt at most.")
    return "".join(letter if letter in "ACGU" else "N" for letter in sequence)


def fold(sequence: str, ensemble: bool = False) -> Folded:
    """Fold a molecule.

    Parameters
    ----------
    sequence
        In U.
    ensemble
        Ask for the ensemble, too: its energy, centroid and diversity; twice the time.

    Raises
    ------
    UserError
        For more than 5,000 nt, or without ViennaRNA.

    Examples
    --------
    >>> found = fold("GGGGAAAACCCC")
    >>> found.structure, round(found.energy, 1)
    ('((((....))))', -5.4)
    """
    compound = _vienna().fold_compound(_known(sequence))
    structure, energy = compound.mfe()
    if not ensemble:
        return Folded(sequence, structure, float(energy))
    compound.exp_params_rescale(energy)
    whole = float(compound.pf()[1])
    return Folded(sequence, structure, float(energy), whole, compound.centroid()[0], float(compound.mean_bp_distance()))


def pair_probabilities(sequence: str) -> npt.NDArray[np.float64]:
    """(n, n) symmetric probability that two nucleotides pair, in the ensemble (McCaskill 1990).

    Examples
    --------
    >>> found = pair_probabilities("GGGGAAAACCCC")
    >>> bool(found[0, 11] > 0.5), found.shape
    (True, (12, 12))
    """
    compound = _vienna().fold_compound(_known(sequence))
    compound.exp_params_rescale(compound.mfe()[1])
    compound.pf()
    upper = np.array(compound.bpp())[1:, 1:]
    return np.asarray(upper + upper.T, dtype=np.float64)


def layout(structure: str) -> npt.NDArray[np.float64]:
    """(n, 2) where nucleotides are drawn; neighbours are some fifteen units apart."""
    if not structure:
        return np.empty((0, 2))
    drawn = _vienna().get_xy_coordinates(structure)
    return np.array([(drawn.get(place).X, drawn.get(place).Y) for place in range(len(structure))])


def distance(one: str, other: str) -> int:
    """Base pairs that only one of two structures of equal length has.

    Examples
    --------
    >>> distance("((..))", "(....)")
    1
    """
    if len(one) != len(other):
        raise ValueError(f"structures of {len(one)} and {len(other)} nt have no base-pair distance")
    return len(set(pairs_of(one)) ^ set(pairs_of(other)))


def tree_distance(one: str, other: str) -> float:
    """Tree edit distance of two structures of any length (Shapiro and Zhang 1990), by ViennaRNA.

    Examples
    --------
    >>> tree_distance("((..))", "((..))")
    0.0
    """
    rna = _vienna()
    trees = [rna.make_tree(rna.expand_Full(structure)) for structure in (one, other)]
    try:
        return float(rna.tree_edit_distance(*trees))
    finally:
        for tree in trees:
            rna.free_tree(tree)


def fold_many(
    sequences: Sequence[str], ensemble: bool = False, processes: int = 0, progress: Progress = silent
) -> Iterator[Folded]:
    """Fold molecules in their order, in several processes.

    Parameters
    ----------
    sequences
        (n,) in U.
    ensemble
        See `fold`.
    processes
        How many; 0: one for each core, where there is enough to do. Each takes a second to begin.
    progress
        Told how many molecules are done.

    Yields
    ------
    Folded
    """
    for one in sequences:
        _known(one)
    _vienna()
    many = processes or os.cpu_count() or 1
    pieces = list(_pieces(sequences))
    done = 0
    if many == 1 or len(pieces) < 2:
        for sequence in sequences:
            yield fold(sequence, ensemble)
            done += 1
            progress(done, len(sequences))
        return
    with ProcessPoolExecutor(many, multiprocessing.get_context("spawn")) as pool:
        for piece in pool.map(_fold_all, pieces, [ensemble] * len(pieces)):
            yield from piece
            done += len(piece)
            progress(done, len(sequences))


def _pieces(sequences: Sequence[str]) -> Iterator[list[str]]:
    """Runs of molecules of about equal work."""
    piece: list[str] = []
    work = 0
    for one in sequences:
        piece.append(one)
        work += len(one) ** 2
        if work > _WORK:
            yield piece
            piece, work = [], 0
    if piece:
        yield piece


def _fold_all(sequences: list[str], ensemble: bool) -> list[Folded]:
    return [fold(one, ensemble) for one in sequences]
