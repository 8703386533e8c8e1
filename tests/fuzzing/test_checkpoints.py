"""Models on disk whose config or weights were changed: the same model, or a refusal; no size is believed."""

import argparse
import itertools
import json
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from ribospace.alphabet import tokenize
from ribospace.encoders import find_encoder
from ribospace.errors import UserError
from ribospace.models import checkpoint, rnafm_checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.denoiser import DenoiserConfig
from ribospace.models.diffusion import DiffusionConfig, LatentDiffusion
from ribospace.models.graph import GraphConfig, GraphRefiner, GraphSizes
from ribospace.models.kinds import KINDS
from ribospace.models.latent import LatentAutoencoder, TokenSource
from ribospace.models.qformer import QFormerConfig
from ribospace.models.surrogate import Surrogate, SurrogateConfig
from tests.fuzzing.surviving import bounded_memory, cases, changed, finite, mutated, survives

TOKENS = tokenize(["ACGU", "GGNACUGAUAAC" * 3])
SMALL = QFormerConfig(
    queries=4, width=8, reader_width=8, reader_heads=2, decoder_width=8, heads=2, feedforward=8, window=15
)


def networks():
    encoder = Autoencoder(AutoencoderConfig(width=8, heads=2, encoder_layers=1, feedforward=8, classes=("tRNA", "x")))
    latent = LatentAutoencoder(SMALL, TokenSource("mine", "", "", 8), encoder)
    surrogate = Surrogate(
        SurrogateConfig(latents=4, width=8, window=15, hidden=8, heads=2, layers=1, values=("gc",), units=("",))
    )
    denoiser = DenoiserConfig(width=8, heads=2, layers=1, feedforward=8, times=100)
    kmer = find_encoder("kmer1")
    source = TokenSource(kmer.name, kmer.revision, "", kmer.width)
    graph = GraphRefiner(
        GraphConfig(refine="mean", edges="both", layers=1, neighbours=2, width=4), source, GraphSizes(3, 9)
    )
    graph.hold(
        torch.randn(3, 4),
        type(graph.edges)(torch.tensor([[1, -1], [0, 2], [1, -1]]), torch.zeros(3, 2, 2)),
    )
    graph.letters.fill_(7)
    graph.ends.copy_(torch.tensor([0, 3, 6, 9]))
    generator = LatentDiffusion(DiffusionConfig(denoiser=denoiser, types=("tRNA",)), latent, surrogate)
    return {"autoencoder": encoder, "latent": latent, "reward": surrogate, "graph": graph, "diffusion": generator}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A small model of every kind, in a folder of its name."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    for name, network in networks().items():
        checkpoint.save(network, folder / name, name, {"data": {}}, "# Card\n")
    assert {one.name for one in folder.iterdir()} == set(KINDS)
    return folder


def used(folder, kind):
    """Load a model and use it, as far as that is quick."""
    found = checkpoint.load(folder, KINDS[kind].network)
    if kind in ("autoencoder", "latent", "graph"):
        assert finite(find_encoder(str(folder)).encode(TOKENS))
    elif kind == "reward":
        assert finite(found.model(torch.randn(2, 4, 8)).mean.detach())
    else:
        from ribospace.generation.generate import Generator

        generator = Generator(folder)
        request = survives(generator.request, ["tRNA"], (3, 5))
        if request is not None:
            assert len(next(iter(generator.generate(request, [0], 0)))) == 1
    return found


def copied(models, kind, tmp_path):
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(models / kind, folder)
    return folder


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_can_be_used(models, kind):
    used(models / kind, kind)


@pytest.mark.parametrize("kind", sorted(KINDS))
@cases(60)
@given(data=st.data(), hidden=st.booleans())
def test_configs_with_odd_values(models, tmp_path, kind, data, hidden):
    """`hidden`: the weights say nothing of their config or digest, as in a model made to deceive."""
    folder = copied(models, kind, tmp_path)
    said = json.loads((folder / "config.json").read_text())
    if hidden:
        del said["weights_sha256"]
        path = folder / "model.safetensors"
        tensors = checkpoint._read_weights(folder)[0]
        save_file(tensors, path)
    (folder / "config.json").write_text(json.dumps(data.draw(changed(said))))
    with bounded_memory():
        survives(used, folder, kind)


@pytest.mark.parametrize("kind", sorted(KINDS))
@cases(60)
@given(seed=st.integers(0, 2**64), file=st.sampled_from(["model.safetensors", "config.json"]))
def test_damaged_files(models, tmp_path, kind, seed, file):
    folder = copied(models, kind, tmp_path)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(mutated(whole, seed))
    with bounded_memory():
        survives(used, folder, kind)


@pytest.mark.parametrize(
    "kind", [pytest.param(one, marks=[pytest.mark.slow] * (one in ("diffusion", "latent"))) for one in sorted(KINDS)]
)
@cases(60)
@given(data=st.data())
def test_weights_of_other_values_and_types(models, tmp_path, kind, data):
    """Without a digest a deceiver may put any numbers there: they are used, or refused, and never crash."""
    folder = copied(models, kind, tmp_path)
    said = json.loads((folder / "config.json").read_text())
    del said["weights_sha256"]
    (folder / "config.json").write_text(json.dumps(said))
    tensors = checkpoint._read_weights(folder)[0]
    key = data.draw(st.sampled_from(sorted(tensors)))
    kinds = [torch.float16, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64]
    if data.draw(st.booleans()):
        tensors[key] = tensors[key].to(data.draw(st.sampled_from(kinds)))
    else:
        value = data.draw(st.sampled_from([float("nan"), float("inf"), 0.0, -1.0, 3e38, 1e-45, 255.0, 1e18]))
        tensors[key] = torch.full(tensors[key].shape, value, dtype=torch.float64).to(tensors[key].dtype)
    save_file(tensors, folder / "model.safetensors")
    try:
        with bounded_memory():
            survives(used, folder, kind)
    except AssertionError:
        pass  # huge weights may make NaN of a molecule; what writes vectors refuses them


@pytest.mark.parametrize("length", [0, 1, 7, 8, 2**31, 2**63 - 1, 2**64 - 1])
def test_a_header_that_lies_of_its_length(models, tmp_path, length):
    folder = copied(models, "autoencoder", tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + whole[8:])
    with bounded_memory(), pytest.raises(UserError, match="damaged"):
        checkpoint.load(folder)


def test_a_header_of_enormous_shapes(models, tmp_path):
    folder = copied(models, "autoencoder", tmp_path)
    for shape, ends in itertools.product(([2**40, 2**20], [2**62], [-1], [0]), ([0, 4], [0, 2**60], [4, 0])):
        header = json.dumps({"x": {"dtype": "F32", "shape": shape, "data_offsets": ends}}).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
        with bounded_memory(), pytest.raises(UserError):
            checkpoint.load(folder)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("size", [2**16, 2**20, 2**31, 2**62, 10**30, -1, 0])
def test_enormous_sizes_are_never_allocated(models, tmp_path, kind, size):
    folder = copied(models, kind, tmp_path)
    whole = json.loads((folder / "config.json").read_text())
    del whole["weights_sha256"]
    tensors = checkpoint._read_weights(folder)[0]
    save_file(tensors, folder / "model.safetensors")
    for section in (
        ["config"],
        ["graph"],
        ["encoder"],
        ["latent_model", "config"],
        ["surrogate"],
        ["config", "denoiser"],
    ):
        inner = whole
        for key in section:
            inner = inner.get(key) if isinstance(inner, dict) else None
        for key, value in list(inner.items()) if isinstance(inner, dict) else []:
            if isinstance(value, int) and not isinstance(value, bool):
                inner[key] = size
                (folder / "config.json").write_text(json.dumps(whole))
                with bounded_memory(2 << 30):
                    survives(checkpoint.load, folder, KINDS[kind].network)
                inner[key] = value


def test_a_graph_that_names_itself_as_its_encoder(models, tmp_path):
    folder = copied(models, "graph", tmp_path)
    said = json.loads((folder / "config.json").read_text())
    said["encoder"]["location"] = str(folder)
    (folder / "config.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match="itself"):
        find_encoder(str(folder))


class Hostile:
    """Would make a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("zipped", [False, True])
def test_no_pickle_of_a_hostile_checkpoint_is_run(tmp_path, zipped):
    path, made = tmp_path / "rnafm.pth", tmp_path / "made"
    said = {"args": argparse.Namespace(layers=1), "model": {"x": Hostile(made)}}
    if zipped:
        torch.save(said, path)
    else:
        path.write_bytes(pickle.dumps(said))
    with pytest.raises(UserError):
        rnafm_checkpoint.load(path)
    assert not made.exists()


ORIGINAL = {"args": {"arch": "x", "encoder_layers": 1}, "model": {"encoder.embed_tokens.weight": 0}}
PTH = [[], 5, None, "x", {"a": 1}, [["encoder_layers", 1]], torch.zeros(2), {"encoder_layers": 10**9}]
PTH += [{"encoder_layers": 10**30}, {"max_positions": 10**12}, {"encoder_embed_dim": 2**40}, {"attention_heads": 0}]


@pytest.mark.parametrize("args", PTH, ids=range(len(PTH)))
@pytest.mark.parametrize("model", [{}, {"encoder.embed_tokens.weight": torch.zeros(25, 640)}, {5: 5}, {"a": "b"}])
def test_an_original_checkpoint_of_other_contents(tmp_path, args, model):
    path = tmp_path / "rnafm.pth"
    torch.save({"args": args, "model": model}, path)
    with bounded_memory(), pytest.raises(UserError):
        rnafm_checkpoint.load(path)


@cases(60)
@given(
    seed=st.integers(0, 2**64),
    name=st.sampled_from(["RNA-FM_pretrained.pth", "config.json", "vocab.txt", "model.safetensors"]),
)
def test_damaged_rnafm(request, tmp_path, seed, name):
    stored = request.config.rootpath / "tests" / "reference" / "rnafm"
    source = stored if name.endswith(".pth") else stored / "hub"
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in source.iterdir():
        if file.is_file() and file.suffix in (".pth", ".json", ".txt", ".safetensors") and file.name != "sequences.txt":
            shutil.copy(file, folder)
    (folder / name).write_bytes(mutated((folder / name).read_bytes(), seed))
    with bounded_memory():
        survives(rnafm_checkpoint.load, folder / ("model.safetensors" if source != stored else name))


@cases(60)
@given(data=st.data())
def test_an_rnafm_of_odd_config(request, tmp_path, data):
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(request.config.rootpath / "tests" / "reference" / "rnafm" / "hub", folder)
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(data.draw(changed(said))))
    with bounded_memory():
        found = survives(find_encoder, str(folder))
        assert found is None or finite(found.encode(TOKENS)) or np.isnan(found.encode(TOKENS)).any()


def test_a_zip_that_is_no_checkpoint(tmp_path):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"\0" * 50_000_000)
    with bounded_memory(2 << 30), pytest.raises(UserError):
        rnafm_checkpoint.load(path)
