"""Word arithmetic: A − B + C, what is nearest to it, and how often that is what the analogy wants.

As word vectors are asked (3CosAdd; Mikolov, Yih and Zweig 2013): vectors are brought to length 1, added, and compared
by cosine; what went in cannot come out. That alone says little: the nearest to C is often right without any arithmetic
(Linzen 2016), so C alone and A alone stand beside it, and labels shuffled among the molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ribospace.analysis.equations import Floats, Rows
from ribospace.analysis.limits import identities
from ribospace.errors import UserError
from ribospace.progress import Progress, silent

RANKS = (1, 5, 10)
_AT_ONCE = 1 << 24  # similarities in a block
_BEYOND = 40  # further answers that are fetched, as some may be near copies of what went in


@dataclass(frozen=True)
class Accuracy:
    """How often one of the first 1, 5, 10 answers has both labels wanted, by way of asking.

    Attributes
    ----------
    questions, groups
        How many were asked, and how many pairs of labels have molecules.
    arithmetic, only_c, only_a
        (3,) shares for A − B + C, for C without arithmetic, and for A.
    shuffled, spread
        (3,) mean and standard deviation of the first with labels dealt out anew.
    p
        (3,) share of deals, the data among them, that are at least as good.
    """

    questions: int
    groups: int
    arithmetic: Floats
    only_c: Floats
    only_a: Floats
    shuffled: Floats
    spread: Floats
    p: Floats


def unit(vectors: npt.ArrayLike) -> Floats:
    """Rows brought to length 1."""
    values = np.asarray(vectors, dtype=np.float64)
    result: Floats = values / np.linalg.norm(values, axis=1, keepdims=True)
    return result


def nearest(vectors: Floats, points: Floats, excluded: Sequence[Sequence[int]] | Rows, k: int) -> tuple[Rows, Floats]:
    """Nearest rows to points by cosine.

    Parameters
    ----------
    vectors
        (n, width) of length 1.
    points
        (m, width).
    excluded
        (m,) rows that are not to be answers, for each point.
    k
        How many.

    Returns
    -------
    rows, distances
        (m, k') each, k' at most k; the nearest first, cosine distances; a row is -1 where there are no more.

    Examples
    --------
    >>> found, far = nearest(unit([[1, 0], [0, 1], [1, 1]]), np.array([[1.0, 0.2]]), [[0]], 2)
    >>> found.tolist()
    [[2, 1]]
    """
    k = min(k, len(vectors))
    rows, far = np.empty((len(points), k), np.int64), np.empty((len(points), k))
    size = max(1, _AT_ONCE // len(vectors))
    for first in range(0, len(points), size):
        part = slice(first, first + size)
        distance = 1 - unit(points[part]) @ vectors.T
        for row, barred in zip(distance, excluded[part], strict=True):
            row[np.asarray(barred, dtype=np.int64)] = np.inf
        best = np.argpartition(distance, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(distance, best, axis=1)
        order = np.lexsort((best, values), axis=1)
        rows[part], far[part] = np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.where(np.isfinite(far), rows, -1), far


def evaluate(
    vectors: npt.ArrayLike,
    first: Sequence[str],
    second: Sequence[str],
    sequences: Sequence[str] | None = None,
    *,
    max_identity: float = 0.9,
    questions: int = 2000,
    shuffles: int = 20,
    seed: int = 0,
    progress: Progress = silent,
) -> Accuracy:
    """Ask A − B + C for molecules of the labels (x, p), (x, q), (y, q); wanted is one of (y, p).

    Parameters
    ----------
    vectors
        (n, width), none zero.
    first, second
        (n,) labels, such as isotype and domain.
    sequences
        (n,) if near copies of A, B or C are not to be answers.
    max_identity
        From which on two are near copies.
    questions
        How many are drawn; four labels, then molecules of them.
    shuffles
        Deals of the labels.
    seed
        Of all that is drawn.
    progress
        Told how many deals are done.

    Raises
    ------
    UserError
        If no four groups of molecules make a question.

    Examples
    --------
    >>> isotype, domain = np.repeat(["Val", "Leu", "Ala"], 8), np.tile(["A", "B"], 12)
    >>> parts = {one: np.eye(6)[place] for place, one in enumerate(["Val", "Leu", "Ala", "A", "B"])}
    >>> made = [parts[i] + parts[d] for i, d in zip(isotype, domain)]
    >>> evaluate(made, isotype, domain, questions=50).arithmetic.tolist()
    [1.0, 1.0, 1.0]
    """
    x = unit(vectors)
    labels = np.stack([np.asarray(first, dtype=str), np.asarray(second, dtype=str)], axis=1)
    generator = np.random.default_rng(seed)
    asked, wanted, groups = _questions(labels, questions, generator)

    def score(points: Floats, inputs: Rows, wish: npt.NDArray[np.str_], own: npt.NDArray[np.str_]) -> Floats:
        answers = nearest(x, points, inputs, max(RANKS) + (_BEYOND if sequences is not None else 0))[0]
        if sequences is not None:
            answers = _without_copies(answers, inputs, sequences, max_identity)
        right = (own[answers] == wish[:, None]).all(axis=2) & (answers >= 0)
        return np.array([right[:, :rank].any(axis=1).mean() for rank in RANKS])

    def sums(rows: Rows) -> Floats:
        result: Floats = x[rows[:, 0]] - x[rows[:, 1]] + x[rows[:, 2]]
        return result

    true = score(sums(asked), asked, wanted, labels)
    dealt = []
    for number in range(shuffles):
        progress(number, shuffles)
        other = generator.permutation(labels)
        rows, wish, _ = _questions(other, questions, generator)
        dealt.append(score(sums(rows), rows, wish, other))
    null = np.array(dealt).reshape(-1, len(RANKS))
    return Accuracy(
        questions=len(asked),
        groups=groups,
        arithmetic=true,
        only_c=score(x[asked[:, 2]], asked, wanted, labels),
        only_a=score(x[asked[:, 0]], asked, wanted, labels),
        shuffled=null.mean(axis=0) if shuffles else np.full(len(RANKS), np.nan),
        spread=null.std(axis=0) if shuffles else np.full(len(RANKS), np.nan),
        p=(1 + (null >= true - 1e-12).sum(axis=0)) / (1 + len(null)),
    )


def _questions(
    labels: npt.NDArray[np.str_], many: int, generator: np.random.Generator
) -> tuple[Rows, npt.NDArray[np.str_], int]:
    """(m, 3) rows of A, B, C and (m, 2) labels wanted; every four groups as likely as any other."""
    pairs, group = np.unique(labels, axis=0, return_inverse=True)
    members = [np.flatnonzero(group.ravel() == one) for one in range(len(pairs))]
    place = {(a, b): number for number, (a, b) in enumerate(pairs.tolist())}
    fours = [
        (xp, place[x, q], place[y, q], place[y, p])
        for (x, p), xp in place.items()
        for y, q in place
        if x != y and p != q and (x, q) in place and (y, p) in place
    ]
    if not fours:
        raise UserError(
            "No analogy can be asked: it takes two labels of each column with molecules of all four pairs. "
            "Widen --where, or name other columns."
        )
    chosen = np.array(fours)[generator.integers(len(fours), size=many)]
    rows = np.stack(
        [[members[group][generator.integers(len(members[group]))] for group in column] for column in chosen[:, :3].T],
        axis=1,
    )
    return rows, pairs[chosen[:, 3]], len(pairs)


def _without_copies(answers: Rows, inputs: Rows, sequences: Sequence[str], most: float) -> Rows:
    """(m, 10) the first answers that are no near copies of what went in; -1 where there are no more."""
    m, k = answers.shape
    near = np.zeros((m, k), dtype=bool)
    for column in inputs.T:
        one = np.repeat(column, k)
        near |= (identities(sequences, one, answers.ravel()) > most).reshape(m, k)
    order = np.argsort(near | (answers < 0), axis=1, kind="stable")
    kept = np.take_along_axis(np.where(near, -1, answers), order, axis=1)
    return kept[:, : max(RANKS)]
