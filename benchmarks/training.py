"""Training and writing again: the presets beside the plain loop, paired in one run, and their share of the machine.

The shipped sample's real molecules of 80 to 205 nt, 115 on average, drawn 4,096 times. The limit is the arithmetic of a
step's matrix products over the rate at which this machine multiplies large matrices, measured in the same run.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from accelerate import Accelerator

from benchmarks.measure import matrix_rate, paired, report
from benchmarks.reference import BATCH, Reference, padded, train_step, write_again
from ribospace.alphabet import END, Tokens, tokenize
from ribospace.config import from_mapping
from ribospace.models.autoencoder import Autoencoder, key_mask
from ribospace.models.decoding import greedy
from ribospace.models.device import has_bf16, keep_freed_memory
from ribospace.sources.sample import read_sample
from ribospace.training.config import TrainConfig, read_preset
from ribospace.training.data import Examples, TrainingData
from ribospace.training.loop import Trainer

MOLECULES, ROUNDS, STEPS = 4096, 5, 3
WRITTEN = 256


def main() -> None:
    keep_freed_memory()
    bf16 = has_bf16(torch.device("cpu"))
    rates = {False: matrix_rate(torch.float32), True: matrix_rate(torch.bfloat16) if bf16 else 0.0}
    tokens = _molecules()
    for width in (64, 160):
        _training(tokens, width, bf16, rates[bf16])
    _writing(tokens)


def _molecules() -> Tokens:
    sequences = [one for batch in read_sample() for one in batch["sequence"].to_pylist() if 80 <= len(one) <= 205]
    return tokenize([sequences[number % len(sequences)] for number in range(MOLECULES)])


# -------------------------------------------------------------------- training


def _training(tokens: Tokens, width: int, bf16: bool, rate: float) -> None:
    reference = Reference(width)
    optimizer = torch.optim.Adam(reference.parameters(), 1e-4)
    few = padded(torch.from_numpy(tokens.padded(np.arange(BATCH))).long())
    trainers = {preset: _trainer(preset, width, tokens, bf16) for preset in ("talk", "default")}
    sides: dict[str, Callable[[], int]] = {"peer: plain fp32 loop": lambda: _plain(reference, optimizer, few)}
    sides |= {preset: lambda one=one: _steps(one) for preset, one in trainers.items()}  # type: ignore[misc]
    runs = paired(sides, ROUNDS)
    peer = median(runs["peer: plain fp32 loop"])
    for name, rounds in runs.items():
        note = ""
        if name in trainers:
            used = median(rounds) * _flop(trainers[name], tokens) / rate
            note = f"{median(rounds) / peer:.1f} times the peer; {used:.0%} of the limit; "
            note += f"loading {_loading(trainers[name], median(rounds)):.1%} of a step"
        report(f"training, width {width}: {name}", rounds, note)


def _trainer(preset: str, width: int, tokens: Tokens, bf16: bool) -> Trainer:
    config = from_mapping(TrainConfig, read_preset(preset))
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, width=width))
    nothing = Examples(tokens.take(np.arange(0)), np.empty(0, dtype=np.int64))
    data = TrainingData(Examples(tokens, np.full(len(tokens), -1)), nothing, {})
    accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=True)
    trainer = Trainer(accelerator, Autoencoder(config.model), data, config)
    trainer.model.train()
    return trainer


def _plain(model: Reference, optimizer: torch.optim.Optimizer, tokens: torch.Tensor) -> int:
    train_step(model, optimizer, tokens)
    return len(tokens)


def _steps(trainer: Trainer) -> int:
    before = trainer.molecules
    for _ in range(STEPS):
        trainer._take_step()
    return trainer.molecules - before


def _flop(trainer: Trainer, tokens: Tokens) -> float:
    """Arithmetic of the matrix products for one molecule of average length, there (2 a weight) and back (4)."""
    config, length = trainer.model.config, float(tokens.lengths.mean()) + 2
    weights = sum(
        one.numel() for name, one in trainer.model.named_parameters() if one.dim() == 2 and "embed" not in name
    )
    weights += 22 * config.width if config.tied else 0
    attention = 2 * length * config.width * (config.encoder_layers + 2 * config.decoder_layers)  # scores, and the mix
    return 6 * length * (weights + attention)


def _loading(trainer: Trainer, rate: float) -> float:
    """Share of a step that reading, padding and masking molecules take."""
    molecules = sum(len(batch.tokens) for batch in trainer._batches())
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        trainer._batches()
        seconds.append(time.perf_counter() - began)
    return median(seconds) / (molecules / rate)


# -------------------------------------------------------------------- writing again


def _writing(tokens: Tokens) -> None:
    """Untrained models never write END here, so that both write as many letters as the molecule has."""
    reference = Reference(64).eval()
    reference.out.bias.data[END] = -1e9
    models = {}
    for preset in ("talk", "default"):
        models[preset] = Autoencoder(from_mapping(TrainConfig, read_preset(preset)).model).eval()
        models[preset].writer.bias.data[END] = -1e9
    lengths = tokens.lengths
    order = np.argsort(np.abs(lengths - 115), kind="stable")[:WRITTEN]
    many = torch.from_numpy(tokens.padded(order)).long()
    one = torch.from_numpy(tokens.padded(order[:1])).long()

    def alone() -> int:
        write_again(reference, one)
        return 1

    sides: dict[str, Callable[[], int]] = {"peer: one molecule at a time, no cache": alone}
    sides |= {preset: lambda model=model: _write(model, many) for preset, model in models.items()}  # type: ignore[misc]
    runs = paired(sides, ROUNDS)
    peer = median(runs["peer: one molecule at a time, no cache"])
    for name, rounds in runs.items():
        note = f"{median(rounds) / peer:.0f} times the peer" if name in models else ""
        report(f"writing again, width 64: {name}", rounds, note)


@torch.inference_mode()
def _write(model: Autoencoder, tokens: torch.Tensor) -> int:
    greedy(model, model.encode(tokens), key_mask(tokens), tokens.shape[1] - 1)
    return len(tokens)


if __name__ == "__main__":
    main()
