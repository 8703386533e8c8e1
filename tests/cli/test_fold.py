"""`ribospace fold`: sequences, files, collections."""

import csv

import pytest

from ribospace.analysis import folding
from ribospace.analysis.structure import distance, fold, fold_many, pair_probabilities, tree_distance
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.records import record_batch

pytest.importorskip("RNA")
TRNA = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"


def test_a_sequence(run, refused):
    answer = run("fold", TRNA.lower().replace("u", "t"), "--ensemble", "--json")
    assert answer.code == 0, answer.err
    (one,) = answer.json["molecules"]
    direct = fold(TRNA, ensemble=True)
    assert (one["sequence"], one["structure"], one["centroid"]) == (TRNA, direct.structure, direct.centroid)
    assert one["ensemble"] <= one["mfe"] == pytest.approx(-22.4, abs=0.5)
    assert TRNA in run("fold", TRNA).out
    refused(["fold", "not RNA!"], "letter")
    refused(["fold", "A" * 5001], "the sequence of 5,001 nt is too long", "Cut it")
    refused(["fold", TRNA, "--where", "length > 3"], "--where")


def test_nothing_to_fold(refused):
    refused(["fold", ""], "no sequence")


def test_a_file(run, tmp_path):
    (tmp_path / "m.fasta").write_text(f">a/1-3\n{TRNA}\n>b\nNNNN\n>c\n{'ACGU' * 200}\n")
    answer = run("fold", tmp_path / "m.fasta", "--out", tmp_path / "s.tsv", "--draw", tmp_path / "d")
    assert answer.code == 0, answer.err
    with open(tmp_path / "s.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["id"] for row in rows] == ["a/1-3", "b", "c"]
    assert rows[1]["structure"] == "...."
    assert sorted(one.name for one in (tmp_path / "d").iterdir()) == [
        "a_1-3.layout.svg",
        "b.layout.svg",
        "c.layout.svg",
    ]


def test_a_molecule_that_is_too_long_is_named(refused, tmp_path):
    (tmp_path / "m.fasta").write_text(f">a\nACGU\n>big\n{'A' * 5001}\n")
    refused(["fold", tmp_path / "m.fasta"], "m.fasta, record 2 ('big') of 5,001 nt is too long", "leave it out")


def test_a_collection_keeps_its_structures(run, refused, tmp_path, collection):
    answer = run("fold", collection.path, "--where", "rna_type = 'tRNA'", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["folded"] == 25
    rows = Collection.open(collection.path).table(["sequence", "structure", "mfe", "rna_type"]).to_pylist()
    for row in rows:
        if row["rna_type"] == "tRNA":
            direct = fold(row["sequence"])
            assert (row["structure"], row["mfe"]) == (direct.structure, pytest.approx(direct.energy))
        else:
            assert row["mfe"] is None
    assert run("fold", collection.path, "--json").json["folded"] == 25
    assert run("fold", collection.path, "--json").json["folded"] == 0
    assert run("fold", collection.path, "--ensemble", "--where", "rna_type = 'tRNA'", "--json").json["folded"] == 25
    whole = Collection.open(collection.path).table(
        ["sequence", "ensemble", "centroid", "diversity"], "ensemble IS NOT NULL"
    )
    assert len(whole) == 25
    for row in whole.to_pylist():
        direct = fold(row["sequence"], ensemble=True)
        assert (row["ensemble"], row["centroid"]) == (pytest.approx(direct.ensemble, abs=1e-4), direct.centroid)
    refused(["fold", collection.path, "--out", tmp_path / "s.tsv"], "--out")
    other = Collection.create(tmp_path / "other")
    other.append([record_batch(["a"], ["ACGU"], {"mfe": ["x"]})])
    refused(["fold", other.path], "has a column 'mfe'")


def test_processes_give_what_one_gives():
    sequences = [TRNA[start:] + "GGGAAACCC" * (start % 40) for start in range(0, 60, 4)] * 2
    assert len(list(folding._pieces(sequences))) > 1
    one, two = (list(fold_many(sequences, processes=many)) for many in (1, 2))
    assert [(f.structure, f.energy) for f in one] == [(f.structure, f.energy) for f in two]


def test_distances_and_probabilities():
    assert distance("((..))", "(....)") == 1
    assert tree_distance("((..))", "((...))") > 0
    found = pair_probabilities(TRNA)
    assert (found == found.T).all()
    assert found.sum(axis=1).max() <= 1 + 1e-6
    with pytest.raises(ValueError, match="no base-pair distance"):
        distance("..", "...")
    with pytest.raises(UserError, match="too long"):
        fold("A" * 6000)
