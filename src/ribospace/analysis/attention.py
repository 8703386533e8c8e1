"""Whether attention follows the structure: attention maps beside base pairs.

Maps are made symmetric and freed of what their rows and columns have in common by the average-product correction (Dunn,
Wahl and Gloor 2008, doi 10.1093/bioinformatics/btm604).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
#: Nearest places that are asked: a hairpin's loop has three nucleotides or more.
SEPARATION = 4


def corrected(maps: Floats) -> Floats:
    """(…, L, L) attention, made symmetric and corrected by average products.

    Examples
    --------
    >>> corrected(np.outer([1.0, 2.0], [1.0, 2.0])).round(6).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    both = (maps + np.swapaxes(maps, -1, -2)) / 2
    row = both.sum(axis=-1, keepdims=True)
    total = row.sum(axis=-2, keepdims=True)
    return both - row * np.swapaxes(row, -1, -2) / np.maximum(total, 1e-30)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Followed:
    """How well the largest values of maps are base pairs.

    Attributes
    ----------
    precision
        (…,) share of base pairs among the L largest values, L the length; of pairs with probabilities, their mean.
    chance
        (…,) the same for places drawn at random with the separations of these values: what a head reaches that leans
        to certain distances, as heads do, and knows of no structure.
    most
        The highest precision that there can be: that of the L likeliest places.
    """

    precision: npt.NDArray[np.float64]
    chance: npt.NDArray[np.float64]
    most: float


def followed(
    maps: Floats, pairs: Sequence[tuple[int, int] | tuple[int, int, float]], separation: int = SEPARATION
) -> Followed | None:
    """Precision at L of (…, L, L) attention maps against base pairs.

    Parameters
    ----------
    maps
        As an encoder gives them; they are corrected here.
    pairs
        Places from 0, the left one first; a third number is the pair's probability, 1 by default.
    separation
        Pairs that are nearer than this, and what maps say of such places, are left out.

    Returns
    -------
    Followed or None
        None where no pair is left, or no place.
    """
    length = maps.shape[-1]
    left, right = np.triu_indices(length, separation)
    paired = pair_matrix(pairs, length)[left, right]
    if not paired.any():
        return None
    values = corrected(maps)[..., left, right].reshape(-1, len(left))
    taken = min(length, len(left))
    apart = right - left
    density = np.bincount(apart, weights=paired, minlength=length) / np.maximum(np.bincount(apart, minlength=length), 1)
    top = np.argsort(-values, axis=1, kind="stable")[:, :taken]
    shape = maps.shape[:-2]
    return Followed(
        paired[top].mean(axis=1).reshape(shape),
        density[apart[top]].mean(axis=1).reshape(shape),
        float(np.sort(paired)[-taken:].mean()),
    )


def pair_matrix(pairs: Sequence[tuple[int, int] | tuple[int, int, float]], length: int) -> npt.NDArray[np.float64]:
    """(L, L) probability of each pair, above the diagonal; see `followed`."""
    found = np.zeros((length, length))
    for one, other, *probability in pairs:
        found[int(one), int(other)] = probability[0] if probability else 1.0
    return found


@dataclass(frozen=True)
class Following:
    """How well heads follow the structures of many molecules.

    Attributes
    ----------
    molecules
        How many had pairs.
    precision, chance
        (layers, heads) means of `Followed` over molecules.
    p
        (layers, heads) that the precision is above chance: signs drawn molecule by molecule, corrected for all heads.
    most
        Mean of the highest precisions that there can be.
    """

    molecules: int
    precision: npt.NDArray[np.float64]
    chance: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    most: float


def following(found: Sequence[Followed], draws: int = 999, seed: int = 0) -> Following:
    """Gather what heads do on (n) molecules, each with (layers, heads) values."""
    precision = np.stack([one.precision for one in found])
    chance = np.stack([one.chance for one in found])
    gain = (precision - chance).reshape(len(found), -1)
    spread = gain.std(axis=0) + 1e-12
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(draws, len(found)))
    highest = (signs @ gain / len(found) / spread).max(axis=1)
    p = (1 + (highest[None] >= (gain.mean(axis=0) / spread)[:, None] - 1e-12).sum(axis=1)) / (1 + draws)
    return Following(
        len(found), precision.mean(axis=0), chance.mean(axis=0), p.reshape(precision.shape[1:]),
        float(np.mean([one.most for one in found])),
    )  # fmt: skip
