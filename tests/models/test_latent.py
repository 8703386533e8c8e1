"""The latent autoencoder: fixed shape and scale, nothing of a batch or of padding, and a decoder that cannot peek."""

import pytest
import torch

from ribospace.alphabet import PAD, tokenize
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.latent import LatentAutoencoder, TokenSource, between
from ribospace.models.qformer import QFormerConfig

SMALL = AutoencoderConfig(width=16, heads=2, encoder_layers=1, feedforward=32)
SIZES = QFormerConfig(queries=4, width=8, reader_width=32, decoder_width=16, heads=2, feedforward=32, window=60)
SEQUENCES = ["A", "ACGU", "GGGGAUUAGCUCAGUUGGUAGAGC", "ACGGUCA" * 8]


def made(config=SIZES, frozen=True, seed=0):
    torch.manual_seed(seed)
    model = LatentAutoencoder(config, TokenSource("mine", "r", "", SMALL.width), Autoencoder(SMALL), frozen).eval()
    for value in model.former.parameters():
        value.data += 0.05 * torch.randn_like(value)
    return model


def ids(*sequences):
    return torch.from_numpy(tokenize(list(sequences)).padded()).long()


def test_the_shape_does_not_know_the_length():
    model = made()
    for sequence in SEQUENCES:
        assert model.encode(ids(sequence)).shape == (1, 4, 8)
        assert model.embed(ids(sequence), "summary").shape == (1, 8)
        assert model.embed(ids(sequence), "latents").shape == (1, 32)
    assert made(QFormerConfig()).encode(ids("ACGU" * 40)).shape == (1, 16, 40)


def test_the_scale_is_what_is_said():
    """Each latent, and the summary, has mean 0 and variance 1 over its numbers, whatever the molecule."""
    latents = made().encode(ids(*SEQUENCES))
    for vectors in (latents, made().summary(latents)):
        torch.testing.assert_close(vectors.mean(dim=-1), torch.zeros(vectors.shape[:-1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(vectors.var(dim=-1, correction=0), torch.ones(vectors.shape[:-1]), atol=1e-2, rtol=0)


def test_a_molecules_latents_are_its_own():
    model = made()
    together = model.encode(ids(*SEQUENCES))
    torch.testing.assert_close(model.encode(ids(*SEQUENCES[::-1])).flip(0), together, atol=1e-5, rtol=0)
    for sequence, latents in zip(SEQUENCES, together, strict=True):
        torch.testing.assert_close(model.encode(ids(sequence))[0], latents, atol=1e-5, rtol=0)
    assert (together[1] - together[2]).abs().max() > 1e-2


def test_every_letter_shows_in_the_latents():
    model, sequence = made(), SEQUENCES[-1]
    before = model.encode(ids(sequence))
    for place in range(len(sequence)):
        changed = sequence[:place] + ("A" if sequence[place] != "A" else "C") + sequence[place + 1 :]
        assert (model.encode(ids(changed)) - before).abs().max() > 1e-4


def test_the_decoder_cannot_see_its_target():
    """Given the latents, a later letter changes no earlier logits."""
    model, tokens = made(), ids(SEQUENCES[2])
    memory = model.decoder.memory(model.encode(tokens))
    logits = model.decode(tokens, memory, None)
    for place in range(1, tokens.shape[1]):
        changed = tokens.clone()
        changed[0, place] = 7 if tokens[0, place] != 7 else 8
        other = model.decode(changed, memory, None)
        torch.testing.assert_close(other[:, :place], logits[:, :place], atol=1e-6, rtol=0)
        assert (other[:, place:] - logits[:, place:]).abs().max() > 1e-4


def test_the_decoder_sees_nothing_but_the_latents():
    """The same latents are the same writing, whatever molecule stood behind them; others are another."""
    model = made()
    latents = model.encode(ids(*SEQUENCES))
    assert torch.equal(model.write(latents), model.reconstruct(ids(*SEQUENCES)))
    assert not torch.equal(model.decoder.memory(latents[:1]), model.decoder.memory(latents[1:2]))


@pytest.mark.parametrize("beams", [1, 3])
def test_cached_equals_uncached(beams):
    model, latents = made(), made().encode(ids(*SEQUENCES))
    written = model.write(latents, beams=beams)
    assert torch.equal(written, model.write(latents, beams=beams, cached=False))
    assert written.shape[1] <= SIZES.window + 1


def test_noise_is_for_training_alone():
    model, tokens = made(), ids(*SEQUENCES)
    assert torch.equal(model(tokens, tokens).written, model(tokens, tokens).written)
    model.train()
    assert not torch.equal(model(tokens, tokens).written, model(tokens, tokens).written)


@pytest.mark.parametrize("frozen", [True, False])
def test_the_encoder_is_trained_only_if_asked(frozen):
    model, tokens = made(frozen=frozen).train(), ids(*SEQUENCES)
    model(tokens, tokens).written.sum().backward()
    learned = [value.grad is not None for name, value in model.encoder.named_parameters() if "encoder" in name]
    assert any(learned) != frozen
    assert model.former.queries.grad.abs().max() > 0
    assert model.encoder.training != frozen


def test_the_end_of_the_way_is_the_way_to_the_end():
    one, other = made().encode(ids(*SEQUENCES[1:3]))
    path = between(one, other, 5)
    torch.testing.assert_close(path[0], one, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(path[-1], other, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(path.std(dim=-1, correction=0), torch.ones(5, 4), atol=1e-4, rtol=0)


@pytest.mark.parametrize("frozen", [True, False])
def test_on_disk_and_back(tmp_path, frozen):
    model = made(QFormerConfig(queries=4, width=8, window=60, classes=("tRNA", "rRNA")), frozen)
    checkpoint.save(model, tmp_path / "model", "mine", {"seed": 3})
    found = checkpoint.load(tmp_path / "model")
    assert found.model.config == model.config
    assert (found.model.source, found.model.is_frozen, found.about["seed"]) == (model.source, frozen, 3)
    tokens = ids(*SEQUENCES)
    assert torch.equal(found.model(tokens, tokens).written, model(tokens, tokens).written)


def test_without_an_encoder_it_says_so():
    model = LatentAutoencoder(SIZES, TokenSource("other", "r", "", 5))
    with pytest.raises(ValueError, match="no encoder yet"):
        model.encode(ids("ACGU"))
    model.read_tokens = lambda tokens: (tokens[:, 1:-1, None] == torch.arange(5, 10)).float()
    assert model.encode(ids("ACGU")).shape == (1, 4, 8)
    assert (ids("ACGU", "A") == PAD).any()
    with pytest.raises(ValueError, match="no types"):
        model.classify(model.encode(ids("ACGU")))


@pytest.mark.parametrize(
    "sizes", [{"queries": 0}, {"reader_width": 20}, {"noise": -1.0}, {"classes": ("a", "a")}, {"decoder_width": 6}]
)
def test_sizes_that_do_not_go_together(sizes):
    with pytest.raises(ValueError, match=r"must be|twice"):
        QFormerConfig(**sizes)
