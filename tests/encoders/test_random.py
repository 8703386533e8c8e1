"""The control that was never trained."""

import numpy as np
import pytest
import torch

from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.encoders import embed_collection, find_encoder
from ribospace.encoders.named import find_column
from ribospace.encoders.random import random_encoder
from ribospace.errors import UserError
from ribospace.models.rnafm import RnaFmConfig
from ribospace.records import record_batch

TOKENS = tokenize(["ACGUACGU", "GG", "ACGUU" * 100])
TINY = RnaFmConfig(layers=2, width=20, heads=4, feedforward=40, positions=102, head=False)


@pytest.mark.parametrize("config", [None, TINY])
def test_the_same_seed_gives_the_same(config):
    one, same, other = (random_encoder(seed, config=config) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.encode(TOKENS), same.encode(TOKENS))
    assert one.revision == same.revision != other.revision
    assert np.abs(one.encode(TOKENS) - other.encode(TOKENS)).max() > 0.1
    for row, tokens in enumerate((tokenize(["ACGUACGU"]), tokenize(["GG"]))):
        np.testing.assert_allclose(one.encode(tokens)[0], one.encode(TOKENS)[row], atol=1e-2 if config else 1e-5)


def test_names():
    for model, name, location in (
        ("random", "random_0", "random:0"),
        ("random:7", "random_7", "random:7"),
    ):
        encoder = find_encoder(model, "first")
        assert (encoder.name, encoder.location, encoder.width) == (name, location, 64)
        assert find_encoder(encoder.location, "first").revision == encoder.revision
        assert encoder.column == f"{name}_first"
    tiny = random_encoder(5, config=TINY)
    assert (tiny.name, tiny.location, tiny.width) == ("random_rnafm_5", "random:rnafm:5", 20)


@pytest.mark.parametrize("model", ["random:x", "random:default:3", "random:rnafm:x", "random:-1"])
def test_other_names_are_refused(model):
    with pytest.raises(UserError):
        find_encoder(model)


def test_pytorchs_generator_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    random_encoder(5)
    torch.testing.assert_close(torch.rand(3), expected)


def test_its_vectors_are_found_by_the_name_that_made_them(tmp_path):
    store = Collection.create(tmp_path / "c")
    store.append([record_batch(["a", "b"], ["ACGU", "GGGG"])])
    for seed in ("7", "0"):
        embed_collection(store, find_encoder(f"random:{seed}"))
    assert find_column(store, "random", "").column == "random_0"
    assert find_column(store, "random:7", "").column == "random_7"
