"""The two comparisons from the command line, on the shipped sample."""

import json

import numpy as np
import pytest

from ribospace.collection import Collection
from ribospace.records import record_batch
from ribospace.sources.sample import read_sample

FILES = {"table.md", "table.csv", "results.json", "figure.png", "report.html"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Collection.create(tmp_path_factory.mktemp("compare") / "sample")
    store.append(read_sample())
    return store


def test_compare(store, run, tmp_path):
    run("embed", store.path, "--model", "kmer2")
    out = tmp_path / "report"
    words = ["compare", store.path, "--models", "kmer2,kmer3", "--limit", "120", "--where", "length < 200"]
    answer = run(*words, "--out", out)
    assert "chance" in answer.out
    assert {file.name for file in out.iterdir()} == FILES
    said = json.loads((out / "results.json").read_text())
    assert (said["molecules"], sum(said["labels"].values())) == (120, 120)
    rows = {row["representation"]: row for row in said["rows"]}
    assert (rows["kmer2"]["width"], rows["kmer2"]["rate"], rows["kmer3"]["rate"] > 0) == (16, 0, True)
    assert rows["kmer3"]["neighbours"] > said["chance"]["accuracy"]
    assert said["left_out"]["not drawn"] > 0
    lines = (out / "table.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
    assert len({line.count("|") for line in lines}) == 1
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    assert "@" not in page.split("base64,")[0].replace("@media", "")
    run(*words, "--out", out)  # a comparison may be made again
    again = json.loads((out / "results.json").read_text())
    for row in (*said["rows"], *again["rows"]):
        row.pop("rate")
    assert said["rows"] == again["rows"]


def test_compare_refuses(store, refused, tmp_path):
    words = ["compare", store.path, "--out", tmp_path / "r"]
    refused([*words, "--models", "kmer2", "--where", "rna_type = 'tRNA'"], "nothing to tell apart", "'tRNA'")
    refused([*words, "--models", "kmer2", "--label", "rna_typ"], "no column 'rna_typ'", "rna_type")
    refused([*words, "--models", "kmer2", "--where", "length < 20"], "too few")
    refused([*words, "--models", "kmre2"], "no model 'kmre2'")
    refused([*words, "--models", "kmer2", "--clusters", "nothing"], "no column 'nothing'")
    refused([*words, "--models", ","], "--models")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("x")
    refused(["compare", store.path, "--models", "kmer2", "--out", tmp_path / "notes"], "is no comparison")
    (tmp_path / "notes" / "mine.txt").unlink()
    (tmp_path / "notes" / "figure.png").write_text("mine")
    refused(["compare", store.path, "--models", "kmer2", "--out", tmp_path / "notes"], "is no comparison")
    assert (tmp_path / "notes" / "figure.png").read_text() == "mine"
    refused([*words, "--models", "kmer2", "--label", "id"], "No label has 5 molecules")
    assert not (tmp_path / "r").exists()


def test_compare_says_how_many_have_the_label(refused, tmp_path, molecules):
    store = Collection.create(tmp_path / "few")
    store.append([molecules(7, note=["x", *[None] * 6])])
    words = ["compare", store.path, "--models", "kmer2", "--label", "note", "--out", tmp_path / "r"]
    refused(words, "note is known of 1 of 7 molecules, and 20 are needed", "--label")


def test_false_and_nought_are_labels(run, tmp_path):
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGU"), 30)) for _ in range(40)]
    kinds = {"known": [bool(n % 2) for n in range(40)], "count": [n % 3 for n in range(40)]}
    store = Collection.create(tmp_path / "c")
    store.append([record_batch([f"a{n}" for n in range(40)], sequences, kinds)])
    for label, many in (("known", 2), ("count", 3)):
        answer = run("compare", store.path, "--models", "kmer2", "--label", label, "--out", tmp_path / label, "--json")
        assert answer.code == 0, answer.err
        assert (answer.json["molecules"], len(answer.json["labels"])) == (40, many)


def test_a_seed_reaches_the_reductions(store, run, refused, tmp_path):
    words = ["compare-projections", store.path, "--model", "kmer2", "--where", "length < 76", "--seeds", "1"]
    rows = [
        run(*words, "--methods", "random", "--dims", "2", "--seed", seed, "--out", tmp_path / f"{seed}", "--json").json
        for seed in (1, 9)
    ]
    assert rows[0]["molecules"] == rows[1]["molecules"]
    assert rows[0]["rows"][0]["kept_5"] != rows[1]["rows"][0]["kept_5"]
    refused([*words, "--methods", "pca", "--dims", "40", "--out", tmp_path / "no"], "Nothing is left to compare")


def test_compare_projections(store, run, refused, tmp_path):
    words = ["compare-projections", store.path, "--model", "kmer3", "--where", "length < 100", "--limit", "130"]
    out = tmp_path / "report"
    run(*words, "--methods", "pca,random,noise", "--dims", "2,10", "--seeds", "2", "--with", "kmer2", "--out", out)
    assert {file.name for file in out.iterdir()} == FILES
    rows = json.loads((out / "results.json").read_text())["rows"]
    assert [(row["method"], row["dims"]) for row in rows] == [
        ("kmer2", 16), ("pca", 2), ("pca", 10), ("random", 2), ("random", 10), ("noise", 2), ("noise", 10),
    ]  # fmt: skip
    by = {(row["method"], row["dims"]): row for row in rows}
    assert (
        by["pca", 10]["trustworthiness"][0]
        > by["random", 10]["trustworthiness"][0]
        > by["noise", 10]["trustworthiness"][0]
    )
    assert by["pca", 10]["angle"][0] < by["noise", 10]["angle"][0]
    assert np.isclose(by["random", 2]["runs"], 2)
    refused([*words, "--dims", "two", "--out", tmp_path / "x"], "--dims 'two'")
    refused([*words, "--methods", "pcaa", "--out", tmp_path / "x"], "Did you mean pca")
    refused([*words[:-1], "60", "--out", tmp_path / "x"], "too few")
