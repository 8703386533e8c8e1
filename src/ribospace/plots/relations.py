"""Figures of additive equations: arrows from the origin, and counts beside the null's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """An equation to be drawn.

    Attributes
    ----------
    title
        What stands above it.
    vectors
        (3, width) of a, b and c.
    signs
        Of b and c.
    """

    title: str
    vectors: Floats
    signs: tuple[int, int]


def arrows_figure(equations: Sequence[Drawn], title: str, dims: int) -> Figure:
    """Draw equations as arrows from the origin, a panel each: a, ±b, ±c and their sum.

    Vectors of more dimensions are shown in the space that b, c and a span: in 3-D nothing is lost, in 2-D the panel is
    the plane of b and c, a is its shadow there, and how far it stands off is said.

    Parameters
    ----------
    equations
        Some six at most.
    title
        What they are.
    dims
        2 or 3.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns = min(3, len(equations))
    rows = -(-len(equations) // columns)
    figure = Figure(figsize=(4.2 * columns, 4.3 * rows + 0.9), dpi=150, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    for number, one in enumerate(equations):
        panel: Any = figure.add_subplot(rows, columns, number + 1, projection="3d" if dims == 3 else None)
        _arrows(panel, one, dims)
    handles = [
        Line2D([], [], color=colour, lw=2.4, ls=style, label=label)
        for label, colour, style in (
            ("a", COLOURS[5], "-"),
            ("±b, ±c", COLOURS[0], "-"),
            ("their sum", COLOURS[2], "--"),
        )
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _arrows(panel: Any, one: Drawn, dims: int) -> None:
    from matplotlib.patheffects import withStroke

    a, b, c = one.vectors
    b, c = one.signs[0] * b, one.signs[1] * c
    points = np.stack([a, b, c, b + c])
    off = ""
    if points.shape[1] > dims:
        seen = points @ _axes(b, c, a, dims).T
        missing = np.sqrt(max(0.0, float(a @ a - seen[0] @ seen[0])))
        off = f"\na stands {missing:.2g} off this plane" if dims == 2 else ""
        points = seen
    labels = ("a", "−b" if one.signs[0] < 0 else "b", "−c" if one.signs[1] < 0 else "c", "sum")
    styles = ((COLOURS[5], "-"), (COLOURS[0], "-"), (COLOURS[0], "-"), (COLOURS[2], "--"))
    for point, (colour, style) in zip(points, styles, strict=True):
        line = np.stack([np.zeros(dims), point]).T
        panel.plot(*line, color=colour, ls=style, lw=2)
        panel.plot(*point[:, None], marker="o", color=colour, ms=5)
    for start in points[1:3]:
        panel.plot(*np.stack([start, points[3]]).T, color="0.6", ls=":", lw=1)
    panel.plot(*np.zeros((dims, 1)), marker="+", color="0.3", ms=9)
    panel.set_title(one.title + off, fontsize=8.5, loc="left")
    panel.tick_params(labelsize=7)
    panel.set_aspect("equal", adjustable="datalim")
    if dims == 2:
        panel.spines[["top", "right"]].set_visible(False)
        panel.margins(0.18)
    edge = [withStroke(linewidth=3, foreground="white")]
    for place, label, (colour, _) in zip(_labelled(panel, points), labels, styles, strict=True):
        middle: dict[str, Any] = {"ha": "center", "va": "center", "path_effects": edge, "zorder": 20}
        middle |= {"transform": panel.transData, "color": colour, "fontsize": 11, "fontweight": "bold"}
        (panel.text if dims == 2 else panel.text2D)(*place, label, **middle)


def _labelled(panel: Any, points: Floats) -> Floats:
    """(n, 2) where the labels of points stand, as they are seen."""
    if points.shape[1] == 2:
        return apart(points)
    from mpl_toolkits.mplot3d.proj3d import proj_transform

    x, y, _ = proj_transform(*np.vstack([points, np.zeros(3)]).T, panel.get_proj())
    seen = np.stack([x, y], axis=1)
    return apart(seen[:-1] - seen[-1], 0.16) + seen[-1]


def _axes(b: Floats, c: Floats, a: Floats, dims: int) -> Floats:
    """(dims, width) orthonormal: along b, then towards c, then towards a."""
    axes: list[Floats] = []
    for vector in (b, c, a)[:dims]:
        rest = vector - sum((axis @ vector * axis for axis in axes), np.zeros_like(vector))
        length = np.linalg.norm(rest)
        axes.append(rest / length if length > 1e-12 * np.linalg.norm(vector) else np.zeros_like(rest))
    return np.stack(axes)


def apart(points: Floats, least: float = 0.11) -> Floats:
    """Places for labels beyond the points, seen from the origin, moved until none is near another.

    Parameters
    ----------
    points
        (n, dims) few.
    least
        Distance of any two labels, as a share of the longest point.

    Examples
    --------
    >>> places = apart(np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]]))
    >>> bool(np.linalg.norm(places[0] - places[1]) >= 0.11)
    True
    """
    longest = max(float(np.linalg.norm(points, axis=1).max()), 1e-12)
    lengths = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    places: Floats = points + 0.09 * longest * points / lengths
    generator = np.random.default_rng(0)
    for _ in range(500):
        gaps = places[:, None] - places
        far = np.linalg.norm(gaps, axis=2)
        near = (far < least * longest) & ~np.eye(len(points), dtype=bool)
        if not near.any():
            break
        gaps = np.where((far < 1e-9 * longest)[:, :, None], generator.normal(size=gaps.shape), gaps)
        push = gaps / np.maximum(np.linalg.norm(gaps, axis=2, keepdims=True), 1e-12) * near[:, :, None]
        places = places + 0.02 * longest * push.sum(axis=1)
    return places


def counts_figure(
    steps: Floats, found: Floats, curve: npt.NDArray[np.int64], title: str, measure: str, null: str
) -> Figure:
    """Draw how many equations keep to each value of the measure, found and by the null.

    Parameters
    ----------
    steps
        (n,) values.
    found
        (equations,) values of what was found.
    curve
        (draws, n) equations of each draw of the null.
    title, measure, null
        What was asked, the measure with its unit, the null model.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.6), dpi=150, layout="constrained")
    panel = figure.subplots()
    observed = np.searchsorted(np.sort(found), steps, side="right")
    panel.plot(steps, observed, color=COLOURS[5], lw=2.2, label=f"found ({len(found):,})")
    if len(curve):
        low, high = np.percentile(curve, [2.5, 97.5], axis=0)
        label = f"null, {null}: mean and 95 % of {len(curve)} draws"
        panel.plot(steps, curve.mean(axis=0), color=COLOURS[0], lw=1.6, ls="--", label=label)
        panel.fill_between(steps, low, high, color=COLOURS[0], alpha=0.2, lw=0)
    panel.set_yscale("symlog", linthresh=1)
    panel.set_ylim(0)
    some = np.flatnonzero(observed + (curve.max(axis=0) if len(curve) else 0))
    first = 2 * steps[some[0]] - steps[min(some[0] + 8, len(steps) - 1)] if len(some) else 0.0
    if max(0, first) < steps[-1]:
        panel.set_xlim(min(max(0, first), 0.98 * steps[-1]), steps[-1])
    panel.set_xlabel(measure)
    panel.set_ylabel("equations at least as good")
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, loc="upper left")
    panel.set_title(title, loc="left", fontsize=11)
    return figure
