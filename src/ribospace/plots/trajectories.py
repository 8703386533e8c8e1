"""Figures of trajectories: the graph of clusters, and streams over a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MOST_LABELS, OTHER, UNKNOWN = 8, "others", "not known"
_GREY, _GRID = "#BBBBBB", 40


def cluster_graph_figure(
    places: Floats,
    weights: Floats,
    clusters: Ints,
    labels: Sequence[str | None],
    times: Floats,
    marks: tuple[int, Sequence[int]],
    title: str,
    legend: str,
) -> Figure:
    """Draw the graph of clusters twice: with pies of labels, and by pseudotime.

    Parameters
    ----------
    places
        (clusters, 2) where each lies, such as the middle of its molecules on a map; far ones are drawn nearer.
    weights
        (clusters, clusters) of the edges, symmetric.
    clusters, labels
        (n,) of each molecule; None is "not known".
    times
        (clusters,) pseudotime, 0 to 1; NaN is grey.
    marks
        The root's cluster, and those of the terminal states.
    title, legend
        What is shown, and what the labels are.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6.6), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=13, x=0.01, ha="left")
    left, right = figure.subplots(1, 2)
    low, high = np.quantile(places, [0.1, 0.9], axis=0)
    places = np.clip(places, low - 0.35 * (high - low), high + 0.35 * (high - low))
    sizes = np.bincount(clusters, minlength=len(places))
    span = max(float(np.ptp(places, axis=0).max()), 1e-9)
    radii = span * np.clip(0.05 * np.sqrt(sizes / sizes.max()), 0.012, None)
    shares, colours = _shares(clusters, labels, len(places))
    for panel in (left, right):
        _edges(panel, places, weights)
    _pies(left, places, radii, shares, colours)
    _dots(figure, right, places, radii, times)
    for panel, what in ((left, f"by {legend}"), (right, "by pseudotime")):
        _marks(panel, places, radii, marks)
        panel.set_title(what, loc="left", fontsize=11)
        panel.set_aspect("equal", adjustable="datalim")
        panel.margins(0.08)
        panel.set_axis_off()
    _legend(left, colours, legend)
    note = "area: molecules; number: cluster; star: root; thick ring: has a terminal state"
    figure.supxlabel(note, fontsize=9, x=0.01, ha="left")
    return figure


def stream_figure(
    places: Floats,
    labels: Sequence[str | None],
    times: Floats,
    flow: Floats,
    marks: tuple[int, Sequence[int]],
    title: str,
    legend: str,
) -> Figure:
    """Draw a map twice: by label, and by pseudotime with streams along which it grows.

    Parameters
    ----------
    places
        (n, 2).
    labels
        (n,); None is "not known".
    times
        (n,) pseudotime, 0 to 1; NaN is grey.
    flow
        (n, 2) where each molecule's pseudotime grows to; NaN where it does not.
    marks
        Rows of the root and of the terminal states.
    title, legend
        What is shown, and what the labels are.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6.4), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=13, x=0.01, ha="left")
    left, right = figure.subplots(1, 2)
    dot = {"s": float(np.clip(30_000 / len(places), 2, 24)), "linewidths": 0, "rasterized": True}
    names, colours = _grouped(labels)
    mixed = np.random.default_rng(0).permutation(len(places))  # so that no label hides another
    left.scatter(*places[mixed].T, color=[colours[name] for name in names[mixed]], alpha=0.8, **dot)
    _legend(left, colours, legend)
    known = np.isfinite(times)
    right.scatter(*places[~known].T, color=_GREY, **dot)
    points = right.scatter(*places[known].T, c=times[known], cmap="cividis", vmin=0, vmax=1, alpha=0.55, **dot)
    bar: Any = figure.colorbar(points, ax=right, label="pseudotime (0: root, 1: latest)", shrink=0.8)
    bar.solids.set_alpha(1)
    _streams(right, places, flow)
    root, tops = marks
    right.plot(*places[root], marker="*", ms=17, mfc="white", mec="black", mew=1.3, ls="none", label="root")
    for number, top in enumerate(tops, 1):
        right.plot(*places[top], "o", ms=13, mfc="white", mec=COLOURS[5], mew=1.6)
        right.annotate(str(number), places[top], ha="center", va="center", fontsize=8)
    right.set_title("by pseudotime; star: root; numbers: terminal states", loc="left", fontsize=11)
    left.set_title(f"by {legend}", loc="left", fontsize=11)
    for panel in (left, right):
        panel.set_aspect("equal", adjustable="datalim")
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_xlabel("UMAP 1")
        panel.set_ylabel("UMAP 2")
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def _grouped(labels: Sequence[str | None]) -> tuple[npt.NDArray[Any], dict[str, str]]:
    """Labels with the rare ones as one, and a colour for each, the commonest first."""
    names = np.array([one or UNKNOWN for one in labels], dtype=object)
    order = sorted(Counter(names.tolist()).items(), key=lambda item: (-item[1], item[0]))
    known = [name for name, _ in order if name != UNKNOWN]
    shown = known if len(known) <= MOST_LABELS else known[: MOST_LABELS - 1]
    colours = dict(zip(shown, COLOURS, strict=False))
    rest = [name for name in known if name not in colours]
    if rest:
        named = f"{len(rest)} {OTHER}"
        names[np.isin(names, rest)] = named
        colours[named] = COLOURS[MOST_LABELS - 1]
    if UNKNOWN in dict(order):
        colours[UNKNOWN] = _GREY
    return names, colours


def _shares(clusters: Ints, labels: Sequence[str | None], many: int) -> tuple[Floats, dict[str, str]]:
    names, colours = _grouped(labels)
    counts = np.stack([np.bincount(clusters[names == name], minlength=many) for name in colours], axis=1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), colours


def _edges(panel: Any, places: Floats, weights: Floats) -> None:
    from matplotlib.collections import LineCollection

    one, other = np.nonzero(np.triu(weights, 1))
    if len(one):
        width = 0.4 + 3.6 * np.sqrt(weights[one, other] / weights.max())
        lines = np.stack([places[one], places[other]], axis=1)
        panel.add_collection(LineCollection(list(lines), linewidths=width, colors="0.72", zorder=1))


def _pies(panel: Any, places: Floats, radii: Floats, shares: Floats, colours: dict[str, str]) -> None:
    from matplotlib.patches import Wedge

    for place, radius, parts in zip(places, radii, shares, strict=True):
        begin = 90.0
        for part, colour in zip(parts, colours.values(), strict=True):
            if part > 0:
                panel.add_patch(
                    Wedge(place, radius, begin - 360 * part, begin, fc=colour, ec="white", lw=0.3, zorder=2)
                )
                begin -= 360 * part


def _dots(figure: Figure, panel: Any, places: Floats, radii: Floats, times: Floats) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.patches import Circle

    scale = colormaps["cividis"]
    for number, (place, radius, time) in enumerate(zip(places, radii, times, strict=True)):
        colour = scale(time) if np.isfinite(time) else _GREY
        panel.add_patch(Circle(place, radius, fc=colour, ec="none", zorder=2))
        ink = "white" if np.isfinite(time) and time < 0.55 else "black"
        if len(places) <= 60:
            panel.annotate(str(number), place, ha="center", va="center", fontsize=7, color=ink, zorder=4)
    bar = ScalarMappable(cmap=scale)
    bar.set_clim(0, 1)
    figure.colorbar(bar, ax=panel, label="mean pseudotime (0: root, 1: latest)", shrink=0.8)


def _marks(panel: Any, places: Floats, radii: Floats, marks: tuple[int, Sequence[int]]) -> None:
    from matplotlib.patches import Circle

    root, tops = marks
    for top in tops:
        panel.add_patch(Circle(places[top], radii[top] * 1.12, fc="none", ec="black", lw=2.4, zorder=3))
    offset = places[root] + [0, 1.45 * radii[root]]
    panel.plot(*offset, marker="*", ms=15, mfc="white", mec="black", mew=1.2, zorder=5)


def _legend(panel: Any, colours: dict[str, str], title: str) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], marker="o", ls="none", color=colour, label=name) for name, colour in colours.items()]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1), "borderaxespad": 0}
    panel.legend(handles=handles, title=title, frameon=False, fontsize=9, alignment="left", **place)


def _streams(panel: Any, places: Floats, flow: Floats) -> None:
    """Lines along the mean flow of the molecules about each point of a grid, where there are enough."""
    known = np.isfinite(flow).all(axis=1)
    if known.sum() < 20:
        return
    from scipy.spatial import cKDTree

    low, high = places.min(axis=0), places.max(axis=0)
    reach = float((high - low).max()) / _GRID
    axes = [np.linspace(low[axis], high[axis], max(2, int((high - low)[axis] / reach))) for axis in (0, 1)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    most = min(40, int(known.sum()))
    distance, near = cKDTree(places[known]).query(grid, k=most)
    weight = np.exp(-0.5 * (distance / reach) ** 2)
    mean = (weight[..., None] * flow[known][near]).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)[:, None]
    mean[weight.sum(axis=1) < 0.8] = np.nan
    shape = (len(axes[1]), len(axes[0]))
    u, v = mean[:, 0].reshape(shape), mean[:, 1].reshape(shape)
    if np.isfinite(u).any():
        style: dict[str, Any] = {"color": "black", "linewidth": 0.8, "arrowsize": 0.9, "density": 1.6}
        panel.streamplot(axes[0], axes[1], u, v, minlength=0.05, **style)
