"""The search for additive equations: all within a tolerance or the best, equal to what all sums of two would give.

Never are all sums formed: see `ribospace.analysis.joins`. What an equation is says `ribospace.analysis.equations`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ribospace.analysis.equations import Floats, Measure, Question, Relations, drawn, estimate, judged, looked_at
from ribospace.analysis.joins import PRECISE, Reach, Trees, join_blocks
from ribospace.errors import UserError
from ribospace.progress import Progress, silent

#: Most equations that a search gives.
MOST = 10_000_000


def find(asked: Question, progress: Progress = silent) -> Relations:
    """Find the equations that are asked for.

    Parameters
    ----------
    asked
        See `ribospace.analysis.equations.question`.
    progress
        Told how many targets are done.

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
    if asked.best is None and looked_at(asked).sum() > MOST and (many := estimate(asked)) > MOST:
        raise _too_many(f"About {many:.1e}")
    kept: list[Relations] = []
    held, reach = 0, _reach(asked)
    if asked.best is not None:
        _begin(reach, asked)
    for piece in search(asked, reach, progress):
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


def search(asked: Question, reach: Reach | None = None, progress: Progress = silent) -> Iterator[Relations]:
    """Stream the equations within reach in pieces, unsorted, each once.

    Parameters
    ----------
    asked
        The question; how many are wanted at best is for the caller to keep.
    reach
        Within the question's tolerance by default; may be narrowed between pieces.
    progress
        Told how many targets are done.
    """
    reach = reach or _reach(asked)
    trees = None
    if not asked.angular and asked.vectors.shape[1] <= PRECISE:
        trees = Trees(asked.vectors, asked.left, asked.right)
    for number, target in enumerate(asked.targets.tolist()):
        progress(number, len(asked.targets))
        if trees is not None:
            yield _by_trees(asked, trees, target, reach)
            continue
        point = asked.vectors[target]
        for b, c in join_blocks(point, asked.vectors, asked.left, asked.right, asked.angular, reach):
            if len(b):
                yield judged(asked, np.full(len(b), target), b, c, _limit(reach, asked.measure))


def _by_trees(asked: Question, trees: Trees, target: int, reach: Reach) -> Relations:
    """Of one target all within reach, or where the best are wanted, at least as many as that and all better ones.

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
    a, b, c = np.unique(np.stack(drawn(asked, 10 * asked.best + 20_000)), axis=1)
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
