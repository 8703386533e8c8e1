"""The search for additive equations: all within a tolerance or the best, equal to what all sums of two would give.

Never are all sums formed: see `ribospace.analysis.joins`. What an equation is says `ribospace.analysis.equations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ribospace.analysis.equations import Floats, Measure, Question, Relations, drawn, estimate, judged, looked_at
from ribospace.analysis.joins import PRECISE, Reach, Trees, join_blocks
from ribospace.errors import UserError
from ribospace.progress import Progress, silent

#: Most equations that a search gives.
MOST = 10_000_000
PAIRS = 2_000_000  # that trees give at once


def find(asked: Question, progress: Progress = silent, share: float = 1.0) -> Relations:
    """Find the equations that are asked for.

    Parameters
    ----------
    asked
        See `ribospace.analysis.equations.question`.
    progress
        Told how many targets are done.
    share
        See `find_approximately`.

    Returns
    -------
    Relations
        The best first.

    Raises
    ------
    UserError
        If there are more than ten million.

    Examples
    --------
    >>> from ribospace.analysis.equations import question
    >>> vectors = [[1.0, 2.0], [3.0, 1.0], [4.0, 3.0], [-5.0, 9.0]]
    >>> found = find(question(vectors, measure="residual", within=1e-9))
    >>> found.a.tolist(), found.b.tolist(), found.c.tolist(), found.sign_b.tolist(), found.sign_c.tolist()
    ([0], [1], [2], [-1], [1])
    """
    if asked.best is None and looked_at(asked).sum() > MOST and (many := estimate(asked, MOST)) > MOST:
        raise _too_many(f"About {many:.1e}")
    kept: list[Relations] = []
    held, reach = 0, _reach(asked)
    if asked.best is not None:
        _begin(reach, asked)
    for piece in search(asked, reach, progress, share):
        kept.append(piece)
        held += len(piece)
        if asked.best is None and held > MOST:
            raise _too_many(f"More than {MOST:,}")
        if asked.best is not None and held > 2 * asked.best + 1000:
            kept = [_best(kept, asked.measure, asked.best)]
            held = len(kept[0])
            _narrow(reach, asked.measure, kept[0], asked.best)
    found = Relations.joined(kept).sorted(asked.measure)
    return found.take(slice(asked.best))


def find_approximately(
    asked: Question, least: float = 0.95, progress: Progress = silent, seed: int = 0
) -> tuple[Relations, float, float]:
    """Find most of the equations that are asked for, in a part of the time.

    Only the pairs of blocks that are likeliest to hold an answer are looked at: a fifth of them, or as many as it
    takes. In two and three dimensions the exact form is fast, and stays exact.

    Parameters
    ----------
    asked, progress
        As for `find`.
    least
        Recall that is wanted.
    seed
        Of the molecules on which it is measured.

    Returns
    -------
    found : Relations
        The best first.
    recall : float
        Share found of all equations, as good as the last one, that have a twentieth of the molecules on the left.
    share : float
        Of the pairs of blocks, that was looked at.
    """
    share = 0.2
    while True:
        found = find(asked, progress, share)
        recall = 1.0 if share >= 1 else _recall(asked, found, seed) if len(found) else 0.0
        if recall >= least:
            return found, recall, share
        share = min(1.0, 2 * share)


def _recall(asked: Question, found: Relations, seed: int) -> float:
    generator = np.random.default_rng(seed)
    some = np.sort(generator.choice(asked.left, max(1, len(asked.left) // 20), replace=False))
    limit = asked.within if asked.best is None else float(found.by(asked.measure).max())
    true = find(replace(asked, left=some, within=limit, best=None))
    wanted, there = (_keys(one, asked.angular) for one in (true, found))
    return len(wanted & there) / len(wanted) if wanted else 1.0


def _keys(found: Relations, angular: bool) -> set[tuple[int, ...]]:
    """Each equation in whichever way it is written: rows from 1, with their signs, in order."""
    columns = (found.a + 1, -(found.b + 1) * found.sign_b, -(found.c + 1) * found.sign_c)
    rows = zip(*(one.tolist() for one in columns), strict=True)
    if angular:
        return {(a, *sorted(pair)) for a, *pair in rows}
    return {min(tuple(sorted(row)), tuple(sorted(-one for one in row))) for row in rows}


def search(
    asked: Question, reach: Reach | None = None, progress: Progress = silent, share: float = 1.0
) -> Iterator[Relations]:
    """Stream the equations within reach in pieces, unsorted, each once.

    Parameters
    ----------
    asked
        The question; how many are wanted at best is for the caller to keep.
    reach
        Within the question's tolerance by default; may be narrowed between pieces.
    progress
        Told how many targets are done.
    share
        See `find_approximately`.
    """
    reach = reach or _reach(asked)
    trees = None
    if not asked.angular and asked.vectors.shape[1] <= PRECISE:
        trees = Trees(asked.vectors, asked.left, asked.right)
    for number, target in enumerate(asked.targets.tolist()):
        progress(number, len(asked.targets))
        if trees is not None:
            found = _by_trees(asked, trees, target, reach)
            if found is not None:
                yield found
                continue
        point = asked.vectors[target]
        for b, c in join_blocks(point, asked.vectors, asked.left, asked.right, asked.angular, reach, share):
            if len(b):
                yield judged(asked, np.full(len(b), target), b, c, _limit(reach, asked.measure))


def _by_trees(asked: Question, trees: Trees, target: int, reach: Reach) -> Relations | None:
    """Of one target all within reach, or where the best are wanted, at least as many as that and all better ones.

    None where these are so many pairs, of which most may not be joined, that they are better streamed.

    An equation farther than a radius has a relative residual above the radius over the greatest scale.
    """
    near, limit = trees.near(asked.vectors[target]), _limit(reach, asked.measure)
    sides = [asked.squares[rows].max() for rows in (asked.left, asked.right)]
    scale = 1.0 if asked.measure == "residual" else float(np.sqrt(asked.squares[target] + sum(sides)))
    most = limit * scale
    radius = most if asked.best is None else min(most, _first_radius(asked))
    while True:
        if radius < most and near.count(radius) < (asked.best or 0):
            radius *= 2
            continue
        radius = min(radius, most)
        if asked.keep is not None and near.count(radius) > PAIRS:
            return None
        b, c = near.join(radius)
        found = judged(asked, np.full(len(b), target), b, c, limit)
        if radius >= most or (found.by(asked.measure) <= radius / scale).sum() >= (asked.best or 0):
            return found
        radius *= 2


def _first_radius(asked: Question) -> float:
    """Where points are spread evenly, about how far the best of all sums are."""
    spread = float(np.sqrt(asked.squares[asked.left].mean()))
    return spread * ((asked.best or 1) / len(asked.left) / len(asked.right)) ** (1 / asked.vectors.shape[1])


def _reach(asked: Question) -> Reach:
    if asked.angular:
        return Reach(angle=float(np.radians(asked.within)))
    if asked.measure == "relative":
        return Reach(relative=asked.within)
    lengths = np.sqrt([asked.squares[rows].max() for rows in (asked.targets, asked.left, asked.right)])
    return Reach(absolute=float(min(asked.within, lengths.sum())))


def _begin(reach: Reach, asked: Question) -> None:
    """Narrow the reach to what as many equations keep to that are drawn at random."""
    assert asked.best is not None
    a, b, c = np.unique(np.stack(drawn(asked, 4 * asked.best + 4000)), axis=1)
    found = judged(asked, a, b, c, _limit(reach, asked.measure))
    _narrow(reach, asked.measure, _best([found], asked.measure, asked.best), asked.best)


def _limit(reach: Reach, measure: Measure) -> float:
    values = {"residual": reach.absolute, "relative": reach.relative, "angle": float(np.degrees(reach.angle))}
    return values[measure]


def _best(parts: list[Relations], measure: Measure, many: int) -> Relations:
    """The best so many, with all that are as good as the last of them."""
    whole = Relations.joined(parts)
    values: Floats = whole.by(measure)
    if len(values) <= many:
        return whole
    return whole.take(values <= np.partition(values, many - 1)[many - 1])


def _narrow(reach: Reach, measure: Measure, best: Relations, many: int) -> None:
    if len(best) < many:
        return
    last = float(best.by(measure).max())
    if measure == "angle":
        reach.angle = min(reach.angle, float(np.radians(last)))
    elif measure == "relative":
        reach.relative = min(reach.relative, last)
    else:
        reach.absolute = min(reach.absolute, last)


def _too_many(said: str) -> UserError:
    return UserError(
        f"{said} equations are within the tolerance; {MOST:,} are the most that are given. Take a smaller tolerance "
        "or angle, fewer targets, or the best 1000."
    )
