"""Where a given equation stands among all that could be written with the same target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ribospace.analysis.equations import GREATEST, SIGNS, Floats, angles, judged, looked_at, question

DRAWS = 50_000


@dataclass(frozen=True)
class Standing:
    """A given equation a ∥ b + c.

    Attributes
    ----------
    angle
        Between a and b + c, degrees.
    best, signs
        The least angle over all signs of b and c, and these.
    rank, sums
        Of that angle among those of the target with all sums of two of the other molecules, each with all signs; how
        many there are.
    share
        How many of the sums of two molecules drawn elsewhere, with all signs, have at most `best`; NaN without any.
    """

    angle: float
    best: float
    signs: tuple[int, int]
    rank: int
    sums: int
    share: float


def standing(vectors: Floats, a: int, b: int, c: int, elsewhere: Floats | None = None, seed: int = 0) -> Standing:
    """Say where a ∥ b + c stands.

    Parameters
    ----------
    vectors
        (n, width), none zero; the rank is among these.
    a, b, c
        Rows.
    elsewhere
        (m, width) others, none zero, from which pairs are drawn.
    seed
        Of the drawing.

    Examples
    --------
    >>> vectors = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.2, 1.0]])
    >>> found = standing(vectors, 0, 1, 2)
    >>> round(found.angle, 6), found.rank, found.sums
    (0.0, 1, 12)
    """
    sums = [sign_b * vectors[b] + sign_c * vectors[c] for sign_b, sign_c in SIGNS]
    own = angles(np.tile(vectors[a], (len(SIGNS), 1)), np.stack(sums))
    asked = question(vectors, [a], measure="angle", within=GREATEST["angle"])
    others = np.delete(np.arange(len(vectors)), a)
    i, j = np.triu_indices(len(others), 1)
    every = judged(asked, np.full(len(i), a), others[i], others[j], GREATEST["angle"])
    best = float(own.min())
    share = np.nan
    if elsewhere is not None:
        generator = np.random.default_rng(seed)
        one, other = generator.integers(len(elsewhere), size=(2, DRAWS))
        real = one != other
        one, other = elsewhere[one[real]], elsewhere[other[real]]
        found = [
            angles(np.broadcast_to(vectors[a], one.shape), sign_b * one + sign_c * other) for sign_b, sign_c in SIGNS
        ]
        share = float((np.concatenate(found) <= best).mean())
    return Standing(
        angle=float(own[0]),
        best=best,
        signs=SIGNS[int(own.argmin())],
        rank=int((every.angle < best - 1e-9).sum()) + 1,
        sums=int(looked_at(asked).sum()),
        share=share,
    )
