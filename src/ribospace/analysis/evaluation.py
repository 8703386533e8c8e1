"""How much of what is known of molecules their embeddings hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from ribospace.errors import UserError


@dataclass(frozen=True)
class NeighbourAccuracy:
    """Leave-one-out accuracy of the label by its nearest neighbours.

    Attributes
    ----------
    accuracy
        Share of molecules whose label their neighbours give, over all molecules.
    mean_over_labels
        The same for each label, averaged over labels, so that the large ones do not hide the small.
    chance
        The largest label's share: what always naming it would reach.
    molecules, labels
        How many.
    """

    accuracy: float
    mean_over_labels: float
    chance: float
    molecules: int
    labels: int


def neighbour_accuracy(
    vectors: npt.NDArray[np.float32],
    labels: Sequence[str],
    k: int = 3,
    excluded: npt.NDArray[np.bool_] | None = None,
) -> NeighbourAccuracy:
    """Name each molecule's label by its k nearest others (cosine); a tie goes to the nearest among the tied.

    Parameters
    ----------
    vectors
        (n, width) float32.
    labels
        (n,) such as rna_type.
    k
        Neighbours that vote.
    excluded
        (n, n) bool, pairs that may not vote for each other (such as near copies); none by default. A molecule whose
        every other is excluded counts as wrong.

    Returns
    -------
    NeighbourAccuracy

    Raises
    ------
    UserError
        For fewer than k + 1 molecules.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
    >>> neighbour_accuracy(vectors, ["a", "a", "b", "b"], k=1).accuracy
    1.0
    """
    if len(vectors) <= k:
        raise UserError(f"{len(vectors)} molecules are too few for {k} neighbours each.")
    names, label = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    unit = vectors / norms
    right = np.zeros(len(vectors), dtype=bool)
    for start in range(0, len(vectors), 1024):
        rows = np.arange(start, min(start + 1024, len(vectors)))
        similarity = unit[rows] @ unit.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        if excluded is not None:
            similarity[excluded[rows]] = -np.inf
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        there = np.isfinite(np.take_along_axis(similarity, nearest, axis=1))
        right[rows] = _vote(label[nearest], there, len(names)) == label[rows]
    share = np.bincount(label) / len(label)
    by_label = np.bincount(label, weights=right) / np.bincount(label)
    return NeighbourAccuracy(float(right.mean()), float(by_label.mean()), float(share.max()), len(label), len(names))


def _vote(votes: npt.NDArray[np.intp], there: npt.NDArray[np.bool_], labels: int) -> npt.NDArray[np.intp]:
    """(n, k) labels of neighbours, the nearest first → (n,) the label most of them have, -1 where none may vote."""
    k = votes.shape[1]
    score = np.zeros((len(votes), labels))
    for place in range(k):
        score[np.arange(len(votes)), votes[:, place]] += there[:, place] * (1 + 1e-3 * 0.5**place)
    return np.where(there.any(axis=1), score.argmax(axis=1), -1)


def near_copies(sequences: Sequence[str], identity: float = 0.8) -> npt.NDArray[np.bool_]:
    """Which pairs of sequences are near copies: 1 − edit distance / longer length ≥ identity.

    Parameters
    ----------
    sequences
        (n,) up to a few thousand: every pair is compared.
    identity
        Threshold, 0 to 1.

    Returns
    -------
    ndarray
        (n, n) bool, symmetric; True on the diagonal.
    """
    similarity = Levenshtein.normalized_similarity
    similar = cdist(sequences, sequences, scorer=similarity, score_cutoff=identity - 0.01, workers=-1)
    return np.asarray(similar >= identity)
