"""Projections: fitted here, applied there, the same each time."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from ribospace.analysis.projection import METHODS, Projection
from ribospace.errors import UserError


@pytest.fixture(scope="module")
def blobs():
    generator = np.random.default_rng(0)
    centres = 10 * generator.normal(size=(3, 12))
    vectors = np.concatenate([centre + generator.normal(size=(30, 12)) for centre in centres]).astype(np.float32)
    return vectors, np.repeat(np.arange(3), 30)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dims", [2, 3])
def test_shape_seed_and_application(blobs, method, dims):
    vectors, label = blobs
    projection = Projection(method, dims, seed=1).fit(vectors)
    assert projection.coordinates.shape == (90, dims)
    assert projection.coordinates.dtype == np.float32
    again = Projection(method, dims, seed=1).fit(vectors).coordinates
    np.testing.assert_array_equal(projection.coordinates, again)
    applied = projection.apply(vectors[::7])
    assert applied.shape == (13, dims)
    centres = np.stack([projection.coordinates[label == one].mean(axis=0) for one in range(3)])
    nearest = np.linalg.norm(applied[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == label[::7]).mean() > 0.9


def test_pca_equals_its_peer(blobs):
    vectors, _ = blobs
    np.testing.assert_allclose(
        np.abs(Projection("pca", 2).fit(vectors).coordinates), np.abs(PCA(2).fit_transform(vectors)), atol=1e-3
    )


def test_mistakes_are_said(blobs):
    vectors, _ = blobs
    with pytest.raises(UserError, match="Did you mean umap"):
        Projection("umpa")
    with pytest.raises(UserError, match="2 or 3"):
        Projection("pca", 4)
    with pytest.raises(UserError, match="needs 5"):
        Projection("pca").fit(vectors[:4])
    with pytest.raises(UserError, match="NaN"):
        Projection("pca").fit(np.where(np.arange(12) == 3, np.nan, vectors))
    assert Projection("pca").fit(vectors).apply(vectors[:0]).shape == (0, 2)
