"""Figures of attention heads: layers from the top, heads from the left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.floating]
CELLS_WITH_TEXT = 120


def profile_figure(similarity: Floats, p: Floats, title: str) -> Figure:
    """Draw in which heads two molecules are alike.

    Parameters
    ----------
    similarity
        (layers, heads) cosines.
    p
        (layers, heads) share of random pairs that are as alike or more; at most 0.05 is marked as alike, at least 0.95
        as unlike.
    title
        Which molecules.
    """
    from matplotlib.figure import Figure

    layers, heads = similarity.shape
    figure = Figure(figsize=(max(4.6, 0.62 * heads + 1.9), max(2.6, 0.5 * layers + 1.7)), layout="constrained", dpi=150)
    axes = figure.subplots()
    marks = np.where(p <= 0.05, " ▲", np.where(p >= 0.95, " ▼", ""))
    _grid(axes, similarity, marks, "cosine of what the head says", "RdBu_r", (-1.0, 1.0))
    axes.set_title(title, fontsize=9, loc="left")
    figure.supxlabel("▲ among the 5 % most alike of random pairs   ▼ among the 5 % least alike", fontsize=7)
    return figure


def seen_figure(names: Sequence[str], measures: Sequence[str], scores: Floats, named: npt.NDArray[np.bool_]) -> Figure:
    """Draw what heads tell of properties, a panel each.

    Parameters
    ----------
    names, measures
        (P,) of the properties, and of their scores.
    scores
        (P, layers, heads).
    named
        (P, layers, heads) where a head tells more than chance, the control and other heads; these are marked.
    """
    from matplotlib.figure import Figure

    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    _, layers, heads = scores.shape
    size = (columns * max(2.7, 0.34 * heads + 1.3), rows * max(1.7, 0.28 * layers + 1.0) + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for panel, name, measure, values, mark in zip(panels, names, measures, scores, named, strict=False):
        limits = min(0.0, float(values.min())), float(values.max())
        _grid(panel, values, np.where(mark, "★", ""), measure, "viridis", limits, 0)
        panel.set_title(name, fontsize=9, loc="left")
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    figure.supxlabel("★ tells more than chance, than composition and length, and than the median head", fontsize=8)
    return figure


def following_figure(panels: Sequence[tuple[str, Floats, Floats, Floats]], most: Sequence[float]) -> Figure:
    """Draw how well heads follow structures, a panel for each kind of structure.

    Parameters
    ----------
    panels
        What structures these are, and (layers, heads) precision at L, its chance and p.
    most
        The highest precision that there can be, by panel.
    """
    from matplotlib.figure import Figure

    layers, heads = panels[0][1].shape
    size = (len(panels) * max(4.2, 0.6 * heads + 1.7), max(2.4, 0.45 * layers + 1.5))
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for panel, (what, precision, chance, p), highest in zip(axes, panels, most, strict=True):
        bound = max(0.02, float(np.abs(precision - chance).max()))
        marks, what_is = np.where(p <= 0.05, "★", ""), "precision at L, above chance"
        _grid(panel, precision - chance, marks, what_is, "RdBu_r", (-bound, bound), 3)
        panel.set_title(f"{what}\nprecision at most {highest:.2f}", fontsize=9, loc="left")
    figure.supxlabel(
        "★ above chance (p ≤ 0.05, corrected for all heads); chance: places with the same separations", fontsize=7
    )
    return figure


def attention_figure(attention: Floats, probable: Floats, title: str) -> Figure:
    """Draw a head's attention, above the diagonal, beside the probabilities of base pairs, below it.

    Parameters
    ----------
    attention
        (L, L) symmetric, corrected by average products.
    probable
        (L, L) of each pair, above the diagonal.
    title
        Which molecule and head.
    """
    from matplotlib.figure import Figure

    length = len(attention)
    figure = Figure(figsize=(5.6, 4.4), layout="constrained", dpi=150)
    axes = figure.subplots()
    upper = np.triu(np.ones((length, length), dtype=bool), 4)
    highest = max(float(np.quantile(attention[upper], 0.995)), 1e-9) if upper.any() else 1.0
    places = np.arange(length + 1) + 0.5
    seen = axes.pcolormesh(places, places, np.where(upper, attention, np.nan), cmap="Blues", vmin=0, vmax=highest)
    told = axes.pcolormesh(places, places, np.where(upper, probable, np.nan).T, cmap="Oranges", vmin=0, vmax=1)
    axes.plot([0.5, length + 0.5], [0.5, length + 0.5], color="0.6", lw=0.6)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_xlabel("nucleotide", fontsize=8)
    axes.set_ylabel("nucleotide", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_title(title, fontsize=9, loc="left")
    for image, what in ((seen, "attention, corrected (upper right)"), (told, "pair probability (lower left)")):
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.set_label(what, fontsize=7)
        bar.ax.tick_params(labelsize=6)
    return figure


def _grid(
    axes: Axes, values: Floats, marks: npt.NDArray[Any], what: str, colours: str, limits: tuple[float, float],
    digits: int = 2,
) -> None:  # fmt: skip
    """Draw (layers, heads) values as a heat map, with numbers where there is room."""
    layers, heads = values.shape
    image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=max(limits[1], limits[0] + 1e-6), aspect="auto")
    axes.set_xticks(_ticks(heads), [str(one + 1) for one in _ticks(heads)])
    axes.set_yticks(_ticks(layers), [str(one + 1) for one in _ticks(layers)])
    axes.set_xlabel("head", fontsize=8)
    axes.set_ylabel("layer", fontsize=8)
    axes.tick_params(labelsize=7, length=0)
    small = values.size > CELLS_WITH_TEXT
    for layer, head in np.ndindex(values.shape):
        text = (
            str(marks[layer, head]) if small or not digits else f"{values[layer, head]:z.{digits}f}{marks[layer, head]}"
        )
        red, green, blue, _ = image.cmap(image.norm(values[layer, head]))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        axes.text(head, layer, text, ha="center", va="center", fontsize=6 if small else 7, color="w" if dark else "k")
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.9)
    bar.set_label(what, fontsize=7)
    bar.ax.tick_params(labelsize=7)


def _ticks(many: int) -> list[int]:
    return list(range(0, many, 1 if many <= 20 else 5))
