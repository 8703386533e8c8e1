"""Maps of molecules, as figures and as one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
_PLOTLY_MARKERS = ("circle", "triangle-up", "square", "diamond", "triangle-down", "cross", "x", "star")
_PLOTLY_MARKERS_3D = ("circle", "square", "diamond", "cross", "x", "circle-open", "square-open", "diamond-open")
MOST_GROUPS = 24
UNKNOWN = "not known"


def groups_of(labels: Sequence[str | None]) -> list[tuple[str, npt.NDArray[np.intp]]]:
    """Rows by label, the largest group first; beyond 23 labels the small ones are one group, "other types"."""
    names = np.array([label or UNKNOWN for label in labels])
    order = [name for name, _ in sorted(Counter(names.tolist()).items(), key=lambda item: (-item[1], item[0]))]
    shown = order if len(order) <= MOST_GROUPS else order[: MOST_GROUPS - 1]
    groups = [(name, np.flatnonzero(names == name)) for name in shown]
    rest = np.flatnonzero(~np.isin(names, shown))
    return [*groups, (f"{len(order) - len(shown)} other types", rest)] if len(rest) else groups


def map_figure(
    coordinates: npt.NDArray[np.float32],
    labels: Sequence[str | None],
    lengths: Sequence[int],
    title: str,
    axes: str,
) -> Figure:
    """Draw a map twice, side by side: coloured by type and by length.

    Parameters
    ----------
    coordinates
        (n, 2) or (n, 3).
    labels
        (n,) types; None is "not known".
    lengths
        (n,) nt.
    title
        What is shown.
    axes
        What the axes are, such as "UMAP".

    Returns
    -------
    matplotlib.figure.Figure
        Two panels, legend and colour bar outside of them.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    dims = coordinates.shape[1]
    groups = groups_of(labels)
    figure = Figure(figsize=(14, 6.2), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=14, x=0.01, ha="left")
    panels: list[Any] = [figure.add_subplot(1, 2, number, projection="3d" if dims == 3 else None) for number in (1, 2)]
    by_type, by_length = panels
    size = float(np.clip(36_000 / len(coordinates), 3, 28))
    for number, (name, rows) in enumerate(groups):
        style: dict[str, Any] = {"color": COLOURS[number % 8], "marker": MARKERS[(number // 8 + number) % 8]}
        by_type.scatter(*coordinates[rows].T, s=size, alpha=0.8, linewidths=0, label=f"{name} ({len(rows):,})", **style)
    columns = 1 if len(groups) <= 14 else 2
    side: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02 if dims == 2 else 1.1, 1), "borderaxespad": 0}
    legend = by_type.legend(
        title="rna_type (molecules)",
        fontsize=9,
        frameon=False,
        ncols=columns,
        alignment="left",
        handletextpad=0.2,
        **side,
    )
    for handle in legend.legend_handles:
        handle.set_sizes([36])
    shortest, longest = max(1, min(lengths)), max(2, max(lengths))
    norm = LogNorm(shortest, longest)
    points = by_length.scatter(*coordinates.T, s=size, c=lengths, cmap="cividis", norm=norm, alpha=0.8, linewidths=0)
    bar = figure.colorbar(points, ax=by_length, label="length (nt)", shrink=0.8, pad=0.02 if dims == 2 else 0.1)
    ticks = [tick for tick in (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000) if shortest <= tick <= longest]
    if ticks:
        bar.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks])
        bar.minorticks_off()
    for panel, what in ((by_type, "by type"), (by_length, "by length")):
        _dress(panel, what, axes, dims)
    return figure


def small_maps_figure(
    maps: Sequence[tuple[str, npt.NDArray[np.float32]]], labels: Sequence[str | None], title: str, legend: str
) -> Figure:
    """Draw several maps of the same molecules beside each other, coloured alike.

    Parameters
    ----------
    maps
        A name and (n, 2) coordinates each.
    labels
        (n,) what is coloured; None is "not known".
    title, legend
        What is shown, and what the labels are.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels a row, one legend.
    """
    from matplotlib.figure import Figure

    columns = min(4, len(maps))
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(3.4 * columns + 2.2, 3.5 * rows + 0.5), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=13, x=0.01, ha="left")
    groups = groups_of(labels)
    for place, (name, coordinates) in enumerate(maps):
        panel = figure.add_subplot(rows, columns, place + 1)
        for number, (label, molecules) in enumerate(groups):
            style: dict[str, Any] = {
                "color": COLOURS[number % 8],
                "marker": MARKERS[(number // 8 + number) % 8],
                "s": 7,
            }
            x, y = coordinates[molecules].T
            panel.scatter(x, y, alpha=0.8, linewidths=0, label=label, **style)
        panel.set_title(name, fontsize=10, loc="left")
        panel.set_xticks([])
        panel.set_yticks([])
    handles, names = figure.axes[0].get_legend_handles_labels()
    said = figure.legend(handles, names, title=legend, loc="outside right upper", frameon=False, alignment="left")
    for handle in said.legend_handles:
        handle.set_sizes([36])  # type: ignore[union-attr]
    return figure


def _dress(panel: Any, what: str, axes: str, dims: int) -> None:
    panel.set_title(what, loc="left", fontsize=11)
    for number, axis in enumerate("xyz"[:dims]):
        getattr(panel, f"set_{axis}label")(f"{axes} {number + 1}")
    if dims == 2:
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_aspect("equal", adjustable="datalim")


def map_page(
    coordinates: npt.NDArray[np.float32],
    ids: Sequence[str],
    labels: Sequence[str | None],
    lengths: Sequence[int],
    texts: Sequence[str],
    title: str,
    axes: str,
) -> str:
    """Write a map as one self-contained HTML page: hover, zoom, a legend that filters, colours by type or length.

    Parameters
    ----------
    coordinates, labels, lengths, title, axes
        As for `map_figure`.
    ids, texts
        (n,) what the card of a molecule says; escaped here.

    Returns
    -------
    str
        HTML with plotly.js inside; nothing is fetched when it is opened.
    """
    import html

    import plotly.graph_objects as go

    dims = coordinates.shape[1]
    kind = go.Scattergl if dims == 2 else go.Scatter3d
    symbols = _PLOTLY_MARKERS if dims == 2 else _PLOTLY_MARKERS_3D
    size = (7 if len(ids) <= 5000 else 4) if dims == 2 else 3
    cards = np.array(
        [
            f"<b>{html.escape(one)}</b><br>{html.escape(label or UNKNOWN)}, {length:,} nt<br>{html.escape(_cut(text))}"
            for one, label, length, text in zip(ids, labels, lengths, texts, strict=True)
        ],
        dtype=object,
    )

    def points(rows: npt.NDArray[np.intp], **more: Any) -> Any:
        place = dict(zip("xyz", coordinates[rows].T, strict=False))
        return kind(mode="markers", text=cards[rows], hovertemplate="%{text}<extra></extra>", **place, **more)

    traces = [
        points(
            rows,
            name=f"{name} ({len(rows):,})",
            marker={"size": size, "color": COLOURS[n % 8], "symbol": symbols[(n // 8 + n) % 8], "opacity": 0.8},
        )
        for n, (name, rows) in enumerate(groups_of(labels))
    ]
    scale = np.log10(np.maximum(np.asarray(lengths), 1))
    ticks = [t for t in (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if scale.min() <= np.log10(t) <= scale.max()]
    bar = {
        "title": {"text": "length (nt)"},
        "tickvals": np.log10(ticks).tolist(),
        "ticktext": [f"{t:,}" for t in ticks],
    }
    by_length = {"size": size, "color": scale, "colorscale": "Cividis", "colorbar": bar, "opacity": 0.8}
    traces.append(points(np.arange(len(ids)), name="length", marker=by_length, visible=False, showlegend=False))
    figure = go.Figure(traces)
    figure.update_layout(**_page_layout(title, axes, dims, len(traces)))
    page: str = figure.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False, "responsive": True})
    head = f'<head><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    return page.replace("<head>", head, 1).replace("<html>", '<html lang="en">', 1)


def _page_layout(title: str, axes: str, dims: int, traces: int) -> dict[str, Any]:
    import html

    types, length = [True] * (traces - 1) + [False], [False] * (traces - 1) + [True]
    buttons = [
        {"label": "by type", "method": "update", "args": [{"visible": types}, {"showlegend": True}]},
        {"label": "by length", "method": "update", "args": [{"visible": length}, {"showlegend": False}]},
    ]
    titles = [f"{axes} {number + 1}" for number in range(dims)]
    names: dict[str, Any] = {
        f"{axis}axis": {"title": {"text": text}} for axis, text in zip("xyz", titles, strict=False)
    }
    if dims == 2:
        names["xaxis"] |= {"zeroline": False}
        names["yaxis"] |= {"zeroline": False, "scaleanchor": "x"}
    return {
        "title": {"text": html.escape(title), "x": 0.01, "y": 0.98, "yanchor": "top"},
        "template": "plotly_white",
        "height": 760,
        "margin": {"l": 60, "r": 20, "t": 110, "b": 50},
        "legend": {
            "title": {"text": "rna_type (molecules)<br><sub>click hides, double click shows one</sub>"},
            "itemsizing": "constant",
        },
        "hoverlabel": {"align": "left", "bgcolor": "white"},
        "updatemenus": [
            {"type": "buttons", "direction": "right", "buttons": buttons, "x": 0, "xanchor": "left"}
            | {"y": 1.01, "yanchor": "bottom"}
        ],
        **(names if dims == 2 else {"scene": names}),
    }


def _cut(text: str, most: int = 90) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
