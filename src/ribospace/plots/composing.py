"""Figures of a cluster's composition beside the background's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
MOST_VALUES = 24


def composition_figure(
    shares: Mapping[str, tuple[Sequence[str], Floats, Floats, Floats, Floats, Floats]],
    lengths: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    title: str,
) -> Figure:
    """Draw shares in a cluster and in the background, a panel for each property, and the lengths of both.

    Parameters
    ----------
    shares
        By property: values, shares in the cluster, lower and upper bounds, shares in the background, q; (k,) each.
    lengths
        Of the cluster's molecules and of the others, nt.
    title
        Which cluster of what.
    """
    from matplotlib.figure import Figure

    tallest = max(min(MOST_VALUES, len(one[0])) for one in shares.values())
    columns = len(shares) + 1
    figure = Figure(figsize=(3.3 * columns, max(3.4, 0.24 * tallest + 1.6)), dpi=150, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    panels = np.atleast_1d(figure.subplots(1, columns))
    for panel, (name, (values, share, low, high, expected, q)) in zip(panels, shares.items(), strict=False):
        shown = slice(MOST_VALUES)
        rows = np.arange(len(values[shown]))
        panel.hlines(rows, 100 * low[shown], 100 * high[shown], color=COLOURS[0], lw=2, alpha=0.5)
        panel.plot(100 * share[shown], rows, "o", color=COLOURS[0], ms=5, label="cluster, 95 %")
        panel.plot(100 * expected[shown], rows, "|", color=COLOURS[5], ms=10, mew=2, label="background")
        marks = [f"{value} *" if sure <= 0.05 else value for value, sure in zip(values[shown], q[shown], strict=True)]
        panel.set_yticks(rows, marks, fontsize=8)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        more = f" (the first {MOST_VALUES})" if len(values) > MOST_VALUES else ""
        panel.set_title(f"{name}{more}", fontsize=9, loc="left")
        panel.set_xlabel("share of molecules (%)", fontsize=8)
        _dress(panel)
    inside, outside = lengths
    edges = np.histogram_bin_edges(np.concatenate([inside, outside]), bins=40)
    for values_of, colour, label in ((outside, COLOURS[5], "background"), (inside, COLOURS[0], "cluster, 95 %")):
        weights = np.full(len(values_of), 100 / max(1, len(values_of)))
        style = {"histtype": "step", "color": colour, "lw": 1.6, "label": label}
        panels[-1].hist(values_of, edges, weights=weights, **style)
    panels[-1].set_title("length", fontsize=9, loc="left")
    panels[-1].set_xlabel("nt", fontsize=8)
    panels[-1].set_ylabel("share of molecules (%)", fontsize=8)
    _dress(panels[-1])
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.supxlabel("* q ≤ 0.05", x=0.99, ha="right", fontsize=8)
    return figure


def _dress(panel: object) -> None:
    panel.grid(axis="x", alpha=0.3)  # type: ignore[attr-defined]
    panel.spines[["top", "right"]].set_visible(False)  # type: ignore[attr-defined]
    panel.tick_params(labelsize=8)  # type: ignore[attr-defined]
