import numpy as np
import pytest

from ribospace.web.nearest import nearest_by_cosine


@pytest.mark.parametrize(("n", "k"), [(1, 3), (2, 3), (30, 5), (500, 10)])
def test_as_all_pairs_say(n, k):
    vectors = np.random.default_rng(n).normal(size=(n, 8)).astype(np.float32)
    vectors[::7] = 0
    rows, distances = nearest_by_cosine(vectors, k)
    sizes = np.linalg.norm(vectors, axis=1)
    there = np.flatnonzero(sizes)
    with np.errstate(invalid="ignore"):
        unit = vectors / sizes[:, None]
    far = 1 - unit @ unit.T
    for row in range(n):
        others = there[there != row] if sizes[row] else there[:0]
        best = np.sort(far[row, others])[:k]
        np.testing.assert_allclose(distances[row, : len(best)], best, atol=2e-6)
        np.testing.assert_allclose(far[row, rows[row, : len(best)]], best, atol=2e-6)
        assert (rows[row, len(best) :] == -1).all()
        assert row not in rows[row]


def test_copies_are_near_and_no_one_is_their_own():
    rows, distances = nearest_by_cosine(np.ones((40, 4), np.float32), 10)
    assert (rows != np.arange(40)[:, None]).all()
    assert (distances < 1e-6).all()
