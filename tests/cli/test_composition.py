"""`ribospace composition` on the shipped sample."""

import csv
import json

import pytest

from ribospace.collection import Collection
from ribospace.records import record_batch
from ribospace.sources.sample import read_sample

COLI = "Escherichia coli str. K-12 substr. MG1655"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Collection.create(tmp_path_factory.mktemp("composition") / "sample")
    store.append(read_sample())
    return store


def test_every_trna_gene_of_e_coli_ends_in_cca(store, run, tmp_path):
    out = tmp_path / "out"
    words = ["composition", store.path, "--clusters", "species", "--where", "rna_type = 'tRNA'", "--out", out]
    answer = run(*words, "--cluster", COLI)
    assert answer.code == 0, answer.err
    assert {one.name for one in out.iterdir()} == {"composition.tsv", "results.json", "figure.png"}
    with open(out / "composition.tsv", encoding="utf-8") as file:
        rows = {(row["property"], row["value"]): row for row in csv.DictReader(file, delimiter="\t")}
    cca = rows["3' end", "CCA"]
    assert (int(cca["cluster"]), float(cca["share"])) == (86, 1.0)
    assert float(cca["q"]) < 1e-20
    assert sum(int(row["cluster"]) for (name, _), row in rows.items() if name == "isotype") == 86
    said = json.loads((out / "results.json").read_text())
    assert (said["molecules"], set(said["properties"]) >= {"isotype", "anticodon", "length"}) == (86, True)
    one = store.table(["id"], f"species = '{COLI}' AND rna_type = 'tRNA'")["id"][0].as_py()
    again = run(*words, "--cluster-of", one, "--json")
    assert again.json["cluster"] == COLI


def test_numbers_with_fractions_are_no_clusters(refused, tmp_path):
    store = Collection.create(tmp_path / "scores")
    store.append([record_batch(["a", "b"], ["ACGU", "GGCC"], {"score": [0.5, 0.7]})])
    words = ["composition", store.path, "--clusters", "score", "--cluster", "0.5", "--out", tmp_path / "out"]
    refused(words, "'score' has numbers with fractions, not clusters")


def test_what_is_refused(store, refused, tmp_path):
    words = ["composition", store.path, "--out", tmp_path / "out"]
    refused([*words, "--clusters", "specie", "--cluster", "x"], "no column 'specie'", "species")
    refused([*words, "--clusters", "species"], "Say which cluster")
    refused([*words, "--clusters", "species", "--cluster", "Escherichia"], "No molecule is in the cluster")
    refused([*words, "--clusters", "species", "--cluster-of", "nobody"], "no molecule 'nobody'")
    refused(
        [
            *words,
            "--clusters",
            "source",
            "--cluster-of",
            "U00096.2/191-310",
            "--where",
            "rna_type = 'tRNA' AND species = 'x'",
        ],
        "No molecule",
    )
