import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ribospace.errors import UserError
from ribospace.generation.sampling import Sampling, generator_of, sample
from ribospace.generation.schedule import SAMPLERS, scheduler, signal_shares
from ribospace.models.denoiser import DenoiserConfig
from tests.generation.conftest import small_generator

STEPS = 8


def asked(count):
    return torch.arange(count) % 2, 10 + torch.arange(count) % 20


def sampled(model, count=6, how=None, **more):
    with torch.no_grad():
        generators = [generator_of(3, number) for number in range(count)]
        return sample(model, *asked(count), generators, how or Sampling(steps=STEPS), **more)


def pull(latents):
    return latents[:, 0, 0]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_molecule_does_not_depend_on_its_batch(model, sampler):
    how = Sampling(sampler, STEPS)
    whole = sampled(model, how=how)
    for number in range(6):
        types, lengths = (one[number : number + 1] for one in asked(6))
        alone = sample(model, types, lengths, [generator_of(3, number)], how)
        assert torch.allclose(alone[0], whole[number], atol=1e-4)


def test_latents_are_as_the_decoder_knows_them(model):
    found = sampled(model)
    assert torch.allclose(found.mean(dim=-1), torch.zeros(6, 4), atol=1e-5)
    assert torch.allclose(found.var(dim=-1, correction=0), torch.ones(6, 4), atol=1e-3)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_no_strength_is_unguided_to_the_bit(prediction):
    model = small_generator(prediction=prediction)
    before = sampled(model)
    assert torch.equal(sampled(model, how=Sampling(steps=STEPS, strength=0.0), loss=pull), before)
    assert not torch.equal(sampled(model, how=Sampling(steps=STEPS, strength=1.0), loss=pull), before)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_steering_goes_where_the_loss_is_small(prediction, sampler):
    model = small_generator(prediction=prediction)
    means = [
        float(pull(sampled(model, 40, Sampling(sampler, 20, strength=strength), loss=pull)).mean())
        for strength in (0.0, 1.0, 4.0)
    ]
    assert means[0] > means[1] > means[2]


class Gaussian(torch.nn.Module):
    """The denoiser that knows the truth, where the standardised latents of all molecules are N(mean, deviation²)."""

    def __init__(self, config, mean=0.4, deviation=0.5):
        super().__init__()
        self.config, self.mean, self.deviation = config, mean, deviation
        self.shares = signal_shares(config).float()

    def forward(self, noisy, time, types, lengths, shown=None):
        share = self.shares[time][:, None, None]
        gain = share.sqrt() * self.deviation**2 / (share * self.deviation**2 + 1 - share)
        clean = self.mean + gain * (noisy - share.sqrt() * self.mean)
        noise = (noisy - share.sqrt() * clean) / (1 - share).sqrt()
        return noise if self.config.prediction == "epsilon" else share.sqrt() * noise - (1 - share).sqrt() * clean


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("sampler", "steps"), [("dpm-solver++", 20), ("ddim", 50), ("ddpm", 0)])
def test_what_is_known_is_sampled(monkeypatch, prediction, sampler, steps):
    model = small_generator(prediction=prediction, noises="squaredcos_cap_v2", times=200)
    model.denoiser = Gaussian(model.config.denoiser)
    monkeypatch.setattr(type(model), "latents", lambda self, x: x)  # as the denoiser has them
    found = sampled(model, 300, Sampling(sampler, steps))
    assert float(found.mean()) == pytest.approx(0.4, abs=0.03)
    assert float(found.std()) == pytest.approx(0.5, abs=0.03)


def test_little_noise_stays_near_the_start(model):
    model.denoiser = Gaussian(model.config.denoiser, mean=0.0, deviation=1.0)
    start = F.layer_norm(torch.randn(6, 4, 6), (6,))
    near, far = (sampled(model, start=start, how=Sampling(steps=20), noise=noise) for noise in (0.1, 0.9))
    assert (near - start).square().mean() < 0.1 < (far - start).square().mean()


def test_steps_and_samplers_are_checked():
    with pytest.raises(UserError, match=r"dpm-solver\+\+"):
        scheduler(DenoiserConfig(), "dpm-solver", 10)
    with pytest.raises(UserError, match=r"1 to 1,000"):
        scheduler(DenoiserConfig(), "ddim", 2000)


def test_signal_falls_with_time():
    for noises in ("squaredcos_cap_v2", "linear", "scaled_linear"):
        shares = signal_shares(DenoiserConfig(noises=noises)).numpy()
        assert (np.diff(shares) < 0).all()
        assert shares[0] > 0.99
