"""The weights that ship: whole, small, licensed, found by name from anywhere, and made where their cards say."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.encoders import embed_collection, find_encoder
from ribospace.encoders.named import encoder_of, find_column
from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.models.diffusion import LatentDiffusion
from ribospace.models.latent import LatentAutoencoder
from ribospace.models.shipped import ENCODER, GENERATOR, LATENT, SHIPPED, location_of, place_of, shipped
from ribospace.records import record_batch

PINNED = Path(__file__).parent.parent / "reference" / "shipped" / "pinned.json"
MOST_BYTES = 25_000_000
SEQUENCES = ["GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA", "GGGGAAAACCCC" * 60]


def test_all_of_them_ship_and_are_small():
    found = shipped()
    assert [one.name for one in found] == list(SHIPPED)
    assert sum(one.size for one in found) < MOST_BYTES
    for one in found:
        assert one.figures, f"{one.name} has no figures"
        assert {path.name for path in place_of(one.name).iterdir()} == {"config.json", "model.safetensors", "README.md"}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_says_licence_data_and_limits_and_no_place_of_the_machine_that_trained(name):
    card = (place_of(name) / "README.md").read_text(encoding="utf-8")
    config = (place_of(name) / "config.json").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "## What cannot be concluded" in card
    assert json.loads(config)["data"]["collection"] == "studies/pretrain/runs/data"
    for text in (card, config):
        assert not re.search(r'["`( ]/(home|root|tmp|work|mnt|data)/', text)


def test_what_the_docs_say_of_its_rewards_is_what_was_measured():
    figures = json.loads((place_of(GENERATOR) / "config.json").read_text(encoding="utf-8"))["figures"]["rewards"]
    docs = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")
    for name, one in figures["values"].items():
        assert f"| `{name}` | R² {one['r2']:.3f}, Spearman {one['spearman']:.3f}, " in docs
    assert f"{figures['types']['accuracy']:.1%} right".replace("%", " %") in docs
    assert f"{figures['structure']['accuracy']:.1%} right".replace("%", " %") in docs


def test_the_networks_are_what_their_names_say():
    kinds = {LATENT: LatentAutoencoder, GENERATOR: LatentDiffusion}
    for name, kind in kinds.items():
        assert isinstance(checkpoint.load(name, kind).model, kind)
    assert find_encoder(ENCODER).width == 64
    config = checkpoint.load(LATENT).model.config
    assert (config.queries, config.width) == (16, 40)


def test_a_molecule_of_any_length_has_a_vector_that_depends_on_it_alone():
    encoder = find_encoder(ENCODER)
    together = encoder.encode(tokenize(SEQUENCES))
    assert together.shape == (2, 64)
    for row, one in enumerate(SEQUENCES):
        np.testing.assert_allclose(encoder.encode(tokenize([one]))[0], together[row], atol=1e-4)


def test_a_column_names_its_encoder_so_that_another_machine_finds_it(tmp_path):
    encoder = find_encoder(ENCODER)
    assert encoder.location == ENCODER
    store = Collection.open_or_create(tmp_path / "c")
    store.append([record_batch(["a", "b"], SEQUENCES)])
    embed_collection(store, encoder)
    info = find_column(store, ENCODER, "")
    assert (info.column, info.location) == (ENCODER, ENCODER)
    assert encoder_of(info).revision == encoder.revision


def test_a_path_is_never_taken_for_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place_of(Path(ENCODER)) == Path(ENCODER)
    assert place_of(f"./{ENCODER}") == Path(ENCODER)
    assert location_of(tmp_path / ENCODER) == str(tmp_path / ENCODER)
    with pytest.raises(UserError, match="holds no model"):
        checkpoint.load(Path(ENCODER))


@pytest.mark.parametrize("name", [ENCODER, LATENT])
def test_a_name_takes_no_argument(name):
    with pytest.raises(UserError, match="Name it alone"):
        find_encoder(f"{name}:2")


def test_the_weights_and_their_vectors_are_those_of_the_day_they_shipped():
    for name, pinned in json.loads(PINNED.read_text(encoding="utf-8")).items():
        digest = hashlib.sha256((place_of(name) / "model.safetensors").read_bytes()).hexdigest()[:16]
        assert digest == pinned["sha256"]
        if "first" in pinned:
            np.testing.assert_allclose(
                find_encoder(name).encode(tokenize(SEQUENCES[:1]))[0, :8], pinned["first"], atol=1e-3
            )
