import csv
import json

import pytest
import torch

from ribospace.collection import Collection
from ribospace.models import checkpoint
from ribospace.models.surrogate import Surrogate, SurrogateConfig
from ribospace.sources.fasta import read_fasta
from ribospace.training.state import alone
from tests.faults.cases import QUICK, TINY, TINY_DENOISER, TINY_LATENT
from tests.generation.conftest import WINDOW, small_generator


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A generator with a surrogate, both with random weights."""
    torch.manual_seed(0)
    config = SurrogateConfig(
        "1", 4, 6, WINDOW, 8, 2, 1, ("mfe", "gc", "length"), ("kcal/mol per nt", "share", "nt"), ("rRNA", "tRNA"), True
    )
    generator = small_generator()
    generator.give(Surrogate(config).eval())
    folder = tmp_path_factory.mktemp("generator") / "small"
    checkpoint.save(generator, folder, "small", {"data": {"collection": "nowhere"}})
    return folder


@pytest.fixture
def natural(tmp_path, run):
    (tmp_path / "n.fasta").write_text(">one\nGGGAAACCC\n>two\nACGUACGUAC\n>three\nUUUUUUUU\n")
    assert run("import", tmp_path / "n.fasta", "--to", tmp_path / "natural").code == 0
    return tmp_path / "natural"


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_molecules_table_and_config(run, model, natural, tmp_path):
    out = tmp_path / "new.fasta"
    answer = run("generate", "--model", model, "-n", 6, "--steps", 2, "--against", natural, "--out", out)
    assert answer.code == 0, answer.err
    rows = rows_of(tmp_path / "new.tsv")
    records = [record for batch in read_fasta(out) for record in batch.to_pylist()]
    assert [row["sequence"] for row in rows] == [record["sequence"] for record in records]
    assert {row["nearest"] for row in rows} <= {"one", "two", "three"}
    assert {row["type"] for row in rows} <= {"rRNA", "tRNA"}
    said = json.loads((tmp_path / "new.json").read_text())
    assert said["seed"] == 0
    assert said["model"] == checkpoint.load(model, type(small_generator())).revision
    assert not list(tmp_path.glob("*.generating"))
    assert "Wrote" in answer.out


def test_the_same_seed_gives_the_same_file(run, model, tmp_path):
    for name, seed, batch in (("a", 5, 2), ("b", 5, 6), ("c", 6, 6)):
        arguments = ["--steps", 2, "--seed", seed, "--batch", batch, "--out", tmp_path / f"{name}.fasta"]
        assert run("generate", "--model", model, "-n", 6, *arguments).code == 0
    a, b, c = ((tmp_path / f"{name}.fasta").read_text() for name in "abc")
    assert a == b != c


def test_rewards_have_their_columns(run, model, tmp_path):
    rewards = ["--reward", "mfe", "--reward", "gc=0.5:2", "--strength", 2]
    answer = run("generate", "--model", model, "-n", 3, "--steps", 2, *rewards, "--out", tmp_path / "a.fasta", "--json")
    assert answer.json["written"] == 3
    for row in rows_of(tmp_path / "a.tsv"):
        energy, length = float(row["mfe"]), int(row["length"])
        assert float(row["mfe_per_nt"]) == pytest.approx(energy / length, abs=1e-3)
        strong = row["sequence"].count("G") + row["sequence"].count("C")
        assert float(row["gc"]) == pytest.approx(strong / length, abs=1e-4)
        assert float(row["gc_predicted"])
    assert json.loads((tmp_path / "a.json").read_text())["rewards"] == ["mfe", "gc=0.5:2.0"]


def test_a_structure_has_its_length(run, model, tmp_path):
    structure = "((((....))))"
    arguments = ["--reward", f"structure={structure}", "--steps", 2, "--out", tmp_path / "a.fasta"]
    assert run("generate", "--model", model, "-n", 3, *arguments).code == 0
    assert {int(row["length"]) for row in rows_of(tmp_path / "a.tsv")} == {len(structure)}
    assert {0 <= float(row["structure_similarity"]) <= 1 for row in rows_of(tmp_path / "a.tsv")} == {True}


def test_a_run_that_was_interrupted_goes_on(run, model, tmp_path, monkeypatch):
    from ribospace.generation import run as runs

    monkeypatch.setattr(runs, "PART", 2)
    part, done = runs._part, []

    def dying(*given):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(part(*given))
        return done[-1]

    command = ["generate", "--model", model, "-n", 6, "--steps", 2, "--out", tmp_path / "a.fasta"]
    monkeypatch.setattr(runs, "_part", dying)
    assert run(*command).code == 1
    assert not (tmp_path / "a.fasta").exists()
    monkeypatch.setattr(runs, "_part", part)
    assert run(*command).code == 0
    assert run(*command[:-1], tmp_path / "b.fasta").code == 0
    assert (tmp_path / "a.tsv").read_text() == (tmp_path / "b.tsv").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rna-type", "tRNAs"], ["tRNAs", "tRNA"]),
        (["--length", "31:40"], ["--length", "30 nt"]),
        (["--length", "abc"], ["--length", "70:80"]),
        (["--template", "GGXZ"], ["template", "'Z'"]),
        (["--template", "N" * 31], ["31 nt", "30 nt"]),
        (["--template", "NNNN", "--length", "5:6"], ["4 nt", "5:6"]),
        (["--template", "NNNN", "--start", "GGAC"], ["--template", "--start"]),
        (["--start", "G" * 31], ["31 nt"]),
        (["--start", "GZ"], ["Z"]),
        (["--start", "GGAC", "--noise", "0"], ["--noise"]),
        (["--reward", "mfee"], ["mfee", "mfe"]),
        (["--reward", "type=mRNA"], ["mRNA"]),
        (["--reward", "type=tRNA", "--rna-type", "tRNA"], ["A type and", "the reward type"]),
        (["--reward", "length=10", "--length", "5:6"], ["A length or template", "the reward length"]),
        (["--reward", "structure=((..)"], ["bracket"]),
        (["--sampler", "euler"], ["euler"]),
        (["--sampler", "ddim", "--steps", "101"], ["101", "100"]),
        (["--reward-model", "nowhere/at/all"], ["nowhere/at/all"]),
        (["--against", "nowhere"], ["nowhere"]),
    ],
)
def test_mistakes_get_one_sentence(refused, model, tmp_path, arguments, words):
    refused(["generate", "--model", model, "-n", 2, *arguments, "--out", tmp_path / "a.fasta"], *words)
    assert not list(tmp_path.iterdir())


def test_a_reward_of_another_latent_model_is_refused(refused, model, tmp_path):
    config = SurrogateConfig("2", 4, 6, WINDOW, 8, 2, 1, ("half_life",), ("h",))
    checkpoint.save(Surrogate(config), tmp_path / "reward", "reward", {})
    arguments = ["generate", "--model", model, "-n", 2, "--out", tmp_path / "a.fasta", "--reward-model"]
    refused([*arguments, tmp_path / "reward"], "revision 2", "has 1")
    config = SurrogateConfig("1", 5, 6, WINDOW, 8, 2, 1, ("half_life",), ("h",))
    checkpoint.save(Surrogate(config), tmp_path / "other", "reward", {})
    refused([*arguments, tmp_path / "other"], "5 latents")


def test_a_table_of_ones_own_beside_the_fasta_is_not_lost(run, refused, model, tmp_path):
    command = ["generate", "--model", model, "-n", 2, "--steps", 2, "--out", tmp_path / "a.fasta"]
    (tmp_path / "a.tsv").write_text("mine\n")
    refused(command, "a.tsv")
    assert (tmp_path / "a.tsv").read_text() == "mine\n"
    (tmp_path / "a.tsv").unlink()
    assert [run(*command).code for _ in range(2)] == [0, 0]  # one's own earlier run is written over


def test_other_models_are_refused(refused, model, tmp_path):
    refused(["generate", "--model", tmp_path, "-n", 2, "--out", tmp_path / "a.fasta"], "no model")
    refused(["generate", "--model", model, "-n", 2, "--out", tmp_path / "a.txt"], ".fasta")
    Collection.create(tmp_path / "c")
    refused(["embed", tmp_path / "c", "--model", model], "generator", "train latent")


def test_training_writes_a_generator_that_generates(run, refused, tmp_path):
    data, latent = tmp_path / "data", tmp_path / "latent"
    assert run("import", "sample", "--to", data).code == 0
    encoder = ["train", "autoencoder", "--data", data, "--out", tmp_path / "ae", *TINY, *QUICK]
    assert run(*encoder).code == 0
    reads = ["--encoder", tmp_path / "ae", *TINY_LATENT, *QUICK]
    assert run("train", "latent", "--data", data, "--out", latent, *reads).code == 0
    command = ["train", "diffusion", "--data", data, "--latent", latent, "--out", tmp_path / "gen"]
    with alone(tmp_path / "gen.training"):
        refused(command, "Another training")
    answer = run(*command, *TINY_DENOISER, *QUICK, "--json")
    assert answer.code == 0, answer.err
    known = answer.json["figures"]["rewards"]["values"]["gc"]
    assert known["molecules"] > 0
    assert f"| `gc` | R² {known['r2']:.3f}, " in (tmp_path / "gen" / "README.md").read_text(encoding="utf-8")
    assert run("generate", "--model", tmp_path / "gen", "-n", 2, "--steps", 2, "--out", tmp_path / "a.fasta").code == 0
    assert len(rows_of(tmp_path / "a.tsv")[0]["nearest"]) > 0
