"""Additive equations a ≈ s_b b + s_c c among vectors: what is asked, what an equation is, and how many there are.

Exact form: the residual |a - s_b b - s_c c|, absolute, or relative to √(|a|² + |b|² + |c|²), which is 1 on average
where the three know nothing of each other. Angular form: the angle between a and s_b b + s_c c. No molecule comes twice
in an equation, and no equation twice: b + c is c + b, and in the exact form a = b + c is also b = a - c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError

Measure: TypeAlias = Literal["residual", "relative", "angle"]
Floats: TypeAlias = npt.NDArray[np.float64]
Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Keep: TypeAlias = Callable[[Rows, Rows, Rows], Mask]

#: (s_b, s_c) of the four sums of two.
SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
#: The greatest value that each measure can have.
GREATEST: dict[Measure, float] = {"residual": np.inf, "relative": np.sqrt(3), "angle": 180.0}
NUMBERS = 1 << 25  # at most in the equations that are drawn for an estimate


@dataclass(frozen=True)
class Relations:
    """Equations a ≈ s_b b + s_c c.

    Attributes
    ----------
    a, b, c
        (n,) int64, rows of the vectors.
    sign_b, sign_c
        (n,) int64, 1 or -1.
    residual, relative
        (n,) float64, |a - s_b b - s_c c|, and that over √(|a|² + |b|² + |c|²).
    angle
        (n,) float64, between a and s_b b + s_c c, degrees, 0 to 180.
    """

    a: Rows
    b: Rows
    c: Rows
    sign_b: Rows
    sign_c: Rows
    residual: Floats
    relative: Floats
    angle: Floats

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: npt.NDArray[np.intp] | Mask | slice) -> Relations:
        """Some of them."""
        return Relations(*[getattr(self, field.name)[rows] for field in fields(self)])

    def by(self, measure: Measure) -> Floats:
        """(n,) how good they are by a measure; less is better."""
        values: Floats = getattr(self, measure)
        return values

    def sorted(self, measure: Measure) -> Relations:
        """The best first; equally good ones by their rows and signs."""
        return self.take(np.lexsort((-self.sign_c, -self.sign_b, self.c, self.b, self.a, self.by(measure))))

    @classmethod
    def joined(cls, parts: list[Relations]) -> Relations:
        """Several after one another."""
        none = [np.empty(0, np.int64)] * 5 + [np.empty(0)] * 3
        whole = [[getattr(part, field.name) for part in parts] for field in fields(cls)]
        return cls(*[np.concatenate([empty, *arrays]) for empty, arrays in zip(none, whole, strict=True)])


@dataclass(frozen=True)
class Question:
    """What is looked for; `question` makes it.

    Attributes
    ----------
    vectors
        (n, width) float64, finite, none zero.
    targets, left, right
        Sorted rows: a comes from the targets, b from the left, c from the right; one object where the last two are one.
    measure
        By what an equation is good: "residual", "relative" or "angle" (degrees).
    within
        Greatest value of the measure.
    best
        How many at most, over all targets; None: all.
    keep
        Asked for rows (a, b, c), says which molecules may be joined; must not depend on their order.
    """

    vectors: Floats
    targets: Rows
    left: Rows
    right: Rows
    measure: Measure
    within: float
    best: int | None = None
    keep: Keep | None = None

    @property
    def angular(self) -> bool:
        """Whether directions are asked for."""
        return self.measure == "angle"

    @cached_property
    def squares(self) -> Floats:
        """(n,) squared lengths."""
        result: Floats = np.einsum("nd,nd->n", self.vectors, self.vectors)
        return result

    @cached_property
    def roles(self) -> tuple[Mask, Mask, Mask]:
        """(n,) each: which rows are targets, left, right."""
        masks = [np.zeros(len(self.vectors), dtype=bool) for _ in range(3)]
        for mask, rows in zip(masks, (self.targets, self.left, self.right), strict=True):
            mask[rows] = True
        return masks[0], masks[1], masks[2]

    def first(self, a: Rows, b: Rows, c: Rows) -> Mask:
        """Whether an equation is the one that stands for all that are the same, and is none of a molecule twice."""
        is_target, is_left, is_right = self.roles
        kept = (a != b) & (a != c) & (b != c)
        if self.left is not self.right:
            kept &= ~(is_left[c] & is_right[b] & (b > c))
        if not self.angular:
            for one, other in ((b, c), (c, b)):
                earlier = is_target[one] & (one < a)
                kept &= ~(earlier & ((is_left[a] & is_right[other]) | (is_left[other] & is_right[a])))
        return kept


def usable(vectors: npt.ArrayLike) -> Mask:
    """(n,) which vectors can be added: finite and not zero.

    Examples
    --------
    >>> usable([[1.0, 0.0], [0.0, 0.0], [np.nan, 1.0]]).tolist()
    [True, False, False]
    """
    values = np.asarray(vectors)
    return np.isfinite(values).all(axis=1) & (values != 0).any(axis=1)


def question(
    vectors: npt.ArrayLike,
    targets: npt.ArrayLike | None = None,
    left: npt.ArrayLike | None = None,
    right: npt.ArrayLike | None = None,
    *,
    measure: Measure = "relative",
    within: float = np.inf,
    best: int | None = None,
    normalise: bool = False,
    keep: Keep | None = None,
) -> Question:
    """Ask for equations; see `Question`.

    Parameters
    ----------
    vectors
        (n, width) of one embedding or projection.
    targets, left, right
        Rows; all by default, `right` is `left` by default.
    measure, within, best, keep
        See `Question`; `within` or `best` must be said.
    normalise
        Bring vectors to length 1 first.

    Raises
    ------
    UserError
        For fewer than three molecules, unusable vectors, or no end of equations.
    """
    try:
        values = np.ascontiguousarray(vectors, dtype=np.float64)
    except ValueError as error:
        raise UserError("Vectors of several widths cannot be added. Take those of one embedding.") from error
    if values.ndim != 2:
        raise UserError("Vectors of several widths cannot be added. Take those of one embedding.")
    if not usable(values).all():
        raise UserError("A vector is zero, or holds NaN or infinity. Leave it out: `usable` says which can be added.")
    if normalise:
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    lengths = np.linalg.norm(values, axis=1)
    if not 1e-12 < lengths.min() <= lengths.max() < 1e12:
        raise UserError(
            f"Vectors are {lengths.min():.1e} to {lengths.max():.1e} long, which single precision cannot add. "
            "Bring them to lengths between 1e-12 and 1e12, or normalise."
        )
    if best is None and not np.isfinite(within):
        raise UserError("All equations there are would be given. Name a tolerance, a greatest angle, or how many.")
    if not within >= 0 or (best is not None and best < 1):
        raise UserError(f"A tolerance of {within} with the best {best} finds nothing. Take 0 or more, and 1 or more.")
    everything = np.arange(len(values))
    a, b = (everything if rows is None else np.unique(np.asarray(rows, dtype=np.int64)) for rows in (targets, left))
    c = b if right is None else np.unique(np.asarray(right, dtype=np.int64))
    if not all(len(rows) for rows in (a, b, c)) or len(np.unique(np.concatenate([a, b, c]))) < 3:
        raise UserError("A relation needs three molecules: a target and two others. Choose larger sets.")
    return Question(values, a, b, b if np.array_equal(b, c) else c, measure, min(within, GREATEST[measure]), best, keep)


def judged(asked: Question, a: Rows, b: Rows, c: Rows, most: float) -> Relations:
    """Of pairs with their targets, the equations that are asked for, by any of the four sums.

    Parameters
    ----------
    asked
        The question.
    a, b, c
        (n,) rows each.
    most
        Greatest value of the measure.
    """
    kept = asked.first(a, b, c)
    a, b, c = a[kept], b[kept], c[kept]
    if asked.left is asked.right:
        b, c = np.minimum(b, c), np.maximum(b, c)
    size = max(1, (1 << 22) // asked.vectors.shape[1])
    pieces = [slice(first, first + size) for first in range(0, len(a), size)]
    found = Relations.joined([one for part in pieces for one in _sums(asked, a[part], b[part], c[part], most)])
    return found.take(asked.keep(found.a, found.b, found.c)) if asked.keep and len(found) else found


def _sums(asked: Question, a: Rows, b: Rows, c: Rows, most: float) -> list[Relations]:
    """Equations within a value: first about, by products, then what is left exactly."""
    x = asked.vectors
    scale = np.sqrt(asked.squares[a] + asked.squares[b] + asked.squares[c])
    found = []
    for product in (1, -1):
        sums = x[b] + x[c] if product > 0 else x[b] - x[c]
        along, squares = np.einsum("nd,nd->n", x[a], sums), np.einsum("nd,nd->n", sums, sums)
        for sign_b in (1, -1):
            if asked.angular:
                lengths = np.sqrt(squares * asked.squares[a])
                near = sign_b * along >= (np.cos(np.radians(most)) - 1e-13) * lengths
            else:
                limit = most * (scale if asked.measure == "relative" else 1.0)
                near = asked.squares[a] + squares - 2 * sign_b * along <= limit**2 + 1e-12 * scale**2
            some = np.flatnonzero(near)
            rows, signed = (a[some], b[some], c[some]), sign_b * sums[some]
            residual = np.linalg.norm(x[rows[0]] - signed, axis=1)
            own, other = np.full(len(some), sign_b), np.full(len(some), sign_b * product)
            angle = angles(x[rows[0]], signed)
            one = Relations(*rows, own, other, residual, residual / scale[some], angle)
            found.append(one.take(one.by(asked.measure) <= most))
    return found


def angles(x: Floats, y: Floats) -> Floats:
    """(n,) angles between rows of x and of y, degrees; 90 where y is zero.

    By the tangent, as the cosine of a small angle cannot be told from 1.

    Examples
    --------
    >>> angles(np.array([[1.0, 0.0]]), np.array([[-1.0, 1.0]])).round(6).tolist()
    [135.0]
    """
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    along = np.einsum("nd,nd->n", unit, y)
    result: Floats = np.degrees(np.arctan2(np.linalg.norm(y - along[:, None] * unit, axis=1), along))
    return np.where(y.any(axis=1), result, 90.0)


def looked_at(asked: Question) -> Rows:
    """(targets,) how many equations there are of each target, good or bad, each counted once.

    Those that `keep` refuses are counted, too.

    Examples
    --------
    >>> looked_at(question(np.eye(4), [0], within=1.0)).tolist()  # 3 pairs, 4 sums of each
    [12]
    """
    _, is_left, is_right = asked.roles
    kind = is_left + 2 * is_right  # which sides a molecule is on
    many = np.bincount(kind, minlength=4)
    before = np.zeros((len(asked.targets) + 1, 4), dtype=np.int64)  # targets that come earlier, by kind
    np.add.at(before[1:], (np.arange(len(asked.targets)), kind[asked.targets]), 1)
    before = before.cumsum(axis=0)[:-1]
    own = kind[asked.targets]
    later = many - before
    later[np.arange(len(own)), own] -= 1
    pairs = np.zeros(len(own), dtype=np.int64)
    kinds = [(side, early) for side in range(4) for early in (False, True)]
    for (side, early), (side_2, early_2) in combinations_with_replacement(kinds, 2):
        if not _joins(side, side_2):
            continue
        count, count_2 = (before if early else later)[:, side], (before if early_2 else later)[:, side_2]
        same = (side, early) == (side_2, early_2)
        product = count * (count - 1) // 2 if same else count * count_2
        if not asked.angular:
            table = np.array([[_joins(one, other) for other in range(4)] for one in range(4)])
            product = np.where(early & table[own, side_2] | early_2 & table[own, side], 0, product)
        pairs += product
    return len(SIGNS) * pairs


def _joins(kind: int, kind_2: int) -> bool:
    """Whether of two molecules one can be on the left, the other on the right."""
    return bool((kind & 1 and kind_2 & 2) or (kind & 2 and kind_2 & 1))


def drawn(asked: Question, draws: int, seed: int = 0) -> tuple[Rows, Rows, Rows]:
    """Rows (a, b, c) of equations drawn at random, a target and a pair as likely as any; fewer than asked for.

    The sum of a pair may have any signs; what `keep` refuses is not left out.
    """
    generator = np.random.default_rng(seed)
    a, b, c = (generator.choice(rows, draws) for rows in (asked.targets, asked.left, asked.right))
    if asked.left is asked.right:
        b, c = np.minimum(b, c), np.maximum(b, c)
    real = asked.first(a, b, c)
    return a[real], b[real], c[real]


def estimate(asked: Question, most: int, seed: int = 0) -> float:
    """About how many equations there are within the tolerance, by drawing so many that `most` can be told from none."""
    many = float(looked_at(asked).sum())
    draws = min(max(1000, round(1000 * many / most)), 200_000, NUMBERS // asked.vectors.shape[1])
    a, b, c = drawn(asked, draws, seed)
    return many * len(judged(asked, a, b, c, asked.within)) / (len(SIGNS) * max(1, len(a)))
