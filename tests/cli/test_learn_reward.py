"""A reward learned from a table, as a user types it: what is said, what is written, what is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ribospace.alphabet import tokenize
from ribospace.encoders.latent import LatentEncoder
from ribospace.errors import UserError
from ribospace.generation.rewards import find_reward
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.latent import LatentAutoencoder, TokenSource
from ribospace.models.qformer import QFormerConfig
from ribospace.models.surrogate import Surrogate
from ribospace.sources.measured import read_measured

FEW = [word for one in ("fit.steps=60", "fit.learning_rate=5e-3", "model.hidden=32") for word in ("--set", one)]


def random_rnas(count, seed=0, longest=40):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(20, longest + 1, count)
    return ["".join(generator.choice(list("ACGU"), length, p=generator.dirichlet([5] * 4))) for length in lengths]


def written(path, header, rows):
    path.write_text("\n".join("\t".join(map(str, row)) for row in [header, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def latent(tmp_path_factory):
    torch.manual_seed(0)
    encoder = Autoencoder(AutoencoderConfig(width=8, heads=2, encoder_layers=1, feedforward=8))
    sizes = QFormerConfig(queries=4, width=8, reader_width=16, reader_heads=2, decoder_width=8, heads=2, window=40)
    folder = tmp_path_factory.mktemp("models") / "latent"
    checkpoint.save(LatentAutoencoder(sizes, TokenSource("mine", "r", "", 8), encoder), folder, "small", {})
    return folder


@pytest.fixture(scope="module")
def shares():
    """Molecules and what counts as a measurement of them: their share of G, in per cent."""
    sequences = random_rnas(400)
    return [(one, round(100 * one.count("G") / len(one), 3)) for one in sequences]


def test_learned_from_a_table(tmp_path, latent, shares, run):
    rows = [*shares, (shares[0][0], shares[0][1] + 2), ("A" * 60, 0), ("ACGUACGU", "")]
    table = written(tmp_path / "loading.tsv", ["sequence", "mrl"], rows)
    out = tmp_path / "reward"
    said = run("train", "reward", "--table", table, "--latent", latent, "--out", out, "--unit", "%", *FEW)
    assert said.code == 0, said
    for words in (
        "Left out 1 of 403 rows without a 'mrl'",
        "1 rows repeat a sequence: their 'mrl' is averaged",
        "Left out 1 molecules longer than 40 nt",
    ):
        assert words in said.err
    assert "Learned mrl from 320 molecules in 60 steps" in said.out
    assert "On 40 held out: R²" in said.out
    assert f"Wrote the reward and its card to {out}" in said.out
    assert sorted(file.name for file in out.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    about = json.loads((out / "config.json").read_text())
    assert about["property"]["name"] == "mrl"
    assert about["property"]["unit"] == "%"
    assert (
        about["latent"]["revision"] == about["config"]["latent"] == checkpoint.load(latent, LatentAutoencoder).revision
    )
    assert about["calibration"]["temperature"] > 0
    assert about["training"]["seed"] == 0
    assert "mrl in % of an RNA" in (out / "README.md").read_text(encoding="utf-8")
    assert "R² (0: no better than the mean)" in (out / "README.md").read_text(encoding="utf-8")


def test_it_steers_only_its_own_latent_model(tmp_path, latent, shares, run):
    table = written(tmp_path / "t.tsv", ["sequence", "value"], shares)
    out = tmp_path / "reward"
    found = run("train", "reward", "--table", table, "--latent", latent, "--out", out, "--json", *FEW).json
    assert found["figures"]["values"]["value"]["r2"] > 0.2
    revision = checkpoint.load(latent, LatentAutoencoder).revision
    reward = find_reward(f"{out}=30:2", latent=revision, shape=(4, 8))
    values = np.array([value for _, value in shares])
    assert reward.natural == pytest.approx((values.mean(), values.std()), rel=0.1)
    latents = LatentEncoder(latent, "latents").latents(tokenize([one for one, _ in shares]))
    assert np.corrcoef(reward.predicted(torch.from_numpy(latents)), values)[0, 1] > 0.4
    with pytest.raises(UserError, match=f"was made for revision {revision}"):
        find_reward(str(out), latent="another", shape=(4, 8))


def test_the_same_seed_gives_the_same_reward_and_a_name_is_kept(tmp_path, latent, shares, run):
    table = written(tmp_path / "t.tsv", ["sequence", "value"], shares[:120])
    quick = ["--table", table, "--latent", latent, "--set", "fit.steps=5", "--set", "name=mine"]
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("train", "reward", "--out", tmp_path / out, "--seed", seed, *quick).code == 0
    a, b, c = (checkpoint.load(tmp_path / one, Surrogate) for one in "abc")
    assert a.name == "mine"
    assert all(torch.equal(value, b.model.state_dict()[name]) for name, value in a.model.state_dict().items())
    assert not torch.equal(a.model.into.weight, c.model.into.weight)


def test_a_split_of_ones_own(tmp_path, latent, shares, run):
    words = ["train", "train", "train", "test", "held"]
    rows = [(*one, words[number % 5]) for number, one in enumerate(shares)]
    table = written(tmp_path / "t.tsv", ["sequence", "value", "part"], rows)
    arguments = ["train", "reward", "--table", table, "--latent", latent, "--out", tmp_path / "r", "--json"]
    said = run(*arguments, "--split", "part", "--set", "fit.steps=5")
    assert "Left out 80 molecules whose 'part' is none of train, validation, test" in said.err
    assert said.json["figures"]["molecules"] == {"training": 216, "validation": 24, "test": 80}
    assert "for validation, a tenth of train" in said.json["data"]["split"]


@pytest.mark.parametrize("ending", ["tsv", "csv", "parquet"])
def test_any_table_and_the_only_column_of_numbers(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    columns = {"name": ["a", "b", "c", "d"], "sequence": ["acg", "ACGT", "ACGU", "GG"], "mrl": [1.0, 2.0, 4.0, None]}
    if ending == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        rows = [list(columns), *zip(*columns.values(), strict=True)]
        separator = "," if ending == "csv" else "\t"
        path.write_text("\n".join(separator.join("" if one is None else str(one) for one in row) for row in rows))
    found = read_measured(path)
    assert (found.column, found.sequences, found.values.tolist()) == ("mrl", ["ACG", "ACGU"], [1, 3])
    assert (found.rows, found.missing, found.repeated) == (4, 1, 1)


@pytest.mark.parametrize(
    ("header", "change", "more", "words"),
    [
        (["sequence", "mrl"], lambda row: (row[0], "high"), [], ["no column 'value' and no column of numbers", "--value"]),
        (["seq", "value"], None, [], ["no column 'sequence'", "Did you mean seq"]),
        (["sequence", "value"], None, ["--value", "vlaue"], ["no column 'vlaue'", "Did you mean value"]),
        (["sequence", "value"], None, ["--split", "part"], ["no column 'part'"]),
        (["sequence", "a", "b"], lambda row: (*row, 1), [], ["several columns of numbers (a, b)", "--value COLUMN"]),
        (["sequence", "value"], lambda row: (row[0], "high"), [], ["record 1, column 'value': 'high' is no number"]),
        (["sequence", "value"], lambda row: (row[0], "inf"), [], ["record 1, column 'value': infinite"]),
        (["sequence", "value"], lambda row: (row[0], 3), [], ["column 'value' is 3 in every row"]),
        (["sequence", "value"], lambda row: ("MEEPQ", row[1]), [], ["record 1, position 2: 'E' is not a letter of RNA"]),
        (["sequence", "value"], lambda row: (row[0] * 4, row[1]), [], ["has 0 different molecules of at most 40 nt"]),
        (["sequence", "value"], lambda row: ("ACGUACGUAA" * 3, row[1]), [], ["has 1 different molecules"]),
        (["sequence", "value", "part"], lambda row: (*row, "all"), ["--split", "part"], ["says all, never 'train'"]),
        (["sequence", "value"], None, ["--set", "model.hidden=33"], ["hidden 33 is not divisible"]),
        (["sequence", "value"], None, ["--set", "fit.step=3"], ["'step'", "Did you mean steps"]),
    ],
)  # fmt: skip
def test_tables_that_do_not_do(tmp_path, latent, shares, refused, monkeypatch, header, change, more, words):
    def never(*arguments, **more):
        raise AssertionError("work began")

    monkeypatch.setattr("ribospace.generation.train_reward.fit", never)
    rows = [change(one) if change else one for one in shares]
    table = written(tmp_path / "t.tsv", header, rows)
    refused(["train", "reward", "--table", table, "--latent", latent, "--out", tmp_path / "r", *more], *words)
    assert not (tmp_path / "r").exists()


def test_all_of_one_kind_cannot_be_held_out(tmp_path, latent, refused):
    """A scan of the mutants of one molecule is one cluster: nothing to judge by that is not a near copy."""
    wild = random_rnas(1, 5)[0][:20] * 2
    mutants = {wild[:place] + letter + wild[place + 1 :] for place in range(40) for letter in "ACGU"}
    table = written(tmp_path / "t.tsv", ["sequence", "value"], zip(sorted(mutants), range(len(mutants)), strict=True))
    arguments = ["train", "reward", "--table", table, "--latent", latent, "--out", tmp_path / "r"]
    refused(arguments, "near copies of each other", "'validation'", "--split COLUMN")


def test_columns_of_another_kind(tmp_path, latent, refused):
    lists = pa.table({"sequence": [[1.0]], "value": [1.0], "part": [[2.0]]})
    pq.write_table(lists, tmp_path / "t.parquet")
    words = ["--table", tmp_path / "t.parquet", "--latent", latent, "--out", tmp_path / "r"]
    refused(["train", "reward", *words], "column 'sequence' holds list<", "It must be text")
    pq.write_table(lists.set_column(0, "sequence", [["ACGU"]]), tmp_path / "t.parquet")
    refused(["train", "reward", *words, "--split", "part"], "column 'part' holds list<", "It must be text")


def test_places_that_do_not_do(tmp_path, latent, shares, refused):
    table = written(tmp_path / "t.tsv", ["sequence", "value"], shares)
    arguments = ["train", "reward", "--table", table, "--latent"]
    refused([*arguments, latent, "--out", tmp_path], "something other than a model")
    refused([*arguments, tmp_path, "--out", tmp_path / "r"], "holds no model")
    refused(
        ["train", "reward", "--table", tmp_path / "no.tsv", "--latent", latent, "--out", tmp_path / "r"],
        "does not exist",
    )
    (tmp_path / "t.xls").write_text("x")
    refused(
        ["train", "reward", "--table", tmp_path / "t.xls", "--latent", latent, "--out", tmp_path / "r"], ".tsv, .csv"
    )
    (tmp_path / "e.csv").write_text("")
    refused(
        ["train", "reward", "--table", tmp_path / "e.csv", "--latent", latent, "--out", tmp_path / "r"],
        "is empty",
    )
    (tmp_path / "p.parquet").write_text("x")
    refused(
        ["train", "reward", "--table", tmp_path / "p.parquet", "--latent", latent, "--out", tmp_path / "r"],
        "not a readable",
    )
