"""dedupe, split and sample, as a user types them."""

import json
from pathlib import Path

import pytest

from ribospace.collection import Collection


@pytest.fixture
def store(tmp_path, run):
    assert run("import", "sample", "ribosome", "--to", tmp_path / "c").code == 0
    return tmp_path / "c"


def test_dedupe(store, run):
    before = len(Collection.open(store))
    answer = run("dedupe", store, "--dry-run")
    assert "Would remove 198 of 609 molecules" in answer.out
    done = run("dedupe", store, "--json").json
    assert done["removed"] == 198
    assert len(Collection.open(store)) == before - 198
    assert (
        Path(done["table"]).read_text(encoding="utf-8").splitlines(keepends=True)[0] == "id\tkept_id\trna_type\tmd5\n"
    )
    assert run("dedupe", store).out.startswith("No molecule of 411")


def test_split(store, run):
    answer = run("split", store, "--identity", 0.8, "--ratios", "8:1:1", "--seed", 3)
    assert answer.code == 0, answer
    assert "near copy in train, by a second search: 0 of" in answer.out
    assert str(store / "split-split.json") in answer.out
    said = run("split", store, "--column", "second", "--where", "rna_type = 'tRNA'", "--json").json
    assert said == {**json.loads((store / "split-second.json").read_text()), "report": str(store / "split-second.json")}
    assert Collection.open(store).count("second IS NOT NULL AND rna_type <> 'tRNA'") == 0


def test_sample(store, tmp_path, run):
    answer = run("sample", store, "--per-type", 5, "--to", tmp_path / "small")
    assert answer.code == 0, answer
    assert "fewer than 5: " in answer.out
    said = run("sample", store, "--per-type", 5, "--to", tmp_path / "again", "--json").json
    assert said["molecules"] == len(Collection.open(tmp_path / "again")) == len(Collection.open(tmp_path / "small"))
    assert said["fewer"].keys() == {name for name, count in said["taken"].items() if count < 5}


def test_mistakes(store, tmp_path, refused):
    refused(["split", store, "--ratios", "8:1"], "'8:1'", "such as 8:1:1")
    refused(["split", store, "--ratios", "0:1:1"], "0:1:1", "such as 8:1:1")
    refused(["split", store, "--ratios", "1e308:1e308:1"], "1e+308:1e+308:1", "such as 8:1:1")
    refused(["split", store, "--ratios", "a:b:c"], "'a:b:c'")
    refused(["split", store, "--identity", 0], "from 0.7 to 1")
    refused(["split", store, "--identity", 1.2], "from 0.7 to 1")
    refused(["split", store, "--engine", "blast"], "--engine", "mmseqs")
    refused(["split", store, "--column", "sequence"], "'sequence' is a column")
    refused(["split", store, "--column", "a.b"], "'a.b'")
    refused(["split", store, "--where", "no_such = 1"], "no_such")
    refused(["sample", store, "--per-type", 5, "--to", store], "exists", "Choose a new name")
    for command in (["dedupe"], ["split"], ["sample", "--per-type", 1, "--to", tmp_path / "new"]):
        refused([command[0], tmp_path / "nowhere", *command[1:]], "There is no collection", "nowhere")
