"""Pairs of vectors whose sum or difference may come near a target, found without forming all sums.

n vectors x, a target t. With p = x·t/|t| the part of a vector along the target and ρ the length of the rest, a pair can
be an answer only where ±p_b ± p_c is near |t| and ρ_b near ρ_c (exact form), or where ρ_b and ρ_c differ little beside
|p_b| + |p_c| (angular form). So vectors are laid into blocks by (|p|, ρ), pairs of blocks are left out by these bounds,
and within the others one matrix product and a comparison leave few pairs. In two and three dimensions KD-trees do it.
What is given here is a superset of the answers; it is judged in `ribospace.analysis.relations`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ribospace.analysis.compiled import kept
from ribospace.analysis.equations import Floats, Rows

Pairs: TypeAlias = tuple[Rows, Rows]

#: Vectors in a block, so that the products of two blocks stay in a core's cache; and most blocks of a side.
BLOCK, BLOCKS = 512, 4096
#: Up to so many dimensions products are in float64: there best answers may be nearer than float32 can tell.
PRECISE = 3
#: About the cosine by which the rests of the best pairs are opposed; pairs of blocks are ordered by it.
ALIKE = 0.8
#: Angle, radians, from which on every pair passes.
STEEP = 1.5


@dataclass
class Reach:
    """How near an answer must be; shrinks while the best are sought.

    Attributes
    ----------
    absolute, relative
        Exact form: a residual r counts if r² ≤ absolute² + relative² (|a|² + |b|² + |c|²).
    angle
        Angular form: radians.
    """

    absolute: float = 0.0
    relative: float = 0.0
    angle: float = 0.0


@dataclass(frozen=True)
class _Side:
    """Vectors of one side, seen from a target, sorted into blocks.

    Attributes
    ----------
    rows
        (n,) places in all vectors.
    vectors
        (n, d) as multiplied, turned to the target's side; in the angular form (n, d + 1), their rest and p.
    along, rest
        (n,) |p| and ρ.
    starts
        (blocks + 1,) where blocks begin.
    bounds
        (4, blocks) least and greatest |p|, least and greatest ρ.
    """

    rows: Rows
    vectors: npt.NDArray[np.floating]
    along: Floats
    rest: Floats
    starts: Rows
    bounds: Floats


def join_blocks(
    target: Floats, vectors: Floats, left: Rows, right: Rows, angular: bool, reach: Reach, share: float = 1.0
) -> Iterator[Pairs]:
    """Give pairs that may be answers, in pieces, the likeliest blocks first.

    Parameters
    ----------
    target
        (d,) not zero.
    vectors
        (n, d).
    left, right
        Rows of the vectors that are added; where both are one object each unordered pair is given once.
    angular
        Which form.
    reach
        May be made narrower between pieces.
    share
        Of all pairs of blocks that are looked at, the likeliest; below 1 answers are missed.
    """
    one = _side(target, vectors, left, angular)
    other = one if right is left else _side(target, vectors, right, angular)
    length = float(np.linalg.norm(target))
    far = _angles_apart(one, other) if angular else _apart(one, other, length)
    if other is one:
        for bound in far:
            bound[np.tril_indices(len(bound), -1)] = np.inf
    nearest = np.minimum.reduce(far)
    rounding = 1e-9 if angular else 1e-9 * (length + _longest(one).max() + _longest(other).max())
    widest = np.sqrt(length**2 + _longest(one)[:, None] ** 2 + _longest(other) ** 2)
    likely = np.where(np.isfinite(nearest), _likely(one, other, length, angular), np.inf)
    order = np.argsort(likely, axis=None, kind="stable")
    order = order[: int(np.ceil(share * np.isfinite(nearest).sum()))]
    blocks = _Blocks(one, other, length, angular, reach)

    def answer(place: int) -> Pairs | None:
        i, j = divmod(int(place), nearest.shape[1])
        near = reach.angle if angular else float(np.hypot(reach.absolute, reach.relative * widest[i, j]))
        tests = [number for number, bound in enumerate(far) if bound[i, j] <= near + rounding]
        return blocks.within(i, j, tests) if tests else None

    def worth(places: Rows) -> Rows:
        near = reach.angle if angular else np.hypot(reach.absolute, reach.relative * widest.max())
        return places[nearest.flat[places] <= near + rounding]

    yield from _in_turn(answer, order, worth)


def _in_turn(answer: Callable[[int], Pairs | None], order: Rows, worth: Callable[[Rows], Rows]) -> Iterator[Pairs]:
    """Answers of all places in order, by as many threads as there are cores, but for those that are not worth it.

    Pieces begin small: where the reach shrinks, it does so most at first.
    """
    if len(order) <= 2:  # threads are not worth their making
        yield from (found for place in order.tolist() if (found := answer(place)) is not None)
        return
    with _controller().limit(limits=1), ThreadPoolExecutor(os.cpu_count()) as threads:
        first, piece = 0, 1
        while first < len(order):
            some = worth(order[first : first + piece]).tolist()
            yield from (found for found in threads.map(answer, some) if found is not None)
            first, piece = first + piece, min(2 * piece, 64)


@cache
def _controller() -> Any:
    """Of the threads that products take: one each here, as several are computed at a time."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _side(target: Floats, vectors: Floats, rows: Rows, angular: bool) -> _Side:
    unit = target / np.linalg.norm(target)
    along = vectors[rows] @ unit
    rest = vectors[rows] - along[:, None] * unit
    far = np.linalg.norm(rest, axis=1)
    size = max(BLOCK, -(-len(rows) // BLOCKS))
    blocks = max(1, -(-len(rows) // size))
    order, starts = _tiles(np.abs(along), far, blocks)
    kind = np.float64 if vectors.shape[1] <= PRECISE else np.float32
    turned = np.where(along < 0, -1, 1)[:, None] * (np.column_stack([rest, along]) if angular else vectors[rows])
    along, far = np.abs(along)[order], far[order]
    first = starts[:-1]
    bounds = np.stack([cut.reduceat(values, first) for values in (along, far) for cut in (np.minimum, np.maximum)])
    return _Side(rows[order], turned[order].astype(kind), along, far, starts, bounds)


def _tiles(x: Floats, y: Floats, tiles: int) -> tuple[Rows, Rows]:
    """Sort points into strips by x, and these into tiles by y; all of about one size."""
    order = np.argsort(x, kind="stable")
    strips = max(1, round(np.sqrt(tiles)))
    strip = np.arange(len(x)) * strips // max(1, len(x))
    order = order[np.lexsort((y[order], strip))]
    each = -(-tiles // strips)
    ends = np.searchsorted(strip, np.arange(strips + 1))
    starts = np.concatenate([np.linspace(low, high, each + 1).astype(np.int64)[:-1] for low, high in pairwise(ends)])
    return order, np.concatenate([np.unique(starts), [len(x)]])


def _longest(side: _Side) -> Floats:
    return np.hypot(side.bounds[1], side.bounds[3])


def _gap(low: Floats, high: Floats, low_2: Floats, high_2: Floats) -> Floats:
    """(m, n) between intervals; 0 where they meet."""
    return np.maximum(0, np.maximum(low[:, None] - high_2, low_2 - high[:, None]))


def _apart(one: _Side, other: _Side, length: float) -> list[Floats]:
    """Least residual of two blocks, where both p add up, where the second is taken off, where the first is."""
    (a, b, c, d), (e, f, g, h) = one.bounds, other.bounds
    across = _gap(c, d, g, h)
    together = np.maximum(0, np.maximum(length - (b[:, None] + f), a[:, None] + e - length))
    first = np.maximum(0, np.maximum(length - (b[:, None] - e), (a[:, None] - f) - length))
    second = np.maximum(0, np.maximum(length - (f - a[:, None]), (e - b[:, None]) - length))
    return [np.hypot(across, along) for along in (together, first, second)]


def _angles_apart(one: _Side, other: _Side) -> list[Floats]:
    """Least angle of two blocks, where both p add up and where one is taken off the other."""
    across = _gap(one.bounds[2], one.bounds[3], other.bounds[2], other.bounds[3])
    (a, b), (c, d) = one.bounds[:2], other.bounds[:2]
    differ = np.maximum(b[:, None] - c, d - a[:, None])
    return [np.arctan2(across, along) for along in (b[:, None] + d, differ)]


def _likely(one: _Side, other: _Side, length: float, angular: bool) -> Floats:
    """How far off two vectors in the middle of two blocks are, if their rests are as opposed as ALIKE says."""
    p, r = (one.bounds[rows].mean(axis=0)[:, None] for rows in ([0, 1], [2, 3]))
    q, s = (other.bounds[rows].mean(axis=0) for rows in ([0, 1], [2, 3]))
    across = r**2 + s**2 - 2 * ALIKE * r * s
    if angular:
        result: Floats = across / np.maximum(p + q, 1e-12) ** 2
        return result
    return np.minimum((length - p - q) ** 2, (length - np.abs(p - q)) ** 2) + across


class _Blocks:
    """Two sides of a join, and the pairs within two of their blocks that pass a test.

    Vectors are turned so that they point to the target's side: p ≥ 0. Exact form, for the sums ±(b + c) and ±(b - c):
    r² = |t|² + |b|² + |c|² - 2|t|(±p_b ± p_c) + 2(±±)b·c, so that a pair passes if ∓b·c ≥ h_b + h_c. Angular form: the
    rest of the sum is at most tan θ (p_b ± p_c) long, so that with x = (rest of b)·(rest of c) - tan² θ p_b p_c and
    h = (ρ² - tan² θ p²) / 2 a pair passes if ∓x ≥ h_b + h_c.
    """

    def __init__(self, one: _Side, other: _Side, length: float, angular: bool, reach: Reach) -> None:
        self.one, self.other, self.length, self.angular, self.reach = one, other, length, angular, reach
        self.own = threading.local()

    def within(self, i: int, j: int, tests: list[int]) -> Pairs:
        """Rows of pairs of blocks i and j that pass one of the tests: 0 for sums, 1 and 2 for differences."""
        one, other = self.one, self.other
        here, there = slice(*one.starts[i : i + 2]), slice(*other.starts[j : j + 2])
        products, rows, columns = self._room(here.stop - here.start, there.stop - there.start)
        slope = float(np.tan(min(self.reach.angle, STEEP)) ** 2)  # once: another thread may narrow it meanwhile
        np.matmul(self._scaled(one.vectors[here], slope), other.vectors[there].T, out=products)
        heights: list[npt.NDArray[np.floating]] = []
        for test in range(3):
            if test not in tests:
                heights += [np.full(len(part), np.inf, products.dtype) for part in (products, products.T)]
            else:
                heights += [one.astype(products.dtype) for one in self._heights(here, there, test, slope)]
        triangle = other is one and i == j
        many = kernel()(products, *heights, triangle, rows, columns)
        return one.rows[here][rows[:many]], other.rows[there][columns[:many]]

    def _room(self, height: int, width: int) -> tuple[npt.NDArray[np.floating], Rows, Rows]:
        """Arrays of this thread, made once: fresh memory costs more than what is computed in it."""
        size = height * width
        if len(getattr(self.own, "products", ())) < size:
            self.own.products = np.empty(size, self.one.vectors.dtype)
            self.own.places = np.empty((2, size), np.int64)
        rows, columns = self.own.places
        return self.own.products[:size].reshape(height, width), rows, columns

    def _scaled(self, vectors: npt.NDArray[np.floating], slope: float) -> npt.NDArray[np.floating]:
        """Angular: rests as they are, the last column, p, times -tan² θ, so that products are of this metric."""
        if not self.angular:
            return vectors
        scale = np.ones(vectors.shape[1], vectors.dtype)
        scale[-1] = -slope
        return vectors * scale

    def _heights(self, here: slice, there: slice, test: int, slope: float) -> tuple[Floats, Floats]:
        one, other = self.one, self.other
        if not self.angular:
            turns = ((1, 1), (1, -1), (-1, 1))[test]
            return self._height(one, here, turns[0]), self._height(other, there, turns[1])
        low, high = (
            (side.rest[part] ** 2 - slope * side.along[part] ** 2) / 2
            - _slack(side) * (side.rest[part] ** 2 + slope * side.along[part] ** 2)
            - 1e-18 * side.along[part] ** 2  # of what lies along, rests are rounding
            for side, part in ((one, here), (other, there))
        )
        return (low, high) if slope < np.tan(STEEP) ** 2 else (np.full_like(low, -np.inf), np.full_like(high, -np.inf))

    def _height(self, side: _Side, part: slice, turn: int) -> Floats:
        along, rest, length, reach = side.along[part], side.rest[part], self.length, self.reach
        squares = along**2 + rest**2
        near = 1 - reach.relative**2
        whole = near * squares / 2 + (near * length**2 - reach.absolute**2) / 4 - turn * length * along
        return whole - _slack(side) * (squares + length**2)


@cache
def kernel() -> Callable[..., int]:
    """What looks through the products of two blocks, compiled."""
    return kept(_passing, nogil=True)


def _passing(  # type: ignore[no-untyped-def]
    products, h_0, k_0, h_1, k_1, h_2, k_2, triangle, rows, columns
) -> int:
    """Write down pairs for which -x ≥ h_0 + k_0, or x ≥ h_1 + k_1, or x ≥ h_2 + k_2; give their number."""
    many = 0
    for i in range(products.shape[0]):
        low, high, high_2 = -h_0[i], h_1[i], h_2[i]
        hit = False
        for j in range(products.shape[1]):
            x = products[i, j]
            hit |= (x + k_0[j] <= low) | (x - k_1[j] >= high) | (x - k_2[j] >= high_2)
        if hit:
            for j in range(i + 1 if triangle else 0, products.shape[1]):
                x = products[i, j]
                if (x + k_0[j] <= low) or (x - k_1[j] >= high) or (x - k_2[j] >= high_2):
                    rows[many], columns[many] = i, j
                    many += 1
    return many


def _slack(side: _Side) -> float:
    return 1e-12 if side.vectors.dtype == np.float64 else 1e-5


class Trees:
    """KD-trees of the vectors that are added, and pairs of them near a target; two and three dimensions, exact form.

    For t = ±b ± c the points t ∓ b are joined with ±c; trees of t ∓ b are made for each target, which is quick.
    """

    def __init__(self, vectors: Floats, left: Rows, right: Rows) -> None:
        self.left, self.right, self.many = left, right, len(vectors)
        self.points = vectors[left]
        self.greatest = float(max(np.abs(self.points).max(), np.abs(vectors[right]).max()))
        self.trees = {sign: cKDTree(sign * vectors[right]) for sign in (1, -1)}

    def near(self, target: Floats) -> TargetTrees:
        """What is asked of one target."""
        return TargetTrees(self, target)


class TargetTrees:
    """Pairs of vectors near one target."""

    def __init__(self, trees: Trees, target: Floats) -> None:
        self.all = trees
        self.rounding = 1e-14 * (np.abs(target).max() + trees.greatest)
        moved = {
            sign: cKDTree(target - sign * trees.points, balanced_tree=False, compact_nodes=False) for sign in (1, -1)
        }
        self.joins = [
            (moved[sign], tree)
            for sign in (1, -1)
            for other, tree in trees.trees.items()
            if (sign, other) != (-1, 1) or trees.left is not trees.right  # b - c is there with the places swapped
        ]

    def count(self, radius: float) -> int:
        """How many pairs come within a radius, each with each of its signs."""
        return sum(int(moved.count_neighbors(tree, radius)) for moved, tree in self.joins)

    def join(self, radius: float) -> Pairs:
        """Pairs within a radius with any signs; each once, an unordered one where both sides are one set."""
        left, right, many = self.all.left, self.all.right, self.all.many
        codes = []
        for moved, tree in self.joins:
            found = moved.sparse_distance_matrix(tree, radius + self.rounding, output_type="ndarray")
            b, c = left[found["i"]], right[found["j"]]
            if left is right:
                b, c = np.minimum(b, c), np.maximum(b, c)
            codes.append(b * many + c)
        code = np.unique(np.concatenate(codes))
        return code // many, code % many
