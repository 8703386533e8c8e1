"""Nearest neighbours of all: brute-force agreement, copies, what cannot be asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.analysis.neighbours import distinct, neighbours
from ribospace.errors import UserError


@pytest.mark.parametrize(("n", "width", "k"), [(30, 3, 5), (300, 40, 20), (50, 2, 49)])
def test_exact_neighbours_are_those_of_all_distances(n, width, k):
    vectors = np.random.default_rng(n).normal(3, 1, size=(n, width)).astype(np.float32)
    found = neighbours(vectors, k)
    distances = np.linalg.norm(vectors[:, None].astype(float) - vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(found.rows, np.argsort(distances, axis=1)[:, :k])
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :k], rtol=1e-3)
    assert found.recall == 1


def test_approximate_ones_say_their_recall_and_come_again():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(12_000, 8)).astype(np.float32)
    one, again = (neighbours(vectors, 10, approximate=True, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.rows, again.rows)
    assert 0.5 < one.recall <= 1
    exact = neighbours(vectors, 10)
    share = np.mean([np.isin(a, b).mean() for a, b in zip(one.rows, exact.rows, strict=True)])
    assert share == pytest.approx(one.recall, abs=0.03)
    small = vectors[:500]
    assert neighbours(small, 5, approximate=True).recall == 1  # few points are searched exactly


def test_lists_that_hold_too_few_are_made_up_for():
    generator = np.random.default_rng(0)
    clumps = 50 * generator.normal(size=(200, 4))[generator.integers(200, size=10_000)]
    vectors = (clumps + generator.normal(size=(10_000, 4))).astype(np.float32)
    found = neighbours(vectors, 900, approximate=True)
    assert (found.rows >= 0).all()
    assert found.distances.max() < 1000


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_distinct_gives_every_vector_back(values):
    vectors = np.stack([values, np.negative(values)], axis=1).astype(np.float32)
    first, place = distinct(vectors)
    np.testing.assert_array_equal(vectors[first][place], vectors)
    assert len(first) == len(set(values))
    assert (np.diff(first) > 0).all()


def test_lists_without_some_points():
    vectors = np.arange(6, dtype=np.float32)[:, None] ** 1.5
    found = neighbours(vectors, 2)
    less = found.without(np.array([0, 0, 1, 0, 0, 0], dtype=bool))
    assert less.rows.shape == (5, 2)
    kept = np.array([0, 1, 3, 4, 5])
    for row, old in enumerate(kept):
        there = found.rows[old]
        assert [kept[one] for one in less.rows[row] if one >= 0] == [one for one in there if one != 2]


def test_what_cannot_be_asked():
    vectors = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    with pytest.raises(UserError, match=r"10 neighbours of each cannot be had among 10 .* below 10"):
        neighbours(vectors, 10)
    vectors[3, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        neighbours(vectors, 3)
