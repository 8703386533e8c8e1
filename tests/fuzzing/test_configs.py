"""TOML files and `--set`: whatever stands in them, a config that can be or a sentence."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.config import from_mapping, laid_over, read_toml, with_overrides
from ribospace.errors import UserError
from ribospace.generation.train import DiffusionTrainConfig
from ribospace.generation.train_reward import RewardTrainConfig
from ribospace.training.config import LatentTrainConfig, TrainConfig, read_preset
from ribospace.training.graph import GraphTrainConfig
from tests.fuzzing.surviving import JSON, bounded_memory, cases, changed, mutated, survives

KINDS = {
    "default": TrainConfig, "talk": TrainConfig, "latent": LatentTrainConfig, "diffusion": DiffusionTrainConfig,
    "graph": GraphTrainConfig,
}  # fmt: skip
TOML = b"""name = "mine"
seed = 1
[data]
where = "length < 200"
held_out = 0.1
[model]
width = 64
classes = ["tRNA", "rRNA"]
[optimizer]
steps = 100
learning_rate = 1e-3
warmup = 1979-05-27T07:32:00Z
"""
VALUES = [
    "nan", "inf", "-inf", "1e400", "1" * 5000, "0x" + "f" * 300, "-1", "0", "true", "[]", "[" * 2000, "{" * 2000, "''",
    '"\\ud800"', "[1, 'a']", "{a = 1}", "1979-05-27", "9223372036854775808", "1_0", "-0.0", "\0", "é", "=", "[[1]]",
    "1\nb = 2", "1e308", "1000000000", "65537", "16777217",
]  # fmt: skip
KEYS = [
    "model.width", "model.heads", "model.encoder_layers", "model.window", "model.classes", "model.dropout", "seed",
    "optimizer.steps", "optimizer.learning_rate", "optimizer.clip", "data.held_out", "data.where", "name", "objective",
    "objective.written", "model", "", ".", "a.b.c", "model..width", "model.width.x", "." * 3000, " seed ", "denoiser.times",
]  # fmt: skip


def finite(config) -> bool:
    return all(math.isfinite(one) for section in vars(config).values() for one in _numbers(section))


def _numbers(value):
    if isinstance(value, float):
        yield value
    for one in vars(value).values() if hasattr(value, "__dict__") else ():
        yield from _numbers(one)


@cases(200)
@given(seed=st.integers(0, 2**64), kind=st.sampled_from(list(KINDS)))
def test_mutated_toml(tmp_path, seed, kind):
    path = tmp_path / "x.toml"
    path.write_bytes(mutated(TOML, seed))
    if (said := survives(read_toml, path)) is not None:
        config = survives(from_mapping, KINDS[kind], laid_over(read_preset(kind), said), str(path))
        assert config is None or finite(config)


@cases(200)
@given(kind=st.sampled_from(list(KINDS)), data=st.data())
def test_presets_with_odd_values(kind, data):
    said = data.draw(changed(read_preset(kind)))
    config = survives(from_mapping, KINDS[kind], said, "the settings")
    assert config is None or finite(config)


@cases(300)
@given(
    settings=st.lists(
        st.tuples(st.sampled_from(KEYS) | st.text(max_size=12), st.sampled_from(VALUES) | st.text(max_size=12)).map(
            "=".join
        )
        | st.text(max_size=12),
        max_size=3,
    ),
    kind=st.sampled_from([*KINDS.values(), RewardTrainConfig]),
)
def test_any_settings(settings, kind):
    said = survives(with_overrides, {}, settings)
    if said is not None:
        config = survives(from_mapping, kind, said, "--set")
        assert config is None or finite(config)


@cases(100)
@given(said=JSON, kind=st.sampled_from(list(KINDS.values())))
def test_any_document(said, kind):
    survives(from_mapping, kind, said, "the config")


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + "{a = " * 5000,
        ".".join("a" * 5000) + " = 1",
        "[" + ".".join("a" * 5000) + "]",
        "a = " + "9" * 5000,
        "[[model]]\n" * 10,
        "model = 1",
        "\ufeffseed = 1",
    ],
    ids=range(8),
)
def test_extreme_toml_is_refused(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError):
        from_mapping(TrainConfig, laid_over(read_preset("default"), read_toml(path)), str(path))


def test_configs_cannot_ask_for_networks_that_fill_the_memory():
    with bounded_memory():
        for size in ("encoder_layers", "width", "feedforward", "window", "heads"):
            with pytest.raises(UserError, match=size):
                from_mapping(TrainConfig, {"model": {size: 2**31}}, "the config")
