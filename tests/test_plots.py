"""Figures: every type in the legend, colours that can be told apart, nothing of a molecule's text is HTML."""

import re

import numpy as np
import pytest

from ribospace.plots import COLOURS, MARKERS, MOST_GROUPS, groups_of, map_figure, map_page


@pytest.fixture
def points():
    generator = np.random.default_rng(0)
    labels = [["tRNA", "rRNA", None][number % 3] for number in range(30)]
    return generator.normal(size=(30, 3)).astype(np.float32), labels, list(range(20, 50))


@pytest.mark.parametrize("dims", [2, 3])
def test_figure_has_both_panels_legend_and_units(points, dims, tmp_path):
    coordinates, labels, lengths = points
    figure = map_figure(coordinates[:, :dims], labels, lengths, "title", "UMAP")
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["not known (10)", "rRNA (10)", "tRNA (10)"]
    assert figure.axes[0].get_xlabel() == "UMAP 1"
    assert figure.axes[-1].get_ylabel() == "length (nt)"
    figure.savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_page_is_self_contained_and_escapes(points):
    coordinates, labels, lengths = points
    hostile = "<img src=x onerror=alert(1)>"
    page = map_page(coordinates[:, :2], [hostile] * 30, labels, lengths, [hostile] * 30, hostile, "UMAP")
    assert "<img src=x" not in page
    assert "Plotly.newPlot" in page
    head, _, rest = page.partition("<body>")
    assert not re.search(r'<(script|link)[^>]+(src|href)="http', head + rest)
    assert "by length" in page


def test_many_types_become_other():
    labels = [f"type{number}" for number in range(40)] + ["type0"] * 5
    groups = groups_of(labels)
    assert len(groups) == MOST_GROUPS
    assert groups[0][0] == "type0"
    assert groups[-1][0] == "17 other types"
    assert sorted(np.concatenate([rows for _, rows in groups]).tolist()) == list(range(45))


def test_groups_look_different():
    looks = {(COLOURS[n % 8], MARKERS[(n // 8 + n) % 8]) for n in range(MOST_GROUPS)}
    assert len(looks) == MOST_GROUPS


def test_labels_of_arrows_do_not_overlap():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from ribospace.plots import Drawn, arrows_figure

    a, b = np.array([1.0, 0.02]), np.array([0.5, 0.0])
    equation = Drawn("a ≈ b + c", np.stack([a, b, a - b]), (1, 1))
    for dims in (2, 3):
        vectors = np.column_stack([equation.vectors, [0.0, 0.1, -0.1]]) if dims == 3 else equation.vectors
        figure = arrows_figure([Drawn("one", vectors, (1, 1))], "title", dims)
        FigureCanvasAgg(figure).draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
        assert len(boxes) == 4
        assert not any(one.overlaps(two) for n, one in enumerate(boxes) for two in boxes[n + 1 :])


def test_a_hostile_name_stays_text():
    from ribospace.plots import Card, relation_page

    table = (["<b>"], [["@CARDS@ <script>"]])
    page = relation_page("<t>", ["<l>"], {}, table, table, table, [Card("<c>", ["<d>"], table)])
    assert not {"<script>", "<l>", "<c>", "<d>"} & set(page.split())
    assert page.count("@CARDS@ &lt;script&gt;") == 4
