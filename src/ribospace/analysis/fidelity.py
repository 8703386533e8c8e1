"""How much of a space is left in a reduction of it: neighbourhoods, distances, angles and sums of two.

n molecules; X is the full space (n, width), Y the reduction (n, dims), both by Euclidean distance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, spearmanr

from ribospace.errors import UserError

Array = npt.NDArray[np.float64]
PAIRS = 200_000  # drawn for the rank correlation of distances
TRIANGLES = 200_000  # drawn for the error of angles


@dataclass(frozen=True)
class Fidelity:
    """What a reduction keeps.

    Attributes
    ----------
    trustworthiness, continuity
        Of the k nearest (Venna and Kaski 2001): 1 where no stranger came near, and no neighbour was lost; about 0.5 in
        a random arrangement.
    kept
        For each k the share of the k nearest neighbours in X that are among the k nearest in Y; k / (n - 1) by chance.
    distances
        Spearman's rank correlation of distances, -1 to 1.
    angle
        Mean absolute difference of an angle between three molecules in X and in Y, degrees.
    sums_kept, sums_true
        A molecule's best sum is the pair of others whose sum lies nearest to it, both spaces with their means as
        origins: a reduction's own origin means nothing. How many of X's best sums are
        among the best hundredth of all pairs in Y, and how many of Y's among the best hundredth in X; 0.01 by chance.
    """

    trustworthiness: float
    continuity: float
    kept: dict[int, float]
    distances: float
    angle: float
    sums_kept: float
    sums_true: float


def fidelity(
    full: npt.ArrayLike, reduced: npt.ArrayLike, ks: Sequence[int] = (5, 15, 50), most: int = 150, seed: int = 0
) -> Fidelity:
    """Measure a reduction.

    Parameters
    ----------
    full, reduced
        X (n, width) and Y (n, dims); n of a few thousand, as all pairs are compared.
    ks
        Neighbourhood sizes; trustworthiness and continuity are of the middle one.
    most
        Molecules whose pairs are tried for sums, drawn with the seed.
    seed
        Of what is drawn.

    Raises
    ------
    UserError
        If there are too few molecules for the largest k.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(200, 3))
    >>> same = fidelity(points, 2 * points)
    >>> same.trustworthiness, same.kept[15], round(same.angle, 6), same.sums_kept
    (1.0, 1.0, 0.0, 1.0)
    """
    x, y = np.asarray(full, dtype=np.float64), np.asarray(reduced, dtype=np.float64)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} molecules in the full space, {len(y)} in the reduction")
    if len(x) < 2 * max(ks) + 2:
        raise UserError(f"{len(x)} molecules are too few to compare {max(ks)} neighbours of each: take twice as many.")
    generator = np.random.default_rng(seed)
    far_x, far_y = distances(x), distances(y)
    ranks_x, ranks_y = _ranks(far_x), _ranks(far_y)
    middle = sorted(ks)[len(ks) // 2]
    i, j = _pairs(len(x), generator)
    some = generator.choice(len(x), min(most, len(x)), replace=False)
    kept, true = sums(x[some], y[some])
    return Fidelity(
        trustworthiness=_strangers(ranks_x, ranks_y, middle),
        continuity=_strangers(ranks_y, ranks_x, middle),
        kept={k: float(((ranks_x <= k) & (ranks_y <= k) & (ranks_x > 0)).sum() / (len(x) * k)) for k in ks},
        distances=float(spearmanr(far_x[i, j], far_y[i, j]).statistic),
        angle=_angle_error(x, y, generator),
        sums_kept=kept,
        sums_true=true,
    )


def distances(x: Array) -> Array:
    """(n, n) Euclidean distances, exactly 0 on the diagonal.

    Examples
    --------
    >>> distances(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    x = x - x.mean(axis=0)
    squares = (x**2).sum(axis=1)
    result = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
    np.fill_diagonal(result, 0)
    return result


def _ranks(far: Array) -> npt.NDArray[np.int64]:
    """(n, n) how manieth neighbour the column's molecule is of the row's: 1 the nearest, 0 itself."""
    far = far.copy()
    np.fill_diagonal(far, -1)
    return rankdata(far, method="ordinal", axis=1).astype(np.int64) - 1


def _strangers(true: npt.NDArray[np.int64], seen: npt.NDArray[np.int64], k: int) -> float:
    """1 less the share of ranks by which those that are seen near are farther than k in truth."""
    n = len(true)
    excess = np.where((seen > 0) & (seen <= k), np.maximum(true - k, 0), 0).sum()
    return float(1 - 2 / (n * k * (2 * n - 3 * k - 1)) * excess)


def _pairs(n: int, generator: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    i, j = np.triu_indices(n, 1)
    if len(i) > PAIRS:
        drawn = generator.choice(len(i), PAIRS, replace=False)
        i, j = i[drawn], j[drawn]
    return i, j


def _angle_error(x: Array, y: Array, generator: np.random.Generator) -> float:
    corners = generator.integers(len(x), size=(TRIANGLES, 3))
    corners = corners[(np.diff(np.sort(corners, axis=1), axis=1) > 0).all(axis=1)]
    difference = np.abs(_angles(x, corners) - _angles(y, corners))
    return float(np.degrees(np.nanmean(difference)))


def _angles(x: Array, corners: npt.NDArray[np.int64]) -> Array:
    """(m,) angle at the first of three molecules, radians; NaN where two of them coincide."""
    a, b = x[corners[:, 1]] - x[corners[:, 0]], x[corners[:, 2]] - x[corners[:, 0]]
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    result: Array = np.arccos(np.clip(cosine, -1, 1))
    return result


def sums(x: Array, y: Array, share: float = 0.01) -> tuple[float, float]:
    """Share of X's best sums that are among the best in Y, and of Y's among the best in X; see `Fidelity`.

    Parameters
    ----------
    x, y
        (m, width) and (m, dims); m³ / 2 sums are tried in each, so a few hundred.
    share
        Of all pairs that count as best.
    """
    i, j = np.triu_indices(len(x), 1)
    spaces = [_misses(space - space.mean(axis=0)) for space in (x, y)]
    kept = [0, 0]
    for molecule in range(len(x)):
        others = (i != molecule) & (j != molecule)
        misses = [miss(molecule)[i[others], j[others]] for miss in spaces]
        best = max(1, int(share * others.sum()))
        for number, (here, there) in enumerate((misses, misses[::-1])):
            kept[number] += int((there < there[here.argmin()]).sum() < best)
    return kept[0] / len(x), kept[1] / len(x)


def _misses(x: Array) -> Callable[[int], Array]:
    """Of a molecule t, (m, m) squared distances of x_i + x_j from x_t, by the products of all with all."""
    products = x @ x.T
    squares = np.diag(products)
    sums = squares[:, None] + squares + 2 * products
    return lambda t: sums + squares[t] - 2 * (products[t][:, None] + products[t])
