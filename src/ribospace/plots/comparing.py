"""Figures and the page of a comparison: representations side by side, and what reductions keep."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison_figure(
    names: Sequence[str],
    figures: Mapping[str, Sequence[float | None]],
    intervals: Mapping[str, Sequence[tuple[float, float]]],
    chance: Mapping[str, float],
    title: str,
) -> Figure:
    """Draw a panel for each figure, with a dot for each representation.

    Parameters
    ----------
    names
        (n,) of the representations, from the top.
    figures
        By what stands above a panel, (n,) values; None is left out.
    intervals
        Lower and upper bounds of those figures that have them.
    chance
        What knowing nothing gives; a dashed line.
    title
        What was compared.
    """
    from matplotlib.figure import Figure

    columns = min(5, len(figures))
    rows = -(-len(figures) // columns)
    size = (2.2 * columns + 1.5, (0.3 * len(names) + 0.7) * rows + 0.7)
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    panels = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
    places = list(range(len(names)))
    for panel, (what, values) in zip(panels, figures.items(), strict=False):
        shown = [place for place in places if values[place] is not None]
        if what in intervals:
            low, high = zip(*[intervals[what][place] for place in shown], strict=True)
            panel.hlines(shown, low, high, color=COLOURS[0], lw=2, alpha=0.5)
        panel.plot([values[place] for place in shown], shown, "o", color=COLOURS[0], ms=6)
        if what in chance:
            panel.axvline(chance[what], color=COLOURS[5], ls="--", lw=1)
        panel.set_title(what, fontsize=9, loc="left")
        panel.set_yticks(places, names)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
        panel.tick_params(labelsize=8)
    for panel in panels[len(figures) :]:
        panel.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    figure.supxlabel("dashed: chance; bars: 95 % intervals", x=0.99, ha="right", fontsize=8)
    return figure


def kept_figure(
    figures: Mapping[str, Mapping[str, Sequence[tuple[int, float, float]]]], title: str, chance: str = ""
) -> Figure:
    """Draw what reductions keep against their dimensions, a panel for each measure and a line for each method.

    Parameters
    ----------
    figures
        By measure and method, (dims, mean, standard deviation over seeds).
    title
        What was reduced.
    chance
        The method that knows nothing; grey and dashed.
    """
    from matplotlib.figure import Figure

    columns = min(4, len(figures))
    rows = -(-len(figures) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.7 * rows + 0.9), layout="constrained", dpi=150)
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    markers = "os^DvPX*"
    for panel, (measure, methods) in zip(panels, figures.items(), strict=False):
        for number, (method, points) in enumerate(methods.items()):
            dims, means, spread = (np.array(one, dtype=float) for one in zip(*points, strict=True))
            quiet = method == chance
            panel.errorbar(
                dims,
                means,
                spread,
                color="0.55" if quiet else COLOURS[number % len(COLOURS)],
                ls="--" if quiet else "-",
                marker=markers[number % len(markers)],
                ms=5,
                lw=1.4,
                capsize=2,
                label=method,
            )
        panel.set_title(measure, fontsize=9, loc="left")
        panel.set_xscale("log")
        ticks = sorted({point[0] for points in methods.values() for point in points})
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.minorticks_off()
        panel.set_xlabel("dimensions", fontsize=8)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    for panel in panels[len(figures) :]:
        panel.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 8), frameon=False, fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def report_page(
    title: str, lines: Sequence[str], header: Sequence[str], cells: Sequence[Sequence[str]], figure: Figure
) -> str:
    """Write one self-contained HTML page: sentences, a table, the figure; light and dark as the reader has it.

    Parameters
    ----------
    title, lines
        What was compared, and what to know of it.
    header, cells
        Of the table.
    figure
        Embedded as PNG.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    rows = "".join(
        "<tr>"
        + "".join(
            f"<{'th' if n == 0 else 'td'}>{html.escape(cell)}</{'th' if n == 0 else 'td'}>"
            for n, cell in enumerate(row)
        )
        + "</tr>"
        for row in cells
    )
    page = (resources.files("ribospace") / "data" / "comparison.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": html.escape(title),
        "LINES": "".join(f"<p>{html.escape(line)}</p>" for line in lines),
        "HEADER": "".join(f"<th>{html.escape(one)}</th>" for one in header),
        "ROWS": rows,
        "PICTURE": base64.b64encode(picture.getvalue()).decode(),
    }
    for name, text in parts.items():
        page = page.replace(f"@{name}@", text)
    return page
