"""Similarity by attention head: each head of an encoder is an aspect in which molecules are alike or not.

Shapes: n molecules, A aspects (layers · heads, layer by layer), E numbers that a head says. What heads say has a large
common part, which would make all molecules alike; so the mean over many molecules is taken off, head by head, before
cosines are taken (Mu and Viswanath 2018, arXiv 1702.01417).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError

Floats = npt.NDArray[np.float32]
#: Most molecules of which every pair is compared: the pairs of one aspect are n² numbers.
MOST_FOR_PAIRS = 3000


@dataclass(frozen=True)
class HeadSpace:
    """What the heads say of a set of molecules, made comparable.

    Attributes
    ----------
    layers, heads
        Of the encoder.
    center
        (A, E) mean of what each head says, over the molecules that the space is fitted on.
    units
        (n, A, E) of these molecules: without the mean, of length 1; all 0 where a head says the mean.

    Examples
    --------
    >>> said = np.random.default_rng(0).normal(size=(50, 2, 4, 8)).astype(np.float32)
    >>> space = HeadSpace.fit(said)
    >>> profile(space.units[0], space.units[0]).round(3).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """

    layers: int
    heads: int
    center: Floats
    units: Floats

    @classmethod
    def fit(cls, said: Floats) -> HeadSpace:
        """Make a space of (n, layers, heads, E) outputs of an encoder's heads."""
        n, layers, heads, width = said.shape
        if n < 2:
            raise UserError(f"Heads are compared beside other molecules, and here are {n}. Give two or more.")
        flat = said.reshape(n, layers * heads, width)
        center = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(layers, heads, center, _units(flat - center))

    def place(self, said: Floats) -> Floats:
        """(n, layers, heads, E) outputs of molecules, known or new → (n, A, E) as `units`."""
        return _units(said.reshape(len(said), *self.center.shape) - self.center)

    def name(self, aspect: int) -> str:
        """What an aspect is called: `LAYER.HEAD`, both counted from 1."""
        return f"{aspect // self.heads + 1}.{aspect % self.heads + 1}"


def head_number(name: str, layers: int, heads: int) -> int:
    """The aspect that is named `LAYER.HEAD`, both counted from 1.

    Raises
    ------
    UserError
        If there is no such head.

    Examples
    --------
    >>> head_number("2.1", layers=3, heads=4)
    4
    """
    layer, _, head = name.strip().partition(".")
    numbers = [int(one) if re.fullmatch("[0-9]{1,4}", one) else 0 for one in (layer, head)]
    if not (1 <= numbers[0] <= layers and 1 <= numbers[1] <= heads):
        raise UserError(f"There is no head {name!r}: name it LAYER.HEAD, from 1.1 to {layers}.{heads} in this model.")
    return (numbers[0] - 1) * heads + numbers[1] - 1


def _units(centred: Floats) -> Floats:
    norms = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 1e-12)


def profile(one: Floats, other: Floats) -> Floats:
    """(A,) cosine of two molecules in each aspect; `one` and `other` are (A, E) units, or stacks of them."""
    return np.einsum("...ae,...ae->...a", one, other)  # type: ignore[no-any-return]


def standing(found: Floats, units: Floats, pairs: int = 20_000, seed: int = 0) -> npt.NDArray[np.float64]:
    """How rare it is that two molecules are as alike as these, in each aspect.

    Parameters
    ----------
    found
        (A,) cosines of two molecules, see `profile`.
    units
        (n, A, E) of molecules to draw pairs of.
    pairs
        How many are drawn, with replacement, each of two different molecules.
    seed
        Of the draw.

    Returns
    -------
    ndarray
        (A,) (1 + pairs that are as alike or more) / (1 + pairs); small: alike, near 1: unlike.
    """
    n = len(units)
    if n < 2:
        raise UserError(f"Chance needs two other molecules, and here are {n}. Give a larger collection.")
    rng = np.random.default_rng(seed)
    one = rng.integers(n, size=pairs)
    other = (one + rng.integers(1, n, size=pairs)) % n
    as_alike = np.zeros(len(found), dtype=np.int64)
    for start in range(0, pairs, 1000):
        part = slice(start, start + 1000)
        as_alike += (profile(units[one[part]], units[other[part]]) >= found - 1e-6).sum(axis=0)
    return (1 + as_alike) / (1 + pairs)


def search(units: Floats, query: Floats, aspects: Sequence[int], k: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Find the molecules that are most alike in chosen aspects.

    Parameters
    ----------
    units
        (n, A, E) of the molecules.
    query
        (A, E) of the molecule asked about.
    aspects
        Whose cosines are averaged.
    k
        How many are found, n at most.

    Returns
    -------
    rows, similarity
        (k,) the nearest first, equally near ones by row; (k,) mean cosine.
    """
    chosen = list(aspects)
    similarity = units[:, chosen].reshape(len(units), -1) @ query[chosen].ravel() / np.float32(len(chosen))
    k = min(k, len(units))
    nearest = np.argpartition(-similarity, k - 1)[:k] if k < len(units) else np.arange(len(units))
    limit = similarity[nearest].min()
    nearest = np.flatnonzero(similarity >= limit)
    rows = nearest[np.lexsort((nearest, -similarity[nearest]))][:k]
    return rows, similarity[rows]


@dataclass(frozen=True)
class Contrast:
    """Two molecules that are close in one aspect and far in another.

    Attributes
    ----------
    one, other
        Rows of the molecules.
    near, far
        Cosines in the two aspects.
    score
        By how many standard deviations of all pairs the first cosine is above its mean, plus that of the second below.
    p
        (1 + draws whose best pair scores as high or higher) / (1 + draws), where a draw gives the molecules of the
        second aspect other names: as if the aspects had nothing to do with each other. Corrected for all pairs.
    """

    one: int
    other: int
    near: float
    far: float
    score: float
    p: float


def contrasts(units: Floats, near: int, far: int, k: int = 10, draws: int = 99, seed: int = 0) -> list[Contrast]:
    """Find pairs that are close in one aspect and far in another, ranked against chance.

    Parameters
    ----------
    units
        (n, A, E); at most 3,000 molecules.
    near, far
        The aspects.
    k
        How many pairs.
    draws, seed
        Of chance.

    Returns
    -------
    list of Contrast
        The highest score first.
    """
    n = len(units)
    if not 3 <= n <= MOST_FOR_PAIRS:
        raise UserError(f"Pairs of 3 to {MOST_FOR_PAIRS:,} molecules are compared, and here are {n:,}. Use --limit.")
    upper = np.triu_indices(n, 1)
    first, second = (_cosines(units[:, aspect]) for aspect in (near, far))
    close, apart = (_standard(one, upper) for one in (first, second))
    score = (close - apart)[upper]
    best = np.argpartition(-score, min(k, len(score)) - 1)[:k]
    best = best[np.lexsort((best, -score[best]))]
    rng = np.random.default_rng(seed)
    highest = np.empty(draws)
    for draw in range(draws):
        order = rng.permutation(n)
        shuffled = close - apart[np.ix_(order, order)]
        np.fill_diagonal(shuffled, -np.inf)
        highest[draw] = shuffled.max()
    found = []
    for place in best.tolist():
        one, other = int(upper[0][place]), int(upper[1][place])
        p = (1 + int((highest >= score[place]).sum())) / (1 + draws)
        found.append(Contrast(one, other, float(first[one, other]), float(second[one, other]), float(score[place]), p))
    return found


def _cosines(units: Floats) -> Floats:
    return np.asarray(units @ units.T)


def _standard(cosines: Floats, upper: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]) -> Floats:
    """Cosines in standard deviations from the mean over pairs; all 0 where they do not differ."""
    pairs = cosines[upper]
    spread = float(pairs.std(dtype=np.float64))
    if spread < 1e-9:
        return np.zeros_like(cosines)
    return ((cosines - pairs.mean(dtype=np.float64)) / spread).astype(np.float32)
