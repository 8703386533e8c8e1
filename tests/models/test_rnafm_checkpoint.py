"""RNA-FM's files: what is wrong with them is said, and nothing in them is run."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ribospace.alphabet import tokenize
from ribospace.errors import UserError
from ribospace.models import rnafm_checkpoint
from tests.hub_server import serving

FOLDER = Path(__file__).parent.parent / "reference" / "rnafm"
ORIGINAL = "RNA-FM_pretrained.pth"
TOKENS = torch.from_numpy(tokenize(["ACGURYKMSWBDHVN", "GGX"]).padded()).long()


@pytest.fixture
def hub(tmp_path):
    return Path(shutil.copytree(FOLDER / "hub", tmp_path / "hub"))


@pytest.fixture
def original(tmp_path):
    return Path(shutil.copy(FOLDER / ORIGINAL, tmp_path / ORIGINAL))


def without(mapping, key):
    return {one: value for one, value in mapping.items() if one != key}


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors) or tensors, folder / "model.safetensors")


def change_original(path, change):
    said = torch.load(path, weights_only=False)
    torch.save(change(said) or said, path)


@torch.inference_mode()
def vectors(place):
    return rnafm_checkpoint.load(place).model(TOKENS)


def refused(place, *words):
    with pytest.raises(UserError) as caught:
        rnafm_checkpoint.load(place)
    for word in words:
        assert word in str(caught.value), caught.value
    assert "\n" not in str(caught.value)


def test_places(hub, original):
    assert rnafm_checkpoint.load(hub).location == str(hub)
    assert rnafm_checkpoint.load(original).location == str(original)
    torch.testing.assert_close(vectors(hub), vectors(hub / "model.safetensors"))
    torch.testing.assert_close(vectors(original.parent), vectors(original))
    refused(original.parent / "nowhere", "does not exist")
    refused(original.parent / "nowhere.pth", "does not exist")
    (original.parent / "empty").mkdir()
    refused(original.parent / "empty", "no RNA-FM", ORIGINAL)


@torch.inference_mode()
def test_the_vocabulary_is_read_by_letter(hub):
    before = vectors(hub)
    vocabulary = (hub / "vocab.txt").read_text().split()
    order = torch.randperm(len(vocabulary), generator=torch.Generator().manual_seed(1))
    (hub / "vocab.txt").write_text("\n".join(vocabulary[number] for number in order) + "\n")

    def permute(tensors):
        for key, value in tensors.items():
            if len(value) == len(vocabulary):
                tensors[key] = value[order].contiguous()

    change_weights(hub, permute)
    torch.testing.assert_close(vectors(hub), before)


def test_what_an_encoder_does_not_use_is_ignored(hub):
    before = vectors(hub)

    def add(tensors):
        tensors["model.pooler.dense.weight"] = torch.randn(20, 20)
        tensors["model.embeddings.position_ids"] = torch.arange(102)[None]
        return {key: value for key, value in tensors.items() if not key.startswith("lm_head")}

    change_weights(hub, add)
    torch.testing.assert_close(vectors(hub), before)
    with pytest.raises(ValueError, match="no head"):
        rnafm_checkpoint.load(hub).model.logits(TOKENS)


def test_eps_is_that_of_training(hub):
    before = vectors(hub)
    config = json.loads((hub / "config.json").read_text()) | {"layer_norm_eps": 0.1}
    (hub / "config.json").write_text(json.dumps(config))
    torch.testing.assert_close(vectors(hub), before)


def test_revision_follows_the_files(hub):
    before = rnafm_checkpoint.load(hub).revision
    assert rnafm_checkpoint.load(hub).revision == before
    assert len(before) == 12
    change_weights(hub, lambda tensors: {key: value + 0.5 for key, value in tensors.items()})
    assert rnafm_checkpoint.load(hub).revision != before


def test_partial_and_strange_weights_are_named(hub, original):
    def spoil(tensors):
        for name in ("query", "key", "value"):
            del tensors[f"model.encoder.layer.1.attention.self.{name}.weight"]
        tensors["model.extra"] = torch.zeros(1)

    change_weights(hub, spoil)
    refused(hub, "encoder.layer.1.attention.self.query.weight missing", "and 1 more")
    change_original(original, lambda said: {**said, "model": without(said["model"], "encoder.layers.0.fc1.bias")})
    refused(original, "layers.0.fc1.bias missing")


def test_a_layer_too_many_or_too_few(hub, original):
    config = json.loads((hub / "config.json").read_text())
    (hub / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    refused(hub, "encoder.layer.1.attention.layer_norm.weight unexpected", "and 13 more")
    (hub / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    refused(hub, "encoder.layer.2.attention.layer_norm.weight missing", "and 13 more")
    (hub / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    refused(hub, "encoder.layer.0.intermediate.dense.weight is (40, 20), the config says (48, 20)")

    def without_args(said):
        return {"model": said["model"]}

    change_original(original, without_args)  # then it must be as large as the published one
    refused(original, "layers.2.self_attn_layer_norm.weight missing")


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda f: (f / "vocab.txt").unlink(), "vocab.txt"),
        (lambda f: (f / "config.json").unlink(), "config.json"),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "config.json").write_text('{"model_type": "rinalmo"}'), "not the config of an RNA-FM"),
        (lambda f: (f / "config.json").write_text('{"num_attention_heads": 7}'), "not divisible"),
        (lambda f: (f / "config.json").write_text('{"hidden_size": "wide"}'), "not an RNA-FM's"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x80\x04"), "damaged"),
        (lambda f: (f / "vocab.txt").write_text("<pad>\n<cls>\n"), "word_embeddings.weight is (28, 20)"),
        (lambda f: (f / "vocab.txt").write_text((f / "vocab.txt").read_text().replace("U", "T")), "lacks U"),
        (
            lambda f: change_weights(f, lambda t: t.update({"lm_head.decoder.weight": torch.zeros(28, 20)})),
            "one and the",
        ),
    ],
)
def test_damage_is_said(hub, damage, word):
    damage(hub)
    refused(hub, str(hub.name), word)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_with_code_is_refused_and_not_run(original, tmp_path):
    change_original(original, lambda said: said | {"args": Hostile(tmp_path / "ran")})
    refused(original, "more than weights")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"PK\x03\x04"])
def test_a_damaged_original_is_refused(original, content):
    original.write_bytes(content)
    refused(original, "damaged")


@pytest.mark.parametrize(
    "content", [[1, 2], {"weights": {}}, {"model": {}}, {"model": {"a": 3}, "args": argparse.Namespace()}]
)
def test_another_file_is_refused(original, content):
    torch.save(content, original)
    refused(original, "no ")


def test_args_may_be_a_mapping(original):
    before = vectors(original)
    change_original(original, lambda said: said | {"args": vars(said["args"])})
    torch.testing.assert_close(vectors(original), before)


def test_from_the_hub(tmp_path):
    program = (
        "from ribospace.models.rnafm_checkpoint import load; found = load(); print(found.revision, found.location)"
    )
    files = {path.name: path.read_bytes() for path in (FOLDER / "hub").iterdir()}
    with serving() as hub:
        commit = hub.add("multimolecule/rnafm", "main", files)
        said = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        for more in ({}, {"HF_HUB_OFFLINE": "1"}):
            done = subprocess.run(
                [sys.executable, "-c", program],
                capture_output=True,
                text=True,
                env=os.environ | said | more,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            revision, location = done.stdout.split()
            assert revision == rnafm_checkpoint.load(FOLDER / "hub").revision
            assert location == f"multimolecule/rnafm@{commit}"
