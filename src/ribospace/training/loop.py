"""The training loop: accelerate carries precision and devices, the rest is here to be read."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from ribospace.alphabet import Tokens, letters_of
from ribospace.collection import Collection
from ribospace.files import versions
from ribospace.models import checkpoint
from ribospace.models.autoencoder import POOLINGS, Autoencoder, AutoencoderConfig, pooled
from ribospace.models.device import pick_device, use_bf16
from ribospace.progress import Progress, silent
from ribospace.training.data import TrainingData, batches, training_data
from ribospace.training.metrics import character_error_rate
from ribospace.training.objectives import masked, reconstruction_loss


@dataclass(frozen=True)
class OptimizerConfig:
    """How the weights move, and for how long.

    Attributes
    ----------
    steps
        Optimiser steps; the learning rate warms up over the first `warmup` and falls to 0 along a cosine.
    minutes
        Stop (and say so) after this long, whatever is left; 0 for no bound.
    learning_rate, weight_decay, clip
        AdamW's, and the largest gradient norm.
    warmup
        Steps.
    token_budget
        Tokens in a batch, padding included.
    mask
        Share of the input's letters spoiled in training; never in validation.
    label_smoothing
        Share of the target spread over the vocabulary.
    precision
        "auto" (bf16 where the machine has it), "fp32" or "bf16".
    """

    steps: int = 2000
    minutes: float = 0.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup: int = 50
    token_budget: int = 8192
    mask: float = 0.15
    label_smoothing: float = 0.0
    precision: str = "auto"

    def __post_init__(self) -> None:
        if not np.isfinite([self.learning_rate, self.weight_decay, self.clip, self.minutes]).all():
            raise ValueError("learning_rate, weight_decay, clip and minutes must be finite")
        if self.steps < 1 or self.token_budget < 1 or self.learning_rate <= 0 or self.warmup < 0:
            raise ValueError("steps, token_budget and learning_rate must be above 0, warmup 0 or more")
        if not 0 <= self.mask < 1 or not 0 <= self.label_smoothing < 1:
            raise ValueError("mask and label_smoothing must be in [0, 1)")


@dataclass(frozen=True)
class TrainConfig:
    """All that a training needs beside its data; read from TOML with the sections [model] and [optimizer].

    Attributes
    ----------
    name
        What the model is called; the folder's name by default.
    seed
        Of the weights, the split, the order and the masks.
    where
        An SQL condition on the molecules; all by default.
    held_out
        Share of the molecules held out to judge by.
    model, optimizer
        Sizes, and how to train.
    """

    name: str = ""
    seed: int = 0
    where: str = ""
    held_out: float = 0.1
    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed {self.seed} is below 0")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out {self.held_out} is not in [0, 1)")


def train_autoencoder(
    collection: Collection, out: Path | str, config: TrainConfig, progress: Progress = silent
) -> dict[str, Any]:
    """Train an autoencoder on a collection and write it to a folder.

    Parameters
    ----------
    collection
        The molecules.
    out
        Folder of the model.
    config
        Sizes, optimiser, seed.
    progress
        Told of every step.

    Returns
    -------
    dict
        The figures, which also stand in the model's config.json: losses, character error rate on the molecules
        held out, molecules and tokens a second.
    """
    checkpoint.require_place(out)
    device = pick_device()
    bf16 = use_bf16(config.optimizer.precision, device)
    data = training_data(collection, config.where or None, config.model.window, config.held_out, config.seed)
    torch.manual_seed(config.seed)
    AcceleratorState._reset_state(reset_partial_state=True)  # it keeps an earlier training's precision
    accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=device.type == "cpu")
    model, figures = _fit(accelerator, Autoencoder(config.model), data, config, progress)
    set_whitening(model, data.training, config.optimizer.token_budget)
    if len(data.validation):
        figures["validation_cer"] = reconstruction_error(model, data.validation, config.optimizer.token_budget)
    figures["precision"] = "bf16" if bf16 else "fp32"
    about = {
        "training": dataclasses.asdict(config),
        "data": data.about,
        "figures": figures,
        "versions": versions("torch", "accelerate"),
    }
    checkpoint.save(model, out, config.name or Path(out).name, about)
    return {"data": data.about, "figures": figures}


def _fit(
    accelerator: Accelerator, model: Autoencoder, data: TrainingData, config: TrainConfig, progress: Progress
) -> tuple[Autoencoder, dict[str, Any]]:
    settings = config.optimizer
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings))
    ready, optimizer = accelerator.prepare(model, optimizer)
    order = np.random.default_rng(config.seed)
    masks = torch.Generator().manual_seed(config.seed)
    losses: list[float] = []
    step, molecules, tokens_read, began = 0, 0, 0, time.perf_counter()
    stopped = ""
    ready.train()
    while step < settings.steps and not stopped:
        for batch in batches(data.training, settings.token_budget, order):
            spoiled = masked(batch, settings.mask, masks).to(accelerator.device)
            batch = batch.to(accelerator.device)
            loss = reconstruction_loss(ready(spoiled, batch), batch, settings.label_smoothing)
            accelerator.backward(loss)
            nn.utils.clip_grad_norm_(ready.parameters(), settings.clip)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            step, molecules, tokens_read = step + 1, molecules + len(batch), tokens_read + batch.numel()
            losses.append(loss.item())
            progress(step, settings.steps, f"loss {np.mean(losses[-20:]):.3f}")
            if settings.minutes and time.perf_counter() - began > 60 * settings.minutes:
                stopped = f"stopped after {settings.minutes:g} minutes at step {step} of {settings.steps}"
            if step == settings.steps or stopped:
                break
    seconds = time.perf_counter() - began
    figures = {
        "steps": step,
        "first_loss": round(losses[0], 4),
        "last_loss": round(float(np.mean(losses[-20:])), 4),
        "epochs": round(molecules / len(data.training), 2),
        "seconds": round(seconds, 1),
        "molecules_per_second": round(molecules / seconds, 1),
        "tokens_per_second": round(tokens_read / seconds),
        "parameters": sum(p.numel() for p in model.parameters()),
        "stopped": stopped,
    }
    return accelerator.unwrap_model(ready, keep_fp32_wrapper=False).eval(), figures


@torch.inference_mode()
def set_whitening(model: Autoencoder, tokens: Tokens, budget: int = 8192, most: int = 20_000) -> None:
    """Fit the model's center and whitening (ZCA) to the pooled vectors of the first 20,000 windows.

    To the variances 1e-5 of the largest is added, so that directions without any signal are not blown up.
    """
    seen = [batch.to(model.center.device) for batch in batches(tokens.take(np.arange(min(most, len(tokens)))), budget)]
    encoded = ((batch, model.encode(batch)) for batch in seen)
    both = [[pooled(embedded, batch, one).double() for one in POOLINGS] for batch, embedded in encoded]
    for number in range(len(POOLINGS)):
        vectors = torch.cat([pair[number] for pair in both])
        center = vectors.mean(dim=0)
        covariance = (vectors - center).T @ (vectors - center) / len(vectors)
        variance, direction = torch.linalg.eigh(covariance)
        scale = (variance + 1e-5 * variance.max() + 1e-12).rsqrt()
        model.center[number] = center
        model.whitening[number] = direction * scale @ direction.T


def _rate(step: int, settings: OptimizerConfig) -> float:
    """Factor of the learning rate: up over the warm-up, then down a cosine."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.5 * (1 + float(np.cos(np.pi * min(done, 1.0))))


def reconstruction_error(model: Autoencoder, tokens: Tokens, budget: int = 8192) -> float:
    """Character error rate of greedy decoding, without masks and without seeing the answer."""
    device = next(model.parameters()).device
    written, true = [], []
    for batch in batches(tokens, budget):
        decoded = model.reconstruct(batch.to(device)).cpu().numpy()
        written += [letters_of(row) for row in decoded]
        true += [letters_of(row[1:]) for row in batch.numpy()]
    return character_error_rate(written, true)
