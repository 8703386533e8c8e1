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
#: In the order of the bars, A and U beside each other, so that where G and C begin can be compared.
_BARS = (
    ("A", 0, COLOURS[2]),
    ("U", 3, COLOURS[3]),
    ("G", 2, COLOURS[1]),
    ("C", 1, COLOURS[4]),
    ("other", 4, "0.45"),
)
_ALL, _TYPE = "0.35", COLOURS[0]
_PIXELS = 600
_LONGEST_NAME = 30


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
    height = 0.3 * len(names) + 1.75
    figure = Figure(figsize=(13, height), dpi=150, layout="constrained")
    figure.suptitle(_shortened(title, 130), x=0.01, ha="left", fontsize=11, parse_math=False)
    panels = figure.subplots(1, 4, sharey=True, width_ratios=[0.8, 1.25, 1.25, 0.95])
    _draw_molecules(panels[0], np.array([one.counts.sum() for one in lengths]))
    _draw_spreads(panels[1], lengths, "length (nt)", logarithmic=_ranges_widely(lengths))
    _draw_letters(panels[2], letters)
    in_percent = [Spread(100 * one.values, one.counts, 100 * one.marks) for one in gc]
    _draw_spreads(panels[3], in_percent, "G and C of A, C, G, U (%)")
    for panel, what in zip(panels, ("molecules", "lengths", "letters", "GC of molecules"), strict=True):
        panel.set_title(what, fontsize=9, loc="left")
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(labelsize=8)
        panel.tick_params(axis="y", length=0)
        if len(names) > 1:
            panel.axhline(0.5, color="0.8", lw=0.8)
    panels[0].set_yticks(rows, [_shortened(name, _LONGEST_NAME) for name in names], parse_math=False)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[0].set_ylabel(by, fontsize=8, parse_math=False)
    figure.supxlabel(
        "line: median; box: the middle half; whiskers: 5 % to 95 %; shaded: how often", x=0.99, ha="right", fontsize=8
    )
    return figure


def _draw_molecules(panel: Any, counts: Counts) -> None:
    rows = np.arange(len(counts))
    wide = counts.max() > 30 * counts.min()
    colours = [_ALL if _is_all(row, len(rows)) else _TYPE for row in rows]
    if wide:  # a bar has no zero to stand on
        panel.set_xscale("log")
        panel.hlines(rows, 0.7, counts, color=colours, lw=1.4, alpha=0.5)
        panel.scatter(counts, rows, color=colours, s=26, zorder=3)
        panel.set_xlim(0.7, (counts.max() / 0.7) ** 1.35)
    else:
        panel.barh(rows, counts, 0.62, color=colours)
        panel.set_xlim(0, 1.35 * counts.max())
    for row, count in zip(rows, counts.tolist(), strict=True):
        style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8}
        panel.annotate(f"{count:,}", (count, row), (6 if wide else 3, 0), **style)
    _tick(panel, wide, float(counts.max()))
    panel.set_xlabel("molecules", fontsize=8)


def _draw_spreads(panel: Any, spreads: Sequence[Spread], unit: str, *, logarithmic: bool = False) -> None:
    """Draw the distribution of each row, its box and whiskers, and the overall median through all rows."""
    there = [one for one in spreads if len(one.values)]
    panel.set_xlabel(unit, fontsize=8)
    if logarithmic:
        panel.set_xscale("log")
    if not there:
        return
    low, high = min(float(one.values[0]) for one in there), max(float(one.values[-1]) for one in there)
    low, high = (low / 1.15, high * 1.15) if logarithmic else (low - 0.04 * (high - low), high + 0.04 * (high - low))
    low, high = (low - 1, high + 1) if low == high else (low, high)
    panel.set_xlim(low, high)
    for row, one in enumerate(spreads):
        if not len(one.values):
            continue
        colour = _ALL if _is_all(row, len(spreads)) else _TYPE
        x, often = _outline(one, low, high, logarithmic)
        panel.fill_between(x, row - 0.42 * often, row + 0.42 * often, color=colour, alpha=0.25, lw=0)
        least, lower, median, upper, most = one.marks.tolist()
        panel.hlines(row, least, most, color=colour, lw=1)
        panel.hlines(row, lower, upper, color=colour, lw=5)
        panel.vlines(median, row - 0.3, row + 0.3, color=COLOURS[5], lw=2, zorder=3)
    panel.axvline(spreads[0].marks[2], color=COLOURS[5], lw=0.8, ls=":", zorder=0)
    panel.grid(axis="x", alpha=0.3)
    _tick(panel, logarithmic, high, low)


def _outline(one: Spread, low: float, high: float, logarithmic: bool) -> tuple[Floats, Floats]:
    """Where on the axis molecules are, smoothed by 1 % of it, the most frequent place 1."""
    scale = np.log if logarithmic else np.asarray
    edges = np.linspace(scale(low), scale(high), _PIXELS + 1)
    often, _ = np.histogram(scale(one.values), edges, weights=one.counts)
    width = np.arange(-24, 25)
    often = np.convolve(often, np.exp(-0.5 * (width / 6) ** 2), mode="same")
    middles = (edges[1:] + edges[:-1]) / 2
    return (np.exp(middles) if logarithmic else middles), often / often.max()


def _draw_letters(panel: Any, shares: Floats) -> None:
    """Draw stacked bars, with the share in each part that has room for it."""
    rows, left = np.arange(len(shares)), np.zeros(len(shares))
    for name, column, colour in _BARS:
        percent = 100 * shares[:, column]
        panel.barh(rows, percent, 0.72, left, color=colour, edgecolor="white", linewidth=0.6, label=name)
        for row in rows[percent >= 7]:
            ink = "white" if name == "other" else "black"
            place = (left[row] + percent[row] / 2, row)
            panel.text(*place, f"{percent[row]:.0f}", ha="center", va="center", fontsize=7, color=ink)
        left += percent
    panel.set_xlim(0, 100)
    panel.set_xlabel("share of nucleotides (%)", fontsize=8)
    panel.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=5, frameon=False, fontsize=8, borderaxespad=0.2,
        handlelength=0.9, handletextpad=0.3, columnspacing=0.9,
    )  # fmt: skip


def _is_all(row: int, rows: int) -> bool:
    return row == 0 and rows > 1


def _ranges_widely(spreads: Sequence[Spread]) -> bool:
    shortest, longest = min(one.marks[0] for one in spreads), max(one.marks[-1] for one in spreads)
    return bool(longest > 10 * max(shortest, 1))


def _tick(panel: Any, logarithmic: bool, high: float, low: float = 1) -> None:
    """Write numbers as 1,000; on a logarithmic axis at 1, 2, 5, 10 … or, where it is long, at powers of ten."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if not logarithmic:
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        return
    steps = (1, 2, 5) if high / low < 30 else (1, 3) if high / low < 1000 else (1,)
    ticks = [step * 10**power for power in range(10) for step in steps if low <= step * 10**power <= high]
    panel.set_xticks(ticks, [_in_short(tick) for tick in ticks])
    panel.minorticks_off()


def _in_short(number: int) -> str:
    """A tick in few letters.

    Examples
    --------
    >>> _in_short(300), _in_short(30_000), _in_short(1_000_000)
    ('300', '30k', '1M')
    """
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if number >= 10 * size or number == 10**6:
            return f"{number // size:,}{letter}"
    return f"{number:,}"


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
