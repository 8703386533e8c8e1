"""RNA-FM as an encoder: a molecule's vector is its own; long molecules are cut, and put together again."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from ribospace.alphabet import tokenize
from ribospace.batching import cut_windows
from ribospace.encoders import network, rnafm
from ribospace.encoders.rnafm import RnaFmEncoder
from ribospace.errors import UserError
from ribospace.sources.sample import read_sample

FOLDER = Path(__file__).parent.parent / "reference" / "rnafm"
SEQUENCES = (FOLDER / "sequences.txt").read_text(encoding="utf-8").split()
LONG = "".join(SEQUENCES)  # 268 nt; the tiny model reads 98 at once
POOLINGS = ["mean", "first"]


@pytest.fixture(params=POOLINGS)
def encoder(request):
    return RnaFmEncoder(FOLDER, request.param, precision="fp32")


def encode(encoder, *sequences):
    return encoder.encode(tokenize(list(sequences)))


def test_pooling_is_over_nucleotides_or_cls():
    stored = np.load(FOLDER / "embeddings.npz")
    for pooling, inside in (("mean", slice(1, -1)), ("first", slice(0, 1))):
        found = encode(RnaFmEncoder(FOLDER, pooling, precision="fp32"), *SEQUENCES)
        for number, vector in enumerate(found):
            np.testing.assert_allclose(vector, stored[f"last_{number}"][inside].mean(axis=0), atol=1e-4)


def test_a_layer_of_choice():
    stored = np.load(FOLDER / "embeddings.npz")
    encoder = RnaFmEncoder(FOLDER, layer=1, precision="fp32")
    np.testing.assert_allclose(encode(encoder, SEQUENCES[0])[0], stored["first_0"][1:-1].mean(axis=0), atol=1e-4)
    assert encoder.column == "rnafm_layer1"
    assert RnaFmEncoder(FOLDER, layer=2).column == RnaFmEncoder(FOLDER).column == "rnafm"
    assert RnaFmEncoder(FOLDER, "first").column == "rnafm_first"


@pytest.mark.parametrize("words", [{"pooling": "maen"}, {"layer": 3}, {"layer": -1}, {"precision": "fp8"}])
def test_what_is_not_offered_is_said(words):
    with pytest.raises(UserError):
        RnaFmEncoder(FOLDER, **words)


def test_a_vector_is_the_molecules_own(encoder):
    sequences = [*SEQUENCES, LONG, "A", "ACGU" * 24]
    together, backwards = encode(encoder, *sequences), encode(encoder, *sequences[::-1])[::-1]
    np.testing.assert_allclose(together, backwards, atol=1e-5)
    for sequence, vector in zip(sequences, together, strict=True):
        np.testing.assert_allclose(encode(encoder, sequence)[0], vector, atol=1e-5)


def test_t_and_lower_case_are_alike(encoder):
    one = encode(encoder, "ACGUU")
    np.testing.assert_array_equal(encode(encoder, "ACGTT"), one)
    np.testing.assert_array_equal(encode(encoder, "acguu"), one)


def test_no_molecule(encoder):
    assert encode(encoder).shape == (0, 20)
    assert list(encoder.token_embeddings(tokenize([]))) == []


def test_a_molecule_that_fits_is_not_cut(encoder):
    whole = LONG[: encoder.window]
    fits, cut = encode(encoder, whole)[0], encode(encoder, whole + "A")[0]
    encoder.window = 10_000
    np.testing.assert_allclose(encode(encoder, whole)[0], fits, atol=1e-6)
    with pytest.raises(ValueError, match="cut into windows"):
        encode(encoder, whole + "A")
    assert not np.allclose(fits, cut)


def test_windows_are_averaged_by_length_and_stitched(encoder):
    windows, _ = cut_windows(tokenize([LONG]), 98, 24)
    each = encoder.encode(windows)
    np.testing.assert_allclose(encode(encoder, LONG)[0], np.average(each, axis=0, weights=windows.lengths), atol=1e-5)
    tokens = list(encoder.token_embeddings(windows))
    found = next(encoder.token_embeddings(tokenize([LONG])))
    assert found.shape == (len(LONG), 20)
    starts = [(len(LONG) - 98) * number // (len(windows) - 1) for number in range(len(windows))]
    for place in (0, 80, len(LONG) // 2, len(LONG) - 1):
        covering = [part[place - start] for start, part in zip(starts, tokens, strict=True) if 0 <= place - start < 98]
        np.testing.assert_allclose(found[place], np.mean(covering, axis=0), atol=1e-5)


def test_token_embeddings_come_in_order_whatever_the_pieces(monkeypatch):
    encoder, sequences = RnaFmEncoder(FOLDER, precision="fp32"), [*SEQUENCES, LONG, "A"]
    whole = list(encoder.token_embeddings(tokenize(sequences)))
    monkeypatch.setattr(network, "PIECE", 100)
    for one, other, sequence in zip(whole, encoder.token_embeddings(tokenize(sequences)), sequences, strict=True):
        assert one.shape == (len(sequence), 20)
        np.testing.assert_allclose(one, other, atol=1e-5)
    stored = np.load(FOLDER / "embeddings.npz")
    np.testing.assert_allclose(whole[0], stored["last_0"][1:-1], atol=1e-4)


def test_batches_are_bounded(monkeypatch):
    """20,000 nt go through in batches of no more tokens than many short molecules do."""
    encoder, seen = RnaFmEncoder(FOLDER), []
    call = encoder.model.__class__.__call__

    def noted(self, tokens, lengths, layer=None):
        seen.append(len(tokens))
        return call(self, tokens, lengths, layer)

    monkeypatch.setattr(encoder.model.__class__, "__call__", noted)
    encode(encoder, "ACGUU" * 4000, *SEQUENCES)
    assert max(seen) < 2 * rnafm.TOKENS
    assert len(seen) > 20


def test_bf16_is_true_to_fp32():
    """For every molecule of the sample."""
    tokens = tokenize(pa.Table.from_batches(read_sample())["sequence"])
    full, half = (RnaFmEncoder(FOLDER, precision=one).encode(tokens) for one in ("fp32", "bf16"))
    assert len(full) > 600
    assert rnafm.cosines(full, half).min() >= 0.9995
    assert not np.array_equal(full, half)


def test_bf16_is_not_taken_where_it_is_not_true(monkeypatch):
    monkeypatch.setattr(rnafm, "use_bf16", lambda precision, device: precision != "fp32")
    assert RnaFmEncoder(FOLDER).precision == "bf16"
    monkeypatch.setattr(rnafm, "TRUE_COSINE", 1.1)
    encoder = RnaFmEncoder(FOLDER)
    assert (encoder.precision, encoder.model.kind) == ("fp32", torch.float32)
    np.testing.assert_array_equal(encode(encoder, LONG), encode(RnaFmEncoder(FOLDER, precision="fp32"), LONG))
    assert RnaFmEncoder(FOLDER, precision="bf16").precision == "bf16"  # as it was asked for


def test_padded_batches_give_the_same(monkeypatch):
    """The way of CUDA and MPS, taken on the processor."""
    encoder, plain = (RnaFmEncoder(FOLDER, precision="fp32") for _ in range(2))
    plain.model = rnafm.rnafm_checkpoint.load(FOLDER).model
    sequences = [*SEQUENCES, LONG, "ACGU"]
    np.testing.assert_allclose(encode(plain, *sequences), encode(encoder, *sequences), atol=1e-5)
