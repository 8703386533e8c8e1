"""From noise to latents: a sampler of diffusers walks down the levels of noise, steered where it is asked to be.

Each molecule has a seed of its own, so it does not depend on how many others there are or in which batch it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ribospace.generation.learning import clean_of
from ribospace.generation.schedule import scheduler, signal_shares
from ribospace.models.diffusion import LatentDiffusion

#: (B, K, D) latents, each of mean 0 and variance 1, → (B,) what is to become small.
Loss = Callable[[Tensor], Tensor]
#: Furthest that steering moves the predicted latents in a step, as a root mean square of standardised numbers.
REACH = 0.3


@dataclass(frozen=True)
class Sampling:
    """How molecules are sampled.

    Attributes
    ----------
    sampler, steps
        See `schedule.scheduler`.
    guidance
        How far the prediction goes from what it is with nothing said, past 1, what it is with type and length said (Ho
        & Salimans 2022); 1: no further.
    strength
        λ of the steering; 0: none.
    """

    sampler: str = "dpm-solver++"
    steps: int = 0
    guidance: float = 1.0
    strength: float = 0.0


def generator_of(seed: int, number: int) -> torch.Generator:
    """The source of all noise of one molecule.

    Examples
    --------
    >>> one, other = (torch.randn(3, generator=generator_of(1, 7)) for _ in range(2))
    >>> bool((one == other).all())
    True
    """
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))


def sample(
    model: LatentDiffusion,
    types: Tensor,
    lengths: Tensor,
    generators: list[torch.Generator],
    how: Sampling,
    loss: Loss | None = None,
    start: Tensor | None = None,
    noise: float = 1.0,
) -> Tensor:
    """Sample latents.

    Parameters
    ----------
    model
        In evaluation mode.
    types, lengths
        (B,) what is asked for: number of the type or NO_TYPE, nt or NO_LENGTH.
    generators
        (B,) of each molecule's noise.
    how
        Sampler, steps, guidance, strength.
    loss
        What steering makes small.
    start
        (B, K, D) latents to begin with; None: noise alone.
    noise
        With a start, the share of the way from it to noise that is gone first, in (0, 1].

    Returns
    -------
    Tensor
        (B, K, D) latents, each of mean 0 and variance 1, on the model's device.
    """
    walk = scheduler(model.config.denoiser, how.sampler, how.steps)
    device = model.center.device
    x = torch.stack([torch.randn(model.center.shape, generator=one) for one in generators]).to(device)
    times = walk.timesteps
    if start is not None:
        first = min(int((times > noise * model.config.denoiser.times).sum()), len(times) - 1)
        times = times[first:]
        walk.set_begin_index(first) if how.sampler == "dpm-solver++" else None
        share = float(signal_shares(model.config.denoiser)[int(times[0])])
        x = share**0.5 * model.standardised(start.to(device)) + (1 - share) ** 0.5 * x
    predict = _Predictor(model, types.to(device), lengths.to(device), how, loss)
    for time in times:
        said = predict(x, int(time))
        if how.sampler == "dpm-solver++":
            x = walk.step(said, time, x).prev_sample
        else:
            x = walk.step(said, time, x, generator=generators).prev_sample
    return model.latents(x)


class _Predictor:
    """What the denoiser says of a step's latents: with its type and length said more loudly, and steered."""

    def __init__(self, model: LatentDiffusion, types: Tensor, lengths: Tensor, how: Sampling, loss: Loss | None):
        self.model, self.types, self.lengths, self.how = model, types, lengths, how
        self.loss = loss if how.strength else None
        self.shares = signal_shares(model.config.denoiser)
        self.prediction = model.config.denoiser.prediction
        self.shown: Tensor | None = None

    def __call__(self, x: Tensor, time: int) -> Tensor:
        """(B, K, D) at a level of noise → what the scheduler is to take for the prediction."""
        share = float(self.shares[time])
        signal, noise = share**0.5, (1 - share) ** 0.5
        with torch.set_grad_enabled(self.loss is not None):
            x = x.detach().requires_grad_(self.loss is not None)
            said = self._said(x, torch.full((len(x),), time, device=x.device))
            clean = _clean(said, x, signal, noise, self.prediction)
            if self.loss is not None:
                losses = self.loss(self.model.latents(clean))
                (slope,) = torch.autograd.grad(losses.sum(), x)
                clean = clean - _bounded(self.how.strength * noise**2 / signal * slope)
                said = _said_of(clean, x, signal, noise, self.prediction)
        self.shown = clean.detach()
        return said.detach()

    def _said(self, x: Tensor, time: Tensor) -> Tensor:
        shown = self.shown if self.model.config.denoiser.shown else None
        denoiser = self.model.denoiser
        said = denoiser(x, time, self.types, self.lengths, shown)
        if self.how.guidance == 1.0:
            return said  # type: ignore[no-any-return]
        unsaid = denoiser(x, time, torch.full_like(self.types, -1), torch.zeros_like(self.lengths), shown)
        return unsaid + self.how.guidance * (said - unsaid)  # type: ignore[no-any-return]


def _clean(said: Tensor, noisy: Tensor, signal: float, noise: float, prediction: str) -> Tensor:
    return clean_of(said, noisy, torch.tensor(signal), torch.tensor(noise), prediction)


def _said_of(clean: Tensor, noisy: Tensor, signal: float, noise: float, prediction: str) -> Tensor:
    """The prediction that means these clean latents."""
    drawn = (noisy - signal * clean) / noise
    return drawn if prediction == "epsilon" else signal * drawn - noise * clean


def _bounded(move: Tensor) -> Tensor:
    """(B, K, D) → no longer than REACH, as where nearly all is noise slopes mean little."""
    size = move.square().mean(dim=(1, 2), keepdim=True).sqrt()
    return move * (REACH / size.clamp(min=REACH))
