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
