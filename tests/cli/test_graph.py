import json

import pytest
from typer.testing import CliRunner

from ribospace.cli import app as commands
from ribospace.collection import Collection
from ribospace.sources.sample import read_sample

pytest.importorskip("torch_geometric")
FEW = ["--set", "optimizer.steps=4", "--set", "optimizer.token_budget=64"]


def run(*arguments):
    found = CliRunner().invoke(commands.app, list(map(str, arguments)))
    return found, found.output + str(found.exception or "")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    Collection.create(str(folder / "rnas")).append(read_sample())
    found, said = run(
        "train", "graph", "--data", folder / "rnas", "--model", "kmer2", "--out", folder / "refined", *FEW
    )
    assert found.exit_code == 0, said
    assert "Joined" in said
    assert "chance 0.5" in said
    return folder


def test_the_refined_vectors_are_embedded_and_compared(place):
    found, said = run("embed", place / "rnas", "--model", place / "refined")
    assert found.exit_code == 0, said
    mean = ["--set", "graph.refine=mean"]
    found, said = run("train", "graph", "--data", place / "rnas", "--model", "kmer2", "--out", place / "mean", *mean)
    assert found.exit_code == 0, said
    models = f"kmer2,{place / 'mean'},{place / 'refined'}"
    found, said = run(
        "compare", place / "rnas", "--models", models, "--limit", 60, "--out", place / "compared", "--json"
    )
    assert found.exit_code == 0, said
    assert len(json.loads(found.stdout)["rows"]) == 3


def test_which_neighbours_mattered(place):
    found, said = run("attended", "U00096.2/191-310", "--model", place / "refined", "--data", place / "rnas", "--json")
    assert found.exit_code == 0, said
    rows = json.loads(found.stdout)["neighbours"]
    weights = [row["attention"] for row in rows]
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) == pytest.approx(1, abs=0.01)
    assert all(row["rna_type"] for row in rows)
    found, said = run("attended", "ACGUACGUGGGAAA", "--model", place / "refined")
    assert "attention" in said


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["attended", "hello", "--model", "REFINED"], "An id needs its collection: --data"),
        (["attended", "ACGU", "--model", "nothing"], "holds no model"),
        (["train", "graph", "--data", "RNAS", "--model", "kmer2", "--out", "NEW", "--set", "graph.edge=both"], "edges"),
        (
            ["train", "graph", "--data", "RNAS", "--model", "REFINED", "--out", "REFINED"],
            "is the encoder that is refined",
        ),
        (["train", "graph", "--data", "RNAS", "--model", "nothing", "--out", "NEW"], "There is no model 'nothing'"),
        (
            ["train", "graph", "--data", "RNAS", "--model", "kmer2", "--out", "NEW", "--set", "graph.heads=0"],
            "1 or more",
        ),
        (["generate", "--model", "REFINED", "--out", "NEW.fasta"], "a graph of `ribospace train graph`"),
        (["heads", "ACGU", "ACGA", "--model", "REFINED", "--out", "NEW"], "has no attention heads"),
    ],
)
def test_mistakes_are_said(place, arguments, what):
    known = {
        "REFINED": place / "refined",
        "RNAS": place / "rnas",
        "NEW": place / "new",
        "NEW.fasta": place / "new.fasta",
    }
    found, said = run(*[known.get(one, one) for one in arguments])
    assert found.exit_code != 0
    assert what in said
    assert not (place / "new").exists()
