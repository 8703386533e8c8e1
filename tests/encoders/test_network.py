"""What all networks share: batches in order, smaller ones where memory runs out."""

import numpy as np
import pytest
import torch

from ribospace.alphabet import tokenize
from ribospace.encoders.network import NetworkEncoder
from ribospace.encoders.random import random_encoder
from ribospace.errors import UserError
from ribospace.models.autoencoder import AutoencoderConfig

SMALL = AutoencoderConfig(width=8, heads=2, feedforward=16, window=40)


class Narrow(NetworkEncoder):
    """Embeds a token by its number; its memory holds `room` tokens of a padded batch."""

    name, revision, width, window = "narrow", "1", 1, 50

    def __init__(self, room, error=None, pooling="mean"):
        super().__init__(pooling)
        self.room, self.error, self.asked = room, error or ERRORS[0], []

    def _batches(self, lengths):
        order = np.argsort(-lengths, kind="stable")
        return [order[start : start + 8] for start in range(0, len(order), 8)]

    def _embedded(self, windows, rows):
        padded = windows.padded(rows)
        self.asked.append(padded.size)
        if padded.size > self.room:
            raise self.error
        parts = zip(padded, windows.lengths[rows], strict=True)
        return [torch.from_numpy(one[: length + 2].astype(np.float32))[:, None] for one, length in parts]


def molecules(count=40, longest=120):
    generator = np.random.default_rng(0)
    return tokenize(["".join(generator.choice(list("ACGU"), n)) for n in generator.integers(1, longest, count)])


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough memory: you tried to allocate"),
    RuntimeError("MPS backend out of memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: type(one).__name__)
def test_a_batch_that_does_not_fit_is_halved(error):
    tokens, roomy = molecules(), Narrow(10**9)
    narrow = Narrow(160, error)
    np.testing.assert_array_equal(narrow.encode(tokens), roomy.encode(tokens))
    for one, other in zip(narrow.token_embeddings(tokens), roomy.token_embeddings(tokens), strict=True):
        np.testing.assert_array_equal(one, other)
    assert min(narrow.asked) < max(narrow.asked) / 4


def test_what_did_not_fit_is_not_tried_again_and_again():
    narrow = Narrow(160)
    narrow.encode(molecules(400, 50))
    assert sum(size > 160 for size in narrow.asked) <= 4


def test_what_never_fits_is_said():
    with pytest.raises(UserError, match=r"narrow does not fit into the memory .* a single stretch of 50 nt"):
        Narrow(20).encode(molecules())


def test_another_error_is_not_taken_for_it():
    with pytest.raises(RuntimeError, match="shapes"):
        Narrow(20, RuntimeError("shapes do not fit")).encode(molecules())


def test_the_longest_come_first():
    """So that trouble with memory shows early."""
    seen, encoder = [], random_encoder(config=SMALL)
    work = encoder._pooled
    encoder._pooled = lambda windows, rows: (seen.append(windows.lengths[rows].max()), work(windows, rows))[1]
    encoder.encode(molecules(3000, 40))
    assert len(seen) > 3
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_an_autoencoder_embeds_nucleotides_too(pooling):
    encoder = random_encoder(config=SMALL, pooling=pooling)
    tokens = molecules(20, 40)
    each = list(encoder.token_embeddings(tokens))
    assert [len(one) for one in each] == tokens.lengths.tolist()
    if pooling == "mean":  # an untrained model's vectors are not whitened
        np.testing.assert_allclose([one.mean(axis=0) for one in each], encoder.encode(tokens), atol=1e-5)
    alone = [next(encoder.token_embeddings(tokens.take(np.array([row])))) for row in range(len(tokens))]
    for one, other in zip(each, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
