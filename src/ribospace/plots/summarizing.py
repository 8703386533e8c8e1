"""The figure that sums a collection up: molecules, lengths, letters and GC by type."""

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
Counts = npt.NDArray[np.int64]

#: What is marked of a spread: whiskers, box, median.
MARKED = (0.05, 0.25, 0.5, 0.75, 0.95)
_OTHER = "0.45"
#: In the order of the bars, A and U beside each other, so that where G and C begin can be compared.
_BARS = (
    ("A", 0, COLOURS[2]),
    ("U", 3, COLOURS[3]),
    ("G", 2, COLOURS[1]),
    ("C", 1, COLOURS[4]),
    ("other", 4, _OTHER),
)
_ALL, _TYPE = "0.35", COLOURS[0]
_PIXELS = 600
_LONGEST_NAME = 30
_FEW = 10


@dataclass(frozen=True)
class Spread:
    """How a number is distributed over molecules.

    Attributes
    ----------
    values, counts
        (k,) numbers that occur, rising, and how many molecules have each; k may be 0.
    marks
        (5,) quantiles at MARKED.
    """

    values: Floats
    counts: Counts
    marks: Floats


def summary_figure(
    names: Sequence[str],
    lengths: Sequence[Spread],
    letters: Floats,
    gc: Sequence[Spread],
    title: str,
    by: str = "rna_type",
) -> Figure:
    """Draw a row for each type: molecules, lengths, shares of the letters, and GC.

    Parameters
    ----------
    names
        (n,) of the types, from the top; the first is all of them together where there are several.
    lengths
        (n,) nt; what is counted are the molecules.
    letters
        (n, 5) shares of A, C, G, U and other letters, 0 to 1.
    gc
        (n,) shares of G and C among A, C, G and U, 0 to 1.
    title
        What is summed up.
    by
        What a type is.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels side by side.
    """
    from matplotlib.figure import Figure

    rows = np.arange(len(names))
    figure = Figure(figsize=(13, 0.3 * len(names) + 1.5), dpi=150, layout="constrained")
    figure.suptitle(_shortened(title, 130), x=0.01, ha="left", fontsize=11, parse_math=False)
    panels = figure.subplots(1, 4, sharey=True, width_ratios=[0.8, 1.25, 1.25, 0.95])
    _draw_molecules(panels[0], np.array([one.counts.sum() for one in lengths]))
    _draw_spreads(panels[1], lengths, "length (nt)", logarithmic=_ranges_widely(lengths))
    _draw_letters(panels[2], letters)
    in_percent = [Spread(100 * one.values, one.counts, 100 * one.marks) for one in gc]
    _draw_spreads(panels[3], in_percent, "GC (% of A, C, G and U)")
    for panel, what in zip(panels, ("molecules", "lengths", "letters", "GC of molecules"), strict=True):
        panel.set_title(what, fontsize=9, loc="left", y=1, pad=6)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(labelsize=8)
        panel.tick_params(axis="y", length=0)
        if len(names) > 1:
            panel.axhline(0.5, color="0.8", lw=0.8)
    panels[0].set_yticks(rows, [_shortened(name, _LONGEST_NAME) for name in names], parse_math=False)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    style: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "color": _OTHER, "parse_math": False}
    panels[0].annotate(_shortened(by, _LONGEST_NAME), (0, 1), (-4, 6), xycoords="axes fraction", fontsize=9, **style)
    note = "line: median; box and whiskers: 25 to 75 and 5 to 95 % of molecules"
    note += f"; up to {_FEW} molecules: a dot each" if any(one.counts.sum() <= _FEW for one in lengths) else ""
    note += "; dotted: median of all" if len(names) > 1 else ""
    figure.supxlabel(note, x=0.99, ha="right", fontsize=8)
    return figure


def _draw_molecules(panel: Any, counts: Counts) -> None:
    rows = np.arange(len(counts))
    wide = counts.max() > 30 * counts.min()
    colours = [_ALL if _is_all(row, len(counts)) else _TYPE for row in range(len(counts))]
    if wide:  # a bar has no zero to stand on
        panel.set_xscale("log")
        panel.hlines(rows, 0.7, counts, color=colours, lw=1.4, alpha=0.5)
        panel.scatter(counts, rows, color=colours, s=26, zorder=3)
        panel.set_xlim(0.7, 0.7 * (counts.max() / 0.7) ** 1.35)
    else:
        panel.barh(rows, counts, 0.62, color=colours)
        panel.set_xlim(0, 1.35 * counts.max())
    for row, count in zip(rows, counts.tolist(), strict=True):
        style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8}
        panel.annotate(f"{count:,}", (count, row), (6 if wide else 3, 0), **style)
    every = 1 if counts.max() < 10_000 else 2
    _tick(panel, [10**power for power in range(0, len(str(counts.max())), every)] if wide else None)
    panel.set_xlabel("molecules", fontsize=8)


def _draw_spreads(panel: Any, spreads: Sequence[Spread], unit: str, *, logarithmic: bool = False) -> None:
    """Draw the distribution of each row, its box and whiskers, and the overall median through all rows."""
    there = [one for one in spreads if len(one.values)]
    panel.set_xlabel(unit, fontsize=8)
    if logarithmic:
        panel.set_xscale("log")
    if not there:
        panel.set_xticks([])
        panel.text(0.5, 0.5, "none known", transform=panel.transAxes, ha="center", fontsize=8, color=_OTHER)
        return
    low, high = min(float(one.values[0]) for one in there), max(float(one.values[-1]) for one in there)
    low, high = (low / 1.15, high * 1.15) if logarithmic else (low - 0.04 * (high - low), high + 0.04 * (high - low))
    low, high = (low - 1, high + 1) if low == high else (low, high)
    panel.set_xlim(low, high)
    for row, one in enumerate(spreads):
        if not len(one.values):
            continue
        colour = _ALL if _is_all(row, len(spreads)) else _TYPE
        least, lower, median, upper, most = one.marks.tolist()
        if one.counts.sum() <= _FEW:
            panel.scatter(one.values, np.full(len(one.values), row), s=16, color=colour, alpha=0.6, lw=0)
        else:
            x, often = _outline(one, low, high, logarithmic)
            panel.fill_between(x, row - 0.42 * often, row + 0.42 * often, color=colour, alpha=0.25, lw=0)
            panel.hlines(row, least, most, color=colour, lw=1)
            panel.hlines(row, lower, upper, color=colour, lw=5)
        panel.vlines(median, row - 0.3, row + 0.3, color=COLOURS[5], lw=2, zorder=3)
    if len(spreads) > 1:
        panel.axvline(spreads[0].marks[2], color=COLOURS[5], lw=0.8, ls=":", zorder=0)
    panel.grid(axis="x", alpha=0.3)
    steps = (1, 2, 5) if high / max(low, 1) < 200 else (1, 3) if high / max(low, 1) < 3000 else (1,)
    ticks = [step * 10**power for power in range(10) for step in steps if low <= step * 10**power <= high]
    _tick(panel, ticks if logarithmic else None)


def _outline(one: Spread, low: float, high: float, logarithmic: bool) -> tuple[Floats, Floats]:
    """Where on the axis molecules are, smoothed by 1.5 % of it (whole numbers that are near by more), 1 at most."""
    scale = np.log if logarithmic else np.asarray
    edges = np.linspace(scale(low), scale(high), _PIXELS + 1)
    often, _ = np.histogram(scale(one.values), edges, weights=one.counts)
    width = 0.015 if logarithmic else float(np.clip(0.6 / (high - low), 0.015, 0.03))
    often = np.convolve(often, np.exp(-0.5 * (np.arange(-60, 61) / (width * _PIXELS)) ** 2), mode="same")
    middles = (edges[1:] + edges[:-1]) / 2
    return (np.exp(middles) if logarithmic else middles), often / often.max()


def _draw_letters(panel: Any, shares: Floats) -> None:
    """Draw stacked bars, with the share in each part that has room for it."""
    rows, left = np.arange(len(shares)), np.zeros(len(shares))
    for name, column, colour in _BARS if shares[:, -1].any() else _BARS[:-1]:
        percent = 100 * shares[:, column]
        panel.barh(rows, percent, 0.72, left, color=colour, edgecolor="white", linewidth=0.6, label=name)
        for row in rows[percent >= 7]:
            ink = "white" if name == "other" else "black"
            place = (left[row] + percent[row] / 2, row)
            panel.text(*place, f"{percent[row]:.0f}", ha="center", va="center", fontsize=7, color=ink)
        left += percent
    for row in rows[(shares[:, -1] >= 0.0005) & (shares[:, -1] < 0.07)]:
        style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 7, "color": _OTHER}
        panel.annotate(f"{100 * shares[row, -1]:.1f}", (100, row), (3, 0), **style)
    panel.set_xlim(0, 100)
    panel.set_xlabel("share of nucleotides (%)", fontsize=8)
    panel.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=5, frameon=False, fontsize=8, borderaxespad=0.2,
        handlelength=0.9, handletextpad=0.3, columnspacing=0.9,
    )  # fmt: skip


def _is_all(row: int, rows: int) -> bool:
    return row == 0 and rows > 1


def _ranges_widely(spreads: Sequence[Spread]) -> bool:
    return bool(max(one.values[-1] for one in spreads) > 20 * min(one.values[0] for one in spreads))


def _tick(panel: Any, ticks: Sequence[int] | None) -> None:
    """Write numbers as 1,000; where None are given at some that are round."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if ticks is None:
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    else:
        panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        panel.minorticks_off()


def _shortened(text: str, most: int) -> str:
    """One line of at most so many letters, what is too much taken out of the middle.

    Examples
    --------
    >>> _shortened("a very long name indeed", 11)
    'a ver…ndeed'
    """
    text = " ".join(text.split())
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"
