"""Figures of vectors seen from a basis: arrows in three dimensions, as pictures and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ribospace.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
VIEWS = ((20, 35), (20, 125))
_BASIS = "0.55"


def basis_figure(places: Floats, names: Sequence[str], basis: Floats, title: str, axes: str) -> Figure:
    """Draw arrows from the basis' mean, from two viewpoints a quarter turn apart (2-D: once).

    Parameters
    ----------
    places
        (seeds, n, 2 or 3), each seed's laid over the first's; the first is drawn as arrows, the others as dots.
    names
        (n,) of the molecules.
    basis
        (m, 2 or 3) molecules of the basis, as grey points.
    title, axes
        What is shown, and what the axes are.
    """
    from matplotlib.figure import Figure

    dims = places.shape[2]
    views = VIEWS if dims == 3 else VIEWS[:1]
    figure = Figure(figsize=(6.8 * len(views) + 2.4, 6.6), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    reach = 1.12 * float(np.abs(places).max())
    for number, view in enumerate(views, 1):
        panel: Any = figure.add_subplot(1, len(views), number, projection="3d" if dims == 3 else None)
        near = basis[(np.abs(basis) <= reach).all(axis=1)]
        panel.scatter(*near.T, s=3, color=_BASIS, alpha=0.35, linewidths=0)
        for place, name in enumerate(names):
            colour = COLOURS[place % len(COLOURS)]
            style = ("-", "--", ":")[min(place // len(COLOURS), 2)]
            look: dict[str, Any] = {"color": colour, "ls": style, "label": name if number == 1 else None}
            if dims == 3:
                panel.quiver(*np.zeros(3), *places[0, place], lw=2, arrow_length_ratio=0.12, **look)
            else:
                panel.plot(*np.stack([np.zeros(2), places[0, place]]).T, lw=2, **look)
                head = {"arrowstyle": "-|>", "color": colour, "lw": 0, "mutation_scale": 16}
                panel.annotate("", places[0, place], 0.98 * places[0, place], arrowprops=head)
            panel.plot(*places[1:, place].T, ".", color=colour, ms=4, alpha=0.6, ls="none")
        limits = {f"set_{axis}lim": (-reach, reach) for axis in "xyz"[:dims]}
        for set_, limit in limits.items():
            getattr(panel, set_)(*limit)
        for axis, which in zip("xyz"[:dims], range(1, dims + 1), strict=True):
            getattr(panel, f"set_{axis}label")(f"{axes} {which}", fontsize=9)
        panel.tick_params(labelsize=7)
        if dims == 3:
            panel.view_init(*view)
            panel.set_box_aspect(None, zoom=1.03)
            panel.set_title(f"seen from {view[1]}° round, {view[0]}° up", fontsize=9)
        else:
            panel.set_aspect("equal")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9, title="molecule", alignment="left")
    figure.supxlabel(
        "unit: the basis' root mean square distance from its mean, which is the origin; arrows: first seed; "
        "small dots: other seeds, laid over it; grey: the basis",
        fontsize=8,
        x=0.01,
        ha="left",
    )
    return figure


def basis_page(places: Floats, names: Sequence[str], basis: Floats, title: str, axes: str) -> str:
    """The same arrows as one self-contained page that turns with the mouse; three dimensions."""
    import html

    import plotly.graph_objects as go

    traces = [
        go.Scatter3d(
            **dict(zip("xyz", basis.T, strict=True)), mode="markers", name="basis", hoverinfo="skip",
            marker={"size": 1.6, "color": "#999", "opacity": 0.4},
        )
    ]  # fmt: skip
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        tip = places[0, number]
        line = dict(zip("xyz", np.stack([np.zeros(3), tip]).T, strict=True))
        shown: dict[str, Any] = {"name": html.escape(name), "legendgroup": str(number)}
        traces.append(go.Scatter3d(**line, mode="lines", line={"color": colour, "width": 5}, **shown, hoverinfo="skip"))
        traces.append(
            go.Cone(
                x=[tip[0]], y=[tip[1]], z=[tip[2]], u=[tip[0]], v=[tip[1]], w=[tip[2]], anchor="tip", sizemode="raw",
                sizeref=0.12 * float(np.abs(places).max()) / max(float(np.linalg.norm(tip)), 1e-12), showscale=False,
                colorscale=[[0, colour], [1, colour]], hovertemplate="%{fullData.name}<extra></extra>",
                showlegend=False, **shown,
            )
        )  # fmt: skip
        others = dict(zip("xyz", places[1:, number].T, strict=True))
        marker = {"size": 2.5, "color": colour, "opacity": 0.6}
        traces.append(
            go.Scatter3d(**others, mode="markers", marker=marker, **shown, showlegend=False, hoverinfo="skip")
        )
    figure = go.Figure(traces)
    figure.update_layout(
        title={"text": html.escape(title), "x": 0.01},
        template="plotly_white",
        height=800,
        margin={"l": 0, "r": 0, "t": 60, "b": 0},
        scene={f"{axis}axis": {"title": {"text": f"{axes} {n}"}} for n, axis in enumerate("xyz", 1)}
        | {"aspectmode": "data"},
    )
    page: str = figure.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False, "responsive": True})
    return page.replace("<html>", '<html lang="en">', 1)
