"""The autoencoder's laws: padding, batch and cache change nothing; the decoder cannot see ahead."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ribospace.alphabet import END, FIRST_LETTER, PAD, START, VOCABULARY_SIZE, letters_of, tokenize
from ribospace.models.autoencoder import POOLINGS, Autoencoder, AutoencoderConfig, key_mask, pooled
from ribospace.models.transformer import Attention, BlockConfig, Cache, Rotary

SEQUENCES = ["ACGUACGU", "G", "NNACGURYK", "UUUUACGUACGUACGGGA"]


FAMILY = {
    "default": {},
    "first transformer": {"positions": "sinusoidal", "activation": "relu", "norm_first": False, "tied": False},
    "swiglu, nucleobases": {"activation": "swiglu", "nucleobase": 0.5},
    "words": {"words": 4},
}


@pytest.fixture(params=FAMILY)
def model(request):
    torch.manual_seed(3)
    sizes = {"width": 16, "heads": 2, "encoder_layers": 2, "decoder_layers": 2, "feedforward": 32}
    model = Autoencoder(AutoencoderConfig(**sizes, **FAMILY[request.param]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def padded(sequences):
    return torch.from_numpy(tokenize(sequences).padded()).long()


@torch.no_grad()
def test_embedding_does_not_depend_on_batch_padding_or_order(model):
    together = model.embed(padded(SEQUENCES), "mean")
    for number, sequence in enumerate(SEQUENCES):
        torch.testing.assert_close(together[number], model.embed(padded([sequence]), "mean")[0], atol=1e-5, rtol=1e-5)
    backwards = model.embed(padded(SEQUENCES[::-1]), "mean").flip(0)
    torch.testing.assert_close(together, backwards, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_counts_nucleotides_only(model, pooling):
    tokens = padded(SEQUENCES)
    embedded = model.encode(tokens)
    vectors = pooled(embedded, tokens, pooling)
    for number, sequence in enumerate(SEQUENCES):
        inside = embedded[number, 1 : len(sequence) + 1].mean(0) if pooling == "mean" else embedded[number, 0]
        torch.testing.assert_close(vectors[number], inside, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_cached_decoding_equals_uncached(model):
    tokens = padded(SEQUENCES)
    memory, mask = model.encode(tokens), key_mask(tokens)
    whole = model.decode(tokens, memory, mask)
    cache = Cache()
    steps = [model.decode(tokens[:, at : at + 1], memory, mask, cache) for at in range(tokens.shape[1])]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=1e-5)
    assert torch.equal(model.reconstruct(tokens, cached=True), model.reconstruct(tokens, cached=False))


@torch.no_grad()
def test_reconstruction_does_not_depend_on_the_batch(model):
    together = model.reconstruct(padded(SEQUENCES))
    for number, sequence in enumerate(SEQUENCES):
        alone = model.reconstruct(padded([sequence]))[0]
        assert letters_of(together[number].numpy())[: len(alone)] == letters_of(alone.numpy())[: together.shape[1]]


@torch.no_grad()
def test_decoder_cannot_see_ahead(model):
    tokens = padded(["ACGUACGU"])
    memory = model.encode(tokens)
    changed = tokens.clone()
    changed[0, 5] = tokens[0, 6]
    before, after = model.decode(tokens, memory, None), model.decode(changed, memory, None)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@torch.no_grad()
def test_encoder_reads_all_and_padding_nothing(model):
    tokens = padded(["ACGUACGU"])
    more = torch.cat([tokens, torch.full((1, 7), PAD)], dim=1)
    torch.testing.assert_close(model.encode(more)[:, : tokens.shape[1]], model.encode(tokens), atol=1e-5, rtol=1e-5)
    changed = tokens.clone()
    changed[0, 8] = tokens[0, 2]
    assert not torch.allclose(model.encode(tokens)[0, 1], model.encode(changed)[0, 1])


def test_attention_equals_its_formula():
    torch.manual_seed(0)
    attention = Attention(BlockConfig(8, 2, 16)).eval()
    x = torch.randn(1, 5, 8)
    key, value = attention.project(x)
    query = attention.rotary(attention._split(attention.query(x)))
    weights = torch.softmax(query @ key.transpose(2, 3) / 2.0, dim=-1)
    expected = attention.out((weights @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention.attend(x, key, value), expected)


def test_rotary_depends_on_distance_only():
    torch.manual_seed(0)
    rotary, q, k = Rotary(8), torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    near = (rotary(q, 3) * rotary(k, 1)).sum()
    far = (rotary(q, 103) * rotary(k, 101)).sum()
    torch.testing.assert_close(near, far, atol=1e-4, rtol=1e-4)
    assert not torch.isclose(near, (rotary(q, 4) * rotary(k, 1)).sum())


@pytest.mark.parametrize(
    ("sizes", "word"),
    [({"width": 10, "heads": 3}, "divisible"), ({"width": 6, "heads": 2}, "even"), ({"heads": 0}, "1 or")],
)
def test_impossible_sizes_are_refused(sizes, word):
    with pytest.raises(ValueError, match=word):
        AutoencoderConfig(**sizes)


def test_a_model_without_any_part_is_refused():
    with pytest.raises(ValueError, match="nothing to learn"):
        Autoencoder(AutoencoderConfig(decoder_layers=0))


def test_reconstruct_ends_and_pads(model):
    written = model.reconstruct(padded(SEQUENCES))
    for row in written:
        ends = (row == END).nonzero()
        if len(ends):
            assert (row[int(ends[0]) + 1 :] == PAD).all()
    assert START not in written[:, 0].tolist() or written.shape[1] <= 2 * padded(SEQUENCES).shape[1]


@torch.no_grad()
def test_beam_search(model):
    """One beam is greedy writing; more never give a less likely molecule; the cache changes nothing."""
    tokens = padded(SEQUENCES)
    greedy = model.reconstruct(tokens)
    from ribospace.models.decoding import beam_search

    memory, mask = model.encode(tokens), key_mask(tokens)
    one = beam_search(model, memory, mask, 8, 1)
    assert torch.equal(one, greedy[:, : one.shape[1]])
    three = beam_search(model, memory, mask, 8, 3)
    assert torch.equal(three, beam_search(model, memory, mask, 8, 3, cached=False))

    def chance(written):
        inputs = torch.cat([torch.full((len(written), 1), START), written[:, :-1]], dim=1)
        each = model.decode(inputs, memory, mask).log_softmax(-1).gather(-1, written[..., None])[..., 0]
        return (each * (written != PAD)).sum(dim=1)

    assert (chance(three) >= chance(one) - 1e-4).all()


def test_relu_feedforward_in_pieces_equals_its_formula():
    from ribospace.models.feedforward import PIECE, FeedForward

    torch.manual_seed(0)
    layer, x = FeedForward(8, 32, 0.0, "relu"), torch.randn(2, PIECE, 8, requires_grad=True)
    plain = torch.nn.Sequential(layer.first, torch.nn.ReLU(), layer.second)
    for one in (layer, plain):
        layer.zero_grad()
        x.grad = None
        one(x).square().sum().backward()
        found = [x.grad.clone(), *(p.grad.clone() for p in layer.parameters())]
        if one is layer:
            first = found
    for a, b in zip(first, found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(layer(x), plain(x), atol=1e-5, rtol=1e-5)


def test_dropout_keeps_the_mean_and_its_share():
    from ribospace.models.feedforward import FeedForward

    torch.manual_seed(0)
    layer, x = FeedForward(4, 4096, 0.1, "relu").train(), torch.randn(1, 200, 4)
    dropped = torch.stack([layer(x) for _ in range(20)]).mean(dim=0)
    torch.testing.assert_close(dropped, layer.eval()(x), atol=0.1, rtol=0.1)


def test_special_tokens_stay_distinct_whatever_the_share_of_properties():
    from ribospace.models.embedding import TokenEmbedding

    weight = TokenEmbedding(16, 1.0).weight
    special = weight[[1, 2, 3, 4]]
    assert torch.pdist(special).min() > 0.1
    letters = weight[[6, 7, 8, 9]]
    assert torch.pdist(letters).min() > 0.1
    torch.testing.assert_close(letters.mean(dim=0), torch.zeros(16), atol=1e-5, rtol=0)


# ---------------------------------------------------------------- words


def spelled(tokens, position, length):
    """The word of a length about a position, as base numbers; None where it is not all A C G U."""
    start = position - (length - 1) // 2
    word = tokens[max(start, 0) : start + length] if start >= 0 else []
    bases = [token - FIRST_LETTER for token in word]
    return bases if len(bases) == length and all(0 <= base < 4 for base in bases) else None


@settings(max_examples=20)
@given(st.lists(st.integers(1, VOCABULARY_SIZE - 1), min_size=1, max_size=20), st.integers(2, 5))
def test_words_are_summed_as_one_would_by_hand(tokens, longest):
    from ribospace.models.embedding import WordEmbedding

    words = WordEmbedding(8, longest)
    found = words(torch.tensor([tokens]))[0] / 8**0.5
    for position in range(len(tokens)):
        total, first = torch.zeros(8), 0
        for length in range(2, longest + 1):
            word = spelled(tokens, position, length)
            if word is not None:
                total += words.vectors[first + sum(base * 4**place for place, base in enumerate(reversed(word)))]
            first += 4**length
        torch.testing.assert_close(found[position], total)


@torch.no_grad()
def test_words_do_not_reach_the_decoder():
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(width=16, heads=2, feedforward=32, words=4)).eval()
    tokens = padded(["ACGUACGU"])
    memory, read = model.encode(tokens), model.decode(tokens, model.encode(tokens), None)
    model.words.vectors.zero_()
    torch.testing.assert_close(model.decode(tokens, memory, None), read, atol=0, rtol=0)
    assert not torch.allclose(model.encode(tokens), memory)


@pytest.mark.parametrize("words", [-1, 1, 9])
def test_words_of_other_lengths_are_refused(words):
    with pytest.raises(ValueError, match="words"):
        AutoencoderConfig(words=words)
