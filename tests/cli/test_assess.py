"""`ribospace assess`: the table, the page, its laws and what it refuses."""

import json

import numpy as np
import pytest

from ribospace.collection import Collection
from ribospace.collection.rows import write_columns
from ribospace.records import record_batch

FILES = {"results.json", "table.tsv", "report.html", "distributions.png", "kmers.png"}
WEIGHTS = {"tRNA": [0.1, 0.3, 0.4, 0.2], "snRNA": [0.4, 0.2, 0.1, 0.3]}


def natural(n, seed, kinds=tuple(WEIGHTS)):
    generator = np.random.default_rng(seed)
    types = [kinds[row % len(kinds)] for row in range(n)]
    lengths = generator.integers(20, 40, n)
    made = ["".join(generator.choice(list("ACGU"), m, p=WEIGHTS[t])) for m, t in zip(lengths, types, strict=True)]
    return made, types


@pytest.fixture
def store(tmp_path):
    """120 molecules of two types, 60 train, 20 validation, 40 test."""
    sequences, types = natural(120, 0)
    parts = [("train", "train", "test", "validation", "train", "test")[row // 2 % 6] for row in range(120)]
    store = Collection.create(tmp_path / "rnas")
    columns = {"rna_type": types, "split": parts}
    store.append([record_batch([f"m{row}" for row in range(120)], sequences, columns)])
    return Collection.open(tmp_path / "rnas")


def fasta(path, sequences, types=None):
    heads = [f"g{row}" + (f" rna_type={types[row]}" if types else "") for row in range(len(sequences))]
    path.write_text("".join(f">{head}\n{one}\n" for head, one in zip(heads, sequences, strict=True)))
    return path


def test_the_held_out_set_has_the_held_out_figures(store, run, tmp_path):
    rows = store.table(["sequence", "rna_type"], "split = 'test'")
    given = fasta(tmp_path / "given.fasta", rows["sequence"].to_pylist(), rows["rna_type"].to_pylist())
    out = tmp_path / "out"
    answer = run("assess", given, "--against", store.path, "--out", out)
    assert answer.code == 0, answer.err
    assert "type accepted" in answer.out
    assert {one.name for one in out.iterdir()} == FILES
    said = json.loads((out / "results.json").read_text())
    assert said["molecules"] == 40
    for name, figures in said["figures"].items():
        assert figures["generated"] == figures["held-out"], name
        assert (figures["generated"] is None) == (name == "cloverleaf")
    figures = said["figures"]
    assert figures["accepted"]["held-out"] > 0.8
    assert figures["js3"]["held-out"] < figures["js3"]["random"]
    assert figures["gc"]["shuffled"] == pytest.approx(figures["gc"]["held-out"])
    assert said["types"]["tRNA"]["generated"]["molecules"] == 20
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "http-equiv" not in page
    assert "<script" not in page
    again = run("assess", given, "--against", store.path, "--out", tmp_path / "again")
    assert again.code == 0
    for name in ("results.json", "table.tsv", "report.html"):
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_types_of_a_table_beside_and_what_is_not_valid(store, run, tmp_path):
    sequences, types = natural(30, 7)
    training = store.table(["sequence"], "split = 'train'")["sequence"].to_pylist()[:10]
    given = fasta(tmp_path / "given.fasta", [*sequences, *training, "", "ACGN"])
    lines = ["id\trna_type", *(f"g{row}\t{'tRNA' if one == 'snRNA' else 'snRNA'}" for row, one in enumerate(types))]
    (tmp_path / "given.tsv").write_text("\n".join(lines) + "\n")
    words = ["assess", given, "--against", store.path, "--json"]
    said = run(*words, "--out", tmp_path / "out").json
    figures = said["figures"]
    assert figures["validity"]["generated"] == pytest.approx(40 / 42)
    assert figures["copies"]["generated"] == pytest.approx(0.25)
    assert figures["accepted"]["generated"] < 0.2  # the table says the other type of each
    (tmp_path / "given.tsv").unlink()
    other = run(*words, "--out", tmp_path / "out").json
    assert other["figures"]["accepted"]["generated"] is None
    assert any("which type was asked" in note for note in other["notes"])
    asked = run(*words, "--rna-type", "tRNA", "--out", tmp_path / "out").json
    assert set(asked["types"]) == {"tRNA"}


def test_without_a_split_or_types(run, tmp_path):
    sequences, _ = natural(60, 3)
    store = Collection.create(tmp_path / "bare")
    store.append([record_batch([f"m{row}" for row in range(60)], sequences)])
    given = fasta(tmp_path / "given.fasta", natural(25, 4)[0])
    said = run("assess", given, "--against", store.path, "--out", tmp_path / "out", "--json", "--seed", 3).json
    assert said["molecules"] == 25
    assert any("near copies are on both sides" in note for note in said["notes"])
    assert said["figures"]["accepted"]["held-out"] is None
    assert "two types" in said["classifier"]


def test_a_classifier_of_ones_own(store, run, tmp_path):
    settings = [word for one in ("model.width=16", "model.heads=2", "optimizer.steps=3") for word in ("--set", one)]
    trained = run("train", "classifier", "--data", store.path, "--out", tmp_path / "model", *settings)
    assert trained.code == 0, trained.err
    given = fasta(tmp_path / "given.fasta", *natural(25, 4))
    words = ["assess", given, "--against", store.path, "--out", tmp_path / "out", "--json"]
    said = run(*words, "--classifier", tmp_path / "model").json
    assert str(tmp_path / "model") in said["classifier"]
    assert said["figures"]["accepted"]["generated"] is not None


def test_what_is_refused(store, refused, tmp_path):
    out = tmp_path / "out"
    given = fasta(tmp_path / "given.fasta", *natural(25, 4))
    words = ["--against", store.path, "--out", out]
    (tmp_path / "empty.fasta").write_text("")
    refused(["assess", tmp_path / "empty.fasta", *words], "empty")
    refused(["assess", tmp_path / "none.fasta", *words], "does not exist")
    refused(["assess", fasta(tmp_path / "protein.fasta", ["MKLV"] * 30), *words], "record 1", "letter")
    refused(["assess", fasta(tmp_path / "few.fasta", ["ACGU"] * 19), *words], "19 valid generated", "20")
    refused(["assess", given, *words, "--split", "spilt"], "no column 'spilt'", "split")
    refused(["assess", given, *words, "--split", "rna_type"], "train and test", "ribospace split")
    refused(["assess", given, *words, "--where", "length > 999"], "no molecules where length > 999")
    refused(["assess", given, *words, "--where", "rna_type = 'tRNA' AND length > 36"], "valid")
    refused(["assess", given, *words, "--model", "kmer33"], "kmer")
    refused(["assess", given, *words, "--cm", given], "no covariance model")
    refused(["assess", given, *words, "--classifier", tmp_path / "nowhere"], "nowhere")
    Collection.create(tmp_path / "nothing")
    refused(["assess", given, "--against", tmp_path / "nothing", "--out", out], "no molecules")
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    refused(["assess", given, *words], "is no assessment")


def test_one_type_is_judged_by_a_classifier_of_all(store, run, tmp_path):
    with store.writing():
        import pyarrow as pa

        halves = pa.array(["train" if row // 2 % 2 else "test" for row in range(120)])
        write_columns(store, [pa.record_batch({"halves": halves})], "a test")
    given = fasta(tmp_path / "given.fasta", *natural(25, 5, ("tRNA",)))
    words = ["--where", "rna_type = 'tRNA'", "--split", "halves", "--out", tmp_path / "out", "--json"]
    said = run("assess", given, "--against", store.path, *words).json
    assert "all types" in said["classifier"]
    assert said["figures"]["accepted"]["generated"] > 0.8
