"""The surrogate: smooth, calibrated by its buffers, and a part of a checkpoint like any network."""

import pytest
import torch

from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.qformer import QFormerConfig
from ribospace.models.surrogate import SIGNS, Surrogate, SurrogateConfig

SIZES = {"latents": 4, "width": 8, "window": 30, "hidden": 16, "heads": 2, "layers": 2}


def made(**more):
    torch.manual_seed(0)
    told = {"values": ("mfe", "gc"), "units": ("kcal/mol", ""), "classes": ("rRNA", "tRNA"), "structure": True}
    return Surrogate(SurrogateConfig(**(SIZES | told | more))).eval()


def test_what_is_told_are_probabilities_and_positive_deviations():
    told = made()(1e3 * torch.randn(5, 4, 8))
    assert told.mean.shape == told.deviation.shape == (5, 2)
    assert (told.deviation > 0).all()
    assert told.deviation.isfinite().all()
    torch.testing.assert_close(told.classes.exp().sum(dim=1), torch.ones(5))
    assert told.signs.shape == (5, 32, len(SIGNS))
    torch.testing.assert_close(told.signs.exp().sum(dim=2), torch.ones(5, 32))


@pytest.mark.parametrize(
    ("more", "none"),
    [
        ({"classes": ()}, {"classes"}),
        ({"structure": False}, {"signs"}),
        ({"values": (), "units": ()}, {"mean", "deviation"}),
        ({"values": (), "units": (), "classes": ()}, {"mean", "deviation", "classes"}),
    ],
)
def test_what_was_not_taught_is_not_told(more, none):
    told = vars(made(**more)(torch.randn(2, 4, 8)))
    assert {name for name, value in told.items() if value is None} == none


def test_no_molecule_sees_another():
    model, latents = made(), torch.randn(6, 4, 8)
    torch.testing.assert_close(model(latents).mean[2:3], model(latents[2:3]).mean)


def test_units_are_in_the_buffers():
    model, latents = made(), torch.randn(3, 4, 8)
    before = model(latents)
    model.center += 5
    model.scale *= 2
    model.temperature *= 3
    after = model(latents)
    torch.testing.assert_close(after.mean, 2 * before.mean + 5)
    torch.testing.assert_close(after.deviation, 6 * before.deviation)


def test_float64_is_float64_all_the_way():
    """Nothing is rounded to float32 on the way, or no slope could be checked."""
    model = made().double()
    latents = torch.randn(1, 4, 8, dtype=torch.float64)
    near = latents + 1e-11
    assert 0 < (model(near).mean - model(latents).mean).abs().max() < 1e-8
    assert torch.autograd.gradcheck(lambda z: model(z).mean, latents.requires_grad_())


def test_the_stride_is_the_latent_models():
    for queries, window in ((16, 205), (4, 30), (7, 31)):
        config = SurrogateConfig(latents=queries, window=window, structure=True)
        assert config.stride == QFormerConfig(queries=queries, window=window).stride
        assert config.slots > window


def test_on_disk_and_back(tmp_path):
    model = made(latent="abc")
    model.sign_spread.normal_()
    checkpoint.save(model, tmp_path / "reward", "mine", {"seed": 3})
    found = checkpoint.load(tmp_path / "reward", Surrogate)
    assert (found.model.config, found.about["seed"]) == (model.config, 3)
    latents = torch.randn(2, 4, 8)
    assert torch.equal(found.model(latents).signs, model(latents).signs)
    assert torch.equal(found.model.sign_spread, model.sign_spread)
    with pytest.raises(UserError, match="a reward of `ribospace train reward`, not a model of"):
        checkpoint.load(tmp_path / "reward")
    checkpoint.save(Autoencoder(AutoencoderConfig(width=8, heads=2, feedforward=8)), tmp_path / "other", "other", {})
    with pytest.raises(UserError, match="not a reward"):
        checkpoint.load(tmp_path / "other", Surrogate)


@pytest.mark.parametrize(
    "more",
    [
        {"hidden": 15},
        {"layers": 0},
        {"units": ()},
        {"values": ("a", "a")},
        {"classes": ("a", "a")},
        {"values": (), "units": (), "classes": (), "structure": False},
    ],
)
def test_sizes_that_do_not_go_together(more):
    with pytest.raises(ValueError, match=r"must be|divisible|units|twice|nothing to learn"):
        made(**more)
