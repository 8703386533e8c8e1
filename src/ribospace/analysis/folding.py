"""Folding by ViennaRNA, at 37 °C with its default parameters, by one process or several.

The rule for letters: T becomes U; A, C, G and U are what they are; every other letter (N, X and the IUPAC codes) is N,
which pairs with nothing, so that no pair is made up from what is not known.

Nothing but ViennaRNA is loaded here: a process that folds begins in a tenth of a second.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from ribospace.errors import UserError
from ribospace.progress import Progress, silent

#: Longest molecule that is folded, nt: time goes with more than the square of the length.
LONGEST = 5000
#: Least probability of a pair that is kept of an ensemble.
LEAST = 1e-6
_LETTERS = frozenset("ACGUNXRYSWKMBDHV")
_WORK = 250_000  # nt² of the molecules that a process takes at a time: some tenths of a second


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
    probable
        Pairs of the ensemble, (left, right, probability) with places from 0; empty if they were not asked for.
    """

    sequence: str
    structure: str
    energy: float
    ensemble: float = math.nan
    centroid: str = ""
    diversity: float = math.nan
    probable: Sequence[tuple[int, int, float]] = ()

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


def vienna() -> Any:
    """ViennaRNA's module."""
    try:
        import RNA
    except ImportError as error:
        raise UserError(
            "Folding needs ViennaRNA, which is not installed: pip install 'ribospace[structure]'."
        ) from error
    return RNA


def require_foldable(sequence: str, name: str = "A molecule") -> None:
    """Refuse a molecule that is too long to be folded, by what it is called."""
    if len(sequence) > LONGEST:
        raise UserError(
            f"{name} of {len(sequence):,} nt is too long to be folded: {LONGEST:,} nt at most. Cut it or leave it out; "
            "a collection is folded without those that are too long."
        )


def _known(sequence: str) -> tuple[str, str]:
    """The sequence in U, and what ViennaRNA is given."""
    if not sequence:
        raise UserError("A molecule without a sequence cannot be folded. Give it one, or leave it out.")
    require_foldable(sequence)
    sequence = sequence.upper().replace("T", "U")
    if odd := set(sequence) - _LETTERS:
        raise UserError(f"{min(odd)!r} is not a letter of RNA. Use A C G U (or T) and IUPAC codes.")
    return sequence, "".join(letter if letter in "ACGU" else "N" for letter in sequence)


def fold(sequence: str, ensemble: bool = False, pairs: bool = False) -> Folded:
    """Fold a molecule.

    Parameters
    ----------
    sequence
        In U or T.
    ensemble
        Ask for the ensemble, too: its energy, centroid and diversity; some three times the time.
    pairs
        Ask for the ensemble and the probabilities of its pairs (McCaskill 1990), those of 1e-6 and more.

    Raises
    ------
    UserError
        For an empty sequence, letters that are not RNA's, more than 5,000 nt, or without ViennaRNA.

    Examples
    --------
    >>> found = fold("GGGGAAAACCCC")
    >>> found.structure, round(found.energy, 1)
    ('((((....))))', -5.4)
    """
    sequence, known = _known(sequence)
    compound = vienna().fold_compound(known)
    structure, energy = compound.mfe()
    if not (ensemble or pairs):
        return Folded(sequence, structure, float(energy))
    compound.exp_params_rescale(energy)
    whole = float(compound.pf()[1])
    probable = [(one.i - 1, one.j - 1, one.p) for one in compound.plist_from_probs(LEAST)] if pairs else ()
    centroid, diversity = compound.centroid()[0], float(compound.mean_bp_distance())
    return Folded(sequence, structure, float(energy), whole, centroid, diversity, probable)


def fold_many(
    sequences: Sequence[str],
    ensemble: bool = False,
    processes: int = 0,
    progress: Progress = silent,
    pairs: bool = False,
) -> Iterator[Folded]:
    """Fold molecules, in several processes that take the longest first; what comes back is in their order.

    Parameters
    ----------
    sequences
        (n,) in U or T.
    ensemble, pairs
        See `fold`.
    processes
        How many; 0: one for each core, where there is enough to do.
    progress
        Told how many molecules are done.

    Yields
    ------
    Folded
    """
    for one in sequences:
        _known(one)
    vienna()
    many = processes or os.cpu_count() or 1
    pieces = list(_pieces(sequences))
    if many == 1 or len(pieces) < 2:
        for done, sequence in enumerate(sequences, 1):
            yield fold(sequence, ensemble, pairs)
            progress(done, len(sequences))
        return
    found: dict[int, Folded] = {}
    done = given = 0
    with ProcessPoolExecutor(min(many, len(pieces)), multiprocessing.get_context("spawn")) as pool:
        work = {pool.submit(_fold_all, [sequences[row] for row in piece], ensemble, pairs): piece for piece in pieces}
        try:
            for future in as_completed(work):
                piece = work.pop(future)
                found.update(zip(piece, future.result(), strict=True))
                done += len(piece)
                progress(done, len(sequences))
                while given in found:
                    yield found.pop(given)
                    given += 1
        finally:  # who stops reading waits for what has begun, not for all
            pool.shutdown(cancel_futures=True)


def _pieces(sequences: Sequence[str]) -> Iterator[list[int]]:
    """Rows in pieces of about equal work, the longest molecules first."""
    piece: list[int] = []
    work = 0
    for row in sorted(range(len(sequences)), key=lambda row: -len(sequences[row])):
        piece.append(row)
        work += len(sequences[row]) ** 2
        if work >= _WORK:
            yield piece
            piece, work = [], 0
    if piece:
        yield piece


def _fold_all(sequences: list[str], ensemble: bool, pairs: bool) -> list[Folded]:
    return [fold(one, ensemble, pairs) for one in sequences]
