"""Word arithmetic between molecules: what lies nearest to A - B + C, and how often it is what an analogy asks for.

"tRNA-Val of archaea is to tRNA-Val of bacteria as which molecule is to tRNA-Leu of bacteria?" Mikolov et al. (2013,
NAACL) asked this of words, by 3CosAdd: every vector is brought to length 1, then added, and the nearest by cosine is
the answer, the inputs left out. Linzen (2016) and Rogers et al. (2017) showed that much of what it finds is near to an
input anyway: so the same questions are asked without the arithmetic beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError
from ribospace.errors import nearest as hint
from ribospace.progress import Progress, silent

Floats: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.int64]
Distance: TypeAlias = Literal["cosine", "euclidean"]
DISTANCES: tuple[Distance, ...] = get_args(Distance)

KS = (1, 5, 10)
ARITHMETIC = "A - B + C"
#: Weights of A, B and C: the arithmetic, and the controls that leave it out.
WAYS = {
    ARITHMETIC: (1.0, -1.0, 1.0),
    "A + C": (0.5, 0.0, 0.5),
    "C alone": (0.0, 0.0, 1.0),
    "A alone": (1.0, 0.0, 0.0),
}
BLOCK = 1 << 22  # scores at one time
MOST_CELLS = 3000  # pairs of labels; all pairs of these are listed


@dataclass(frozen=True)
class Analogies:
    """How often analogies hold.

    Attributes
    ----------
    questions, possible
        How many were asked, and how many there are.
    unanswerable
        Drawn, but every right answer is a near copy of an input; not among `questions`.
    accuracy
        By way ("A - B + C" and the controls "A + C", "C alone", "A alone") and k: share of questions with a right
        answer among the nearest k, inputs and their near copies skipped.
    chance, spread, p
        By k, for A - B + C with the labels dealt out anew: mean and standard deviation over the shuffles; share of
        them, the data among them, that are at least as good.
    shuffled
        (shuffles, number of k) these accuracies.
    input_nearest
        Share of questions whose A - B + C has one of A, B and C as its nearest, were they not left out.
    cells
        Pairs of labels that molecules have.
    """

    questions: int
    possible: int
    unanswerable: int
    accuracy: dict[str, dict[int, float]]
    chance: dict[int, float]
    spread: dict[int, float]
    p: dict[int, float]
    shuffled: npt.NDArray[np.float64]
    input_nearest: float
    cells: int


def prepared(vectors: npt.ArrayLike, distance: str = "cosine") -> Floats:
    """Vectors as they are added: of length 1 for cosine, as they are for Euclidean distance.

    Parameters
    ----------
    vectors
        (n, width) finite; none of them zero for cosine.
    distance
        cosine or euclidean.

    Returns
    -------
    ndarray
        (n, width) float32.

    Raises
    ------
    UserError
        For vectors without a direction, with their count, or another distance.
    """
    if distance not in DISTANCES:
        raise UserError(f"Unknown distance {distance!r}. {hint(distance, DISTANCES)}")
    found = np.asarray(vectors, dtype=np.float32)
    if bad := int((~usable(found, distance)).sum()):
        what = "zero or not finite" if distance == "cosine" else "not finite"
        raise UserError(f"{bad:,} of {len(found):,} vectors are {what}. Leave these molecules out.")
    if distance == "cosine":
        found = found / np.linalg.norm(found, axis=1, keepdims=True)
    return found


def usable(vectors: Floats, distance: str = "cosine") -> npt.NDArray[np.bool_]:
    """(n,) which vectors can be added and compared: finite, and not zero where the distance is cosine.

    Examples
    --------
    >>> usable(np.array([[1, 2], [0, 0], [np.nan, 1]], dtype=np.float32)).tolist()
    [True, False, False]
    """
    finite: npt.NDArray[np.bool_] = np.isfinite(vectors).all(axis=1)
    return finite & vectors.any(axis=1) if distance == "cosine" else finite


def nearest(
    vectors: npt.ArrayLike,
    point: npt.ArrayLike,
    excluded: npt.ArrayLike = (),
    k: int = 10,
    distance: str = "cosine",
) -> tuple[Rows, Floats]:
    """The molecules nearest to a point such as A - B + C.

    For cosine the rows are brought to length 1, as word-vector work does before it adds (3CosAdd); add them so:
    `unit = prepared(vectors)`, then `unit[a] - unit[b] + unit[c]`.

    Parameters
    ----------
    vectors
        (n, width).
    point
        (width,) not zero for cosine.
    excluded
        Rows that are no answers: the inputs.
    k
        How many.
    distance
        cosine or euclidean.

    Returns
    -------
    rows : ndarray
        (at most k,) int64, the nearest first, equal distances in the order of the rows.
    distances : ndarray
        The same, float32.

    Raises
    ------
    UserError
        For vectors or a point that are not usable.

    Examples
    --------
    >>> vectors = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=np.float32)
    >>> unit = prepared(vectors)
    >>> rows, distances = nearest(vectors, unit[0] - unit[1] + unit[2], excluded=[0, 1, 2])
    >>> rows.tolist()
    [3]
    """
    found, goal = prepared(vectors, distance), np.asarray(point, dtype=np.float32)
    if not usable(goal[None], distance)[0]:
        raise UserError("The terms cancel out, or one is not finite: their sum has no direction.")
    if distance == "cosine":
        far = 1 - found @ (goal / np.linalg.norm(goal))
    else:
        far = np.linalg.norm(found - goal, axis=1)
    far[np.asarray(excluded, dtype=np.int64)] = np.inf
    rows = np.argsort(far, kind="stable")[:k]
    rows = rows[np.isfinite(far[rows])]
    return rows.astype(np.int64), far[rows].astype(np.float32)


def analogies(
    vectors: npt.ArrayLike,
    first_labels: Sequence[str | None],
    second_labels: Sequence[str | None],
    *,
    copies: npt.NDArray[np.bool_] | None = None,
    questions: int = 20_000,
    shuffles: int = 20,
    seed: int = 0,
    distance: str = "cosine",
    ks: Sequence[int] = KS,
    progress: Progress = silent,
) -> Analogies:
    """Ask A - B + C for D: A of labels (x, p), B of (x, q), C of (y, q), and D, any molecule of (y, p).

    Rows are brought to length 1 before they are added, and compared by cosine (3CosAdd), unless `distance` says
    otherwise. Wrong molecules as near as the nearest right one count against it.

    Parameters
    ----------
    vectors
        (n, width).
    first_labels, second_labels
        (n,) such as isotype and domain; None or "" is not known: such a molecule is never asked for.
    copies
        (n, n) bool, near copies of each other, as `evaluation.near_copies` gives: an input's are skipped as it is.
    questions
        Most that are asked; drawn from all, each as likely, where there are more.
    shuffles
        How often the labels are dealt out anew, the two of a molecule together, and as many questions asked.
    seed
        Of what is drawn.
    distance
        cosine or euclidean.
    ks
        How many nearest may hold the answer.
    progress
        Told how many shuffles are done.

    Raises
    ------
    UserError
        For labels that make no question, or vectors that are not usable.

    Examples
    --------
    >>> isotype, domain = np.divmod(np.arange(12), 3)
    >>> vectors = np.hstack([np.eye(4)[isotype], np.eye(3)[domain]])  # an isotype and a domain, added
    >>> said = analogies(vectors, isotype.astype(str), domain.astype(str))
    >>> said.possible, said.accuracy["A - B + C"][1], said.p[1] < 0.05
    (72, 1.0, True)
    """
    found = prepared(vectors, distance)
    codes, table = _cells(first_labels, second_labels, len(found))
    generators = [np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(shuffles + 1)]
    drawn = _Questions(codes, table, questions, generators[0])
    search = _Search(found, distance, copies)
    ranks = {way: search.ranks(drawn, codes, weights) for way, weights in WAYS.items()}
    answerable = ranks[ARITHMETIC] > 0
    accuracy = {way: _within(one, ks) for way, one in ranks.items()}
    shuffled = np.zeros((shuffles, len(ks)))
    for number, generator in enumerate(generators[1:]):
        progress(number, shuffles, "shuffles")
        dealt = generator.permutation(codes)
        asked = _Questions(dealt, table, questions, generator)
        shuffled[number] = list(_within(search.ranks(asked, dealt, WAYS[ARITHMETIC]), ks).values())
    seen = np.array(list(accuracy[ARITHMETIC].values()))
    share = (1 + (shuffled >= seen).sum(axis=0)) / (1 + shuffles)
    mean, spread = (shuffled.mean(axis=0), shuffled.std(axis=0)) if shuffles else (seen * np.nan, seen * np.nan)
    return Analogies(
        questions=int(answerable.sum()),
        possible=drawn.possible,
        unanswerable=int((~answerable).sum()),
        accuracy=accuracy,
        chance=dict(zip(ks, mean.tolist(), strict=True)),
        spread=dict(zip(ks, spread.tolist(), strict=True)),
        p=dict(zip(ks, share.tolist(), strict=True)),
        shuffled=shuffled,
        input_nearest=search.input_nearest(drawn),
        cells=int((table > 0).sum()),
    )


def _cells(first: Sequence[str | None], second: Sequence[str | None], n: int) -> tuple[Rows, Rows]:
    """(n,) the pair of labels of each molecule as one number, -1 where one is not known; (x, p) how many have each."""
    if not len(first) == len(second) == n:
        raise ValueError(f"{n} vectors, {len(first)} first and {len(second)} second labels")
    known = np.array([bool(one) and bool(other) for one, other in zip(first, second, strict=True)], dtype=bool)
    (x_names, x), (p_names, p) = (
        np.unique(np.array([str(one) for one in labels])[known], return_inverse=True) for labels in (first, second)
    )
    shape = (len(x_names), len(p_names))
    for names, which in ((x_names, "first"), (p_names, "second")):
        if len(names) < 2:
            there = f"only {names[0]!r}" if len(names) else "none"
            raise UserError(f"An analogy needs two labels of each kind, but of the {which} there is {there}.")
    if np.prod(shape) > MOST_CELLS:
        raise UserError(
            f"{shape[0]:,} × {shape[1]:,} labels are too many to list their analogies. Take coarser labels, or fewer "
            "molecules by a condition."
        )
    codes = np.full(n, -1, dtype=np.int64)
    codes[known] = x * shape[1] + p
    return codes, np.bincount(codes[known], minlength=shape[0] * shape[1]).reshape(shape)


class _Questions:
    """Questions drawn from all that the labels allow: rows of A, B and C, and the pair of labels wanted."""

    def __init__(self, codes: Rows, table: Rows, most: int, generator: np.random.Generator) -> None:
        self.xs, self.ps = table.shape
        cells = np.argsort(codes, kind="stable")
        cells = cells[codes[cells] >= 0]
        begins = np.concatenate([[0], np.cumsum(table.ravel())])
        # of (x, p), (x, q), (y, q) and (y, p), how many questions
        x, p, y, q = self._squares(table)
        many = table[x, p] * table[x, q] * table[y, q]
        ends = np.cumsum(many)
        self.possible = int(ends[-1]) if len(ends) else 0
        if not self.possible:
            raise UserError(
                "The labels make no analogy: no two first labels are found with the same two second ones. "
                "Take other columns, or more molecules."
            )
        number = np.arange(self.possible)
        if self.possible > most:
            number = np.sort(generator.choice(self.possible, most, replace=False))
        square = np.searchsorted(ends, number, side="right")
        number = number - (ends - many)[square]
        x, p, y, q = x[square], p[square], y[square], q[square]
        number, c = np.divmod(number, table[y, q])
        a, b = np.divmod(number, table[x, q])
        self.a = cells[begins[x * self.ps + p] + a]
        self.b = cells[begins[x * self.ps + q] + b]
        self.c = cells[begins[y * self.ps + q] + c]
        self.wanted = y * self.ps + p

    def _squares(self, table: Rows) -> tuple[Rows, Rows, Rows, Rows]:
        """All x, p, y, q with x ≠ y and p ≠ q and molecules of each pair."""
        there = table > 0
        squares = [np.empty((0, 4), dtype=np.int64)]
        for x, y in np.argwhere(~np.eye(self.xs, dtype=bool)):
            both = np.flatnonzero(there[x] & there[y])
            p, q = (one.ravel() for one in np.meshgrid(both, both, indexing="ij"))
            apart = p != q
            squares.append(np.stack([np.full(apart.sum(), x), p[apart], np.full(apart.sum(), y), q[apart]], axis=1))
        x, p, y, q = np.concatenate(squares).T
        return x, p, y, q

    def __len__(self) -> int:
        return len(self.a)


class _Search:
    """Scores of all molecules against points, a block of questions at a time."""

    def __init__(self, vectors: Floats, distance: str, copies: npt.NDArray[np.bool_] | None) -> None:
        # every way's weights sum to 1, so the origin is free for distances, and the mean loses least
        self.vectors = vectors if distance == "cosine" else vectors - vectors.mean(axis=0)
        self.offset = np.float32(0) if distance == "cosine" else (self.vectors**2).sum(axis=1) / 2
        self.copies = copies
        self.step = max(1, BLOCK // len(vectors))

    def scores(self, asked: _Questions, block: slice, weights: tuple[float, float, float]) -> Floats:
        """(questions of the block, n); higher is nearer."""
        points = sum(
            np.float32(weight) * self.vectors[rows[block]]
            for weight, rows in zip(weights, (asked.a, asked.b, asked.c), strict=True)
            if weight
        )
        result: Floats = points @ self.vectors.T - self.offset
        return result

    def ranks(self, asked: _Questions, codes: Rows, weights: tuple[float, float, float]) -> Rows:
        """(questions,) place of the nearest right answer, from 1; 0 where there is none but near copies of inputs."""
        result = np.zeros(len(asked), dtype=np.int64)
        for start in range(0, len(asked), self.step):
            block = slice(start, start + self.step)
            scores = self.scores(asked, block, weights)
            for rows in (asked.a[block], asked.b[block], asked.c[block]):
                scores[np.arange(len(rows)), rows] = -np.inf
                if self.copies is not None:
                    scores[self.copies[rows]] = -np.inf
            right = codes == asked.wanted[block, None]
            best = np.where(right, scores, -np.inf).max(axis=1)
            wrong = (~right & (scores >= best[:, None])).sum(axis=1)
            result[block] = np.where(np.isfinite(best), 1 + wrong, 0)
        return result

    def input_nearest(self, asked: _Questions) -> float:
        """Share of questions whose A - B + C is nearest to one of A, B and C."""
        many = 0
        for start in range(0, len(asked), self.step):
            block = slice(start, start + self.step)
            scores = self.scores(asked, block, WAYS[ARITHMETIC])
            rows = np.stack([asked.a[block], asked.b[block], asked.c[block]], axis=1)
            inputs = np.take_along_axis(scores, rows, axis=1).max(axis=1)
            many += int((inputs >= scores.max(axis=1)).sum())
        return many / len(asked)


def _within(ranks: Rows, ks: Sequence[int]) -> dict[int, float]:
    """By k, share of the questions that can be answered whose answer is among the nearest k."""
    asked = max(int((ranks > 0).sum()), 1)
    return {k: float(((ranks > 0) & (ranks <= k)).sum() / asked) for k in ks}
