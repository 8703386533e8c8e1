"""Vectors seen from a basis: known angles, spread that tells, what chance is."""

import numpy as np
import pytest

from ribospace.analysis.basis import laid_over, see, sentences, verdicts
from ribospace.errors import UserError


@pytest.fixture(scope="module")
def cloud():
    """A basis in 40 numbers, all but three of them hardly varying."""
    generator = np.random.default_rng(0)
    scale = np.r_[[3.0, 2.5, 2.0], np.full(37, 0.02)]
    return (5 + scale * generator.normal(size=(3000, 40))).astype(np.float32)


def at(*vectors):
    return np.array([5 + np.r_[vector, np.zeros(37)] for vector in vectors], dtype=np.float32)


def test_angles_and_distances_are_those_of_the_space_that_is_kept(cloud):
    applied = at([9, 0, 0], [0, 9, 0], [4, 4, 0], [-9, 0, 0], [9.02, 0, 0])
    for method in ("pca", "qformer"):
        seen = see(cloud, applied, method, seeds=4)
        np.testing.assert_allclose(seen.angles[:, 0, [1, 2, 3, 4]], [[90, 45, 180, 0]] * 4, atol=3)
        unit = np.sqrt((np.array([3, 2.5, 2]) ** 2).sum())
        np.testing.assert_allclose(seen.distances[:, 0, 3], 18 / unit, rtol=0.05)
        found = verdicts(seen)
        assert (found[0][1], found[0][2], found[0][3], found[0][4]) == ("⟂", "", "∥ −", "=")
        assert "a = e" in sentences(list("abcde"), seen)
        assert "a ∥ −d" in sentences(list("abcde"), seen)


def test_nothing_is_said_where_seeds_disagree():
    generator = np.random.default_rng(1)
    noise = generator.normal(size=(60, 30)).astype(np.float32)  # no direction is kept from draw to draw
    applied = generator.normal(size=(5, 30)).astype(np.float32)
    seen = see(noise, applied, "pca", seeds=10)
    assert seen.angles.std(axis=0)[np.triu_indices(5, 1)].min() > 5
    assert sum(bool(one) for row in verdicts(seen) for one in row) <= 2


def test_chance_is_how_often_it_holds_in_the_basis_itself(cloud):
    ball = np.random.default_rng(2).normal(size=(4000, 3)).astype(np.float32)
    seen = see(ball, ball[:3], "qformer", seeds=5)
    assert seen.chance["⟂"] == pytest.approx(
        np.sin(np.radians(15)), abs=0.01
    )  # in 3-D the share of a band on the sphere
    assert seen.chance["∥"] == pytest.approx((1 - np.cos(np.radians(15))) / 2, abs=0.004)
    assert seen.chance["="] == pytest.approx(0.01, abs=0.002)


@pytest.mark.slow
def test_umap_comes_again_with_its_seed(cloud):
    applied = at([9, 0, 0], [0, 9, 0], [-9, 0, 0])
    one, again = (see(cloud[:300], applied, "umap", seeds=2) for _ in range(2))
    np.testing.assert_array_equal(one.places, again.places)
    assert one.places.shape == (2, 3, 3)
    assert one.fitted == 240


def test_laying_over_keeps_angles_and_takes_away_turns():
    generator = np.random.default_rng(0)
    first = generator.normal(size=(6, 3))
    turns = [np.linalg.qr(generator.normal(size=(3, 3)))[0] for _ in range(3)]
    over = laid_over(np.stack([first, *(first @ turn for turn in turns)]))
    np.testing.assert_allclose(over, np.broadcast_to(first, over.shape), atol=1e-12)


def test_what_cannot_be_seen(cloud):
    with pytest.raises(UserError, match="needs 25 molecules"):
        see(cloud[:5], cloud[:2], "pca")
    with pytest.raises(UserError, match="No molecule with a vector to apply"):
        see(cloud, cloud[:0], "pca")
    with pytest.raises(UserError, match="All vectors of the basis are equal"):
        see(np.ones((50, 4), dtype=np.float32), cloud[:2, :4], "pca")
    seen = see(cloud, np.concatenate([at([9, 0, 0]), cloud.mean(axis=0, keepdims=True)]), "qformer", seeds=3)
    assert np.isfinite(seen.distances).all()
