"""Leiden: laws of its result, its seed, and the authors' implementation beside it."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from ribospace.analysis.leiden import leiden


def modularity(graph, labels, resolution=1.0):
    dense = graph.toarray()
    strength = dense.sum(axis=1)
    same = labels[:, None] == labels[None]
    return float(((dense - resolution * np.outer(strength, strength) / dense.sum()) * same).sum() / dense.sum())


def blocks(sizes, within, between, seed=0):
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(truth[:, None] == truth[None], within, between)
    upper = np.triu(generator.random(chance.shape) < chance, 1) * generator.random(chance.shape)
    return sp.csr_matrix(upper + upper.T), truth


def test_planted_blocks_are_found():
    graph, truth = blocks([40, 60, 30, 50], 0.5, 0.02)
    labels = leiden(graph)
    assert len(np.unique(labels * 10 + truth)) == 4
    assert np.bincount(labels).tolist() == [60, 50, 40, 30]


def test_one_seed_one_result_in_any_process_state():
    graph, _ = blocks([80, 80, 80], 0.12, 0.06)
    first = leiden(graph, seed=4)
    np.random.random(1000)  # noqa: NPY002
    np.testing.assert_array_equal(leiden(graph, seed=4), first)


@given(st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 3.0]))
def test_communities_hang_together_and_no_move_or_merger_is_better(seed, resolution):
    graph, _ = blocks([12, 9, 7], 0.5, 0.12, seed)
    labels = leiden(graph, seed, resolution, passes=50)
    best = modularity(graph, labels, resolution)
    sizes = np.bincount(labels)
    assert (np.diff(sizes) <= 0).all()
    for one in range(len(sizes)):
        inside = np.flatnonzero(labels == one)
        assert connected_components(graph[inside][:, inside], directed=False)[0] == 1
    for node in range(len(labels)):
        for other in range(labels.max() + 2):
            moved = labels.copy()
            moved[node] = other
            assert modularity(graph, moved, resolution) <= best + 1e-9
    for one in range(labels.max() + 1):
        for other in range(one):
            assert modularity(graph, np.where(labels == one, other, labels), resolution) <= best + 1e-9


def test_as_good_as_the_authors():
    igraph = pytest.importorskip("igraph", reason="the authors' implementation needs igraph")
    leidenalg = pytest.importorskip("leidenalg", reason="the authors' implementation is leidenalg")
    for seed in range(3):
        graph, _ = blocks([60] * 6, 0.2, 0.03, seed)
        edges = sp.triu(graph).tocoo()
        theirs = leidenalg.find_partition(
            igraph.Graph(graph.shape[0], list(zip(edges.row.tolist(), edges.col.tolist(), strict=True))),
            leidenalg.ModularityVertexPartition,
            weights=edges.data.tolist(),
            seed=seed,
        )
        got, wanted = modularity(graph, leiden(graph, seed)), modularity(graph, np.array(theirs.membership))
        assert got >= wanted - 0.005


def test_graphs_without_edges_or_nodes():
    assert leiden(sp.csr_matrix((3, 3))).tolist() == [0, 1, 2]
    assert leiden(sp.csr_matrix((0, 0))).tolist() == []
    assert leiden(sp.csr_matrix(np.array([[0.0]]))).tolist() == [0]
