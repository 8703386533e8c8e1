"""`ribospace info --figure` on the shipped sample, and on collections that are hard to draw."""

import csv
import json
from collections import Counter

import numpy as np
import pytest

from ribospace.collection import Collection
from ribospace.records import record_batch
from ribospace.sources.sample import read_sample


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Collection.create(tmp_path_factory.mktemp("summary") / "sample")
    store.append(read_sample())
    return store


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        said = json.loads(file.readline().removeprefix("# "))
        return said, list(csv.DictReader(file, delimiter="\t"))


def test_figure_and_table(store, run, tmp_path):
    out = tmp_path / "new" / "sample.png"
    answer = run("info", store.path, "--figure", out)
    assert answer.code == 0, answer.err
    assert str(out) in answer.out
    assert out.read_bytes().startswith(b"\x89PNG")
    assert {one.name for one in out.parent.iterdir()} == {"sample.png", "sample.types.tsv"}
    said, rows = rows_of(out.with_suffix(".types.tsv"))
    assert (said["molecules"], said["by"]) == (602, "rna_type")
    records = store.table(["rna_type", "sequence"]).to_pylist()
    counts = {row["rna_type"]: int(row["molecules"]) for row in rows}
    assert counts == {"all": 602, **Counter(one["rna_type"] for one in records)}
    trnas = [one["sequence"] for one in records if one["rna_type"] == "tRNA"]
    row = next(row for row in rows if row["rna_type"] == "tRNA")
    assert float(row["length_75%"]) == np.quantile([len(one) for one in trnas], 0.75)
    together = "".join(trnas)
    assert float(row["share_A"]) == pytest.approx(together.count("A") / len(together), abs=1e-6)
    assert sum(float(row[f"share_{one}"]) for one in ("A", "C", "G", "U", "other")) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("ending", "begins"), [(".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_other_endings_columns_and_json(store, run, tmp_path, ending, begins):
    out = tmp_path / f"species{ending}"
    words = ["--figure", out, "--by", "species", "--where", "rna_type = 'tRNA'", "--json"]
    answer = run("info", store.path, *words)
    assert answer.json["figure"] == str(out)
    assert answer.json["molecules"] == 602
    assert out.read_bytes().startswith(begins)
    said, rows = rows_of(answer.json["table"])
    assert said["molecules"] == int(rows[0]["molecules"]) == store.count("rna_type = 'tRNA'")
    assert "figure" not in run("info", store.path, "--json").json


@pytest.mark.parametrize(
    ("sequences", "types"),
    [
        (["ACGU"], ["tRNA"]),
        (["NNN", "NN"], ["a", None]),
        (["ACGU", "ACN" * 4000, "G"], ["$x$ \t" * 40, "<b>", "$\\frac$"]),
        (["A" * n for n in range(1, 60)], [f"type {n}" for n in range(1, 60)]),
    ],
    ids=["one molecule", "no letter known", "hostile names", "many types"],
)
def test_what_is_hard_to_draw(run, tmp_path, recwarn, sequences, types):
    store = Collection.create(tmp_path / "c")
    store.append([record_batch([f"m{n}" for n in range(len(types))], sequences, {"rna_type": types})])
    answer = run("info", store.path, "--figure", tmp_path / "c.png")
    assert answer.code == 0, answer.err
    assert not [one for one in recwarn if "ribospace" in str(one.filename) or "matplotlib" in str(one.filename)]
    _, rows = rows_of(tmp_path / "c.types.tsv")
    assert len(rows) == (1 if len(types) == 1 else 1 + min(15, len(set(types))))
    assert sum(int(row["molecules"]) for row in rows[len(types) > 1 :]) == len(sequences)


def test_what_is_refused(store, refused, tmp_path):
    out = tmp_path / "x.png"
    refused(["info", store.path, "--figure", tmp_path / "x.gif"], "x.gif ends in none of .png, .svg, .pdf")
    refused(["info", store.path, "--by", "species"], "--by is for the figure", "--figure")
    refused(["info", store.path, "--where", "length > 3"], "--where is for the figure")
    refused(["info", store.path, "--figure", out, "--by", "speceis"], "no column 'speceis'", "species")
    refused(["info", store.path, "--figure", out, "--by", "length"], "'length' is of int32, not text", "rna_type")
    refused(["info", store.path, "--figure", out, "--where", "length > 99999"], "none where length > 99999")
    refused(["info", store.path, "--figure", out, "--where", "no sql"], "is not a condition")
    empty = Collection.create(tmp_path / "empty")
    refused(["info", empty.path, "--figure", out], "No molecule to draw", "ribospace import")
    (tmp_path / "folder.png").mkdir()
    refused(["info", store.path, "--figure", tmp_path / "folder.png"], "is a folder")
    assert not out.exists()
    assert not out.with_suffix(".types.tsv").exists()
