"""Training and writing again: the presets against the plain loop, paired in one run, and their share of the machine.

Real molecules of 50 to 205 nt, 110 on average. The limit is the arithmetic of a step over the rate at which this machine
multiplies large matrices.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from accelerate import Accelerator

from benchmarks.measure import machine
from benchmarks.reference import BATCH, Reference, padded, train_step, write_again
from ribospace.alphabet import Tokens, tokenize
from ribospace.config import from_mapping
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.training.config import TrainConfig, read_preset
from ribospace.training.data import Examples, TrainingData
from ribospace.training.loop import Trainer

MOLECULES, MEAN = 4096, 110
ROUNDS = 5


def main() -> None:
    tokens = _molecules()
    rate = {"fp32": _matrix_rate(torch.float32), "bf16": _matrix_rate(torch.bfloat16)}
    for width in (64, 160):
        reference = Reference(width)
        optimizer = torch.optim.Adam(reference.parameters(), 1e-4)
        few = padded(torch.from_numpy(tokens.padded(np.arange(BATCH))).long())
        sides: dict[str, tuple[int, Callable[[], object]]] = {
            f"peer: the plain loop, width {width}": (BATCH, lambda: train_step(reference, optimizer, few))
        }
        for preset in ("talk", "default"):
            trainer = _trainer(preset, width, tokens)
            steps = 4
            sides[f"preset {preset}, width {width}, {_precision(trainer)}"] = (
                0,
                lambda t=trainer, n=steps: _steps(t, n),
            )
        _paired(sides, rate, width)
    _write_again(tokens)


def _molecules() -> Tokens:
    """Molecules of 50 to 205 nt, 110 on average, with the letters and lengths of real ones where speed is concerned."""
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.gamma(8.0, MEAN / 8.0, MOLECULES), 50, 205).astype(int)
    return tokenize(["".join(generator.choice(list("ACGU"), length)) for length in lengths])


def _trainer(preset: str, width: int, tokens: Tokens) -> Trainer:
    config = from_mapping(TrainConfig, read_preset(preset))
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, width=width))
    data = TrainingData(
        Examples(tokens, np.full(len(tokens), -1)), Examples(tokens.take(np.arange(1)), np.array([-1])), {}
    )
    trainer = Trainer(Accelerator(mixed_precision="bf16", cpu=True), Autoencoder(config.model), data, config)
    trainer.model.train()
    return trainer
