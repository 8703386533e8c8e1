"""Figures on how well a model tells types apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMED = 40  # types of a confusion matrix that are named and counted in its figure


def confusion_figure(counts: npt.NDArray[np.int64], names: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix: shares of each true type, with the counts in the cells as far as they can be read.

    Parameters
    ----------
    counts
        (n, n) molecules, rows the true types.
    names
        (n,) of the types.
    title
        What was judged.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    readable = len(names) <= MOST_NAMED
    side = 3.2 + 0.42 * min(len(names), MOST_NAMED)
    figure = Figure(figsize=(side + 1.2, side), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    axes.set_xlabel("told" if readable else f"told, of {len(names):,} types in their order")
    axes.set_ylabel("true (molecules)" if readable else "true")
    axes.set_title(title, loc="left")
    if readable:
        molecules = counts.sum(axis=1)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), [f"{name} ({n:,})" for name, n in zip(names, molecules, strict=True)])
    for row, column in zip(*np.nonzero(counts), strict=True) if readable else ():
        colour = "black" if shares[row, column] > 0.5 else "white"
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axes, label="share of the true type", shrink=0.8)
    return figure


def calibration_figure(rows: Sequence[dict[str, float]], error: float, title: str) -> Figure:
    """Draw how often the told type is right against how probable the model said it was.

    Parameters
    ----------
    rows
        Bins with molecules, said and right, as `training.evaluate.calibration` gives them.
    error
        Expected calibration error.
    title
        What was judged.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    said, right = [row["said"] for row in rows], [row["right"] for row in rows]
    figure = Figure(figsize=(5.4, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999999", linestyle="--", label="perfectly calibrated")
    axes.plot(said, right, color=COLOURS[0], marker="o", label=f"model (expected error {error:.3f})")
    for row in rows:
        axes.annotate(
            f"{row['molecules']:,}", (row["said"], row["right"]), (4, -11), textcoords="offset points", fontsize=7
        )
    axes.set(
        xlim=(0, 1.02),
        ylim=(-0.02, 1.05),
        xlabel="probability that the model gives the type it tells",
        ylabel="share of molecules for which it is right",
    )
    axes.set_title(title, loc="left")
    axes.legend(frameon=False, loc="upper left")
    return figure
