"""What is read off secondary structures and their ensembles: layout, mountains, entropy, distances.

Folding itself is in `ribospace.analysis.folding`, whose names stand here, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ribospace.analysis.folding import LONGEST, Folded, fold, fold_many, installed, pairs_of, vienna

__all__ = [
    "LONGEST",
    "Folded",
    "distance",
    "expected_heights",
    "fold",
    "fold_many",
    "heights",
    "installed",
    "layout",
    "pair_probabilities",
    "paired",
    "pairs_of",
    "positional_entropy",
    "tree_distance",
]
Floats = npt.NDArray[np.float64]
Probable = Sequence[tuple[int, int, float]]


def pair_probabilities(sequence: str) -> Floats:
    """(n, n) symmetric probability that two nucleotides pair, in the ensemble (McCaskill 1990); 0 below 1e-6.

    Examples
    --------
    >>> found = pair_probabilities("GGGGAAAACCCC")
    >>> bool(found[0, 11] > 0.5), found.shape
    (True, (12, 12))
    """
    whole = np.zeros((len(sequence), len(sequence)))
    for left, right, probability in fold(sequence, pairs=True).probable:
        whole[left, right] = whole[right, left] = probability
    return whole


def _columns(probable: Probable) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    left, right, probability = np.array(probable, dtype=np.float64).reshape(-1, 3).T
    return left.astype(np.int64), right.astype(np.int64), probability


def paired(probable: Probable, length: int) -> Floats:
    """(length,) probability that a nucleotide is paired, from (left, right, probability) of the ensemble's pairs.

    Examples
    --------
    >>> paired([(0, 4, 0.5), (1, 4, 0.25)], 5).tolist()
    [0.5, 0.25, 0.0, 0.0, 0.75]
    """
    left, right, probability = _columns(probable)
    return np.asarray(np.bincount(np.r_[left, right], np.r_[probability, probability], length), dtype=np.float64)


def expected_heights(probable: Probable, length: int) -> Floats:
    """(length,) expected number of pairs around each place: the ensemble's mountain (Huynen et al. 1996).

    The height at k is the sum of the probabilities of all pairs i < k < j; of one structure it is the plain mountain.

    Examples
    --------
    >>> expected_heights([(0, 4, 0.5), (1, 3, 1.0)], 5).tolist()
    [0.0, 0.5, 1.5, 0.5, 0.0]
    """
    left, right, probability = _columns(probable)
    opened = np.cumsum(np.bincount(left, probability, length)[:length])
    closed = np.cumsum(np.bincount(right, probability, length)[:length])
    found: Floats = np.r_[0.0, opened[:-1]] - closed
    return np.maximum(found, 0.0)


def heights(structure: str) -> Floats:
    """(n,) number of pairs around each place of a structure: its mountain (Hogeweg and Hesper 1984).

    Examples
    --------
    >>> heights("((..))").tolist()
    [0.0, 1.0, 2.0, 2.0, 1.0, 0.0]
    """
    return expected_heights([(left, right, 1.0) for left, right in pairs_of(structure)], len(structure))


def positional_entropy(probable: Probable, length: int) -> Floats:
    """(length,) Shannon entropy of whom a nucleotide pairs with, nobody being one answer, bits (Huynen et al. 1997).

    Examples
    --------
    >>> positional_entropy([(0, 4, 0.5), (1, 3, 1.0)], 5).tolist()
    [1.0, 0.0, 0.0, 0.0, 1.0]
    """
    left, right, probability = _columns(probable)
    alone = np.clip(1 - paired(probable, length), 0, 1)
    terms = -probability * np.log2(np.maximum(probability, 1e-300))
    own = -alone * np.log2(np.maximum(alone, 1e-300))
    found: Floats = np.bincount(np.r_[left, right], np.r_[terms, terms], length) + own
    return np.maximum(found, 0.0)


def layout(structure: str) -> Floats:
    """(n, 2) where nucleotides are drawn; neighbours are some fifteen units apart."""
    if len(structure) < 2:  # of one ViennaRNA says NaN, of none it never ends
        return np.zeros((len(structure), 2))
    drawn = vienna().get_xy_coordinates(structure)
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
    rna = vienna()
    trees = [rna.make_tree(rna.expand_Full(structure)) for structure in (one, other)]
    try:
        return float(rna.tree_edit_distance(*trees))
    finally:
        for tree in trees:
            rna.free_tree(tree)
