"""Training and judging, as a user types them: what is said, what is written, what is refused before any work."""

import csv
import json

import pyarrow as pa
import pytest

from ribospace.collection import Collection
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.sources.sample import read_sample

FEW = [
    word
    for setting in (
        "model.width=16", "model.heads=2", "model.encoder_layers=1", "model.feedforward=16", "optimizer.steps=4",
        "optimizer.token_budget=1024", "optimizer.precision=fp32",
    )
    for word in ("--set", setting)
]  # fmt: skip
SHORT = ["--set", "data.where='length < 78'"]


def marked(batch):
    """The sample with a column that says train, validation or test; the snoRNAs are in validation only."""
    types = batch.column("rna_type").to_pylist()
    parts = [
        "validation" if kind == "snoRNA" else ("train", "train", "validation", "test")[row % 4]
        for row, kind in enumerate(types)
    ]
    return batch.append_column("part", pa.array(parts)).append_column("nothing", pa.nulls(len(parts), pa.string()))


@pytest.fixture(scope="module")
def rnas(tmp_path_factory):
    store = Collection.create(tmp_path_factory.mktemp("learning") / "rnas")
    store.append(marked(batch) for batch in read_sample())
    return store.path


@pytest.fixture
def untouched(monkeypatch):
    """No step may be taken and nothing be judged: the mistake is said before."""

    def never(*arguments, **more):
        raise AssertionError("work began")

    monkeypatch.setattr("ribospace.training.loop.Trainer._take_step", never)
    monkeypatch.setattr("ribospace.training.evaluate.judge", never)


def test_an_autoencoder_is_trained_carded_and_judged(tmp_path, rnas, run):
    model, report = tmp_path / "model", tmp_path / "report"
    said = run("train", "autoencoder", "--data", rnas, "--out", model, *FEW, *SHORT)
    assert (said.code, said.err) == (0, "")
    assert "molecules held out at random: character error rate" in said.out
    assert f"Wrote the model and its card to {model}" in said.out
    assert sorted(file.name for file in model.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert "`length < 78`" in (model / "README.md").read_text(encoding="utf-8")
    for beams in ("1", "2"):  # the second takes the first's place
        judged = run("evaluate", model, "--data", rnas, "--out", report, "--where", "length < 60", "--beams", beams)
        assert judged.code == 0, judged
        assert "the figures are too good" in judged.err
        assert "character errors" in judged.out
        assert f"Wrote the report to {report}" in judged.out
    assert sorted(file.name for file in report.iterdir()) == ["by_length.csv", "report.json"]
    found = json.loads((report / "report.json").read_text())
    assert found["beams"] == 2
    assert found["revision"] == checkpoint.load(model).revision
    rows = list(csv.DictReader((report / "by_length.csv").read_text().splitlines()))
    assert sum(int(row["windows"]) for row in rows) == found["windows"]


def test_a_classifier_by_a_split(tmp_path, rnas, run):
    model, report = tmp_path / "model", tmp_path / "report"
    split = ["--set", "data.split=part"]
    trained = run("train", "classifier", "--data", rnas, "--out", model, *FEW, *split, "--json")
    unseen = "is none that the model learns (RNase_P_RNA, snoRNA): counted in no loss and no figure of it"
    assert unseen in trained.err
    assert any(unseen in line for line in trained.json["figures"]["said"])
    assert trained.json["data"]["validation_molecules"] > 20
    assert 0 <= trained.json["figures"]["validation_micro_f1"] <= 1
    classes = checkpoint.load(model).model.config.classes
    assert "snoRNA" not in classes
    assert "tRNA" in classes
    judge = ["evaluate", model, "--data", rnas, "--out", report, "--column", "part", "--split"]
    said = run(*judge, "validation")
    assert said.code == 0
    assert "snoRNA): F1 and calibration leave them out" in said.err
    assert "snoRNA): F1 and calibration leave them out" in said.out  # and again in the report
    assert run(*judge, "test").code == 0
    found = json.loads((report / "report.json").read_text())
    assert (found["split"], found["label"], found["unknown"]) == ("test", "rna_type", ["RNase_P_RNA", "tmRNA"])
    rows = list(csv.DictReader((report / "per_class.csv").read_text().splitlines()))
    assert tuple(row["label"] for row in rows) == classes
    assert sum(int(row["molecules"]) for row in rows) == found["molecules"] - found["without_class"]
    assert {"confusion.png", "calibration.png", "confusion.csv"} < {file.name for file in report.iterdir()}


def test_labels_of_another_column_some_of_them_missing(tmp_path, rnas, run):
    arguments = ["train", "classifier", "--data", rnas, "--out", tmp_path / "m", *FEW, *SHORT]
    said = run(*arguments, "--set", "data.label=isotype")
    assert said.code == 0
    assert "molecules have no isotype" in said.err
    assert "F1 of the isotype" in said.out
    assert "molecules have no isotype" in said.err
    found = run("evaluate", tmp_path / "m", "--data", rnas, "--out", tmp_path / "r", "--json").json
    assert found["label"] == "isotype"
    assert found["without_class"] > 0


def test_nothing_held_out_is_said(tmp_path, rnas, run):
    arguments = ["train", "autoencoder", "--data", rnas, "--out", tmp_path / "m", *FEW, *SHORT]
    said = run(*arguments, "--set", "data.held_out=0")
    assert said.code == 0
    assert "No molecule is held out, as data.held_out is 0: the model is not judged" in said.err
    assert "Nothing was held out" in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["model.widht=16"], ["'widht'", "Did you mean width"]),
        (["model.width=30", "model.heads=4"], ["width 30 is not divisible by heads 4"]),
        (["model.decoder_layers=0", "model.letter_head=true"], ["needs a decoder", "model.decoder_layers"]),
        (["data.split=prat"], ["no column 'prat'", "Did you mean part", "ribospace split"]),
        (["data.split=rna_type"], ["'rna_type' says RNase_MRP_RNA, ", "never 'train'"]),
        (["data.split=part", "data.where=\"part = 'test'\""], ["says test, never 'train'", "part = 'test'"]),
        (["data.split=part", "data.where=\"part = 'train'\"", "optimizer.evaluate_every=2"],
         ["no molecule says 'validation'", "evaluate_every"]),
        (["data.held_out=0", "optimizer.evaluate_every=2"], ["data.held_out is 0", "evaluate_every"]),
        (["data.where=\"length < 3\""], ["'length < 3' leaves 0", "Loosen data.where"]),
        (["data.where=\"lenght < 3\""], ["lenght", "length"]),
        (["objective.classes=0.1", "data.label=rna_typ"], ["no column 'rna_typ'", "Did you mean rna_type"]),
        (["objective.classes=0.1", "data.label=nothing"], ["nothing to tell apart", "none has any nothing"]),
        (["objective.classes=0.1", "data.where=\"rna_type = 'tRNA'\""], ["all have the rna_type 'tRNA'"]),
        (["objective.classes=0.1", "data.label=length"], ["'length'", "no names"]),
    ],
)  # fmt: skip
def test_mistakes_in_settings_are_said_before_training(tmp_path, rnas, refused, untouched, settings, words):
    more = [word for setting in settings for word in ("--set", setting)]
    refused(["train", "autoencoder", "--data", rnas, "--out", tmp_path / "m", *FEW, *more], *words)
    assert list(tmp_path.iterdir()) == []


def test_widths_are_refused_before_the_data_are_opened(tmp_path, refused):
    arguments = ["train", "autoencoder", "--data", tmp_path / "nowhere", "--out", tmp_path / "m"]
    refused([*arguments, "--set", "model.width=30"], "not divisible")
    refused([*arguments, "--preset", "tlak"], "no preset 'tlak'", "Did you mean talk")
    (tmp_path / "my.toml").write_text("[modle]\nwidth = 8\n")
    refused([*arguments, "--config", tmp_path / "my.toml"], "'modle'", "my.toml", "Did you mean model")
    refused(arguments, "no collection at")


def test_what_cannot_be_judged_is_refused_before_the_work(tmp_path, rnas, refused, untouched):
    model, out = tmp_path / "model", tmp_path / "report"
    config = AutoencoderConfig(width=8, heads=2, feedforward=8, decoder_layers=0, classes=("x", "y"))
    checkpoint.save(Autoencoder(config), model, "small", {})
    judge = ["evaluate", model, "--data", rnas, "--out"]
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "report.json").write_text("{}")
    (tmp_path / "thesis" / "chapter.txt").write_text("years")
    for place in (tmp_path / "thesis", tmp_path / "thesis" / "chapter.txt", model, rnas):
        refused([*judge, place], "exists and is no report")
    refused(["evaluate", rnas, "--data", rnas, "--out", out], "holds no model")
    refused(["evaluate", tmp_path / "nowhere", "--data", rnas, "--out", out], "holds no model")
    refused(["evaluate", model, "--data", model, "--out", out], "not a Ribospace collection")
    refused([*judge, out, "--where", "lenght < 5"], "lenght")
    refused([*judge, out, "--where", "length < 5"], "no molecule to judge by")
    refused([*judge, out, "--split", "test"], "no column 'split'", "ribospace split")
    refused([*judge, out, "--split", "tset", "--column", "part"], "Did you mean test")
    refused([*judge, out], "it tells x, y apart, they have", "misc_RNA")
    (tmp_path / "file.txt").write_text("x")
    checkpoint.save(Autoencoder(AutoencoderConfig(width=8, heads=2, feedforward=8)), model, "small", {})
    refused([*judge, tmp_path / "file.txt" / "report"], "Cannot write")
    assert not out.exists()
