"""Latent models trained, asked and decoded from the command line; encoders that do not belong to them."""

import json

import numpy as np
import pytest

from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.collection.token_table import TokenTable
from ribospace.encoders import find_encoder
from ribospace.encoders.latent import LatentEncoder, TokenCache, token_reader
from ribospace.encoders.random import random_encoder
from ribospace.errors import UserError
from ribospace.models.rnafm import RnaFmConfig
from ribospace.sources.sample import read_sample

REFERENCE = "tests/reference/rnafm"
SETTINGS = [
    "model.queries=4", "model.width=8", "model.reader_width=32", "model.decoder_width=16", "model.feedforward=32",
    "model.window=60", "optimizer.steps=6", "optimizer.token_budget=1024", "optimizer.precision=fp32",
]  # fmt: skip


def settings(*more):
    return [word for one in (*SETTINGS, *more) for word in ("--set", one)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Collection.create(tmp_path_factory.mktemp("latent") / "sample")
    store.append(read_sample())
    return store


@pytest.fixture(scope="module")
def model(store, tmp_path_factory):
    from ribospace.cli import app

    out = tmp_path_factory.mktemp("model") / "latent"
    words = ["train", "latent", "--data", str(store.path), "--encoder", "random", "--out", str(out)]
    app.app([*words, *settings("objective.classes=0.1")], standalone_mode=False)
    return out


def test_it_is_an_encoder_like_any_other(model, run, store):
    summary, latents = find_encoder(str(model)), find_encoder(str(model), "latents")
    assert (summary.width, latents.width, summary.pooling, latents.pooling) == (8, 32, "summary", "latents")
    tokens = tokenize(["ACGU", "GGGGAUUAGCUCAGUUGGUAGAGC", "ACGGU" * 40])
    together = summary.encode(tokens)
    for row in range(3):
        np.testing.assert_allclose(summary.encode(tokens.take(np.array([row])))[0], together[row], atol=1e-5)
    said = run("embed", store.path, "--model", model, "--json").json
    assert said["column"] == "latent_summary"
    found = run("search", store.path, "--model", model, "--query", "GGGGAUUAGCUCAGUUGGUAGAGC", "-k", "2", "--json").json
    assert found["embedding"] == "latent_summary"
    with pytest.raises(UserError, match="Unknown pooling 'mean'"):
        find_encoder(str(model), "mean")
    with pytest.raises(UserError, match="embeds molecules"):
        next(iter(summary.token_embeddings(tokens)))


def test_what_was_embedded_is_decoded(model, run, refused, store, tmp_path):
    run("embed", store.path, "--model", model, "--pool", "latents")
    said = run(
        "decode", store.path, "--model", model, "--out", tmp_path / "d.fasta", "--where", "length < 90", "--json"
    )
    records = (tmp_path / "d.fasta").read_text().split(">")[1:]
    short = store.table(["id", "sequence"], "length <= 60")
    assert said.json["written"] == len(records) == len(short)
    assert said.json["left_out"] == store.count("length < 90") - len(short)
    encoder = LatentEncoder(model, "latents")
    direct = encoder.write(encoder.latents(tokenize(short["sequence"])))
    assert [one.split("\n")[1] for one in records] == direct
    vectors = encoder.encode(tokenize(short["sequence"]))
    for shape in (vectors.shape, (len(short), 4, 8)):
        np.save(tmp_path / "v.npy", vectors.reshape(shape))
        run("decode", tmp_path / "v.npy", "--model", model, "--out", tmp_path / "e.fasta")
        assert [one.split("\n")[1] for one in (tmp_path / "e.fasta").read_text().split(">")[1:]] == direct
    np.save(tmp_path / "v.npy", vectors[:, :5])
    refused(["decode", tmp_path / "v.npy", "--model", model, "--out", tmp_path / "f.fasta"], "4 latents of 8", "(")
    assert not (tmp_path / "f.fasta").exists()
    np.save(tmp_path / "v.npy", vectors.reshape(-1, 8, 4))
    refused(["decode", tmp_path / "v.npy", "--model", model, "--out", tmp_path / "f.fasta"], "4 latents of 8")
    np.save(tmp_path / "v.npy", vectors.astype(np.float64) * 1e300)
    refused(["decode", tmp_path / "v.npy", "--model", model, "--out", tmp_path / "f.fasta"], "finite")
    refused(["train", "latent", "--data", store.path, "--encoder", model, "--out", model], "its decoder would be lost")
    refused(["decode", store.path, "--model", model, "--out", tmp_path / "f.npy"], "f.npy ends in none")
    refused(["decode", tmp_path / "x", "--model", model, "--out", tmp_path / "f.fasta"], "no file and no collection")


def test_roundtrip_shows_every_letter(model, run, refused, tmp_path):
    (tmp_path / "two.fasta").write_text(">a\nACGUACGU\n>b\nGGGCCCAAAUUU\n")
    said = run("roundtrip", tmp_path / "two.fasta", "--model", model)
    assert "a, 8 nt, errors:" in said.out
    assert "Character error rate" in said.out
    answer = run("roundtrip", "GGGCCC", "--model", model, "--json").json
    assert answer["molecules"][0]["true"] == "GGGCCC"
    refused(["roundtrip", "ACGU" * 20, "--model", model], "the sequence has 80 nt", "at most 60")
    (tmp_path / "two.fasta").write_text(f">a\nACGUACGU\n>b\n{'A' * 61}\n")
    refused(["roundtrip", tmp_path / "two.fasta", "--model", model], "two.fasta, record 2 ('b') has 61 nt")
    refused(["roundtrip", "ACGX!", "--model", model], "not a letter")
    refused(["roundtrip", "ACGU", "--model", tmp_path / "none"], "There is no model")


def test_interpolation_says_what_each_step_is(model, run, refused, store):
    said = run("interpolate", "GGGGAAAACCCC", "ACGUACGU", "--model", model, "--steps", "5", "--json").json
    assert [row["share"] for row in said["steps"]] == [0, 0.25, 0.5, 0.75, 1]
    encoder = LatentEncoder(model, "latents")
    ends = encoder.write(encoder.latents(tokenize(["GGGGAAAACCCC", "ACGUACGU"])))
    assert [said["steps"][0]["sequence"], said["steps"][-1]["sequence"]] == ends
    for row in said["steps"]:
        assert row["type"] in LatentEncoder(model).model.config.classes
        assert len(row["structure"]) in (0, len(row["sequence"]))
    ids = store.table(["id"], "length < 60", limit=2)["id"].to_pylist()
    assert "of the way" in run("interpolate", *ids, "--data", store.path, "--model", model).out
    refused(["interpolate", "ACGU", "no such", "--data", store.path, "--model", model], "no molecule of this id")


def test_judged_on_a_split(model, run, store, tmp_path):
    report = run(
        "evaluate", model, "--data", store.path, "--out", tmp_path / "report", "--where", "length<60", "--json"
    )
    assert report.json["rewritten"]["cer"] >= 0
    assert report.json["rewritten"]["by_length"]


def test_an_asked_encoder_and_its_cache(store, run, refused, tmp_path):
    """RNA-FM is asked, not trained; from a cache it gives the same, and another one in its place is refused."""
    words = ["train", "latent", "--data", store.path, "--encoder", REFERENCE]
    run(*words, "--out", tmp_path / "plain", *settings("data.where=length<90"))
    cache = tmp_path / "cache.lance"
    run(*words, "--out", tmp_path / "cached", "--cache", cache, *settings("data.where=length<90"))
    figures = [json.loads((tmp_path / one / "config.json").read_text())["figures"] for one in ("plain", "cached")]
    assert abs(figures[0]["last_loss"] - figures[1]["last_loss"]) < 1e-2
    assert len(TokenTable.open(cache)) > 50
    encoder = LatentEncoder(tmp_path / "cached")
    assert encoder.encode(tokenize(["ACGU" * 30])).shape == (1, 8)
    config = json.loads((tmp_path / "cached" / "config.json").read_text())
    config["encoder"]["revision"] = "another"
    (tmp_path / "cached" / "config.json").write_text(json.dumps(config))
    refused(["embed", store.path, "--model", tmp_path / "cached"], "do not belong together", "revision another")
    refused([*words, "--out", tmp_path / "x", *settings("encoder.frozen=false")], "cannot be trained along")
    refused(["train", "latent", "--data", store.path, "--encoder", "kmer3", "--out", tmp_path / "x"], "alone")
    refused(
        ["train", "latent", "--data", store.path, "--encoder", "random", "--cache", cache, "--out", tmp_path / "x"],
        "leave --cache out",
    )


def test_the_cache_gives_what_the_encoder_does(tmp_path):
    import torch

    encoder = random_encoder(config=RnaFmConfig(layers=1, width=8, heads=2, feedforward=16))
    direct, cache = token_reader(encoder), TokenCache(encoder, str(tmp_path / "t.lance"))
    tokens = torch.from_numpy(tokenize(["ACGU", "GG", "ACGU", "GGGAAAC"]).padded()).long()
    for again in range(3):
        torch.testing.assert_close(cache(tokens), direct(tokens), atol=2e-3, rtol=1e-2)
        cache.write()
        if again == 1:
            cache = TokenCache(encoder, str(tmp_path / "t.lance"))
    assert len(TokenTable.open(tmp_path / "t.lance")) == 3


def test_one_class_is_nothing_to_tell_apart(store, refused, tmp_path):
    words = ["train", "latent", "--data", store.path, "--encoder", "random", "--out", tmp_path / "x"]
    refused([*words, *settings("objective.classes=1", "data.where=rna_type='tRNA'")], "nothing to tell apart")
    refused([*words, *settings("objective.letters=1")], "written", "described")
    refused([*words[:5], "nothing", "--out", tmp_path / "x"], "no model 'nothing'")
