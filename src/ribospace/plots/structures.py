"""Drawings of one secondary structure: layout, circle with chords, arcs, mountain; and the layout as small SVG."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

SHARED, OTHER, PAIR = "#E69F00", "#FFFFFF", "#0072B2"
#: Light forms of Okabe and Ito's colours, on which a black letter can be read.
BASES = {"A": "#8FD3BD", "C": "#8CC4E8", "G": "#F6D58A", "U": "#F0A98A"}
UNKNOWN = "#E6E6E6"
#: Longest molecule whose structure is drawn on a page, nt.
MOST_DRAWN = 600
_LEAST_LETTER = 4.5  # points; smaller letters are left out


@dataclass(frozen=True)
class Structure:
    """A structure to be drawn.

    Attributes
    ----------
    name, energy
        Of the molecule; minimum free energy, kcal/mol.
    sequence, places, pairs
        (n,) letters, (n, 2) where they stand, and pairs of places.
    marked
        (n,) bases to be coloured.
    """

    name: str
    energy: float
    sequence: str
    places: Floats
    pairs: Sequence[tuple[int, int]]
    marked: Sequence[bool]


@dataclass(frozen=True)
class Values:
    """What bases are coloured by.

    Attributes
    ----------
    label
        What stands at the colour bar, with its unit.
    of
        (n,) a number for each nucleotide; NaN stays uncoloured.
    limits
        Of the colours; by default the lowest and the highest number.
    """

    label: str
    of: Floats
    limits: tuple[float, float] | None = None


def layout_figure(one: Structure, values: Values | None = None) -> Figure:
    """Draw bases where the layout has them, joined by backbone and pairs, every tenth numbered where it fits.

    Parameters
    ----------
    one
        The structure; of 1 nt or more.
    values
        What bases are coloured by; else marked ones are orange, or, where none is, each nucleotide has its colour.
    """
    from matplotlib.collections import LineCollection

    places = np.asarray(one.places, dtype=float) * [1, -1]
    extent = np.ptp(places, axis=0)
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    step = float(np.median(steps)) if len(steps) else 15.0
    inch = min(0.2 / step, 8.0 / (extent.max() + 4.6 * step))  # of paper to a unit of the layout
    wide, high = (extent + 4.6 * step) * inch
    figure, panel = _figure(max(wide + 1.1, 3.4), max(high + 0.4, 1.4), one)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    half = (extent + 4.6 * step) / 2
    panel.set_xlim(middle[0] - half[0], middle[0] + half[0])
    panel.set_ylim(middle[1] - half[1], middle[1] + half[1])
    panel.set_aspect("equal")
    panel.axis("off")
    points = 72 * inch * step
    panel.plot(*places.T, color="0.6", lw=min(1.2, 0.09 * points), zorder=1)
    lines = LineCollection([places[list(pair)] for pair in one.pairs], colors=PAIR, lw=0.12 * points, zorder=1)
    panel.add_collection(lines)
    _bases(figure, panel, one, places, 0.8 * points, values)
    said = {0: "5′", len(places) - 1: "3′"} if len(places) > 1 else {0: "5′ 3′"}
    if 0.4 * points >= _LEAST_LETTER:
        said |= {row: str(row + 1) for row in range(9, len(places) - 1, 10)}
    taken = places
    for row, text in sorted(said.items(), key=lambda pair: "′" not in pair[1]):
        end = "′" in text
        size = max(8.0, 0.55 * points) if end else 0.4 * points
        at = _beside(taken, places[row], max(step, size / 72 / inch), end)
        if at is not None:
            panel.text(*at, text, fontsize=size, ha="center", va="center", color="0.25")
            taken = np.vstack([taken, at])
    return figure


def _beside(taken: Floats, place: Floats, room: float, certainly: bool) -> Floats | None:
    """Where a label fits near a base, the freest of sixteen places around it; None where it is nowhere."""
    angles = np.arange(16) * np.pi / 8
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    best, most = None, 0.0
    for away in (1.3, 2.0, 3.0) if certainly else (1.3,):
        around: Floats = place + away * room * ring
        free = np.linalg.norm(around[:, None] - taken, axis=2).min(axis=1)
        row = int(np.argmax(free.round(6)))
        if free[row] > most:
            best, most = around[row], float(free[row])
        if most > 0.95 * room:
            return best
    return best if certainly else None


def circle_figure(one: Structure, values: Values | None = None) -> Figure:
    """Draw nucleotides on a circle, clockwise from 5′ at the top, and pairs as chords.

    Parameters
    ----------
    one, values
        See `layout_figure`.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    n = len(one.sequence)
    turn = 2 * np.pi * (np.arange(n) + 1) / (n + 1)
    places = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    side = float(np.clip(0.05 * n, 3.0, 7.5))
    figure, panel = _figure(side + 1.0, side + 0.4, one)
    panel.set_xlim(-1.25, 1.25)
    panel.set_ylim(-1.25, 1.25)
    panel.set_aspect("equal")
    panel.axis("off")
    points = min(14.0, 72 * side / 2.5 * 2 * np.pi / (n + 1))
    chords = [Path([places[i], 0.25 * (places[i] + places[j]), places[j]], [1, 3, 3]) for i, j in one.pairs]
    width = float(np.clip(0.12 * points, 0.3, 1.4))
    panel.add_collection(PathCollection(chords, facecolors="none", edgecolors=PAIR, lw=width, zorder=1))
    _bases(figure, panel, one, places, 0.85 * points, values)
    beyond = 1 + (0.5 * points + 8) * 2.5 / (72 * side)
    for row, text in _numbers(n, 12).items():
        if n - row < 0.03 * n + 2:  # 3′ is said there
            continue
        panel.text(*(beyond * places[row]), text, fontsize=7, ha="center", va="center", color="0.35")
    ends = ((-0.1, "3′"), (0.1, "5′")) if n > 1 else ((0.0, "5′ 3′"),)
    for x, text in ends:
        panel.text(x, beyond if n > 1 else -beyond, text, fontsize=9, ha="center", va="center", color="0.25")
    return figure


def arc_figure(
    one: Structure, values: Values | None = None, probable: Sequence[tuple[int, int, float]] | None = None
) -> Figure:
    """Draw nucleotides on a line and pairs as arcs above it; below, those of the ensemble, fainter where less probable.

    Parameters
    ----------
    one, values
        See `layout_figure`.
    probable
        (left, right, probability) of the ensemble's pairs; those under 0.01 are left out.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.colors import to_rgba

    n = len(one.sequence)
    below = [pair for pair in probable or () if pair[2] >= 0.01]
    spans = [(j - i) / 2 for i, j in one.pairs], [(j - i) / 2 for i, j, _ in below]
    above, under = (max(some, default=0.0) for some in spans)
    wide = float(np.clip(0.11 * n, 4.0, 11.0))
    scale = min(wide / (n + 1), 3.0 / max(above, under, 1.0))  # inches to a unit upwards; arcs are circles if they fit
    margin = 0.22 / scale
    figure, panel = _figure(wide + 0.9, (above + under) * scale + 1.15, one)
    panel.set_xlim(0, n + 1)
    panel.set_ylim(-under - margin * (2 if below else 1), above + margin)
    points = min(14.0, 72 * wide / (n + 1))
    width = float(np.clip(0.14 * points, 0.25, 1.4))
    lift = 0.5 * 0.85 * points / 72 / scale
    over = [_arc(i + 1, j + 1, lift, 1.0) for i, j in one.pairs]
    panel.add_collection(PathCollection(over, facecolors="none", edgecolors=PAIR, lw=width))
    if below:
        colours = [to_rgba(COLOURS[5], alpha=probability) for *_, probability in below]
        arcs = [_arc(i + 1, j + 1, -lift, -1.0) for i, j, _ in below]
        panel.add_collection(PathCollection(arcs, facecolors="none", edgecolors=colours, lw=width))
    panel.spines[["top", "left", "right"]].set_visible(False)
    panel.set_yticks([])
    panel.set_xlabel("position (nt)", fontsize=8)
    panel.tick_params(labelsize=8)
    _whole_ticks(panel, n)
    places = np.stack([np.arange(1.0, n + 1), np.zeros(n)], axis=1)
    _bases(figure, panel, one, places, 0.85 * points, values)
    if below:
        words: dict[str, Any] = {"transform": panel.transAxes, "fontsize": 8, "va": "top"}
        panel.text(0, 1, "minimum free energy", color=PAIR, **words)
        words["va"] = "bottom"
        panel.text(0, 0.02, "ensemble: the fainter, the less probable", color=COLOURS[5], **words)
    return figure


def _arc(left: float, right: float, lift: float, sign: float) -> Any:
    """Half an ellipse over two places of a line, as high as they are apart from their middle."""
    from matplotlib.path import Path

    middle, half = (left + right) / 2, (right - left) / 2
    turn = np.linspace(np.pi, 0, 65)
    return Path(np.stack([middle + half * np.cos(turn), lift + sign * half * np.sin(turn)], axis=1))


def mountain_figure(name: str, mountains: Mapping[str, Floats], entropy: Floats | None = None) -> Figure:
    """Draw mountains, the pairs around each place, and underneath how little is certain there.

    Parameters
    ----------
    name
        Of the molecule.
    mountains
        (n,) heights by what they are of; the last is filled where there are several, as the ensemble's is.
    entropy
        (n,) positional entropy, bits.
    """
    from matplotlib.figure import Figure

    n = len(next(iter(mountains.values())))
    figure = Figure(figsize=(7.5, 4.2 if entropy is not None else 3.0), dpi=150, layout="constrained")
    rows = 1 if entropy is None else 2
    ratios = [3.0, 1.2][:rows]
    panels = np.atleast_1d(figure.subplots(rows, 1, sharex=True, height_ratios=ratios))
    at = np.arange(1, n + 1)
    dot = "o" if n == 1 else ""
    for number, (what, high) in enumerate(mountains.items()):
        if number and number == len(mountains) - 1:
            panels[0].fill_between(at, high, color="0.8", lw=0, zorder=0)
            panels[0].plot(at, high, color="0.5", lw=0.8, marker=dot, label=what, zorder=1)
        else:
            style: dict[str, Any] = {"color": COLOURS[(0, 5)[number % 2]], "ls": ("-", "--")[number % 2]}
            panels[0].plot(at, high, lw=1.4 if n < 1000 else 0.8, marker=dot, label=what, zorder=3, **style)
    panels[0].set_ylabel("pairs around a place", fontsize=9)
    panels[0].set_ylim(0, 1.08 * max(1.0, *(float(high.max()) for high in mountains.values())))
    if entropy is not None:
        panels[1].fill_between(at, entropy, color=COLOURS[3], alpha=0.6, lw=0, step="mid")
        panels[1].set_ylabel("entropy\n(bits)", fontsize=9)
        panels[1].set_ylim(0, max(1.0, 1.08 * float(entropy.max())))
    panels[-1].set_xlabel("position (nt)", fontsize=9)
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
        panel.set_xlim(0.5, n + 0.5)
    _whole_ticks(panels[-1], n)
    figure.legend(loc="outside lower center", ncols=len(mountains), frameon=False, fontsize=8)
    panels[0].set_title(_short(name), loc="left", fontsize=10)
    return figure


def _figure(wide: float, high: float, one: Structure) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(wide, high), dpi=150, layout="constrained")
    panel = figure.subplots()
    energy = f"{one.energy:.1f}".replace("-", "−")
    letters = max(12, int(wide * 14) - 28)
    title = f"{_short(one.name, letters)}, {len(one.sequence):,} nt, {energy} kcal/mol"
    figure.suptitle(title, x=0.02, ha="left", fontsize=9)
    return figure, panel


def _short(name: str, letters: int = 60) -> str:
    name = name.replace("$", r"\$")  # no formula
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _numbers(n: int, most: int) -> dict[int, str]:
    """Places of n that are numbered: every tenth, or twentieth, fiftieth and so on, at most so many."""
    steps = (one * 10**power for power in range(1, 9) for one in (1, 2, 5))
    step = next(one for one in steps if n / one <= most)
    return {row: str(row + 1) for row in range(step - 1, n, step)}


def _whole_ticks(panel: Any, n: int) -> None:
    numbers = _numbers(n, 12)
    ticks = [1, *(row + 1 for row in numbers)]
    panel.set_xticks(ticks if n > 1 else [1], [f"{tick:,}" for tick in ticks])


def _bases(figure: Figure, panel: Any, one: Structure, places: Floats, size: float, values: Values | None) -> None:
    """Circles of so many points with letters where they can be read, and what tells their colours."""
    from matplotlib.colors import to_rgba_array
    from matplotlib.lines import Line2D

    letter = 0.72 * size
    edge: dict[str, Any] = {"edgecolors": "0.45", "linewidths": 0.5} if letter >= _LEAST_LETTER else {"linewidths": 0}
    common: dict[str, Any] = {"s": max(size, 1.2) ** 2, "zorder": 2, **edge}
    if values is not None:
        known = np.isfinite(values.of)
        low, high = values.limits or (
            (float(values.of[known].min()), float(values.of[known].max())) if known.any() else (0.0, 1.0)
        )
        if low == high:
            low, high = low - 0.5, high + 0.5
        panel.scatter(*places[~known].T, facecolors=OTHER if edge["linewidths"] else UNKNOWN, **common)
        drawn = panel.scatter(*places[known].T, c=values.of[known], cmap="viridis", vmin=low, vmax=high, **common)
        bar = figure.colorbar(drawn, ax=panel, shrink=0.7, aspect=18, pad=0.02)
        bar.set_label(_short(values.label), fontsize=8)
        bar.ax.tick_params(labelsize=7)
        shown = np.ones((len(places), 4))
        shown[known] = drawn.to_rgba(values.of[known])
    elif any(one.marked):
        shown = to_rgba_array([SHARED if mark else OTHER for mark in one.marked])
        panel.scatter(*places.T, facecolors=shown, **common)
    else:
        shown = to_rgba_array([BASES.get(base, UNKNOWN) for base in one.sequence])
        panel.scatter(*places.T, facecolors=shown, **common)
        if letter < _LEAST_LETTER:
            named = {base: colour for base, colour in BASES.items() if base in one.sequence}
            handles = [Line2D([], [], marker="o", ls="", color=colour, label=base) for base, colour in named.items()]
            figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8)
    if letter < _LEAST_LETTER:
        return
    dark = shown[:, :3] @ [0.3, 0.59, 0.11] < 0.5
    for place, base, white in zip(places, one.sequence, dark, strict=True):
        style: dict[str, Any] = {"fontsize": letter, "ha": "center", "va": "center_baseline", "zorder": 3}
        panel.text(*place, base, color="white" if white else "black", **style)


def structure_svg(one: Structure) -> str:
    """Draw a structure as SVG: backbone, pairs, bases; marked ones in orange.

    Examples
    --------
    >>> places = np.array([[0.0, 0.0], [15.0, 0.0]])
    >>> structure_svg(Structure("a", -1.0, "GC", places, [(0, 1)], [True, False])).count("<circle")
    2
    """
    places = np.asarray(one.places, dtype=float)
    low, high = places.min(axis=0) - 12, places.max(axis=0) + 12
    width, height = high - low
    places = places - low
    places[:, 1] = height - places[:, 1]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    pairs = "".join(
        f'<line x1="{places[i, 0]:.1f}" y1="{places[i, 1]:.1f}" x2="{places[j, 0]:.1f}" y2="{places[j, 1]:.1f}"/>'
        for i, j in one.pairs
    )
    circles = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{SHARED if marked else OTHER}"/>'
        f'<text x="{x:.1f}" y="{y + 2.8:.1f}" stroke="none" fill="#000">{html.escape(letter)}</text>'
        for (x, y), letter, marked in zip(places, one.sequence, one.marked, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" aria-label="structure of {html.escape(one.name)}">'
        f'<polyline points="{line}" fill="none" stroke="#999"/>'
        f'<g stroke="{PAIR}" stroke-width="2">{pairs}</g>'
        f'<g stroke="#999" stroke-width="0.6" font-family="sans-serif" font-size="8" text-anchor="middle">'
        f"{circles}</g></svg>"
    )
