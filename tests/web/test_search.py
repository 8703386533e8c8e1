"""Search in memory equals brute force, whoever asks at the same time."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ribospace.errors import UserError
from ribospace.web import search
from ribospace.web.search import Searcher


@pytest.fixture
def made(monkeypatch):
    """Some vectors, several times each, a zero and a NaN among them, and their searcher, which works in small parts."""
    monkeypatch.setattr(search, "_HELD", 1000)
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(500, 16)).astype(np.float32)
    vectors[250:400] = vectors[:150]
    vectors[3], vectors[5] = 0, np.nan
    rows = np.arange(500) * 2
    searcher = Searcher(rows, vectors)
    yield searcher, rows, vectors
    searcher.close()


def brute(rows, vectors, query, k):
    good = np.flatnonzero(np.isfinite(vectors).all(axis=1) & vectors.any(axis=1))
    unit = vectors[good].astype(np.float64) / np.linalg.norm(vectors[good].astype(np.float64), axis=1, keepdims=True)
    distances = 1 - unit @ (query / np.linalg.norm(query))
    order = np.argsort(distances.round(6), kind="stable")[:k]
    return rows[good[order]], distances[order]


def test_search_equals_brute_force(made):
    searcher, rows, vectors = made
    queries = np.random.default_rng(2).normal(size=(20, 16)).astype(np.float32)
    found, distances = searcher.search(queries, 12)
    for query, mine, far in zip(queries, found, distances, strict=True):
        expected, expected_far = brute(rows, vectors, query, 12)
        assert np.allclose(far, expected_far, atol=1e-5)
        assert set(mine) == set(expected)
    one, far = searcher.search(vectors[10:11], 1)
    assert (one.item(), far.item()) == (20, pytest.approx(0, abs=1e-6))


def test_concurrent_equals_sequential(made):
    searcher, _, vectors = made
    asked = [(vectors[number : number + 1 + number % 3], 1 + number % 7) for number in range(10, 210)]
    alone = [searcher.search(*one) for one in asked]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda one: searcher.search(*one), asked))
    for (queries, k), (rows, far), (also, also_far) in zip(asked, alone, together, strict=True):
        assert rows.shape == also.shape == (len(queries), k)
        assert np.allclose(far, also_far, atol=1e-6)


def test_few_vectors_and_odd_queries(made):
    searcher, _, vectors = made
    assert searcher.search(vectors[:1], 1000)[0].shape == (1, 498)
    with pytest.raises(UserError, match="no direction"):
        searcher.search(vectors[3:4], 5)
    with pytest.raises(ValueError, match="mismatch"):
        searcher.search(np.ones((1, 3), np.float32), 5)
    assert searcher.search(vectors[:1], 1)[0].item() == 0  # a fault of one does not end the others
    none = Searcher(np.arange(0), np.empty((0, 4), np.float32))
    assert none.search(np.ones((2, 4), np.float32), 3)[0].shape == (2, 0)
    none.close()
