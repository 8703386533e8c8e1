"""Vectors seen from a basis: projections fitted on some molecules and applied to others, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ribospace.analysis.projection import Projection
from ribospace.errors import UserError
from ribospace.progress import Progress, silent

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Method: TypeAlias = Literal["umap", "pca", "qformer"]
METHODS: tuple[str, ...] = get_args(Method)
#: Degrees within which an angle counts as 90°, 0° or 180°, and the share of the nearest pairs that counts as one place.
TOLERANCE, NEAREST = 15.0, 0.01
SHARE, PAIRS = 0.8, 20_000


@dataclass(frozen=True)
class Seen:
    """Molecules seen from a basis, once for each seed.

    Attributes
    ----------
    places
        (seeds, n, dims) coordinates; the basis' mean is the origin, its root mean square distance from there 1.
    angles
        (seeds, n, n) degrees between two vectors from the origin; NaN where one is zero.
    distances
        (seeds, n, n) in the same unit.
    limit
        (seeds,) distance that 1 % of the basis' pairs fall below: nearer is one place.
    chance
        Share of the basis' own pairs that each verdict holds for, by verdict.
    fitted
        Molecules of the basis that each seed fitted on.
    basis
        (m, dims) some molecules of the basis at the first seed.
    """

    places: Floats
    angles: Floats
    distances: Floats
    limit: Floats
    chance: dict[str, float]
    fitted: int
    basis: Floats


def see(
    fit: Vectors,
    applied: Vectors,
    method: str = "umap",
    dims: int = 3,
    seeds: int = 10,
    most: int = 10_000,
    seed: int = 0,
    progress: Progress = silent,
) -> Seen:
    """Fit a projection on drawn molecules of a basis, apply it to others, again for each seed.

    Parameters
    ----------
    fit
        (m, width) vectors of the basis.
    applied
        (n, width) of the molecules looked at.
    method
        "umap" and "pca" to `dims` dimensions; "qformer": the vectors stay as they are, as latents have few numbers.
    dims
        2 or 3.
    seeds
        How often. Each draws 80 % of the basis, at most `most`, so that also PCA's spread is one.
    most
        Molecules a projection is fitted on.
    seed
        The first.
    progress
        Told how many seeds are done.

    Raises
    ------
    UserError
        For a basis of fewer than 25 molecules, one without spread, or no molecule to apply it to.

    Examples
    --------
    >>> fit = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    >>> applied = np.array([[3, 0, 0, 0], [0, 3, 0, 0]], dtype=np.float32)
    >>> seen = see(fit, applied, "qformer", seeds=4)
    >>> verdicts(seen)[0][1]
    '⟂'
    """
    if len(fit) < 25:
        raise UserError(f"A basis needs 25 molecules with a vector; here are {len(fit)}. Widen --fit.")
    if not len(applied):
        raise UserError("No molecule with a vector to apply the basis to. Widen --apply.")
    places, limits, held = [], [], []
    shown = np.empty((0, dims))
    many = min(most, int(SHARE * len(fit)))
    for number in range(seeds):
        generator = np.random.default_rng([seed, number])
        chosen = np.sort(generator.choice(len(fit), many, replace=False))
        basis, looked = _projected(fit[chosen], applied, method, dims, seed + number)
        origin = basis.mean(axis=0)
        basis, looked = basis - origin, looked - origin
        unit = float(np.sqrt((basis**2).sum(axis=1).mean()))
        if not np.isfinite(unit) or unit == 0:
            raise UserError(
                "All vectors of the basis are equal: it has no directions. Choose another --fit or --model."
            )
        pairs = generator.integers(many, size=(2, PAIRS))
        pairs = pairs[:, pairs[0] != pairs[1]]
        one, other = basis[pairs[0]] / unit, basis[pairs[1]] / unit
        apart = np.linalg.norm(one - other, axis=1)
        limits.append(float(np.quantile(apart, NEAREST)))
        held.append(_held(_angle(one, other), apart, limits[-1]))
        places.append(looked / unit)
        if not number:
            shown = basis[:3000] / unit
        progress(number + 1, seeds)
    at = np.stack(places)
    angles = _angle(at[:, :, None], at[:, None])
    distances = np.linalg.norm(at[:, :, None] - at[:, None], axis=-1)
    chance = {name: float(np.mean([one[name].mean() for one in held])) for name in held[0]}
    return Seen(at, angles, distances, np.array(limits), chance, many, shown)


def _projected(fit: Vectors, applied: Vectors, method: str, dims: int, seed: int) -> tuple[Floats, Floats]:
    if method == "qformer":
        return fit.astype(np.float64), applied.astype(np.float64)
    projection = Projection(method, dims, seed).fit(fit)
    return projection.coordinates.astype(np.float64), projection.apply(applied).astype(np.float64)


def _angle(one: Floats, other: Floats) -> Floats:
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.degrees(np.arccos(np.clip((one * other).sum(axis=-1) / norms, -1, 1)))


def _held(angles: Floats, distances: Floats, limit: float | Floats) -> dict[str, npt.NDArray[np.bool_]]:
    """By verdict, for which pairs it holds."""
    return {
        "=": distances <= limit,
        "⟂": np.abs(angles - 90) <= TOLERANCE,
        "∥": angles <= TOLERANCE,
        "∥ −": angles >= 180 - TOLERANCE,
    }


def verdicts(seen: Seen) -> list[list[str]]:
    """What holds of each pair in every seed: "=" (one place), "⟂", "∥", "∥ −" (opposite); "" where the seeds disagree.

    Returns
    -------
    n lists of n
    """
    held = _held(seen.angles, seen.distances, seen.limit[:, None, None])
    n = seen.places.shape[1]
    return [
        [next((name for name, there in held.items() if i != j and there[:, i, j].all()), "") for j in range(n)]
        for i in range(n)
    ]


def sentences(names: list[str], seen: Seen) -> list[str]:
    """What can be said, pair by pair, and of one against all others.

    Examples
    --------
    >>> fit = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    >>> applied = 3 * np.eye(4, dtype=np.float32)[:3]
    >>> sentences(["a", "b", "c"], see(fit, applied, "qformer", seeds=4))
    ['a ⟂ all', 'b ⟂ all', 'c ⟂ all']
    """
    found, n = verdicts(seen), len(names)
    said, covered = [], set()
    for i, row in enumerate(found):
        others = {row[j] for j in range(n) if j != i}
        if n > 2 and len(others) == 1 and (one := others.pop()):
            said.append(f"{names[i]} {one} all")
            covered |= {frozenset((i, j)) for j in range(n) if j != i}
    for i in range(n):
        for j in range(i + 1, n):
            if found[i][j] and frozenset((i, j)) not in covered:
                said.append(f"{names[i]} {found[i][j].removesuffix(' −')} {'−' * (found[i][j] == '∥ −')}{names[j]}")
    return said


def laid_over(places: Floats) -> Floats:
    """The seeds' coordinates turned (and mirrored) onto the first's, (seeds, n, dims): only how they differ is left."""
    out = [places[0]]
    for one in places[1:]:
        u, _, v = np.linalg.svd(one.T @ places[0])
        out.append(one @ (u @ v))
    return np.stack(out)
