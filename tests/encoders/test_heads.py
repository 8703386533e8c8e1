"""What attention heads say one by one, and the whole that they make together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ribospace.alphabet import FIRST_LETTER, LETTERS, tokenize
from ribospace.analysis.head_probes import probe_heads
from ribospace.analysis.heads import HeadSpace, contrasts
from ribospace.encoders import find_encoder
from ribospace.encoders.adapters import AutoencoderEncoder
from ribospace.encoders.random import random_encoder
from ribospace.errors import UserError
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.checkpoint import Checkpoint
from ribospace.models.rnafm import RnaFm, RnaFmConfig

SMALL = AutoencoderConfig(width=16, heads=4, encoder_layers=3, feedforward=32, window=30)
RNAFM = RnaFmConfig(layers=2, width=16, heads=4, feedforward=32, positions=40)


@pytest.fixture(scope="module")
def tokens():
    rng = np.random.default_rng(0)
    return tokenize(["".join(rng.choice(list("ACGU"), n)) for n in (3, 17, 29, 8, 90, 12, 1, 64)])


@pytest.fixture(params=["default", "sinusoidal", "rnafm"])
def encoder(request):
    if request.param == "rnafm":
        return random_encoder(3, config=RNAFM)
    positions = "rotary" if request.param == "default" else "sinusoidal"
    norm_first = request.param == "default"
    config = AutoencoderConfig(
        width=16, heads=4, encoder_layers=3, feedforward=32, window=30, positions=positions, norm_first=norm_first
    )
    return random_encoder(3, config=config)


def test_the_merged_output_is_made_of_the_heads(encoder, tokens):
    """Heads side by side through the layer's product are what the layer's attention says."""
    model = encoder.model if isinstance(encoder, AutoencoderEncoder) else encoder._plain
    ids = torch.from_numpy(tokens.padded(np.array([1, 2, 3]))).long()
    layers = model.encoder if isinstance(model, Autoencoder) else model.blocks
    merges = [layer.attention.out if isinstance(model, Autoencoder) else layer.out for layer in layers]
    merged = []
    hooks = [merge.register_forward_hook(lambda _, __, said: merged.append(said.detach())) for merge in merges]
    with torch.no_grad():
        if isinstance(model, Autoencoder):
            model.encode(ids)
        else:
            model(ids)
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        apart = list(model.heads_apart(ids))
        assert len(apart) == len(merged) == encoder.layers
        for one, whole, merge in zip(apart, merged, merges, strict=True):
            contributions = [
                one.mixed[:, head] @ part.T for head, part in enumerate(merge.weight.chunk(encoder.heads, dim=1))
            ]
            there = ids != 0
            again = sum(contributions) + merge.bias
            assert (again - whole)[there].abs().max() < 1e-5
            torch.testing.assert_close(one.weights.sum(-1), torch.ones_like(one.weights.sum(-1)))


def test_heads_of_a_molecule_do_not_depend_on_the_others(encoder, tokens):
    together = encoder.head_outputs(tokens)
    assert together.shape == (8, encoder.layers, encoder.heads, 4)
    for row in range(len(tokens)):
        np.testing.assert_allclose(encoder.head_outputs(tokens.take(np.array([row])))[0], together[row], atol=1e-5)


def test_heads_are_means_over_nucleotides(tokens):
    encoder = random_encoder(3, config=SMALL)
    ids = torch.from_numpy(tokens.padded(np.array([1]))).long()
    with torch.no_grad():
        for layer, one in enumerate(encoder.model.heads_apart(ids)):
            mean = one.mixed[0, :, 1:-1].mean(dim=1).numpy()
            np.testing.assert_allclose(encoder.head_outputs(tokens)[1, layer], mean, atol=1e-5)


def test_maps_are_attention_between_nucleotides(encoder, tokens):
    short = tokens.take(np.flatnonzero(tokens.lengths <= encoder.window))
    found = list(encoder.attention_maps(short))
    for one, length in zip(found, short.lengths, strict=True):
        assert one.shape == (encoder.layers, encoder.heads, length, length)
        assert (one >= 0).all()
        assert (one.sum(axis=-1) <= 1 + 1e-5).all()


def test_maps_of_rnafm_are_its_own():
    model = RnaFm(RNAFM).eval()
    tokens = tokenize(["ACGUA", "GG"])
    ids = torch.from_numpy(tokens.padded(np.arange(2))).long()
    with torch.no_grad():
        whole = model.attention(ids)
    assert whole.shape == (2, 2, 4, 7, 7)
    assert not whole[1, :, :, 4:].any()
    assert not whole[1, :, :, :, 4:].any()


def test_a_layer_that_was_chosen_has_the_layers_up_to_it():
    encoder = random_encoder(3, config=RNAFM)
    encoder.layers = 1
    tokens = tokenize(["ACGUACGU"])
    whole = random_encoder(3, config=RNAFM).head_outputs(tokens)
    np.testing.assert_allclose(encoder.head_outputs(tokens), whole[:, :1], atol=1e-6)


def test_two_groups_that_differ_in_one_property_are_found_by_its_head():
    """A model whose first head says which purines, and whose second says which pyrimidines, a molecule has."""
    encoder = AutoencoderEncoder(Checkpoint(_two_headed(), "built", "0", Path(), {}))
    rng = np.random.default_rng(5)
    groups = np.repeat(["C", "U"], 100)
    molecules = []
    for group in groups:
        more = rng.choice(list("CU"), 30, p=[0.7, 0.3] if group == "C" else [0.3, 0.7])
        letters = np.concatenate([rng.choice(list("AG"), 30), more])
        molecules.append("".join(rng.permutation(letters)))
    said = encoder.head_outputs(tokenize(molecules))
    seen, other = probe_heads(
        said.reshape(200, 2, -1),
        {"pyrimidines": groups, "purines": np.array([one.count("A") / 60 for one in molecules])},
        rng.normal(size=(200, 2)),
    )
    assert np.flatnonzero(seen.named()).tolist() == [1]
    assert seen.scores[1] > 0.9
    assert seen.scores[0] < 0.65
    assert np.flatnonzero(other.named()).tolist() == [0]
    space = HeadSpace.fit(said)
    pair = contrasts(space.units, 1, 0, k=1)[0]
    assert groups[pair.one] == groups[pair.other]


def _two_headed():
    """Every nucleotide looks at all; a head passes on half of the embedding, where its two letters are told apart."""
    model = Autoencoder(AutoencoderConfig(width=8, heads=2, encoder_layers=1, feedforward=8, locality=0.0)).eval()
    attention, letters = model.encoder[0].attention, model.embedding.learned.weight
    with torch.no_grad():
        for parameter in (*attention.parameters(), letters):
            parameter.zero_()
        attention.key_value.weight[8:] = torch.eye(8)
        for letter, place in {"A": 0, "G": 1, "C": 4, "U": 5}.items():
            letters[FIRST_LETTER + LETTERS.index(letter), place] = 1
    return model


@pytest.mark.parametrize("name", ["kmer2", "structure"])
def test_encoders_without_attention_say_so(name):
    if name == "structure":
        pytest.importorskip("RNA")
    encoder = find_encoder(name)
    for ask in (encoder.head_outputs, lambda tokens: list(encoder.attention_maps(tokens))):
        with pytest.raises(UserError, match="has no attention heads that can be asked"):
            ask(tokenize(["ACGU"]))


def test_maps_of_a_molecule_that_is_too_long_are_refused(tokens):
    with pytest.raises(UserError, match="Molecule 5 has 90 nt, and random_3 reads 30 at once"):
        list(random_encoder(3, config=SMALL).attention_maps(tokens))
