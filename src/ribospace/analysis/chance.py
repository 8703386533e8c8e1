"""What chance alone would give: null models of the vectors, and the equations that these have.

A null model redraws all vectors and keeps what is not to count as a finding. The same search, within what was found,
on many such draws says for every equation how often one as good comes by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ribospace.analysis.equations import Floats, Question, Relations, Rows, looked_at
from ribospace.analysis.relations import search
from ribospace.errors import UserError, nearest
from ribospace.progress import Progress, silent

Null: TypeAlias = Literal["rotate", "shuffle", "gauss"]
NULLS: tuple[Null, ...] = get_args(Null)
#: Types of fewer molecules are taken together: there is nothing to rotate in one molecule.
FEWEST = 10
STEPS = 200  # of the curve of counts


class Model(Protocol):
    """A null model: gives (n, width) vectors that know nothing of what is tested."""

    def __call__(self, generator: np.random.Generator) -> Floats:
        """Draw once."""


@dataclass(frozen=True)
class Enrichment:
    """How often equations join molecules of one label, beside the null's.

    Attributes
    ----------
    same, known
        Equations found whose three labels are the same, and whose labels are all known.
    null_same, null_known
        The same, on average over the null's draws.
    odds_ratio
        Of being the same, found over null; half an equation is added to each count (Haldane and Anscombe).
    p
        Share of draws, the data among them, whose share of same ones is at least as high.
    """

    same: int
    known: int
    null_same: float
    null_known: float
    odds_ratio: float
    p: float


@dataclass(frozen=True)
class Chance:
    """What the null gives beside what was found.

    Attributes
    ----------
    p
        (n,) for each equation: the share of its target's equations, over all draws, that are at least as good.
    expected
        (n,) how many equations at least as good its target has in a draw, on average.
    p_best
        (n,) share of draws, the data among them, in which the target's best equation is at least as good.
    q
        (n,) Benjamini and Hochberg (1995) over all equations that were looked at.
    looked_at
        How many that were.
    counts
        (permutations,) equations of each draw within the same limit.
    p_count
        Share of draws, the data among them, with at least as many equations.
    steps, curve
        (STEPS,) values of the measure, and (permutations, STEPS) equations of each draw that keep to them.
    enrichment
        By label, of those that tell any molecules apart.
    """

    p: Floats
    expected: Floats
    p_best: Floats
    q: Floats
    looked_at: int
    counts: Rows
    p_count: float
    steps: Floats
    curve: Rows
    enrichment: dict[str, Enrichment]


def null_model(null: str, vectors: Floats, types: Sequence[str | None], normalised: bool = False) -> Model:
    """Make a null model.

    Parameters
    ----------
    null
        rotate: the molecules of each type are rotated at random about its mean, as a sample: every type keeps its mean
        and its covariance exactly, and what each molecule is beyond these is gone (Langsrud 2005).
        shuffle: the vectors are dealt out anew, so that any molecule may stand in the place of any other.
        gauss: as rotate, but all molecules together: normal ones with the mean and covariance of all.
    vectors
        (n, width).
    types
        (n,) for rotate; those of fewer than ten molecules are taken together.
    normalised
        Bring what is drawn to length 1.

    Examples
    --------
    >>> vectors = np.random.default_rng(0).normal(size=(100, 3)) + 5
    >>> drawn = null_model("rotate", vectors, ["tRNA"] * 100)(np.random.default_rng(1))
    >>> np.abs(drawn.mean(axis=0) - vectors.mean(axis=0)).max() < 0.5
    np.True_
    """
    if null not in NULLS:
        raise UserError(f"Unknown null model {null!r}. {nearest(null, NULLS)}")
    if null == "shuffle":
        return lambda generator: generator.permutation(vectors)
    labels = np.array([one or "" for one in types]) if null == "rotate" else np.zeros(len(vectors), dtype="U1")
    names, label, many = np.unique(labels, return_inverse=True, return_counts=True)
    label = np.where(many[label] < FEWEST, len(names), label)
    groups = [np.flatnonzero(label == one) for one in np.unique(label)]
    axes = [_Axes(vectors[rows]) for rows in groups]

    def model(generator: np.random.Generator) -> Floats:
        made = np.empty_like(vectors)
        for rows, one in zip(groups, axes, strict=True):
            made[rows] = one.turned(generator)
        return made / np.linalg.norm(made, axis=1, keepdims=True) if normalised else made

    return model


class _Axes:
    """Points, and random rotations of their sample about its mean, which keep mean and covariance exactly.

    With X - mean = U S V, U is drawn anew among all orthonormal columns that are at right angles to a constant. For
    normal points this is their distribution, given mean and covariance (Langsrud 2005, Statistics and Computing 15).
    """

    def __init__(self, points: Floats) -> None:
        self.many, self.mean = len(points), points.mean(axis=0)
        _, spread, axes = np.linalg.svd(points - self.mean, full_matrices=False)
        there = (spread > 1e-10 * max(spread[0], np.abs(self.mean).max())) & (np.arange(len(spread)) < self.many - 1)
        self.axes = spread[there, None] * axes[there]

    def turned(self, generator: np.random.Generator) -> Floats:
        drawn = generator.normal(size=(self.many, len(self.axes)))
        columns, upper = np.linalg.qr(drawn - drawn.mean(axis=0))
        result: Floats = self.mean + columns * np.sign(np.diag(upper)) @ self.axes
        return result


def chance(
    asked: Question,
    found: Relations,
    model: Model,
    permutations: int = 200,
    seed: int = 0,
    labels: Mapping[str, Sequence[str | None]] | None = None,
    progress: Progress = silent,
    share: float = 1.0,
) -> Chance:
    """Say of equations how often chance gives as good ones.

    Parameters
    ----------
    asked, found
        The question and all of its answer, the best first.
    model
        See `null_model`.
    permutations
        How many draws.
    seed
        Of the draws.
    labels
        (n,) labels each by name, for the enrichment.
    progress
        Told how many draws are done.
    share
        Of what is looked at, where the answer is approximate: the null is then searched in the same way.

    Examples
    --------
    >>> from ribospace.analysis.equations import question
    >>> from ribospace.analysis.relations import find
    >>> vectors = np.random.default_rng(0).normal(size=(50, 10))
    >>> vectors[0] = vectors[1] + vectors[2]  # planted
    >>> asked = question(vectors, [0], best=3)
    >>> said = chance(asked, find(asked), null_model("gauss", asked.vectors, [None] * 50), 49)
    >>> float(said.p_best[0]), float(said.expected[0]), bool(said.q[0] < 0.05)
    (0.02, 0.0, True)
    """
    values = found.by(asked.measure)
    limit = asked.within if asked.best is None else float(values.max(initial=0.0))
    tally = _Tally(asked, found, limit, permutations, labels or {})
    for number, one in enumerate(np.random.SeedSequence(seed).spawn(permutations)):
        progress(number, permutations)
        made = replace(asked, vectors=model(np.random.default_rng(one)), within=limit, best=None)
        tally.begin(number)
        for piece in search(made, share=share):
            tally.add(piece)
    return tally.result()


class _Tally:
    """Counts over the null's draws, kept by target."""

    def __init__(
        self,
        asked: Question,
        found: Relations,
        limit: float,
        permutations: int,
        labels: Mapping[str, Sequence[str | None]],
    ) -> None:
        self.asked, self.found, self.permutations = asked, found, permutations
        self.values = found.by(asked.measure)
        self.order = np.lexsort((self.values, found.a))
        self.sorted = self.values[self.order]
        ends = np.searchsorted(found.a[self.order], asked.targets, side="right")
        self.part = {
            int(target): slice(int(low), int(high))
            for target, low, high in zip(asked.targets, np.concatenate([[0], ends[:-1]]), ends, strict=True)
        }
        self.as_good = np.zeros(len(found), dtype=np.int64)  # in the order of targets and values
        self.bests = {int(target): np.full(permutations, np.inf) for target in asked.targets}
        self.steps = np.linspace(limit / STEPS, limit, STEPS)
        self.curve = np.zeros((permutations, STEPS), dtype=np.int64)
        codes = {name: _codes(one) for name, one in labels.items()}
        self.labels = {name: one for name, one in codes.items() if len(np.unique(one[one >= 0])) > 1}
        self.same = {name: np.zeros((permutations, 2), dtype=np.int64) for name in self.labels}

    def begin(self, number: int) -> None:
        self.number = number

    def add(self, piece: Relations) -> None:
        if not len(piece):
            return
        target, values = int(piece.a[0]), piece.by(self.asked.measure)
        part = self.part[target]
        places = np.searchsorted(self.sorted[part], values, side="left")
        many = part.stop - part.start
        self.as_good[part] += np.bincount(places, minlength=many + 1)[:many]
        self.bests[target][self.number] = min(self.bests[target][self.number], values.min())
        places = np.searchsorted(self.steps, values, side="left")
        self.curve[self.number] += np.bincount(np.minimum(places, STEPS - 1), minlength=STEPS)
        for name, codes in self.labels.items():
            self.same[name][self.number] += _alike(codes, piece)

    def result(self) -> Chance:
        counted = np.zeros(len(self.found), dtype=np.int64)
        p, p_best = np.ones(len(self.found)), np.ones(len(self.found))
        looked = looked_at(self.asked) * _passed(self.asked)
        for target, many in zip(self.asked.targets.tolist(), looked.tolist(), strict=True):
            part = self.part[target]
            rows = self.order[part]
            counted[rows] = self.as_good[part].cumsum()
            p[rows] = np.minimum(1, (1 + counted[rows]) / (1 + self.permutations * many))
            as_good = np.searchsorted(np.sort(self.bests[target]), self.values[rows], side="right")
            p_best[rows] = (1 + as_good) / (1 + self.permutations)
        curve = self.curve.cumsum(axis=1)
        total = round(looked.sum())
        return Chance(
            p=p,
            expected=counted / max(1, self.permutations),
            p_best=p_best,
            q=benjamini_hochberg(p, total),
            looked_at=total,
            counts=curve[:, -1],
            p_count=_at_least(curve[:, -1], len(self.found)),
            steps=self.steps,
            curve=curve,
            enrichment={name: self._enrichment(name) for name in self.labels},
        )

    def _enrichment(self, name: str) -> Enrichment:
        same, known = _alike(self.labels[name], self.found)
        null_same, null_known = self.same[name].T
        odds = (same + 0.5) / (known - same + 0.5)
        null_odds = (null_same.sum() + 0.5) / ((null_known - null_same).sum() + 0.5)
        shares = null_same / np.maximum(null_known, 1)
        return Enrichment(
            same=same,
            known=known,
            null_same=null_same.sum() / max(1, self.permutations),
            null_known=null_known.sum() / max(1, self.permutations),
            odds_ratio=float(odds / null_odds),
            p=_at_least(shares, same / max(known, 1)),
        )


def _codes(labels: Sequence[str | None]) -> Rows:
    """(n,) a number for each label; -1 where it is not known."""
    known = np.array([one is not None and one != "" for one in labels])
    codes = np.unique(np.array([str(one) for one in labels]), return_inverse=True)[1]
    return np.where(known, codes, -1)


def _alike(codes: Rows, found: Relations) -> tuple[int, int]:
    """How many equations join one label, and how many have three known ones."""
    a, b, c = codes[found.a], codes[found.b], codes[found.c]
    known = (a >= 0) & (b >= 0) & (c >= 0)
    return int((known & (a == b) & (a == c)).sum()), int(known.sum())


def _at_least(null: npt.NDArray[np.generic], value: float) -> float:
    return float((1 + (null >= value).sum()) / (1 + len(null)))  # type: ignore[operator]


def _passed(asked: Question) -> Floats:
    """(targets,) what share of a target's equations `keep` lets pass, by drawing."""
    if asked.keep is None:
        return np.ones(len(asked.targets))
    a = np.repeat(asked.targets, max(200, 20_000 // len(asked.targets)))
    generator = np.random.default_rng(0)
    b, c = (generator.choice(rows, len(a)) for rows in (asked.left, asked.right))
    real = (a != b) & (a != c) & (b != c)
    a, b, c = a[real], b[real], c[real]
    place = np.searchsorted(asked.targets, a)
    passed = np.bincount(place, asked.keep(a, b, c), len(asked.targets))
    return (1 + passed) / (1 + np.bincount(place, minlength=len(asked.targets)))


def benjamini_hochberg(p: Floats, total: int) -> Floats:
    """Adjusted p-values, where only some of all tests are given, those of the smallest p.

    Where smaller ones may be missing, what is given here is too large rather than too small.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.001, 0.5]), 10).tolist()
    [0.05, 0.01, 1.0]
    """
    order = np.argsort(p, kind="stable")
    raw = np.minimum(1, p[order] * total / np.arange(1, len(p) + 1))
    result = np.empty(len(p))
    result[order] = np.minimum.accumulate(raw[::-1])[::-1]
    return result
