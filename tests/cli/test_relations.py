"""`ribospace relations` and `triples`: what they write, and what they refuse."""

import json
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from ribospace.collection import Collection
from ribospace.collection.about import About, remember
from ribospace.records import record_batch

GENERATOR = np.random.default_rng(0)


def fill(place, n=40, width=12, **columns):
    """Random molecules with vectors `v`; r0 is r1 - r2, and r3 a near copy of r4."""
    vectors = GENERATOR.normal(size=(n, width)).astype(np.float32)
    vectors[0] = vectors[1] - vectors[2]
    sequences = ["".join(GENERATOR.choice(list("ACGU"), 40)) for _ in range(n)]
    sequences[3] = sequences[4][:-1] + "A"
    given = {"rna_type": ["tRNA", "rRNA"] * (n // 2), "species": ["x"] * n, "description": "<img onerror=x>"} | columns
    ids = [f"URS{row:010X}" for row in range(n)]
    import pyarrow as pa

    batch = record_batch(ids, sequences, given)
    array = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), width)
    batch = batch.append_column("v", array)
    store = Collection.create(place)
    store.append([batch])
    return store, vectors


@pytest.fixture
def store(tmp_path):
    return fill(tmp_path / "c")[0]


def test_a_planted_equation_is_found_and_reported(store, run, tmp_path):
    remember(store, [About("URS0000000001", [], [], [], [{"title": "On <RNA>", "doi": "1/2"}], "2026-11-23")])
    out = tmp_path / "out"
    arguments = ["relations", store.uri, "--model", "v", "--best", 30, "--permutations", 40, "--terms", 3, "--out", out,
                 "--targets", "id < 'URS0000000002'"]  # fmt: skip
    answer = run(*arguments, "--json")
    assert answer.code == 0, answer.err
    files = {one.name for one in out.iterdir()}
    assert files == {"relations.parquet", "relations.tsv", "relations_3.tsv", "report.html", "results.json",
                     "counts.png", "arrows_2d.png", "arrows_3d.png"}  # fmt: skip
    rows = pq.read_table(out / "relations.parquet").to_pylist()
    assert (rows[0]["a"], rows[0]["b"], rows[0]["c"]) == ("URS0000000000", "URS0000000001", "URS0000000002")
    assert (rows[0]["sign_b"], rows[0]["sign_c"]) == (1, -1)
    assert rows[0]["relative"] < 1e-6
    assert rows[0]["q"] < 0.05
    assert rows[0]["a_link"] == "https://rnacentral.org/rna/URS0000000000"
    assert all(a["relative"] <= b["relative"] for a, b in pairwise(rows))
    tsv = pl.read_csv(out / "relations.tsv", separator="\t")
    assert tsv["relative"].to_list() == pytest.approx([row["relative"] for row in rows])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<img onerror" not in page
    assert "&lt;img onerror=x&gt;" in page
    assert "On &lt;RNA&gt;" in page
    found = page.replace("https://rnacentral.org", "").replace("http://www.w3.org/2000/svg", "")
    assert "http" not in found  # nothing is fetched
    said = json.loads((out / "results.json").read_text())
    assert said["looked_at"] == answer.json["looked_at"] > 1000
    assert len(said["null_counts"]) == 40
    again = run(*arguments, "--json")
    assert again.json["null_counts"] == said["null_counts"]


def test_near_copies_and_labels(store, run, tmp_path):
    out = tmp_path / "out"
    common = ["relations", store.uri, "--model", "v", "--best", 5000, "--permutations", 0, "--most-targets", 0]
    run(*common, "--out", out)
    pairs = {frozenset(one) for row in pq.read_table(out / "relations.parquet").to_pylist()
             for one in ((row["a"], row["b"]), (row["a"], row["c"]), (row["b"], row["c"]))}  # fmt: skip
    assert frozenset(["URS0000000003", "URS0000000004"]) not in pairs
    answer = run(*common, "--same", "rna_type", "--max-identity", 1, "--out", out)
    assert answer.code == 0, answer.err
    rows = pq.read_table(out / "relations.parquet").to_pylist()
    assert rows
    assert all(row["a_rna_type"] == row["b_rna_type"] == row["c_rna_type"] for row in rows)
    assert "nothing can be concluded" in answer.out


def test_sets_and_forms(store, run, tmp_path):
    out = tmp_path / "out"
    answer = run("relations", store.uri, "--model", "v", "--form", "angular", "--max-angle", 40, "--targets",
                 "rna_type = 'tRNA'", "--base", "rna_type = 'rRNA'", "--null", "shuffle", "--permutations", 5,
                 "--centre", "--normalise", "--out", out)  # fmt: skip
    assert answer.code == 0, answer.err
    rows = pq.read_table(out / "relations.parquet").to_pylist()
    assert rows
    assert all(row["a_rna_type"] == "tRNA" and row["b_rna_type"] == row["c_rna_type"] == "rRNA" for row in rows)
    assert max(row["angle"] for row in rows) <= 40
    answer = run("relations", store.uri, "--model", "v", "--projection", "pca2", "--permutations", 3, "--out", out)
    assert "In two dimensions" in answer.out
    answer = run("relations", store.uri, "--model", "v", "--approximate", "--permutations", 0, "--out", out)
    assert answer.code == 0, answer.err


def test_nothing_found_is_said(store, run, tmp_path):
    out = tmp_path / "out"
    answer = run("relations", store.uri, "--model", "v", "--tolerance", 0, "--targets", "id = 'URS0000000009'",
                 "--permutations", 3, "--out", out)  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.out.startswith("0 equations")
    assert pq.read_table(out / "relations.parquet").num_rows == 0


def test_labels_that_leave_nothing(store, run, tmp_path):
    answer = run("relations", store.uri, "--model", "v", "--same", "rna_type", "--different", "rna_type",
                 "--permutations", 3, "--out", tmp_path / "out")  # fmt: skip
    assert answer.code == 0, answer.err
    assert "the labels leave none" in answer.out
    assert "too few draws to tell from chance" in answer.out


def test_vectors_that_cannot_be_added_are_counted(run, tmp_path):
    import pyarrow as pa

    _, vectors = fill(tmp_path / "c")
    vectors[5], vectors[6, 0] = 0, np.inf  # NaN cannot be appended
    array = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    ids = [f"a{row}" for row in range(len(vectors))]
    sequences = ["".join(GENERATOR.choice(list("ACGU"), 40)) for _ in ids]
    other = Collection.create(tmp_path / "d")
    other.append([record_batch(ids, sequences, {"rna_type": "tRNA"}).append_column("v", array)])
    answer = run("relations", other.uri, "--model", "v", "--permutations", 2, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "1 molecules with NaN or infinity" in answer.out
    assert "1 molecules with a zero vector" in answer.out


def test_what_is_refused(store, refused, tmp_path):
    out = tmp_path / "out"
    start = ["relations", store.uri, "--model", "v", "--out", out]
    refused([*start, "--form", "sum"], "--form")
    refused([*start, "--max-angle", 3], "--max-angle is no limit of the exact form")
    refused([*start, "--form", "angular", "--tolerance", 3], "--tolerance is no limit of the angular form")
    refused([*start, "--tolerance", 1, "--relative", 1], "Use one of them")
    refused([*start, "--projection", "pca7"], "--projection 'pca7'")
    refused([*start, "--null", "rotat"], "--null")
    refused([*start, "--types", "rna_typ"], "no column 'rna_typ'", "rna_type")
    refused([*start, "--same", "kind"], "no column 'kind'")
    refused([*start, "--targets", "length > 1000"], "--targets names no molecule")
    refused([*start, "--targets", "len > 1"], "is not a condition")
    refused([*start, "--base", "id = 'URS0000000001'", "--targets", "id = 'URS0000000001'"], "needs three molecules")
    refused([*start, "--tolerance", -1], "tolerance")
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    refused(start, "is no report of relations")
    assert (out / "mine.txt").read_text() == "mine"


def test_triples(run, refused, tmp_path):
    out = tmp_path / "talk.tsv"
    answer = run("triples", "--model", "kmer3", "--out", out, "--json")
    assert answer.code == 0, answer.err
    rows = answer.json["triples"]
    assert len(rows) == 9
    assert [row["reported"] for row in rows].count("") == 4
    assert all(1 <= row["rank"] <= row["sums"] == 1104 for row in rows)
    assert out.read_text().startswith("# {")
    store = Collection.create(tmp_path / "c")
    sequences = ["".join(GENERATOR.choice(list("ACGU"), 60)) for _ in range(30)]
    store.append([record_batch([f"m{row}" for row in range(30)], sequences)])
    run("embed", store.uri, "--model", "kmer3")
    answer = run("triples", "--model", "kmer3", "--among", store.uri, "--centre", "--out", out, "--json")
    assert all(0 <= row["share_elsewhere"] <= 1 for row in answer.json["triples"])
    mine = tmp_path / "mine.tsv"
    mine.write_text("a\tb\tc\nx\ty\tz\n")
    refused(["triples", "--model", "kmer3", "--triples", mine, "--out", out], "'x' of the triples")
    mine.write_text("a\tb\tc\nx\tx\tz\n")
    refused(["triples", "--model", "kmer3", "--triples", mine, "--out", out], "line 2", "three different ids")
    mine.write_text("what\n1\n")
    refused(["triples", "--model", "kmer3", "--triples", mine, "--out", out], "columns a, b and c")


def test_analogy(run, refused, tmp_path):
    store, vectors = fill(tmp_path / "c", isotype=["Val", "Leu"] * 20, domain=["A"] * 20 + ["B"] * 20)
    ids = [f"URS{row:010X}" for row in range(40)]
    start = ["analogy", store.uri, "--model", "v"]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for expression in ([ids[7], "-", ids[8], "+", ids[9]], [f"{ids[7]} - {ids[8]} + {ids[9]}"]):
        answer = run(*start, *expression, "-k", 4, "--json")
        assert answer.code == 0, answer.err
        near = unit @ (unit[7] - unit[8] + unit[9])
        near[[7, 8, 9]] = -np.inf
        assert [one["id"] for one in answer.json["answers"]] == [ids[row] for row in np.argsort(-near)[:4]]
    answer = run(*start, "isotype=Val", "-", ids[1], "--json")
    assert answer.json["inputs"] == 21
    assert not {one["id"] for one in answer.json["answers"]} & {*ids[::2], ids[1]}
    out = tmp_path / "a.json"
    answer = run(*start, "--evaluate", "isotype,domain", "--questions", 50, "--shuffles", 4, "--out", out)
    assert answer.code == 0, answer.err
    assert "C alone" in answer.out
    assert json.loads(out.read_text())["questions"] == 50
    refused(start, "Say what to add")
    refused([*start, ids[0], "--evaluate", "isotype,domain"], "one of them")
    refused([*start, "--evaluate", "isotype"], "it takes two")
    refused([*start, "--evaluate", "isotype,domai"], "no column 'domai'", "domain")
    refused([*start, ids[0], ids[1]], "is no sum")
    refused([*start, ids[0], "-", "URS1"], "'URS1' is no molecule")
    refused([*start, "isotype=Vall"], "No molecule", "Val")
    refused([*start, "isotyp=Val"], "no column 'isotyp'")
    refused([*start, ids[0], "-", ids[0]], "is zero")
