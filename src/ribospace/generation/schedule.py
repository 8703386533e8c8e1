"""Levels of noise and the ways down them; the schedulers are those of diffusers."""

from __future__ import annotations

from functools import cache
from typing import Any

from ribospace.errors import UserError, nearest
from ribospace.models.denoiser import DenoiserConfig

SAMPLERS = ("dpm-solver++", "ddim", "ddpm")
#: Steps that each takes where none are asked for; DDPM takes all that there are.
STEPS = {"dpm-solver++": 20, "ddim": 50}


def scheduler(config: DenoiserConfig, sampler: str, steps: int = 0) -> Any:
    """A scheduler of diffusers, set to so many steps.

    Parameters
    ----------
    config
        Of the denoiser: its levels of noise, and what it predicts.
    sampler
        "dpm-solver++" (Lu et al. 2022, arXiv 2211.01095, second order), "ddim" (Song et al. 2020, arXiv 2010.02502) or
        "ddpm" (Ho et al. 2020, arXiv 2006.11239).
    steps
        0: as many as the sampler takes by default.

    Raises
    ------
    UserError
        For a sampler that does not exist, or more steps than there are levels of noise.

    Examples
    --------
    >>> scheduler(DenoiserConfig(), "ddim", 4).timesteps.tolist()
    [999, 749, 499, 249]
    """
    if sampler not in SAMPLERS:
        raise UserError(f"There is no sampler {sampler!r}. {nearest(sampler, SAMPLERS)}")
    steps = steps or STEPS.get(sampler, config.times)
    if not 1 <= steps <= config.times:
        raise UserError(f"{steps:,} steps are not from 1 to {config.times:,}, the levels of noise of the model.")
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    shared = {
        "num_train_timesteps": config.times,
        "beta_schedule": config.noises,
        "prediction_type": config.prediction,
        "timestep_spacing": "trailing",
    }
    found: Any
    if sampler == "ddpm":
        found = DDPMScheduler(**shared, clip_sample=False)
    elif sampler == "ddim":
        found = DDIMScheduler(**shared, clip_sample=False)
    else:
        found = DPMSolverMultistepScheduler(**shared, algorithm_type="dpmsolver++", solver_order=2)
    found.set_timesteps(steps)
    return found


@cache
def signal_shares(config: DenoiserConfig) -> Any:
    """(times,) float64, the share ᾱ of the variance that is signal, at each level of noise."""
    from diffusers import DDPMScheduler

    made = DDPMScheduler(num_train_timesteps=config.times, beta_schedule=config.noises)
    return made.alphas_cumprod.double()
