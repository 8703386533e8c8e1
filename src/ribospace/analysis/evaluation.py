"""How much of what is known of molecules their embeddings hold."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from ribospace.errors import UserError


@dataclass(frozen=True)
class LabelAccuracy:
    """How many molecules' labels are told from the vectors of others.

    Attributes
    ----------
    accuracy
        Share of molecules whose label is told rightly, over all molecules.
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
) -> LabelAccuracy:
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
    LabelAccuracy

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
    return _accuracy(right, label, len(names))


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


def linear_probe(
    vectors: npt.NDArray[np.float32],
    labels: Sequence[str],
    groups: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> LabelAccuracy:
    """Accuracy of a logistic regression on standardised vectors, cross-validated; near copies stay in one fold.

    Parameters
    ----------
    vectors
        (n, width) float32.
    labels
        (n,) such as rna_type.
    groups
        (n,) such as the cluster: molecules of one group are all learned from or all judged; each its own by default.
    folds
        Of the cross-validation.
    seed
        Of the folds.

    Returns
    -------
    LabelAccuracy
        Over all molecules, each named by the regression that has not seen it.

    Raises
    ------
    UserError
        For fewer molecules than folds, or one label only.

    Examples
    --------
    >>> vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    >>> linear_probe(vectors, np.where(vectors[:, 0] > 0, "a", "b")).accuracy > 0.8
    True
    """
    names, label = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    told = probe(vectors, labels, groups, folds, seed)
    return _accuracy(told == names[label], label, len(names))


def probe(
    vectors: npt.NDArray[np.float32],
    labels: Sequence[str],
    groups: Sequence[str] | npt.NDArray[np.int64] | None = None,
    folds: int = 5,
    seed: int = 0,
    kind: Literal["linear", "kernel"] = "linear",
) -> npt.NDArray[np.str_]:
    """(n,) the label of each molecule as a probe names it that has not seen it; "" where none could be learned.

    See `linear_probe`, and `told_by_probe` for the kinds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    known = np.asarray(labels, dtype=str)
    if len(vectors) < folds or len(set(known.tolist())) < 2:
        raise UserError(f"A probe of {folds} folds needs as many molecules and two labels; here are {len(vectors)}.")
    group = np.arange(len(known)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    told = np.full(len(known), "", dtype=known.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labels rarer than the folds
        cut = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(vectors, known, group)
        for learned, judged in cut:
            if len(np.unique(known[learned])) > 1:
                told[judged] = told_by_probe(vectors[learned], known[learned], vectors[judged], kind)
    return told


def told_by_probe(
    learned: npt.NDArray[np.float32],
    labels: Sequence[str] | npt.NDArray[np.str_],
    judged: npt.NDArray[np.float32],
    kind: Literal["linear", "kernel"] = "linear",
) -> npt.NDArray[np.str_]:
    """(m,) the labels that a probe on standardised vectors gives to others than it learned from.

    Parameters
    ----------
    learned, labels
        (n, width) float32 and (n,), two different labels at least.
    judged
        (m, width) float32.
    kind
        "linear", a logistic regression (C 0.1), or "kernel", a support-vector machine with a Gaussian kernel (C 5),
        which finds classes that are no half-spaces too.

    Examples
    --------
    >>> learned = np.array([[0], [1], [4], [5]], dtype=np.float32)
    >>> told_by_probe(learned, ["low", "low", "high", "high"], np.array([[-9], [9]], dtype=np.float32)).tolist()
    ['low', 'high']
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    probes = {"linear": LogisticRegression(C=0.1, max_iter=300), "kernel": SVC(C=5)}
    told = make_pipeline(StandardScaler(), probes[kind]).fit(learned, np.asarray(labels, dtype=str))
    return told.predict(judged)  # type: ignore[no-any-return]


def silhouette(vectors: npt.NDArray[np.float32], labels: Sequence[str]) -> float:
    """Mean silhouette of the labels as clusters, by cosine distance, -1 to 1 (Rousseeuw 1987).

    Parameters
    ----------
    vectors
        (n, width) float32.
    labels
        (n,) two different ones at least.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
    >>> round(silhouette(vectors, ["a", "a", "b", "b"]), 2)
    0.99
    """
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(vectors, np.asarray(labels, dtype=str), metric="cosine"))


def _accuracy(right: npt.NDArray[np.bool_], label: npt.NDArray[np.intp], labels: int) -> LabelAccuracy:
    share = np.bincount(label) / len(label)
    by_label = np.bincount(label, weights=right) / np.bincount(label)
    return LabelAccuracy(float(right.mean()), float(by_label.mean()), float(share.max()), len(label), labels)
