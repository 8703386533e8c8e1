"""Random walks: against dense solves, known laws, and walks that are really made."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import shortest_path

from ribospace.analysis.walks import ends, forward, hitting_times, lineages, way


def connected(n, seed, density=0.3):
    generator = np.random.default_rng(seed)
    weights = np.triu(generator.random((n, n)) * (generator.random((n, n)) < density), 1)
    weights[np.arange(n - 1), np.arange(1, n)] += 0.1 + generator.random(n - 1)
    return weights + weights.T


@pytest.mark.parametrize("n", [2, 7, 60])
@pytest.mark.parametrize(("lazy", "teleport"), [(0.99, 0.99), (0.5, 0.9)])
def test_hitting_times_agree_with_dense_eigenpairs_and_a_dense_solve(n, lazy, teleport):
    weights = connected(n, n)
    root = n // 3
    degree = weights.sum(axis=1)
    laplacian = np.eye(n) - weights / np.sqrt(np.outer(degree, degree))
    beta = 2 * (1 - teleport) / (2 - teleport)
    dense = np.linalg.solve(beta * np.eye(n) + 2 * lazy * (1 - beta) * laplacian, np.eye(n))
    values, phi = np.linalg.eigh(laplacian)
    eigen = sum(np.outer(f, f) / (beta + 2 * v * lazy * (1 - beta)) for v, f in zip(values, phi.T, strict=True))
    got = hitting_times(sp.csr_matrix(weights), root, lazy, teleport)
    for green in (dense, eigen):
        t = beta * green / np.sqrt(np.outer(degree, degree))
        np.testing.assert_allclose(got, np.diag(t) - t[root], atol=1e-8)


def test_without_teleporting_they_are_the_classic_hitting_times():
    weights = connected(12, 5)
    degree = weights.sum(axis=1)
    step = weights / degree[:, None]
    almost = 1 - 1e-9
    got = hitting_times(sp.csr_matrix(weights), 4, lazy=0.5, teleport=almost)
    beta = 2 * (1 - almost) / (2 - almost)
    for target in range(12):
        open_ = np.flatnonzero(np.arange(12) != target)
        classic = np.zeros(12)
        classic[open_] = np.linalg.solve(np.eye(11) - step[np.ix_(open_, open_)], np.ones(11))
        assert got[target] * degree.sum() / beta == pytest.approx(classic[4], rel=1e-4)


def test_forward_edges_weigh_more_than_backward_ones():
    graph = sp.csr_matrix(connected(10, 1))
    times = np.random.default_rng(0).random(10)
    biased = forward(graph, times).toarray()
    later = times[None, :] > times[:, None]
    assert (biased[later & (graph.toarray() > 0)] > biased.T[later & (graph.toarray() > 0)]).all()
    np.testing.assert_allclose(biased + biased.T, graph.toarray())  # a logistic and its mirror add up to 1
    np.testing.assert_allclose(forward(graph, times, 0).toarray(), graph.toarray() / 2)


def test_on_a_tree_the_way_is_the_path():
    generator = np.random.default_rng(3)
    lengths = np.zeros((50, 50))
    for node in range(1, 50):
        parent = generator.integers(node)
        lengths[node, parent] = lengths[parent, node] = 0.1 + generator.random()
    graph = sp.csr_matrix(lengths)
    np.testing.assert_allclose(way(graph, 0), shortest_path(graph, indices=0))


@given(st.integers(0, 10_000))
def test_the_way_is_the_mean_of_walks_that_come_nearer(seed):
    graph = sp.csr_matrix(connected(15, seed))
    order = way(graph, 2, rounds=1)
    got = way(graph, 2, rounds=2)
    weights = graph.toarray()
    wanted = np.zeros(15)
    for node in np.argsort(order):
        before = np.flatnonzero((weights[node] > 0) & (order < order[node]))
        assert len(before) > 0 or node == 2
        if len(before):
            wanted[node] = np.mean(wanted[before] + weights[node, before])
    np.testing.assert_allclose(got, wanted)
    assert (got >= shortest_path(graph, indices=2) - 1e-9).all()


def test_where_nothing_leads_the_way_is_infinite():
    graph = sp.csr_matrix(sp.block_diag([connected(5, 0), connected(4, 1)]))
    graph.eliminate_zeros()
    got = way(graph, 1)
    assert np.isfinite(got[:5]).all()
    assert np.isinf(got[5:]).all()
    tops, belongs = ends(graph, got, fewest=1)
    chance = lineages(graph, got, belongs)
    assert set(tops) <= set(range(5))
    assert np.isnan(chance[5:]).all()
    np.testing.assert_allclose(chance[:5].sum(axis=1), 1)


def test_low_tops_are_joined_to_the_one_they_meet():
    times = np.array([0, 1, 2, 3, 2.9, 3.2, 4, 1.5, 2.5, 3.5])  # 0-1-2-3-4-5-6 with a dent at 4, and 1-7-8-9
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (1, 7), (7, 8), (8, 9)]
    graph = sp.lil_matrix((10, 10))
    for one, other in edges:
        graph[one, other] = graph[other, one] = 1
    graph = sp.csr_matrix(graph)
    tops, belongs = ends(graph, times, height=0.05, fewest=1)
    assert tops.tolist() == [6, 9]
    assert belongs[3] == 0  # the dent's top leads on to 6
    chance = lineages(graph, times, belongs)
    np.testing.assert_allclose(chance[3], [1, 0])
    np.testing.assert_allclose(chance[1], [0.5, 0.5])
    assert ends(graph, times, height=0.01, fewest=1)[0].tolist() == [6, 9, 3]
    assert ends(graph, times, height=0.05, fewest=4)[0].tolist() == [6]
    order = np.exp(times)  # what is a top does not depend on the scale of time
    assert set(ends(graph, order, height=0, fewest=1)[0]) == {3, 6, 9}


@given(st.integers(0, 10_000))
def test_lineages_are_the_shares_of_walks_that_are_made(seed):
    graph = sp.csr_matrix(connected(14, seed, 0.15))
    times = way(graph, 0)
    tops, belongs = ends(graph, times, fewest=1)
    chance = lineages(graph, times, belongs)
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    np.testing.assert_allclose(chance[tops], np.eye(len(tops)), atol=1e-12)
    weights = graph.toarray()
    for node in np.argsort(-times):
        later = np.flatnonzero((weights[node] > 0) & (times > times[node]))
        if len(later):
            np.testing.assert_allclose(chance[node], chance[later].mean(axis=0), atol=1e-12)
