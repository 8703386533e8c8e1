"""How a surrogate is taught properties of molecules by their latents, calibrated, and judged by molecules held out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import norm
from torch import Tensor
from torch.nn import functional as F

from ribospace.errors import UserError
from ribospace.generation.judging import INTERVALS, Figures, judged
from ribospace.generation.properties import UNKNOWN, Rows, Targets
from ribospace.models.device import keep_freed_memory, pick_device, use_bf16
from ribospace.models.surrogate import SPREAD, Surrogate, SurrogateConfig, Told
from ribospace.progress import Progress, silent

LEAST = 5  # molecules of each part
BATCH = 1024  # molecules told at once
LOOKED = 2000  # molecules of validation that are looked at on the way; all calibrate
NATURAL = 4096  # training molecules by which the natural spread of types and signs is measured


@dataclass(frozen=True)
class FitConfig:
    """How a surrogate is taught.

    Attributes
    ----------
    steps, batch
        Of the optimiser; molecules in a step. 0 steps: 60 rounds of the molecules, from 200 to 1,200 steps.
    learning_rate, weight_decay
        Of AdamW; the rate falls by a cosine, behind 50 steps of warm-up.
    noise
        Gaussian noise on the latents, whose own standard deviation is 1, is drawn evenly from 0 to this for each
        molecule: what a generator predicts on its way is near natural latents, not among them.
    looks
        How often the molecules of validation are looked at; the best weights are kept.
    """

    steps: int = 0
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    noise: float = 0.5
    looks: int = 10

    def __post_init__(self) -> None:
        if self.steps < 0 or min(self.batch, self.looks) < 1 or not 0 < self.learning_rate < float("inf"):
            raise ValueError("batch, looks and learning_rate must be above 0, steps 0 or more")
        if not (0 <= self.noise < float("inf") and 0 <= self.weight_decay < float("inf")):
            raise ValueError("noise and weight_decay must be finite, and 0 or more")


@dataclass(frozen=True)
class Fitted:
    """A surrogate, and how it does on molecules held out.

    Attributes
    ----------
    surrogate
        In evaluation mode, on the processor.
    figures
        See `judging.judged`; beside them steps and the losses of the looks.
    """

    surrogate: Surrogate
    figures: Figures


@dataclass(frozen=True)
class _Batch:
    latents: Tensor
    values: Tensor
    labels: Tensor
    signs: Tensor | None


def fit(
    latents: npt.NDArray[np.float32],
    targets: Targets,
    parts: Rows,
    config: SurrogateConfig,
    how: FitConfig | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Fitted:
    """Teach a surrogate.

    Parameters
    ----------
    latents
        (n, K, D), each latent of mean 0 and variance 1.
    targets
        Of the n molecules.
    parts
        (n,) 0: trained on; 1: looked at on the way, and calibrated by; 2: judged by. Near copies stand in one part, see
        `properties.parts_by_cluster`. Any other number: left out.
    config
        Sizes; what is told is taken from the targets.
    how, seed
        Of the training; the seed is that of weights, order and noise.
    progress
        Told of every step.

    Returns
    -------
    Fitted

    Raises
    ------
    UserError
        If a part has too few molecules, or a property is the same for all.
    """
    how = how or FitConfig()
    keep_freed_memory()
    told = {"values": targets.names, "units": targets.units, "classes": targets.classes}
    config = dataclasses.replace(config, **told, structure=targets.signs is not None)  # type: ignore[arg-type]
    rows = [np.flatnonzero(parts == part) for part in range(3)]
    _require_enough(targets, rows)
    device = pick_device()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Surrogate(config).to(device)
    _measure_values(model, targets.values[rows[0]])
    learner = _Learner(model, latents, targets, how, seed, device)
    seen = np.random.default_rng(seed).permutation(rows[1])[:LOOKED]
    looks = learner.run(rows[0], seen, progress)
    model.eval()
    _calibrate(model, latents[rows[1]], targets.take(rows[1]))
    some = np.random.default_rng(seed).permutation(rows[0])[:NATURAL]
    _measure_natural(model, tell(model, latents[some]))
    train, test = targets.take(rows[0]), targets.take(rows[2])
    noised = _noised(torch.from_numpy(latents[rows[2]]), how.noise, torch.Generator().manual_seed(seed), same=True)
    figures = judged(config, tell(model, latents[rows[2]]), tell(model, noised.numpy()), test, train)
    counts = dict(zip(("training", "validation", "test"), map(len, rows), strict=True))
    return Fitted(model.cpu(), {"molecules": counts, "steps": learner.steps, "losses": looks, **figures})


def _require_enough(targets: Targets, rows: list[Rows]) -> None:
    for part, found in zip(("train on", "validate by", "judge by"), rows, strict=True):
        known = np.isfinite(targets.values[found]).sum(axis=0)
        few = [name for name, count in zip(targets.names, known, strict=True) if count < LEAST]
        if len(found) < LEAST or few:
            of = f" of which {few[0]!r} is known" if few and len(found) >= LEAST else ""
            count = int(known.min(initial=len(found)))
            raise UserError(
                f"There are {count} molecules{of} to {part}, at least {LEAST} are needed. Give more molecules, of more "
                "kinds: near copies all stand in one part of the split."
            )
    for name, column in zip(targets.names, targets.values[rows[0]].T, strict=True):
        if np.nanmin(column) == np.nanmax(column):
            raise UserError(
                f"{name!r} is {np.nanmin(column):g} for every molecule to train on: there is nothing to learn. "
                "Choose a property that differs."
            )


def _measure_values(model: Surrogate, values: npt.NDArray[np.float64]) -> None:
    if model.config.values:
        model.center.copy_(torch.from_numpy(np.nanmean(values, axis=0)))
        model.scale.copy_(torch.from_numpy(np.nanstd(values, axis=0)))


def _noised(latents: Tensor, most: float, generator: torch.Generator, same: bool = False) -> Tensor:
    """Latents under Gaussian noise, each molecule's of its own level or of the same; again of mean 0 and variance 1."""
    level = torch.ones(len(latents)) if same else torch.rand(len(latents), generator=generator)
    drawn = torch.randn(latents.shape, generator=generator)
    return F.layer_norm(latents + most * level[:, None, None] * drawn, latents.shape[-1:])


def losses(
    model: Surrogate, told: Told, values: Tensor, labels: Tensor, signs: Tensor | None, evened: bool = False
) -> Tensor:
    """Gaussian negative log-likelihoods of standardised values, and cross-entropies of types and signs, summed.

    Evened, a molecule's likelihood is weighted by its deviation (Seitzer et al. 2022, arXiv 2203.09168, with β = 1/2):
    else values that are told exactly, and molecules for which they are, have slopes that drown all others.
    """
    total = model.center.new_zeros(())
    if told.mean is not None and told.deviation is not None:
        known = values.isfinite()
        off = torch.where(known, values - told.mean, 0) / told.deviation
        spread = told.deviation / model.scale
        each = torch.where(known, off.square() / 2 + spread.log(), 0) * (spread.detach() if evened else 1)
        total = total + (each.sum(dim=0) / known.sum(dim=0).clamp(min=1)).sum()
    for said, true in ((told.classes, labels), (told.signs, signs)):
        if said is not None and true is not None:
            count = (true != UNKNOWN).sum().clamp(min=1)
            flat = said.flatten(0, -2), true.flatten()
            total = total + F.nll_loss(*flat, ignore_index=UNKNOWN, reduction="sum") / count
    return total


class _Learner:
    def __init__(
        self,
        model: Surrogate,
        latents: npt.NDArray[np.float32],
        targets: Targets,
        how: FitConfig,
        seed: int,
        device: torch.device,
    ) -> None:
        self.model, self.how, self.device, self.steps = model, how, device, 0
        self.latents, self.targets = torch.from_numpy(latents), targets
        self.generator, self.seed = torch.Generator().manual_seed(seed), seed
        self.bf16 = use_bf16("auto", device)

    def run(self, train: Rows, validation: Rows, progress: Progress) -> list[list[float]]:
        """Take all steps and keep the weights that did best; step and loss of each look."""
        how, batch = self.how, min(self.how.batch, len(train))
        steps = how.steps or int(np.clip(60 * len(train) // batch, 200, 1200))
        optimizer = torch.optim.AdamW(
            self.model.parameters(), how.learning_rate, (0.9, 0.99), weight_decay=how.weight_decay
        )
        warm = min(50, steps // 4)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / (warm + 1), 0.5 + 0.5 * float(np.cos(np.pi * step / steps)))
        )
        looks: list[list[float]] = []
        best: dict[str, Tensor] = {}
        for rows in self._batches(train, batch, steps):
            loss = self._take_step(rows, optimizer)
            schedule.step()
            self.steps += 1
            if self.steps % -(-steps // how.looks) == 0 or self.steps == steps:
                looks.append([self.steps, round(self._look(validation), 4)])
                if looks[-1][1] == min(one for _, one in looks):
                    best = {name: value.clone() for name, value in self.model.state_dict().items()}
            progress(self.steps, steps, f"loss {loss:.3f}")
        self.model.load_state_dict(best)
        return looks

    def _take_step(self, rows: Rows, optimizer: torch.optim.Optimizer) -> float:
        self.model.train()
        part = self._part(rows, self.generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            told = self.model(part.latents)
        loss = losses(self.model, _float(told), part.values, part.labels, part.signs, evened=True)
        if not bool(loss.isfinite()):
            raise UserError(f"The loss is no number at step {self.steps + 1}. Lower learning_rate.")
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    def _batches(self, rows: Rows, batch: int, steps: int) -> Iterator[Rows]:
        """The molecules of each step; a round visits each once."""
        waiting = np.zeros(0, dtype=np.int64)
        for _ in range(steps):
            if len(waiting) < batch:
                order = torch.randperm(len(rows), generator=self.generator).numpy()
                waiting = np.concatenate([waiting, rows[order]])
            yield waiting[:batch]
            waiting = waiting[batch:]

    @torch.no_grad()
    def _look(self, rows: Rows) -> float:
        self.model.eval()
        total, generator = 0.0, torch.Generator().manual_seed(self.seed)
        for start in range(0, len(rows), BATCH):
            part = self._part(rows[start : start + BATCH], generator)
            one = losses(self.model, self.model(part.latents), part.values, part.labels, part.signs)
            total += float(one) * len(part.labels)
        return total / len(rows)

    def _part(self, rows: Rows, generator: torch.Generator) -> _Batch:
        targets = self.targets.take(rows)
        return _Batch(
            _noised(self.latents[torch.from_numpy(rows)], self.how.noise, generator).to(self.device),
            torch.from_numpy(targets.values).float().to(self.device),
            torch.from_numpy(targets.labels).to(self.device),
            None if targets.signs is None else torch.from_numpy(targets.signs).long().to(self.device),
        )


def _float(told: Told) -> Told:
    return Told(
        *(None if one is None else one.float() for one in (told.mean, told.deviation, told.classes, told.signs))
    )


@torch.no_grad()
def tell(model: Surrogate, latents: npt.NDArray[np.float32]) -> Told:
    """What a surrogate says of (n, K, D) latents, batch by batch, on the processor."""
    device = model.center.device
    parts = [
        model(torch.from_numpy(latents[start : start + BATCH]).to(device)) for start in range(0, len(latents), BATCH)
    ]
    fields = ("mean", "deviation", "classes", "signs")
    columns = [[getattr(one, name) for one in parts] for name in fields]
    return Told(*(None if column[0] is None else torch.cat(column).cpu() for column in columns))


def _calibrate(model: Surrogate, latents: npt.NDArray[np.float32], targets: Targets) -> None:
    """Temperatures by the molecules of validation: intervals of 50 % and 90 % that hold as many, types likeliest.

    Of a value one number cannot set both right where errors have no normal distribution; it is the geometric mean of
    the two that do. The likeliest would be led by the few largest errors.
    """
    told = tell(model, latents)
    if told.mean is not None and told.deviation is not None:
        off = ((torch.from_numpy(targets.values) - told.mean) / told.deviation).abs().numpy()
        wide = [np.nanquantile(off, share, axis=0) / norm.ppf(0.5 + share / 2) for share in INTERVALS]
        model.temperature.copy_(torch.from_numpy(np.sqrt(np.prod(wide, axis=0))).clamp(min=1e-3))
    known = torch.from_numpy(targets.labels) != UNKNOWN
    if told.classes is not None and bool(known.any()):
        tried = torch.logspace(-1, 1, 81)
        true = torch.from_numpy(targets.labels)[known]
        worth = [F.cross_entropy(told.classes[known] / one, true) for one in tried]
        model.class_temperature.copy_(tried[int(torch.stack(worth).argmin())])


def _measure_natural(model: Surrogate, told: Told) -> None:
    """How what is told of types and signs is distributed over natural molecules."""
    if told.classes is not None:
        spread = told.classes.std(dim=0, correction=0).clamp(min=1e-3)
        model.class_natural.copy_(torch.stack([told.classes.mean(dim=0), spread]))
    if told.signs is not None:
        flat = told.signs.flatten(1)
        center = flat.mean(dim=0)
        _, size, ways = torch.linalg.svd(flat - center, full_matrices=False)
        kept = (size / len(flat) ** 0.5)[:SPREAD, None] * ways[:SPREAD]
        model.sign_center.copy_(center.view_as(model.sign_center))
        model.sign_spread.zero_()[: len(kept)].copy_(kept.view(-1, *model.sign_center.shape))
