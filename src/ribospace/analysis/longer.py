"""Equations of more than three molecules: a ≈ ±b ±c ±d …, by extending the best shorter ones."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from ribospace.analysis.chance import Model
from ribospace.analysis.equations import GREATEST, Floats, Mask, Question, Relations, Rows, angles
from ribospace.analysis.relations import find
from ribospace.progress import Progress, silent

_AT_ONCE = 1 << 24  # numbers in a block of products


@dataclass(frozen=True)
class Sums:
    """Equations a ≈ Σ s_i m_i, the best first.

    Attributes
    ----------
    a
        (n,) rows of the targets.
    members, signs
        (n, terms) rows and ±1.
    residual, relative, angle
        (n,) as for `Relations`, relative to the root of all squared lengths.
    """

    a: Rows
    members: Rows
    signs: Rows
    residual: Floats
    relative: Floats
    angle: Floats

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: Rows | Mask | slice) -> Sums:
        """Some of them."""
        return Sums(*[getattr(self, field.name)[rows] for field in fields(self)])


def extend(asked: Question, found: Relations, terms: int) -> Sums:
    """Add further molecules to the best equations, one after the other.

    Best first, as in a beam search: to each equation the molecule of either side and the sign that bring it nearest;
    of what comes the best different ones are kept and extended again. So an equation is found if its shorter ones are
    among the best; it is no search of all sums.

    Parameters
    ----------
    asked
        The question; what it keeps apart is asked of the target with each two of the others.
    found
        Its answer.
    terms
        Molecules on the right, 3 or more.

    Examples
    --------
    >>> from ribospace.analysis.equations import question
    >>> vectors = np.random.default_rng(0).normal(size=(40, 20))
    >>> vectors[0] = vectors[5] - vectors[6] + vectors[7]
    >>> asked = question(vectors, [0], best=50)
    >>> best = extend(asked, find(asked), 3)
    >>> sorted(best.members[0].tolist()), round(float(best.relative[0]), 6)
    ([5, 6, 7], 0.0)
    """
    members, signs = np.stack([found.b, found.c], axis=1), np.stack([found.sign_b, found.sign_c], axis=1)
    sums = _valued(asked, found.a, members, signs)
    for _ in range(terms - 2):
        if not len(sums):
            break
        sums = _extended(asked, sums, len(found))
    return sums.take(getattr(sums, asked.measure) <= asked.within)


def _valued(asked: Question, a: Rows, members: Rows, signs: Rows) -> Sums:
    """Equations with their values, sorted."""
    total = (signs[:, :, None] * asked.vectors[members]).sum(axis=1)
    residual = np.linalg.norm(asked.vectors[a] - total, axis=1)
    scale = np.sqrt(asked.squares[a] + asked.squares[members].sum(axis=1))
    result = Sums(a, members, signs, residual, residual / scale, angles(asked.vectors[a], total))
    return result.take(np.lexsort((a, getattr(result, asked.measure))))


def _extended(asked: Question, sums: Sums, many: int) -> Sums:
    others = np.union1d(asked.left, asked.right)
    x = asked.vectors[others]
    added, added_sign = np.empty(len(sums), np.int64), np.empty(len(sums), np.int64)
    there = np.zeros(len(sums), dtype=bool)
    size = max(1, _AT_ONCE // len(others))
    for first in range(0, len(sums), size):
        part = sums.take(slice(first, first + size))
        total = (part.signs[:, :, None] * asked.vectors[part.members]).sum(axis=1)
        values = np.stack([_values(asked, part, total, x, others, sign) for sign in (1, -1)], axis=1)
        barred = (others == part.a[:, None]) | (others == part.members[:, :, None]).any(axis=1)
        values[np.broadcast_to(barred[:, None], values.shape)] = np.inf
        best = values.reshape(len(part), -1).argmin(axis=1)
        rows = np.arange(first, first + len(part))
        added[rows], added_sign[rows] = others[best % len(others)], np.where(best < len(others), 1, -1)
        there[rows] = np.isfinite(values.reshape(len(part), -1).min(axis=1))
    if asked.keep is not None:
        for column in sums.members.T:
            there[there] = asked.keep(sums.a[there], column[there], added[there])
    members, signs = np.column_stack([sums.members, added])[there], np.column_stack([sums.signs, added_sign])[there]
    order = np.argsort(members, axis=1)
    members, signs = (np.take_along_axis(one, order, axis=1) for one in (members, signs))
    whole = np.unique(np.column_stack([sums.a[there], members, signs]), axis=0)
    terms = members.shape[1]
    return _valued(asked, whole[:, 0], whole[:, 1 : 1 + terms], whole[:, 1 + terms :]).take(slice(many))


def _values(asked: Question, part: Sums, total: Floats, x: Floats, others: Rows, sign: int) -> Floats:
    """(equations, others) the measure, with each of the others added."""
    a = asked.vectors[part.a]
    along = (a * total).sum(axis=1)[:, None] + sign * a @ x.T
    squares = (total**2).sum(axis=1)[:, None] + asked.squares[others] + 2 * sign * total @ x.T
    own = asked.squares[part.a][:, None]
    if asked.angular:
        result: Floats = -along / np.sqrt(np.maximum(own * squares, 1e-300))
        return result
    missing = np.maximum(own + squares - 2 * along, 0)
    if asked.measure == "relative":
        scale = own + asked.squares[part.members].sum(axis=1)[:, None] + asked.squares[others]
        missing = missing / scale
    result = missing
    return result


@dataclass(frozen=True)
class SumsChance:
    """What a null model gives beside longer equations, by the same procedure on each of its draws.

    Attributes
    ----------
    expected
        (n,) equations at least as good that the target has in a draw, on average.
    p_best
        (n,) share of draws, the data among them, in which the target's best is at least as good.
    """

    expected: Floats
    p_best: Floats


def chance_of_sums(
    asked: Question,
    found: Sums,
    many: int,
    model: Model,
    permutations: int,
    seed: int = 0,
    progress: Progress = silent,
) -> SumsChance:
    """Say how often chance gives as good longer equations.

    Parameters
    ----------
    asked, found
        The question and what `extend` gave.
    many
        How many of the best shorter ones were extended.
    model, permutations, seed, progress
        As for `ribospace.analysis.chance.chance`.
    """
    terms, values = found.members.shape[1], getattr(found, asked.measure)
    as_good, bested = np.zeros(len(found)), np.zeros(len(found))
    for number, one in enumerate(np.random.SeedSequence(seed).spawn(permutations)):
        progress(number, permutations)
        made = replace(asked, vectors=model(np.random.default_rng(one)), within=GREATEST[asked.measure], best=many)
        drawn = extend(made, find(made), terms)
        for target in np.unique(found.a):
            here = found.a == target
            null = np.sort(getattr(drawn, asked.measure)[drawn.a == target])
            less = np.searchsorted(null, values[here], side="right")
            as_good[here] += less
            bested[here] += less > 0
    return SumsChance(as_good / permutations, (1 + bested) / (1 + permutations))
