"""Figures of how generated molecules change with the strength that they are steered with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Steered:
    """One property at rising strengths.

    Attributes
    ----------
    name, unit
        Of the property.
    strengths, means, deviations
        (s,) each: λ, the property's mean and standard deviation over the molecules made with it.
    diversities
        (s,) mean edit distance over the longer length, of pairs of these.
    natural
        Mean and standard deviation over natural molecules.
    searched
        Mean and diversity of the best of as many unguided molecules as there were looks at the surrogate; None: not
        done.
    """

    name: str
    unit: str
    strengths: Floats
    means: Floats
    deviations: Floats
    diversities: Floats
    natural: tuple[float, float]
    searched: tuple[float, float] | None = None


def trade_off_figure(properties: Sequence[Steered]) -> Figure:
    """Draw what steering brings and what it costs: above the property by strength, below it beside the diversity.

    Parameters
    ----------
    properties
        A column of panels each.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.9 * len(properties), 6.2), dpi=150, layout="constrained")
    panels = figure.subplots(2, len(properties), squeeze=False)
    for column, one in enumerate(properties):
        above, below = panels[:, column]
        mean, deviation = one.natural
        above.axhspan(mean - deviation, mean + deviation, color="0.9", label="natural, mean ± SD")
        above.axhline(mean, color="0.6", lw=1)
        style = {"color": COLOURS[0], "marker": "o", "ms": 5, "lw": 1.6, "capsize": 3}
        above.errorbar(range(len(one.means)), one.means, one.deviations, **style, label="steered, mean ± SD")
        above.set_xticks(range(len(one.strengths)), [f"{value:g}" for value in one.strengths])
        above.set_xlabel("strength", fontsize=9)
        above.set_ylabel(f"{one.name} ({one.unit})" if one.unit else one.name, fontsize=9)
        below.plot(one.diversities, one.means, "-o", color=COLOURS[0], ms=5, lw=1.6, label="steered")
        for x, y, value in zip(one.diversities, one.means, one.strengths, strict=True):
            below.annotate(f"{value:g}", (x, y), (5, 4), textcoords="offset points", fontsize=7)
        if one.searched is not None:
            below.plot(one.searched[1], one.searched[0], "D", color=COLOURS[5], ms=7, label="best of random search")
        below.set_xlabel("diversity (edit distance over length)", fontsize=9)
        below.set_ylabel(above.get_ylabel(), fontsize=9)
        for panel in (above, below):
            panel.grid(alpha=0.3)
            panel.spines[["top", "right"]].set_visible(False)
            panel.tick_params(labelsize=8)
    for row in range(2):
        panels[row, 0].legend(frameon=False, fontsize=8, loc="best")
    return figure
