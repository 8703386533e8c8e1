"""`ribospace trajectory` and `ribospace basis` on the shipped sample and the ribosome's constructs."""

import csv
import json

import anndata
import numpy as np
import pytest

from ribospace.collection import Collection
from ribospace.encoders import embed_collection, find_encoder
from ribospace.sources.ribosome import read_regions, read_ribosome
from ribospace.sources.sample import read_sample


@pytest.fixture
def store(tmp_path):
    store = Collection.create(tmp_path / "rnas")
    for batches in (read_sample(), read_ribosome(), read_regions()):
        store.append(batches)
    embed_collection(store, find_encoder("kmer3"))
    return Collection.open(tmp_path / "rnas")


def test_a_trajectory_goes_to_columns_tables_figures_and_h5ad(store, run, tmp_path):
    out = tmp_path / "out"
    words = ["trajectory", store.path, "--model", "kmer3", "--root", "PTC5", "-k", 15, "--runs", 2, "--out", out]
    answer = run(*words)
    assert answer.code == 0, answer.err
    assert "Root PTC5: the molecule that was given" in answer.out
    assert "Over 2 runs" in answer.out
    names = {"results.json", "clusters.tsv", "molecules.tsv", "trajectory.h5ad", "graph.png", "stream.png"}
    assert {one.name for one in out.iterdir()} == names
    said = json.loads((out / "results.json").read_text())
    assert (said["root"], said["seed"], len(said["stability"]["adjusted_rand"])) == ("PTC5", 0, 2)
    again = Collection.open(store.path)
    table = again.table(["id", "trajectory_cluster", "trajectory_pseudotime"])
    with open(out / "molecules.tsv", encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}
    for one in table.to_pylist():
        assert int(rows[one["id"]]["cluster"]) == one["trajectory_cluster"]
        time = one["trajectory_pseudotime"]
        assert float(rows[one["id"]]["pseudotime"]) == pytest.approx(
            np.nan if time is None else time, abs=1e-5, nan_ok=True
        )
    with open(out / "clusters.tsv", encoding="utf-8") as file:
        clusters = list(csv.DictReader(file, delimiter="\t"))
    assert sum(int(row["molecules"]) for row in clusters) == len(again)
    data = anndata.read_h5ad(out / "trajectory.h5ad")
    assert data.shape == (len(again), 64)
    assert data.obsm["X_umap"].shape == (len(again), 2)
    assert data.obs["trajectory_cluster"].astype(int).tolist() == [int(rows[one]["cluster"]) for one in data.obs_names]
    composed = run(
        "composition", store.path, "--clusters", "trajectory_cluster", "--cluster-of", "PTC5", "--out", tmp_path / "c"
    )
    assert composed.code == 0, composed.err


def test_the_same_command_gives_the_same_and_other_molecules_become_null(store, run, tmp_path):
    words = ["trajectory", store.path, "--model", "kmer3", "-k", 10, "--runs", 0, "--json", "--name", "walk"]
    first = run(*words, "--root", "tRNA", "--out", tmp_path / "a").json
    assert "molecules that fulfil 'tRNA'" in first["root_said"]
    before = Collection.open(store.path).table(["walk_cluster", "walk_pseudotime"])
    second = run(*words, "--root", "tRNA", "--out", tmp_path / "b").json
    assert Collection.open(store.path).table(["walk_cluster", "walk_pseudotime"]).equals(before)
    assert first["terminal_states"] == second["terminal_states"]
    some = run(*words, "--root", "none", "--where", "rna_type = 'tRNA'", "--out", tmp_path / "c").json
    assert some["molecules"] == 364
    assert Collection.open(store.path).count("walk_cluster IS NULL") == len(store) - 364
    assert "direction means nothing" in some["root_said"]


def test_what_a_trajectory_refuses(store, refused, run, tmp_path):
    words = ["trajectory", store.path, "--model", "kmer3", "--out", tmp_path / "out"]
    refused([*words, "--root", "tRNAA"], "tRNAA", "no molecule", "tRNA")
    refused([*words, "--root", "length > 99999"], "no molecule followed fulfils 'length > 99999'")
    refused([*words, "--root", "lenght > 9"], "lenght")
    refused([*words, "-k", 5000], "5000 neighbours", "Choose -k below")
    refused([*words, "--method", "via"], "--method cannot be 'via'")
    refused([*words, "--label", "tpye"], "no column 'tpye'")
    refused([*words, "--where", "length < 20"], "")
    refused([*words, "--name", "a`b"], "a`b")
    assert not (tmp_path / "out").exists()
    assert "trajectory_cluster" not in Collection.open(store.path).schema.names
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    refused(words, "exists and is no trajectory")


def test_a_disconnected_collection_says_what_it_could_not_reach(run, tmp_path):
    from ribospace.records import record_batch

    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("AC"), 60)) for _ in range(60)]
    sequences += ["".join(generator.choice(list("GU"), 60)) for _ in range(40)]
    store = Collection.create(tmp_path / "two")
    store.append([record_batch([f"m{n}" for n in range(100)], sequences, {"rna_type": "other"})])
    embed_collection(store, find_encoder("kmer3"))
    answer = run(
        "trajectory", store.path, "--model", "kmer3", "--root", "m3", "-k", 8, "--runs", 1, "--out", tmp_path / "o"
    )
    assert answer.code == 0, answer.err
    assert "40 molecules cannot be reached from the root" in answer.out
    assert "NaN" not in (tmp_path / "o" / "results.json").read_text()
    assert Collection.open(store.path).count("trajectory_pseudotime IS NULL") == 40


def test_equal_vectors_cannot_be_followed(run, refused, tmp_path):
    from ribospace.records import record_batch

    store = Collection.create(tmp_path / "same")
    store.append([record_batch([f"m{n}" for n in range(50)], ["GGGAAACCC"] * 50, {"rna_type": "other"})])
    embed_collection(store, find_encoder("kmer3"))
    refused(["trajectory", store.path, "--model", "kmer3", "--out", tmp_path / "o"], "All 50 vectors are equal")


def test_a_basis_goes_to_tables_and_arrows(store, run, tmp_path):
    out = tmp_path / "basis"
    words = ["basis", store.path, "--model", "kmer3", "--fit", "rna_type = 'tRNA'", "--out", out]
    answer = run(*words, "--apply", "family IN ('PTC', 'SymR', 'PTC region')", "--method", "pca", "--seeds", 4)
    assert answer.code == 0, answer.err
    assert {one.name for one in out.iterdir()} == {
        "angles.tsv",
        "coordinates.tsv",
        "results.json",
        "arrows.png",
        "arrows.html",
    }
    with open(out / "angles.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 12 * 11 / 2
    for row in rows:
        assert float(row["angle_min"]) <= float(row["angle"]) <= float(row["angle_max"])
        assert (row["verdict"] == "") or float(row["angle_sd"]) < 15
    said = json.loads((out / "results.json").read_text())
    assert (said["basis_molecules"], said["fitted_on"], said["in_both"]) == (364, 291, 0)
    page = (out / "arrows.html").read_text(encoding="utf-8")
    assert "PTC5" in page
    assert "<script src" not in page
    flat = run(
        *words[:-1], tmp_path / "flat", "--apply", "family = 'PTC'", "--method", "umap", "--dims", 2, "--seeds", 2
    )
    assert flat.code == 0, flat.err
    assert not (tmp_path / "flat" / "arrows.html").exists()


def test_what_a_basis_refuses(store, refused, tmp_path):
    words = ["basis", store.path, "--model", "kmer3", "--out", tmp_path / "out"]
    all_ = [*words, "--fit", "rna_type = 'tRNA'", "--apply", "family = 'PTC'"]
    refused([*all_, "--method", "qformer"], "looks at latents of a Q-Former", "ribospace train latent")
    refused([*all_, "--method", "tsne"], "--method cannot be 'tsne'")
    refused([*words, "--fit", "length < 5", "--apply", "family = 'PTC'"], "A basis needs 25 molecules")
    refused([*words, "--fit", "length > 5", "--apply", "length < 5"], "No molecule with a vector to apply")
    refused([*words, "--fit", "length > 5", "--apply", "length > 5"], "40 can be told apart")
    refused([*words, "--fit", "len > 5", "--apply", "length < 5"], "len")
    assert not (tmp_path / "out").exists()
