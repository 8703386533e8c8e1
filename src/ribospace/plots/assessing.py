"""Figures and the page on how generated molecules stand beside natural and random ones."""

from __future__ import annotations

import html
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
MOST_BINS, NAMED = 40, 6


def distributions_figure(values: Mapping[str, Mapping[str, Floats]], titles: Mapping[str, str], title: str) -> Figure:
    """Draw a panel for each quantity, with the distribution of each set: the last filled, the first a thick line.

    Parameters
    ----------
    values
        By quantity and set, (n,) numbers; the sets in one order, at most four.
    titles
        By quantity, what stands below its panel.
    title
        What was judged.
    """
    from matplotlib.figure import Figure

    columns = min(2, len(values))
    rows = -(-len(values) // columns)
    figure = Figure(figsize=(4.6 * columns, 2.9 * rows + 0.9), layout="constrained", dpi=150)
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for panel, (what, sets) in zip(panels, values.items(), strict=False):
        everyone = np.concatenate(list(sets.values()))
        many = int(np.clip(np.sqrt(min(map(len, sets.values()))), 8, MOST_BINS))
        edges = _edges(everyone, many)
        for number, (name, some) in reversed(list(enumerate(sets.items()))):
            shares = np.histogram(np.clip(some, edges[0], edges[-1]), edges)[0] / len(some)
            _step(panel, edges, shares, name, number, len(sets))
        panel.set_xlabel(titles[what])
        panel.set_ylim(bottom=0)
        panel.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    for panel in panels[len(values) :]:
        panel.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    figure.supylabel("share of molecules", fontsize=9)
    return figure


def _edges(values: Floats, many: int) -> Floats:
    """Edges of bins, of a whole width where all values are whole."""
    low, high = np.quantile(values, [0.002, 0.998])
    if (values == np.round(values)).all():
        width = np.ceil((high - low + 1) / many)
        return np.asarray(np.floor(low) - 0.5 + width * np.arange(many + 1), dtype=np.float64)
    return np.linspace(low, high if high > low else low + 1, many + 1)


def _step(panel: object, edges: Floats, shares: Floats, name: str, number: int, of: int) -> None:
    if number == of - 1:
        panel.stairs(shares, edges, fill=True, color="0.83", label=name)  # type: ignore[attr-defined]
        return
    style = {"color": (COLOURS[0], COLOURS[1], COLOURS[2])[number], "lw": (2.2, 1.4, 1.4)[number]}
    panel.stairs(shares, edges, ls=("-", ":", "--")[number], label=name, **style)  # type: ignore[attr-defined]


def kmer_figure(kmers: Mapping[int, Mapping[str, Floats]], names: tuple[str, str, str], title: str) -> Figure:
    """Draw each k-mer's share in a set against that in the natural one, a panel for each k.

    Parameters
    ----------
    kmers
        By k and set, (4**k,) shares in the order of the alphabet A C G U.
    names
        Of the sets: the natural one, one in grey behind, the one that is judged, whose k-mers furthest off are named.
    title
        What was judged.
    """
    from matplotlib.figure import Figure

    natural, beside, judged = names
    figure = Figure(figsize=(4.8 * len(kmers), 5.5), layout="constrained", dpi=150)
    for panel, (k, shares) in zip(np.atleast_1d(figure.subplots(1, len(kmers))).ravel(), kmers.items(), strict=True):
        x, behind, y = (shares[each] * 100 for each in names)
        everyone = np.concatenate([x, behind, y])
        ends = np.array([0.8 * everyone.min(), 1.15 * everyone.max()])
        panel.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
        panel.plot(x, behind, "o", color="0.72", ms=4, mew=0, label=beside)
        panel.plot(x, y, "o", color=COLOURS[0], ms=4, mew=0, alpha=0.8, label=judged)
        words = ["".join(letters) for letters in itertools.product("ACGU", repeat=k)]
        for place in _furthest(x, y):
            above = y[place] > x[place]
            off, sides = ((-4, 3), ("right", "bottom")) if above else ((4, -3), ("left", "top"))
            where = {"textcoords": "offset points", "ha": sides[0], "va": sides[1]}
            panel.annotate(words[place], (x[place], y[place]), off, fontsize=8, **where)
        panel.set(xlim=ends, ylim=ends)
        panel.set_box_aspect(1)
        panel.set_xlabel(f"share of each {k}-mer in {natural}, %")
        panel.set_ylabel(f"share in {judged}, %")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize=9, loc="upper left", handletextpad=0.1)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def _furthest(x: Floats, y: Floats) -> list[int]:
    """The furthest from the diagonal, without those whose names would lie on that of a further one."""
    named: list[int] = []
    reach = 0.04 * max(np.ptp(x), 1e-9)
    for place in np.argsort(-np.abs(y - x), kind="stable")[: 4 * NAMED].tolist():
        far = all(abs(x[place] - x[one]) > 3 * reach or abs(y[place] - y[one]) > reach for one in named)
        if far and len(named) < NAMED and abs(y[place] - x[place]) > 1e-9:
            named.append(place)
    return named


def assessment_page(
    title: str,
    lines: Sequence[str],
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    figures: Mapping[str, Figure],
) -> str:
    """Write one self-contained HTML page: sentences, the table, the figures as SVG.

    Parameters
    ----------
    title, lines
        What was judged, and what to know of it.
    header, cells
        Of the table; the second column is text.
    figures
        By what they show.
    """
    rows = "".join("<tr>" + "".join(_cell(number, cell) for number, cell in enumerate(row)) + "</tr>" for row in cells)
    page = (resources.files("ribospace") / "data" / "assessment.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": html.escape(title),
        "LINES": "".join(f"<p>{html.escape(line)}</p>" for line in lines),
        "HEADER": "".join(
            f"<th{' class=text' if number == 1 else ''}>{html.escape(one)}</th>" for number, one in enumerate(header)
        ),
        "ROWS": rows,
        "FIGURES": "".join(
            f'<figure role="img" aria-label="{html.escape(what)}">{_svg(figure, what)}</figure>'
            for what, figure in figures.items()
        ),
    }
    for name, text in parts.items():
        page = page.replace(f"@{name}@", text)
    return page


def _cell(number: int, cell: str) -> str:
    text = html.escape(cell)
    return f"<th>{text}</th>" if number == 0 else f"<td{' class=text' if number == 1 else ''}>{text}</td>"


def _svg(figure: Figure, salt: str) -> str:
    """The figure as SVG that is the same every time, with ids that are its own."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()[file.getvalue().index("<svg") :]
    mark = "".join(letter for letter in salt if letter.isalnum())
    return re.sub(r'((?:id="|href="#|url\(#))', rf"\g<1>{mark}-", text)
