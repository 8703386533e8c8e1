import dataclasses

import numpy as np
import pytest
import torch

from ribospace.errors import UserError
from ribospace.generation.learning import Learner, Molecules, NoiseConfig, Noising, clean_of, drawn_times
from ribospace.generation.schedule import signal_shares
from ribospace.training.config import OptimizerConfig
from tests.generation.conftest import small_generator

SETTINGS = OptimizerConfig(steps=6, learning_rate=1e-2, warmup=2, token_budget=32, evaluate_every=3, precision="fp32")


def molecules(count=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(count, 4, 6, generator=generator)
    return Molecules(latents, torch.arange(count) % 2, 1 + torch.arange(count) % 30)


def learner(folder=None, settings=SETTINGS, seed=0, **model):
    return Learner(small_generator(**model), molecules(), molecules(5, 1), settings, NoiseConfig(), seed, "", folder)


def weights(one):
    return torch.cat([value.flatten() for value in one.model.denoiser.state_dict().values()])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_it_learns(prediction):
    settings = dataclasses.replace(SETTINGS, steps=150, evaluate_every=0)
    one = learner(settings=settings, prediction=prediction)
    one.training = dataclasses.replace(one.training, latents=one.training.latents[:1].expand(20, -1, -1))
    assert one.run() == ""
    assert np.mean(one.losses[-20:]) < 0.9 * np.mean(one.losses[:20])


def test_the_same_seed_takes_the_same_steps():
    found = [learner(seed=seed) for seed in (0, 0, 1)]
    for one in found:
        one.run()
    assert found[0].losses == found[1].losses
    assert found[0].looks == found[1].looks
    assert found[0].losses != found[2].losses


def test_resumed_equals_uninterrupted_to_the_last_bit(tmp_path):
    whole = learner()
    whole.run()
    whole.finish()
    first = learner(tmp_path / "unfinished", dataclasses.replace(SETTINGS))
    for _ in range(4):
        first._take_step()
        if first.step == 3:
            first.look()
    first._save()
    rest = learner(tmp_path / "unfinished")
    assert rest.step == 4
    rest.run()
    rest.finish()
    assert torch.equal(weights(rest), weights(whole))
    assert rest.losses == whole.losses
    assert rest.looks == whole.looks


def test_another_config_does_not_go_on(tmp_path):
    learner(tmp_path / "unfinished").run()
    with pytest.raises(UserError, match="another config"):
        learner(tmp_path / "unfinished", dataclasses.replace(SETTINGS, steps=7))


def test_time_ends_it(tmp_path):
    one = learner(tmp_path / "unfinished", dataclasses.replace(SETTINGS, minutes=1e-9))
    assert "stopped after" in one.run()
    assert one.step < SETTINGS.steps


def test_a_look_changes_nothing():
    one = learner()
    before = weights(one).clone()
    one.look()
    assert torch.equal(weights(one), before)
    assert one.model.denoiser.training


def test_the_averaged_weights_are_kept():
    one = learner()
    one.run()
    last = weights(one).clone()
    one.finish()
    assert not torch.equal(weights(one), last)
    assert torch.equal(weights(one), torch.cat([value.flatten() for value in one.average.values()]))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_prediction_without_error_means_the_clean_latents(prediction):
    clean, noise = torch.randn(2, 3, 4, 6)
    share = signal_shares(small_generator().config.denoiser)[[5, 50, 90]].float()[:, None, None]
    signal, other = share.sqrt(), (1 - share).sqrt()
    noisy = signal * clean + other * noise
    said = noise if prediction == "epsilon" else signal * noise - other * clean
    assert torch.allclose(clean_of(said, noisy, signal, other, prediction), clean, atol=1e-3)


def test_levels_are_spread_evenly_and_none_is_beyond_the_last():
    """The largest float32 below 1 is rounded up to the next level when the last molecule's share is added."""
    lots = torch.full((128,), float(np.nextafter(np.float32(1), np.float32(0))))
    assert drawn_times(lots, 1000).max() == 999
    assert drawn_times(torch.zeros(4), 1000).tolist() == [0, 250, 500, 750]


def test_as_much_is_left_unsaid_as_asked():
    model, told = small_generator(shown=False), []
    model.denoiser.register_forward_pre_hook(lambda _, given: told.append(given[2:4]))
    many = molecules(3000)
    Noising(model, NoiseConfig(unsaid=0.1)).losses(many, torch.Generator().manual_seed(0))
    types, lengths = told[0]
    no_type, no_length = types == -1, lengths == 0
    for share in (no_type & no_length, no_type & ~no_length, ~no_type & no_length):
        assert float(share.float().mean()) == pytest.approx(0.1, abs=0.02)
