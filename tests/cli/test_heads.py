import json

import pytest
from typer.testing import CliRunner

from ribospace.cli import app as commands
from ribospace.sources.sample import read_sample


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    from ribospace.collection import Collection

    place = tmp_path_factory.mktemp("heads") / "rnas"
    store = Collection.create(str(place))
    store.append(read_sample())
    return str(place)


def run(*arguments):
    return CliRunner().invoke(commands.app, ["heads", *map(str, arguments)])


def test_two_molecules_are_compared_head_by_head(tmp_path):
    same, other = "GGGGAUUAGCUCAGUUGGUAGAGC", "GGGGAUUAGCUCAGUUGGUAGAGC"
    found = run(same, other, "--model", "random", "--out", tmp_path / "out", "--limit", 30, "--json")
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert [row["head"] for row in said["profile"]][:5] == ["1.1", "1.2", "1.3", "1.4", "2.1"]
    assert all(row["cosine"] == 1 and row["p"] < 0.01 for row in said["profile"])
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"results.json", "profile.tsv", "profile.png"}
    again = json.loads((tmp_path / "out" / "results.json").read_text())
    assert again == said
    assert again["seed"] == 0
    assert again["versions"]["ribospace"]


def test_molecules_by_their_ids(tmp_path, collection):
    one, other = "U00096.2/191-310", "U00096.2/14090-14167"
    found = run(one, other, "--data", collection, "--model", "random", "--out", tmp_path / "out", "--limit", 30)
    assert found.exit_code == 0, found.output
    assert "U00096.2/191-310 and U00096.2/14090-…, by random_0" in found.output


def test_a_collection(tmp_path, collection):
    found = run(collection, "--model", "random", "--out", tmp_path / "out", "--limit", 120)
    assert found.exit_code == 0, found.output
    said = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {"length", "GC"} <= {row["property"] for row in said["seen"]}
    assert all(not row["named"] or row["p"] <= 0.05 for row in said["seen"])
    assert said["clusters"] <= said["molecules"] == 120
    assert (tmp_path / "out" / "seen.png").exists()


def test_what_is_like_a_molecule_by_some_heads(tmp_path, collection):
    where = ["--model", "random", "--out", tmp_path / "out", "--limit", 60]
    found = run(collection, *where, "--like", "U00096.2/191-310", "--by", "1.2,3.1", "--contrast", "1.1,3.4", "--json")
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert len(said["alike"]) == 10
    assert "U00096.2/191-310" not in [row["id"] for row in said["alike"]]
    values = [row["similarity"] for row in said["alike"]]
    assert values == sorted(values, reverse=True)
    assert len(said["contrasts"]) == 10


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["ACGU", "ACGA", "--model", "kmer2"], "kmer2 has no attention heads"),
        (["ACGU", "ACGA", "--model", "nothing"], "There is no model 'nothing'"),
        (["ACGU", "hello", "--model", "random", "--limit", "5"], "An id needs its collection: --data"),
        (["ACGU", "ACGA", "--model", "random", "--like", "A"], "are of a collection, not of two molecules"),
        (["ACGU", "ACGA", "--model", "random", "--where", "length < 9"], "--where is of a collection"),
        (["COLLECTION", "--model", "random", "--data", "x"], "--data is of two molecules"),
        (["COLLECTION", "--model", "random", "--like", "ACGU"], "--like and --by go together"),
        (["COLLECTION", "--model", "random", "--like", "ACGU", "--by", "7.7"], "There is no head '7.7'"),
        (["COLLECTION", "--model", "random", "--contrast", "1.1"], "--contrast names two heads"),
        (["COLLECTION", "--model", "random", "--label", "colour"], "has no column 'colour'"),
        (["COLLECTION", "--model", "random", "--where", "length < 0"], "here are 0"),
        (["COLLECTION", "--model", "random", "--alignment", "nothing.sto"], "nothing.sto"),
    ],
)
def test_mistakes_are_said(tmp_path, collection, arguments, what):
    arguments = [collection if one == "COLLECTION" else one for one in arguments]
    found = run(*arguments, "--out", tmp_path / "out")
    said = found.output + str(found.exception)
    assert found.exit_code != 0
    assert what in said
    assert not (tmp_path / "out").exists()


def test_what_is_not_a_result_is_kept(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    found = run("ACGU", "ACGA", "--model", "random", "--out", tmp_path / "out")
    assert "is no result of heads" in found.output + str(found.exception)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
