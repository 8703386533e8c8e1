"""The graph of neighbours, its pruning, clusters and their graph."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from ribospace.analysis import graph as graphs
from ribospace.analysis.neighbours import neighbours


def blobs(sizes, seed=0, apart=6.0, width=5):
    generator = np.random.default_rng(seed)
    centres = apart * generator.normal(size=(len(sizes), width))
    return np.concatenate(
        [generator.normal(centre, 1, size=(n, width)) for centre, n in zip(centres, sizes, strict=True)]
    )


@pytest.fixture(scope="module")
def found():
    return neighbours(blobs([60, 50, 40], apart=1.5).astype(np.float32), 12)


def test_jaccard_is_that_of_sets(found):
    graph = graphs.neighbour_graph(found)
    mean = found.distances.mean(axis=1) + found.distances.std(axis=1)
    near = [
        {row} | {int(one) for one, d in zip(found.rows[row], found.distances[row], strict=True) if d <= mean[row]}
        for row in range(len(found.rows))
    ]
    full = graph.jaccard.toarray()
    for one in range(len(near)):
        for other in range(len(near)):
            linked = one != other and (other in near[one] or one in near[other])
            wanted = len(near[one] & near[other]) / len(near[one] | near[other]) if linked else 0
            assert full[one, other] == pytest.approx(wanted, abs=1e-6)
    assert (abs(graph.affinity - graph.affinity.T) > 1e-5).nnz == 0


@pytest.mark.parametrize("apart", [0.0, 3.0, 40.0])
def test_pruning_drops_edges_and_keeps_together_what_was(apart):
    whole = graphs.neighbour_graph(neighbours(blobs([80, 70, 60], apart=apart).astype(np.float32), 8))
    less = graphs.pruned(whole)
    assert less.nnz < whole.jaccard.nnz
    assert (abs(less - less.T)).nnz == 0
    parts = [connected_components(one, directed=False)[0] for one in (whole.jaccard, less)]
    assert parts[0] == parts[1]


def test_an_edge_that_alone_holds_two_parts_is_kept():
    edges = np.kron(np.eye(2), np.ones((6, 6))) - np.eye(12)
    edges[5, 6] = edges[6, 5] = 0.01
    weights = sp.csr_matrix(edges)
    less = graphs.pruned(graphs.Graph(weights, weights))
    assert less[5, 6] == pytest.approx(0.01)
    assert connected_components(less)[0] == 1


def test_clusters_are_the_blobs_none_too_large_none_too_small():
    sizes = [120, 100, 90, 80, 4]
    whole = graphs.neighbour_graph(neighbours(blobs(sizes).astype(np.float32), 10))
    less = graphs.pruned(whole)
    labels = graphs.cluster(less, seed=1)
    np.testing.assert_array_equal(labels, graphs.cluster(less, seed=1))
    counts = np.bincount(labels)
    assert (np.diff(counts) <= 0).all()
    assert counts.max() <= 0.4 * sum(sizes)
    truth = np.repeat(np.arange(5), sizes)
    for one in np.flatnonzero(counts >= 10):
        assert (np.bincount(truth[labels == one]).max() / counts[one]) > 0.8
    linked = connected_components(less, directed=False)[0] == 1
    assert counts.min() >= 10 or not linked


def test_one_large_cluster_is_cut_again():
    whole = graphs.neighbour_graph(neighbours(blobs([400], width=2).astype(np.float32), 15))
    labels = graphs.cluster(graphs.pruned(whole), resolution=0.05)
    assert np.bincount(labels).max() <= 0.4 * 400


def test_the_graph_of_clusters_sums_what_is_between():
    whole = graphs.neighbour_graph(neighbours(blobs([60, 50, 40], apart=1.0).astype(np.float32), 12))
    labels = np.repeat([0, 1, 2], [60, 50, 40])
    total = graphs.joined(whole.affinity, labels).toarray()
    full = whole.affinity.toarray()
    for one in range(3):
        for other in range(3):
            wanted = full[np.ix_(labels == one, labels == other)].sum() if one != other else 0
            assert total[one, other] == pytest.approx(wanted, rel=1e-5)
    between = graphs.cluster_graph(whole.affinity, labels, weakest=-10)  # all are too weak: only a tree is left
    assert between.nnz == 4
    assert connected_components(between)[0] == 1
    np.testing.assert_allclose(between.toarray(), between.T.toarray())


def test_means_and_lengths_are_those_of_loops(found):
    graph = graphs.neighbour_graph(found).jaccard
    values = np.random.default_rng(0).normal(size=(graph.shape[0], 3))
    mean = graphs.averaged(graph, values)
    for row in range(0, graph.shape[0], 7):
        near = [row, *graph[row].indices]
        np.testing.assert_allclose(mean[row], values[near].mean(axis=0))
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    np.testing.assert_allclose(
        graphs.lengths(graph, values), np.linalg.norm(values[rows] - values[graph.indices], axis=1)
    )
