"""Trajectories on trees with a known time, and on what is no tree."""

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import spearmanr

from benchmarks.trees import tree
from ribospace.analysis.trajectory import flow, follow, middle_of, search, spread, stability, trajectory
from ribospace.analysis.walks import ends, lineages
from ribospace.errors import UserError


@pytest.mark.parametrize("n", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_trees_are_followed(n):
    found = []
    for seed in range(10):
        one = tree(n, seed)
        seen = follow(one.vectors, search(one.vectors, 30)[2], one.root)
        found.append(spearmanr(seen.pseudotime, one.time)[0])
        assert sorted(one.branch[seen.ends]) == [1, 2, 3]  # each once: none missed, none false
        assert all(one.late(row) > 0.8 for row in seen.ends)
        np.testing.assert_allclose(seen.lineages.sum(axis=1), 1)
        for place, row in enumerate(seen.ends):
            own = one.branch == one.branch[row]
            assert seen.lineages[own, place].mean() > 0.8
            assert seen.lineages[~own & (one.branch > 0), place].mean() < 0.1
    assert np.mean(found) >= 0.97
    assert min(found) >= 0.95


@pytest.fixture(scope="module")
def small():
    one = tree(600, 4)
    return one, search(one.vectors, 20)[2]


def test_one_seed_one_result_and_turning_changes_nothing(small):
    one, found = small
    first, again = (follow(one.vectors, found, one.root, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.clusters, again.clusters)
    np.testing.assert_array_equal(first.pseudotime, again.pseudotime)
    np.testing.assert_array_equal(first.lineages, again.lineages)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 30)))[0]
    turned = (7 * one.vectors @ turn + 3).astype(np.float32)
    other = follow(turned, search(turned, 20)[2], one.root, seed=5)
    assert spearmanr(other.pseudotime, first.pseudotime)[0] > 0.9999
    other_seed = follow(one.vectors, found, one.root, seed=6)
    np.testing.assert_array_equal(other_seed.pseudotime, first.pseudotime)  # only Leiden knows the seed


def test_hitting_and_dpt_follow_too(small):
    one, found = small
    seen = follow(one.vectors, found, one.root, method="hitting")
    assert spearmanr(seen.pseudotime, one.time)[0] > 0.8
    pytest.importorskip("scanpy", reason="needs scanpy: pip install 'ribospace[scanpy]'")
    pytest.importorskip("igraph", reason="needs igraph: pip install 'ribospace[scanpy]'")
    seen = follow(one.vectors, found, one.root, method="dpt")
    assert spearmanr(seen.pseudotime, one.time)[0] > 0.9
    assert seen.between.shape[0] == seen.clusters.max() + 1
    assert stability(one.vectors, found, seen, 1, method="dpt").pseudotime[0] > 0.9


@pytest.mark.parametrize("method", ["way", "hitting"])
def test_lineages_add_up_by_every_method(method):
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2).astype(np.float32)
    seen = follow(grid, search(grid, 12)[2], 0, method=method)
    np.testing.assert_allclose(seen.lineages.sum(axis=1), 1)


def test_times_that_tie_have_lineages_too():
    chain = sp.csr_matrix(np.eye(6, k=1) + np.eye(6, k=-1))
    for times in (np.ones(6), np.array([0.0, 1, 1, 0.5, 1, 1])):
        np.testing.assert_allclose(lineages(chain, times, ends(chain, times, fewest=1)[1]).sum(axis=1), 1)


def test_few_molecules_have_a_stability():
    vectors = np.random.default_rng(0).normal(size=(21, 3)).astype(np.float32)
    found = search(vectors, 5)[2]
    assert len(stability(vectors, found, follow(vectors, found, 0), 8).ends) == 8


def test_a_root_that_has_copies_is_kept():
    one = tree(300, 3)
    data = anndata.AnnData(np.concatenate([one.vectors, one.vectors[5:6]]))
    assert trajectory(data, 300, k=10).root == 300


def test_without_a_root_it_begins_at_an_end(small):
    one, found = small
    seen = follow(one.vectors, found)
    assert one.late(seen.root) > 0.8 or (one.branch[seen.root] == 0 and one.late(seen.root) < 0.2)
    assert seen.pseudotime[seen.root] == 0


def test_copies_are_followed_as_one():
    one = tree(500, 2)
    rows = np.concatenate([np.arange(500), np.full(60, 7), np.arange(100)])
    vectors = one.vectors[rows]
    first, place, found = search(vectors, 20)
    assert len(first) == 500
    alone = follow(one.vectors, search(one.vectors, 20)[2], one.root)
    all_ = spread(follow(vectors[first], found, int(place[one.root])), first, place)
    np.testing.assert_array_equal(all_.pseudotime, alone.pseudotime[rows])
    np.testing.assert_array_equal(all_.clusters, alone.clusters[rows])
    assert all_.graph.shape == (660, 660)
    assert all_.graph[510, 7] == 1


def test_what_cannot_be_reached_has_no_pseudotime():
    one = tree(400, 1)
    vectors = np.concatenate([one.vectors, one.vectors[:100] + 1000])
    seen = follow(vectors, search(vectors, 15)[2], one.root)
    assert np.isfinite(seen.pseudotime[:400]).all()
    assert np.isnan(seen.pseudotime[400:]).all()
    assert np.isnan(seen.lineages[400:]).all()
    assert (seen.clusters >= 0).all()
    assert not set(seen.clusters[:400]) & set(seen.clusters[400:])
    assert np.isnan(seen.cluster_times()[seen.clusters[450]])
    assert np.isnan(flow(seen, vectors[:, :2].astype(float))[450:]).all()
    assert np.isfinite(stability(vectors, search(vectors, 15)[2], seen, 2).pseudotime).all()


def test_flow_points_forward():
    line = np.linspace(0, 1, 200)[:, None] * np.array([[1.0, 2.0, 0.0]])
    vectors = (line + 1e-3 * np.random.default_rng(0).normal(size=line.shape)).astype(np.float32)
    seen = follow(vectors, search(vectors, 8)[2], 0)
    steps = flow(seen, line[:, :2])
    known = np.isfinite(steps).all(axis=1)
    assert known[5:190].all()
    assert (steps[known] @ [1, 2] > 0).mean() > 0.97


def test_stability_tells_structure_from_noise():
    one = tree(600, 4)
    noise = np.random.default_rng(0).normal(size=(600, 30)).astype(np.float32)
    found = [search(vectors, 20)[2] for vectors in (one.vectors, noise)]
    wholes = [follow(one.vectors, found[0], one.root), follow(noise, found[1], 0)]
    tree_, blob = (stability(v, f, w, 3) for v, f, w in zip((one.vectors, noise), found, wholes, strict=True))
    assert tree_.pseudotime.min() > 0.98
    assert tree_.clusters.mean() > blob.clusters.mean() + 0.2
    assert (tree_.ends == 3).all()


def test_a_root_that_was_not_given_is_found_anew(small):
    one, found = small
    whole = follow(one.vectors, found)
    seen = stability(one.vectors, found, whole, 4, anew=True)
    assert ((seen.pseudotime >= 0) & (seen.pseudotime <= 1)).all()
    assert seen.pseudotime.min() <= stability(one.vectors, found, whole, 4).pseudotime.min()


def test_an_anndata_takes_it_and_scanpy_reads_it(small, tmp_path):
    one, _ = small
    data = anndata.AnnData(one.vectors)
    seen = trajectory(data, [int(row) for row in np.argsort(one.time)[:9]], k=20)
    assert one.time[seen.root] < np.sort(one.time)[9]
    assert set(data.obs.columns) == {"trajectory_cluster", "trajectory_pseudotime"}
    assert data.obsm["trajectory_lineages"].shape == (600, len(seen.ends))
    data.write_h5ad(tmp_path / "t.h5ad")
    scanpy = pytest.importorskip("scanpy", reason="needs scanpy: pip install 'ribospace[scanpy]'")
    again = scanpy.read_h5ad(tmp_path / "t.h5ad")
    scanpy.tl.diffmap(again, n_comps=5)  # uses the neighbours that are in the file
    assert again.obsm["X_diffmap"].shape == (600, 5)
    pytest.importorskip("igraph", reason="needs igraph: pip install 'ribospace[scanpy]'")
    scanpy.tl.paga(again, groups="trajectory_cluster")
    assert again.uns["paga"]["connectivities"].shape[0] == seen.between.shape[0]
    np.testing.assert_allclose(again.uns["trajectory"]["cluster_graph"], seen.between.toarray())


def test_what_cannot_be_followed(small):
    one, found = small
    with pytest.raises(UserError, match="All 50 vectors are equal"):
        search(np.ones((50, 4), dtype=np.float32), 5)
    with pytest.raises(UserError, match="among 600 different molecules"):
        search(one.vectors, 600)
    with pytest.raises(UserError, match="20 different molecules; here are 10"):
        follow(one.vectors[:10], search(one.vectors[:10], 3)[2])
    with pytest.raises(UserError, match="Unknown method 'dtp'"):
        follow(one.vectors, found, method="dtp")


def test_the_middle_of_some_is_one_of_them():
    vectors = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    rows = [3, 8, 11, 30]
    wanted = min(rows, key=lambda row: np.linalg.norm(vectors[row] - vectors[rows].mean(axis=0)))
    assert middle_of(vectors, rows) == wanted
