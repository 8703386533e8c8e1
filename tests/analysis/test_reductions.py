"""Reductions measured: each method keeps what it should, and chance what chance keeps."""

import numpy as np
import pytest

from ribospace.analysis.reductions import METHODS, compare_reductions
from ribospace.errors import UserError
from ribospace.models.parametric_umap import ParametricUmap


def blobs(n=160, width=12, seed=0):
    generator = np.random.default_rng(seed)
    centers = np.repeat(generator.normal(size=(4, width)), n // 4, axis=0)
    return (centers + 0.2 * generator.normal(size=(n, width))).astype(np.float32)


def test_every_method_keeps_more_than_chance():
    methods = [name for name in METHODS if "umap" not in name]  # whose compiling takes a minute; tested elsewhere
    kept = {one.method: one for one in compare_reductions(blobs(), methods, (2,), seeds=1)}
    noise = kept.pop("noise").runs[0]
    assert abs(noise.kept[15] - 15 / 159) < 0.05
    for one in kept.values():
        assert one.runs[0].trustworthiness > noise.trustworthiness + 0.1, one.method
        assert one.runs[0].kept[15] > 2 * noise.kept[15], one.method


def test_seeds_dimensions_and_what_is_given():
    full = blobs()
    found = list(compare_reductions(full, ("pca", "random", "tsne"), (2, 3, 10, 40), 2, {"half": full[:, :6]}))
    said = [(one.method, one.dims, len(one.runs)) for one in found]
    assert said == [
        ("half", 6, 1), ("pca", 2, 1), ("pca", 3, 1), ("pca", 10, 1),
        ("random", 2, 2), ("random", 3, 2), ("random", 10, 2), ("tsne", 2, 2), ("tsne", 3, 2),
    ]  # fmt: skip
    kept = {(one.method, one.dims): one.runs[0].distances for one in found}
    assert kept["pca", 10] > kept["pca", 2]
    assert kept["pca", 10] > 0.99


def test_an_unknown_method_is_named():
    with pytest.raises(UserError, match="Did you mean umap"):
        list(compare_reductions(blobs(), ("umpa",)))


@pytest.mark.slow
def test_parametric_umap_learns_a_map_that_holds_for_others():
    points = blobs(400)
    fitted = ParametricUmap(2, steps=300).fit(points[::2])
    laid, held_out = fitted.apply(points[::2]), fitted.apply(points[1::2])
    owner = np.repeat(np.arange(4), 50)
    nearest = ((held_out[:, None] - laid) ** 2).sum(axis=2).argmin(axis=1)
    assert (owner[nearest] == owner).mean() > 0.95
    np.testing.assert_array_equal(
        ParametricUmap(2, steps=20).fit(points).apply(points), ParametricUmap(2, steps=20).fit(points).apply(points)
    )
