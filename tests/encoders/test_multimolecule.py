"""Models of multimolecule: named and refused without the package; equal to the package's own where it is installed."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from ribospace.alphabet import tokenize
from ribospace.encoders import find_encoder
from ribospace.encoders import multimolecule as adapter
from ribospace.errors import UserError
from tests.hub_server import serving

there = importlib.util.find_spec("multimolecule") is not None
needs_package = pytest.mark.skipif(not there, reason="multimolecule is not installed: pip install 'ribospace[peers]'")
SEQUENCES = ["A", "ACGU", "GGGGAUUAGCUCAGUUGGUAGAGC", "ACGUN", "GCCGAUUAGC", "CCGAUUAGCU", "U" * 24]
KINDS = ("RiNALMo", "RnaBert", "ErnieRna", "UtrLm", "SpliceBert", "RnaErnie", "RnaMsm")
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


def test_a_file_that_is_missing_is_named(folder, monkeypatch):
    monkeypatch.setattr(adapter, "_require_package", lambda source: None)
    (folder / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"vocab\.txt"):
        find_encoder(str(folder))


def test_the_hub_is_asked_with_the_revision(monkeypatch):
    asked = []

    def hub_folder(name, files):
        asked.append(name)
        assert set(files) == {"config.json", "vocab.txt", "model.safetensors"}
        raise UserError("not today")

    monkeypatch.setattr(adapter, "hub_folder", hub_folder)
    monkeypatch.setattr(adapter, "_require_package", lambda source: None)
    for name in ("multimolecule/rinalmo-giga", "multimolecule/utrlm-mrl@v1:3"):
        with pytest.raises(UserError, match="not today"):
            find_encoder(name)
    assert asked == ["multimolecule/rinalmo-giga", "multimolecule/utrlm-mrl@v1"]


def test_nothing_is_fetched_for_a_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(adapter, "hub_folder", lambda name, files: pytest.fail("fetched"))
    monkeypatch.setitem(sys.modules, "multimolecule", None)
    with pytest.raises(UserError, match="multimolecule/rinalmo-giga needs multimolecule, which is not installed"):
        find_encoder("multimolecule/rinalmo-giga")


def test_a_config_that_says_nonsense_is_refused(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "multimolecule", None)
    (folder / "config.json").write_text('{"model_type": ["rinalmo"]}')
    with pytest.raises(UserError):
        find_encoder(str(folder))


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
    found = (out.last_hidden_state if layer is None else out.hidden_states[layer])[0].numpy()
    return found.reshape(-1, found.shape[-1])  # RNA-MSM's layers have an axis for the alignment


@needs_package
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["Model", "ForMaskedLM", "ForPreTraining"])
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
    for number in range(3):
        layer = find_encoder(f"{tmp_path}:{number}")
        expected = theirs(model, tokenizer, SEQUENCES[2], number)[1:-1].mean(axis=0)
        np.testing.assert_allclose(layer.encode(tokenize([SEQUENCES[2]]))[0], expected, atol=1e-5)
    layer = find_encoder(f"{tmp_path}:1")
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
@pytest.mark.parametrize(
    ("kind", "more", "window"),
    [*((kind, {}, 62) for kind in KINDS), ("RiNALMo", {"position_embedding_type": "absolute"}, 60)],
)
def test_as_much_as_the_model_takes_is_read_whole(kind, more, window, tmp_path):
    model, tokenizer = made(kind, tmp_path, **more)
    encoder, whole = find_encoder(str(tmp_path)), ("ACGGU" * 13)[:window]
    assert encoder.window == window
    expected = theirs(model, tokenizer, whole)[1:-1].mean(axis=0)
    np.testing.assert_allclose(encoder.encode(tokenize([whole]))[0], expected, atol=1e-5)


@needs_package
def test_long_molecules_are_cut(tmp_path):
    """As by hand: windows of 62 nt, evenly laid, each read by the package itself."""
    model, tokenizer = made("RnaBert", tmp_path)
    encoder, long = find_encoder(str(tmp_path)), "".join(np.random.default_rng(0).choice(list("ACGU"), 140))
    starts = [0, 39, 78]
    assert starts[-1] + 62 == len(long)
    parts = [theirs(model, tokenizer, long[start : start + 62])[1:-1] for start in starts]
    np.testing.assert_allclose(encoder.encode(tokenize([long]))[0], np.mean(parts, axis=(0, 1)), atol=1e-5)
    sums, times = np.zeros((140, 24)), np.zeros((140, 1))
    for start, part in zip(starts, parts, strict=True):
        sums[start : start + 62] += part
        times[start : start + 62] += 1
    np.testing.assert_allclose(next(encoder.token_embeddings(tokenize([long]))), sums / times, atol=1e-5)


@needs_package
def test_letters_are_found_by_name(tmp_path):
    """Another order of vocab.txt, with the rows of the table in that order, is the same model."""
    from safetensors.torch import load_file, save_file

    made("SpliceBert", tmp_path)
    expected = find_encoder(str(tmp_path)).encode(tokenize(SEQUENCES))
    vocabulary = (tmp_path / "vocab.txt").read_text().split()
    order = np.random.default_rng(0).permutation(len(vocabulary))
    fixed = [vocabulary.index(token) for token in ("<pad>", "<mask>")]  # the config says where they are
    moved = iter([one for one in order if one not in fixed])
    order = [one if one in fixed else next(moved) for one in range(len(vocabulary))]
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


@needs_package
def test_a_vocabulary_that_the_network_was_not_built_for_is_refused(tmp_path):
    """ERNIE-RNA's pairs and RiNALMo's mask stand at fixed ids: read by letter alone, they would be silently wrong."""
    vocabulary = ["<pad>", "<cls>", "<eos>", "<unk>", "<mask>", "<null>", *"GACUN"]
    made("ErnieRna", tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    with pytest.raises(UserError, match="order"):
        find_encoder(str(tmp_path))
    made("RiNALMo", tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(["<pad>", "<cls>", "<eos>", "<unk>", "A", "<mask>", *"CGU"]))
    with pytest.raises(UserError, match=r"does not fit config\.json"):
        find_encoder(str(tmp_path))
    made("RiNALMo", tmp_path, vocab_size=9)
    with pytest.raises(UserError, match=r"does not fit config\.json"):
        find_encoder(str(tmp_path))


@needs_package
def test_an_empty_line_of_the_vocabulary_counts(tmp_path):
    """As for the package's tokenizer, to which a token is its line's number."""
    import multimolecule

    model, _ = made("SpliceBert", tmp_path)
    lines = (tmp_path / "vocab.txt").read_text().splitlines()
    lines[lines.index("<null>")] = ""
    (tmp_path / "vocab.txt").write_text("\n".join(lines))
    expected = theirs(model, multimolecule.RnaTokenizer(), "ACGU")[1:-1].mean(axis=0)
    np.testing.assert_allclose(find_encoder(str(tmp_path)).encode(tokenize(["ACGU"]))[0], expected, atol=1e-5)


@needs_package
@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ("<pad> <cls> <eos> <unk> <mask> A C D E F G H I K L M N P Q R S T V W Y U", "proteins"),
        ("<pad> <cls> <eos> <unk> <mask> A C G T N", "lacks U"),
        ("<pad> <cls> <eos> <unk> <mask> AAA AAC AAG AAU", "lacks A, C, G, U"),
        ("A C G U N", "lacks <cls>, <eos>"),
    ],
)
def test_what_does_not_read_rna_by_letter_is_refused(tokens, said, tmp_path):
    made("SpliceBert", tmp_path)
    (tmp_path / "vocab.txt").write_text(tokens.replace(" ", "\n"))
    with pytest.raises(UserError, match=said):
        find_encoder(str(tmp_path))


@needs_package
@pytest.mark.parametrize(
    ("kind", "said"),
    [("bert", "none of multimolecule's"), ("ribonanzanet", "how many"), ("nothing", "no model 'nothing'")],
)
def test_models_of_another_kind_are_refused(kind, said, tmp_path):
    made("SpliceBert", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(UserError, match=said):
        find_encoder(str(tmp_path))


@needs_package
def test_a_model_without_ends_is_refused(tmp_path):
    made("RnaBert", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"bos_token_id": None, "eos_token_id": None}))
    with pytest.raises(UserError, match="without cls or eos"):
        find_encoder(str(tmp_path))


@needs_package
def test_weights_are_multiplied_in_fp32_whatever_the_config_says(tmp_path):
    made("SpliceBert", tmp_path)
    expected = find_encoder(str(tmp_path)).encode(tokenize(SEQUENCES))
    config = json.loads((tmp_path / "config.json").read_text())
    said = {"dtype": "bfloat16", "attn_implementation": "somebody/kernel"}
    (tmp_path / "config.json").write_text(json.dumps(config | said))
    np.testing.assert_array_equal(find_encoder(str(tmp_path)).encode(tokenize(SEQUENCES)), expected)


@needs_package
def test_the_file_that_is_named_is_the_one_that_is_read(tmp_path):
    made("SpliceBert", tmp_path)
    true = find_encoder(str(tmp_path)).encode(tokenize(SEQUENCES))
    (tmp_path / "model.safetensors").rename(tmp_path / "best.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"another")
    encoder = find_encoder(str(tmp_path / "best.safetensors"))
    np.testing.assert_array_equal(encoder.encode(tokenize(SEQUENCES)), true)
    assert find_encoder(encoder.location).revision == encoder.revision


@needs_package
def test_names_from_before_the_prefix_changed(tmp_path):
    from safetensors.torch import load_file, save_file

    made("RnaBert", tmp_path, "ForMaskedLM")
    expected = find_encoder(str(tmp_path)).encode(tokenize(SEQUENCES))
    path = tmp_path / "model.safetensors"
    save_file({key.replace("model.", "rnabert.", 1): one.clone() for key, one in load_file(path).items()}, path)
    np.testing.assert_array_equal(find_encoder(str(tmp_path)).encode(tokenize(SEQUENCES)), expected)


@needs_package
def test_from_the_hub_pinned_and_then_offline(tmp_path):
    """In a process of its own, which asks a hub of ours for three files of the repository."""
    made("SpliceBert", tmp_path / "model", "ForMaskedLM")
    files = {one.name: one.read_bytes() for one in (tmp_path / "model").iterdir()}
    expected = find_encoder(str(tmp_path / "model")).encode(tokenize(["ACGU"]))[0]
    program = (
        "from ribospace.encoders import find_encoder; from ribospace.alphabet import tokenize; import sys, json;"
        "encoder = find_encoder(sys.argv[1]); print(json.dumps([encoder.name, encoder.location, "
        "encoder.encode(tokenize(['ACGU']))[0].tolist()]))"
    )

    def embed(name, **more):
        here = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program, name],
            capture_output=True,
            text=True,
            env=os.environ | here | more,
            check=True,
        )
        return json.loads(done.stdout)

    with serving() as hub:
        commit = hub.add("multimolecule/splicebert", "v1", files)
        hub.add("multimolecule/splicebert", "main", files | {"config.json": b"{}"})
        name, location, _ = embed("multimolecule/splicebert@v1:1")
        assert (name, location) == ("splicebert_layer1", f"multimolecule/splicebert@{commit}:1")
        name, location, vector = embed("multimolecule/splicebert@v1")
        asked = {path for _, path in hub.requests if not path.startswith("/api/")}  # what the hub's client asks itself
        assert {path.rsplit("/", 1)[1] for path in asked} == {"config.json", "vocab.txt", "model.safetensors"}
        before = len(hub.requests)
        again = embed(location, HF_HUB_OFFLINE="1")
        assert len(hub.requests) == before
    assert name == "splicebert"
    assert again == [name, location, vector]
    np.testing.assert_allclose(vector, expected, atol=1e-6)
