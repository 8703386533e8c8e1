import pytest
import torch

from ribospace.models.denoiser import NO_LENGTH, NO_TYPE, Denoiser, DenoiserConfig

SIZES = {"width": 16, "heads": 2, "layers": 2, "feedforward": 32, "times": 50}


def made(**settings):
    torch.manual_seed(0)
    denoiser = Denoiser(DenoiserConfig(**{**SIZES, **settings}), latents=4, latent_width=6, types=3, longest=30).eval()
    for weight in denoiser.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return denoiser


def asked(count=5):
    torch.manual_seed(1)
    x = torch.randn(count, 4, 6)
    return x, torch.randint(0, 50, (count,)), torch.randint(0, 3, (count,)), torch.randint(1, 31, (count,))


def test_it_begins_by_saying_nothing():
    denoiser = Denoiser(DenoiserConfig(**SIZES), 4, 6, 3, 30)
    assert not denoiser(*asked()).any()


def test_a_molecule_does_not_depend_on_its_batch():
    denoiser, (x, time, types, lengths) = made(), asked()
    whole = denoiser(x, time, types, lengths)
    for row in range(5):
        one = slice(row, row + 1)
        assert torch.allclose(denoiser(x[one], time[one], types[one], lengths[one])[0], whole[row], atol=1e-5)


@pytest.mark.parametrize("changed", ["time", "types", "lengths", "shown"])
def test_everything_it_is_told_matters(changed):
    denoiser, (x, time, types, lengths) = made(), asked()
    before = denoiser(x, time, types, lengths)
    said = {"time": (time + 1) % 50, "types": (types + 1) % 3, "lengths": lengths % 30 + 1, "shown": torch.ones_like(x)}
    told = {"time": time, "types": types, "lengths": lengths, changed: said[changed]}
    assert ((denoiser(x, **told) - before).abs().amax(dim=(1, 2)) > 1e-4).all()


def test_what_is_not_said_is_not_a_type_or_a_length():
    denoiser, (x, time, types, lengths) = made(), asked()
    unsaid = denoiser(x, time, torch.full_like(types, NO_TYPE), torch.full_like(lengths, NO_LENGTH))
    for kind in range(3):
        assert not torch.allclose(denoiser(x, time, torch.full_like(types, kind), lengths), unsaid)


def test_shown_nothing_is_shown_zeros():
    denoiser, told = made(), asked()
    assert torch.equal(denoiser(*told), denoiser(*told, torch.zeros_like(told[0])))
    assert made(shown=False).into.in_features == 6


@pytest.mark.parametrize(
    "settings",
    [{"width": 15}, {"prediction": "clean"}, {"noises": "none"}, {"times": 1}, {"dropout": 1.0}, {"layers": 0}],
)
def test_impossible_sizes_are_refused(settings):
    with pytest.raises(ValueError, match=r"width|prediction|times|dropout|size"):
        DenoiserConfig(**{**SIZES, **settings})
