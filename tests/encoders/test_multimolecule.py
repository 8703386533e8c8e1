"""Models of multimolecule: named and refused without the package; equal to the package's own where it is installed."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import torch

from ribospace.alphabet import tokenize
from ribospace.batching import cut_windows
from ribospace.encoders import find_encoder
from ribospace.encoders import multimolecule as adapter
from ribospace.errors import UserError

there = importlib.util.find_spec("multimolecule") is not None
needs_package = pytest.mark.skipif(not there, reason="multimolecule is not installed: pip install 'ribospace[peers]'")
SEQUENCES = ["A", "ACGU", "GGGGAUUAGCUCAGUUGGUAGAGC", "ACGUN", "GCCGAUUAGC", "CCGAUUAGCU", "U" * 24]
KINDS = {
    "RiNALMo": {},
    "RnaBert": {},
    "ErnieRna": {},
    "UtrLm": {},
    "SpliceBert": {},
    "RnaErnie": {},
}
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


# -------------------------------------------------------------------- without the package


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "rinalmo"}')
    for name in ("vocab.txt", "model.safetensors"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_the_package_that_is_missing_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "multimolecule", None)
    with pytest.raises(
        UserError, match=r"needs multimolecule, which is not installed: pip install 'ribospace\[peers\]'"
    ):
        find_encoder(str(folder))


def test_a_file_that_is_missing_is_named(folder):
    (folder / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"vocab\.txt"):
        find_encoder(str(folder))


def test_the_hub_is_asked_with_the_revision(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(adapter, "hub_folder", lambda name, files: (asked.append((name, files)), folder)[1])
    monkeypatch.setitem(sys.modules, "multimolecule", None)
    for name in ("multimolecule/rinalmo-giga", "multimolecule/utrlm@v1:3"):
        with pytest.raises(UserError, match="ribospace"):
            find_encoder(name)
    assert [one for one, _ in asked] == ["multimolecule/rinalmo-giga", "multimolecule/utrlm@v1"]
    assert asked[0][1] == ("config.json", "vocab.txt", "model.safetensors")
    assert adapter._found("multimolecule/rinalmo-giga@v1")[2] == f"multimolecule/rinalmo-giga@{folder.name}"


# -------------------------------------------------------------------- with it


def made(kind, folder, task=None, **more):
    """A tiny random checkpoint as multimolecule writes it; the network inside."""
    import multimolecule

    torch.manual_seed(0)
    tokenizer = multimolecule.RnaTokenizer()
    config = getattr(multimolecule, f"{kind}Config")(**{"vocab_size": len(tokenizer), **SIZES, **more})
    model = getattr(multimolecule, f"{kind}{task or 'Model'}")(config).eval()
    for value in model.parameters():  # some begin at zero, which would hide that they are not read
        value.data += 0.05 * torch.randn_like(value)
    model.save_pretrained(folder)
    tokenizer.save_vocabulary(str(folder))
    return model, tokenizer


def theirs(model, tokenizer, sequence, layer=None):
    given = tokenizer([sequence], return_tensors="pt")
    with torch.inference_mode():
        out = getattr(model, "model", model)(**given, output_hidden_states=True)
    return (out.last_hidden_state if layer is None else out.hidden_states[layer])[0].numpy()


@needs_package
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["Model", "ForSequencePrediction"])
def test_equal_to_the_package(kind, task, tmp_path):
    model, tokenizer = made(kind, tmp_path, task)
    encoder, first = find_encoder(str(tmp_path)), find_encoder(str(tmp_path), "first")
    vectors = encoder.encode(tokenize(SEQUENCES))
    for number, (sequence, tokens) in enumerate(
        zip(SEQUENCES, encoder.token_embeddings(tokenize(SEQUENCES)), strict=True)
    ):
        true = theirs(model, tokenizer, sequence)
        np.testing.assert_allclose(tokens, true[1:-1], atol=1e-5)
        np.testing.assert_allclose(vectors[number], true[1:-1].mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(first.encode(tokenize([sequence]))[0], true[0], atol=1e-5)
    layer = find_encoder(f"{tmp_path}:1")
    expected = theirs(model, tokenizer, SEQUENCES[2], 1)[1:-1].mean(axis=0)
    np.testing.assert_allclose(layer.encode(tokenize([SEQUENCES[2]]))[0], expected, atol=1e-5)
    assert layer.column == f"{encoder.column}_layer1"
    assert find_encoder(f"{tmp_path}:2").column == encoder.column
    assert find_encoder(layer.location).revision == layer.revision == encoder.revision


@needs_package
@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_is_the_molecules_own(kind, tmp_path):
    made(kind, tmp_path)
    encoder = find_encoder(str(tmp_path))
    sequences = [*SEQUENCES, "ACGUU" * 30, "".join(SEQUENCES)]
    together = encoder.encode(tokenize(sequences))
    np.testing.assert_allclose(encoder.encode(tokenize(sequences[::-1]))[::-1], together, atol=1e-5)
    for sequence, vector in zip(sequences, together, strict=True):
        np.testing.assert_allclose(encoder.encode(tokenize([sequence]))[0], vector, atol=1e-5)
        np.testing.assert_array_equal(
            encoder.encode(tokenize([sequence.lower().replace("u", "t")])), encoder.encode(tokenize([sequence]))
        )


@needs_package
def test_long_molecules_are_cut(tmp_path):
    made("RnaBert", tmp_path)
    encoder, long = find_encoder(str(tmp_path)), tokenize(["ACGGU" * 50])
    assert encoder.window == 60
    windows, _ = cut_windows(long, 60, 15)
    each = encoder.encode(windows)
    np.testing.assert_allclose(encoder.encode(long)[0], np.average(each, axis=0, weights=windows.lengths), atol=1e-5)
    assert next(encoder.token_embeddings(long)).shape == (250, 24)


@needs_package
def test_letters_are_found_by_name(tmp_path):
    """Another order of vocab.txt, with the rows of the table in that order, is the same model."""
    from safetensors.torch import load_file, save_file

    made("SpliceBert", tmp_path)
    expected = find_encoder(str(tmp_path)).encode(tokenize(SEQUENCES))
    vocabulary = (tmp_path / "vocab.txt").read_text().split()
    order = np.random.default_rng(0).permutation(len(vocabulary))
    order = [0, *(one for one in order if one)]  # what pads stays in front, as the config says where it is
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary[one] for one in order))
    tensors = load_file(tmp_path / "model.safetensors")
    key = next(key for key in tensors if key.endswith("word_embeddings.weight"))
    save_file(tensors | {key: tensors[key][order].contiguous()}, tmp_path / "model.safetensors")
    np.testing.assert_allclose(find_encoder(str(tmp_path)).encode(tokenize(SEQUENCES)), expected, atol=1e-6)


@needs_package
def test_what_is_no_whole_model_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    made("RiNALMo", tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    key = next(key for key in tensors if "layer.1" in key and key.endswith("weight"))
    bare = key.removeprefix("model.")
    save_file({name: one for name, one in tensors.items() if name != key}, path)
    with pytest.raises(UserError, match=rf"no whole rinalmo: .*{bare} missing"):
        find_encoder(str(tmp_path))
    save_file(tensors | {"encoder.more": torch.ones(2)}, path)
    with pytest.raises(UserError, match=r"encoder\.more unexpected"):
        find_encoder(str(tmp_path))
    path.write_bytes(b"damaged")
    with pytest.raises(UserError, match="is damaged"):
        find_encoder(str(tmp_path))
    save_file(tensors, path)
    with pytest.raises(UserError, match="no layer 9"):
        find_encoder(f"{tmp_path}:9")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "nothing"}))
    with pytest.raises(UserError, match="multimolecule has no model 'nothing'"):
        find_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "vocab.txt").write_text("<pad>\n<cls>\n<eos>\n<unk>\nAAA\nAAC")
    with pytest.raises(UserError, match="lacks A, C, G, U"):
        find_encoder(str(tmp_path))
