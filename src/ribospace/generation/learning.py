"""How a generator learns: noise is laid over the latents of natural molecules, and taken away again.

Everything random in a step comes from the seed and the step's number, so a training that is resumed takes the same
steps as one that was never broken off.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ribospace.errors import UserError
from ribospace.generation.schedule import signal_shares
from ribospace.models.denoiser import NO_LENGTH, NO_TYPE
from ribospace.models.device import pick_device, use_bf16
from ribospace.models.diffusion import LatentDiffusion
from ribospace.progress import Progress, silent
from ribospace.training.config import OptimizerConfig
from ribospace.training.interrupts import Interrupts
from ribospace.training.logs import Logs
from ribospace.training.state import read_own_state, restore, write_state

SAVE_SECONDS = 300.0
ORDER, STEP, LOOK = 1, 2, 3  # what a seed is for


@dataclass(frozen=True)
class NoiseConfig:
    """How a denoiser is shown molecules.

    Attributes
    ----------
    unsaid
        Share of the molecules of which neither type nor length is said; as many again without the type alone, and as
        many without the length alone (for classifier-free guidance, Ho & Salimans 2022, arXiv 2207.12598).
    average
        Of the weights that are kept: each step they go this share of the way that is left from 1 (an exponential moving
        average; in the first steps faster).
    """

    unsaid: float = 0.1
    average: float = 0.999

    def __post_init__(self) -> None:
        if not 0 <= self.unsaid <= 1 / 3 or not 0 <= self.average < 1:
            raise ValueError("unsaid must be in [0, 1/3], average in [0, 1)")


@dataclass(frozen=True)
class Molecules:
    """What is learned from.

    Attributes
    ----------
    latents
        (n, K, D), standardised.
    types, lengths
        (n,) int64, number of the type or NO_TYPE; nt.
    """

    latents: Tensor
    types: Tensor
    lengths: Tensor

    def take(self, rows: Tensor) -> Molecules:
        """Some of them."""
        return Molecules(self.latents[rows], self.types[rows], self.lengths[rows])

    def to(self, device: torch.device) -> Molecules:
        """The same on a device."""
        return Molecules(self.latents.to(device), self.types.to(device), self.lengths.to(device))


class Noising:
    """Lays noise over molecules, and says how far a prediction is off."""

    def __init__(self, model: LatentDiffusion, config: NoiseConfig) -> None:
        self.model, self.config = model, config
        shares = signal_shares(model.config.denoiser).to(model.center.device)
        self.signal, self.noise = shares.sqrt().float(), (1 - shares).sqrt().float()

    def losses(self, molecules: Molecules, generator: torch.Generator) -> Tensor:
        """(B,) mean squared error of each molecule's prediction, at a level of noise drawn evenly."""
        count, device = len(molecules.types), molecules.latents.device
        levels = len(self.signal)
        time = drawn_times(torch.rand(count, generator=generator), levels)
        noise = torch.randn(molecules.latents.shape, generator=generator).to(device)
        lot, unsaid = torch.rand(count, generator=generator).to(device), self.config.unsaid
        time = time[torch.randperm(count, generator=generator)].to(device)
        signal, share = self.signal[time][:, None, None], self.noise[time][:, None, None]
        noisy = signal * molecules.latents + share * noise
        types = molecules.types.masked_fill(lot < 2 * unsaid, NO_TYPE)
        lengths = molecules.lengths.masked_fill((lot < unsaid) | (lot > 1 - unsaid), NO_LENGTH)
        shown = self._shown(noisy, time, types, lengths) if self.model.config.denoiser.shown else None
        said = self.model.denoiser(noisy, time, types, lengths, shown).float()
        is_noise = self.model.config.denoiser.prediction == "epsilon"
        target = noise if is_noise else signal * noise - share * molecules.latents
        return F.mse_loss(said, target, reduction="none").mean(dim=(1, 2))

    @torch.no_grad()
    def _shown(self, noisy: Tensor, time: Tensor, types: Tensor, lengths: Tensor) -> Tensor:
        """What half of the molecules are shown as predicted before; the others are shown nothing."""
        half = len(noisy) // 2
        signal, share = self.signal[time[:half]][:, None, None], self.noise[time[:half]][:, None, None]
        first = self.model.denoiser(noisy[:half], time[:half], types[:half], lengths[:half]).float()
        clean = clean_of(first, noisy[:half], signal, share, self.model.config.denoiser.prediction)
        return torch.cat([clean, torch.zeros_like(noisy[half:])])


def drawn_times(lots: Tensor, levels: int) -> Tensor:
    """(B,) levels of noise, one from each Bth part of them all, by lots below 1.

    Examples
    --------
    >>> drawn_times(torch.tensor([0.5, 0.5]), 1000).tolist()
    [250, 750]
    """
    shares = (torch.arange(len(lots)) + lots) / len(lots)  # the last may be rounded up to 1
    return (shares * levels).long().clamp_(max=levels - 1)


def clean_of(said: Tensor, noisy: Tensor, signal: Tensor, noise: Tensor, prediction: str) -> Tensor:
    """The clean latents that a prediction means; `signal` and `noise` are the square roots of ᾱ and 1 - ᾱ."""
    if prediction == "epsilon":
        return (noisy - noise * said) / signal
    return signal * noisy - noise * said


class Learner:
    """Trains a denoiser.

    Parameters
    ----------
    model
        Its denoiser is trained, the rest stays.
    training, validation
        Standardised molecules; the second may be none.
    optimizer, noise
        See there; a token is a latent.
    seed
        Of the order and the noise.
    said
        What must be the same for an unfinished training to go on.
    folder
        Of the unfinished training; None: not kept.

    Attributes
    ----------
    step
        Steps taken.
    losses, looks
        The loss of each step; step and loss of each look at the molecules held out.
    average
        The moving average of the weights.
    """

    def __init__(
        self,
        model: LatentDiffusion,
        training: Molecules,
        validation: Molecules,
        optimizer: OptimizerConfig,
        noise: NoiseConfig,
        seed: int,
        said: str = "",
        folder: Path | None = None,
    ) -> None:
        self.model, self.settings, self.seed, self.folder = model, optimizer, seed, folder
        self.device = pick_device()
        model.to(self.device)
        self.training, self.validation = training, validation
        self.noising, self.noise = Noising(model, noise), noise
        self.bf16 = use_bf16(optimizer.precision, self.device)
        denoiser = model.denoiser
        self._optimizer = torch.optim.AdamW(
            denoiser.parameters(), optimizer.learning_rate, (0.9, 0.99), weight_decay=optimizer.weight_decay
        )
        self.batch = min(max(1, optimizer.token_budget // training.latents.shape[1]), len(training.types))
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self.looks: list[tuple[int, float]] = []
        self.average = {name: value.detach().clone() for name, value in denoiser.state_dict().items()}
        self._said = json.dumps([said, optimizer.steps, self.batch, len(training.types)])
        self._resume()
        self.logs = Logs(folder / "logs" if folder else None, self.step)

    def run(self, progress: Progress = silent) -> str:
        """Take steps until the last or the time's end; say why it stopped early, else nothing."""
        began = saved = time.perf_counter()
        began -= self.seconds
        self.model.train()
        with Interrupts() as interrupts:
            while self.step < self.settings.steps:
                if self.settings.minutes and self.seconds > 60 * self.settings.minutes:
                    self._save()
                    return f"stopped after {self.settings.minutes:g} minutes at step {self.step:,}"
                self._take_step()
                self.seconds = time.perf_counter() - began
                progress(self.step, self.settings.steps, self._note())
                if self.settings.evaluate_every and self.step % self.settings.evaluate_every == 0:
                    self.look()
                if interrupts.came:
                    self._save()
                    raise KeyboardInterrupt
                if time.perf_counter() - saved > SAVE_SECONDS:
                    self._save()
                    saved = time.perf_counter()
            self._save()
        self.logs.flush()
        return ""

    def finish(self) -> None:
        """Take the averaged weights, and look a last time at the molecules held out."""
        self.look()
        self.model.denoiser.load_state_dict(self.average)
        self.model.eval()

    def look(self) -> None:
        """The averaged weights' loss on the molecules held out, each at eight levels of noise, always the same."""
        if not len(self.validation.types) or (self.looks and self.looks[-1][0] == self.step):
            return
        now = {name: value.detach().clone() for name, value in self.model.denoiser.state_dict().items()}
        self.model.denoiser.load_state_dict(self.average)
        self.model.eval()
        total, generator = 0.0, torch.Generator().manual_seed(self._drawn(LOOK))
        with torch.no_grad():
            for begin in range(0, 8 * len(self.validation.types), self.batch):
                rows = torch.arange(begin, min(begin + self.batch, 8 * len(self.validation.types)))
                part = self.validation.take(rows % len(self.validation.types)).to(self.device)
                total += float(self.noising.losses(part, generator).sum())
        self.looks.append((self.step, total / (8 * len(self.validation.types))))
        self.model.denoiser.load_state_dict(now)
        self.model.train()
        self.logs.numbers({"validation/loss": self.looks[-1][1]}, self.step)

    def _take_step(self) -> None:
        rate = self.settings.rate(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        generator = torch.Generator().manual_seed(self._drawn(STEP, self.step))
        torch.manual_seed(self._drawn(STEP, self.step))  # of the dropout
        part = self.training.take(self._rows()).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.noising.losses(part, generator).mean()
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.model.denoiser.parameters(), self.settings.clip or float("inf"))
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.step += 1
        share = 1 - min(self.noise.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.model.denoiser.state_dict().items():
                self.average[name].lerp_(value, share)
        self.losses.append(float(loss.detach()))
        if not np.isfinite(self.losses[-1]):
            raise UserError(f"The loss is no number at step {self.step}. Lower optimizer.learning_rate.")
        self.logs.numbers({"loss": self.losses[-1], "rate": rate, "gradient": float(norm)}, self.step)

    def _rows(self) -> Tensor:
        """The molecules of the next step: an epoch visits each once, in an order of its own."""
        count = len(self.training.types)
        steps = count // self.batch
        epoch, place = divmod(self.step, steps)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self._drawn(ORDER, epoch)))
        return order[place * self.batch : (place + 1) * self.batch]

    def _drawn(self, *numbers: int) -> int:
        return int(np.random.SeedSequence([self.seed, *numbers]).generate_state(1)[0])

    def _note(self) -> str:
        left = self.seconds / self.step * (self.settings.steps - self.step)
        if self.settings.minutes:
            left = min(left, 60 * self.settings.minutes - self.seconds)
        held = f", held out {self.looks[-1][1]:.3f}" if self.looks else ""
        return f"loss {np.mean(self.losses[-100:]):.3f}{held}, about {max(left, 0) / 60:.1f} min left"

    def _save(self) -> None:
        if self.folder is not None:
            kept = {"step": self.step, "seconds": self.seconds, "losses": self.losses, "looks": self.looks}
            self.folder.mkdir(parents=True, exist_ok=True)
            said = {**kept, "config": self._said}
            write_state(self.folder, self.model.denoiser, self._optimizer, self.average, said)

    def _resume(self) -> None:
        found = read_own_state(self.folder, self._said) if self.folder else None
        if found is None:
            return
        tensors, said = found
        self.average = restore(tensors, self.model.denoiser, self._optimizer)
        self.step, self.seconds, self.losses = said["step"], said["seconds"], said["losses"]
        self.looks = [(step, loss) for step, loss in said["looks"]]
