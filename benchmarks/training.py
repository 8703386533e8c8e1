"""Training and writing again: the presets beside the plain loop, paired in one run, and their share of the machine.

The shipped sample's real molecules of 80 to 205 nt, 115 on average, drawn 4,096 times. The limit is the arithmetic of a
step's matrix products over the rate at which this machine multiplies large matrices, measured in the same run. The
plain loop is measured as it is, and with freed memory kept for the next step, as Ribospace's training keeps it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from statistics import median

import numpy as np
import torch
from accelerate import Accelerator

from benchmarks.measure import matrix_rate, paired, report
from benchmarks.reference import BATCH, Reference, padded, train_step, write_again
from ribospace.alphabet import END, Tokens, tokenize
from ribospace.config import from_mapping
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig, key_mask
from ribospace.models.decoding import greedy
from ribospace.models.device import has_bf16, keep_freed_memory
from ribospace.sources.sample import read_sample
from ribospace.training.config import TrainConfig, read_preset
from ribospace.training.data import Examples, TrainingData
from ribospace.training.loop import Trainer

MOLECULES, ROUNDS, STEPS = 4096, 5, 3
WRITTEN = 256
PRESETS = ("talk", "default")
PEER, KEPT = "peer: plain fp32 loop", "peer: the same, freed memory kept"
ALONE = "peer: one molecule at a time, no cache"


def main() -> None:
    bf16 = has_bf16(torch.device("cpu"))
    rates = {False: matrix_rate(torch.float32), True: matrix_rate(torch.bfloat16) if bf16 else 0.0}
    for width in (64, 160):
        _training(width, bf16, rates[bf16])
    _writing()


def _molecules() -> Tokens:
    sequences = [one for batch in read_sample() for one in batch["sequence"].to_pylist() if 80 <= len(one) <= 205]
    return tokenize([sequences[number % len(sequences)] for number in range(MOLECULES)])


# -------------------------------------------------------------------- training


def _training(width: int, bf16: bool, rate: float) -> None:
    tokens = _molecules()
    peers = {PEER: (_plain, (width, False)), KEPT: (_plain, (width, True))}
    runs = paired({**peers, **{one: (_steps, (one, width, bf16)) for one in PRESETS}}, ROUNDS)
    for name, side in runs.items():
        note = ""
        if name in PRESETS:
            trainer = _trainer(name, width, tokens, bf16)
            note = " and ".join(f"{side.median / runs[peer].median:.1f}" for peer in peers) + " times the peers; "
            note += f"{side.median * _flop(trainer, tokens) / rate:.0%} of the limit; "
            note += f"loading {_loading(trainer, side.median):.1%} of a step"
        report(f"training, width {width}: {name}", side.rates, note, side.peak_mb)


def _trainer(preset: str, width: int, tokens: Tokens, bf16: bool) -> Trainer:
    config = from_mapping(TrainConfig, read_preset(preset))
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, width=width))
    nothing = Examples(tokens.take(np.arange(0)), np.empty(0, dtype=np.int64))
    data = TrainingData(Examples(tokens, np.full(len(tokens), -1)), nothing, {})
    accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=True)
    trainer = Trainer(accelerator, Autoencoder(config.model), data, config)
    trainer.model.train()
    return trainer


def _plain(width: int, keeps: bool) -> Iterator[int]:
    if keeps:
        keep_freed_memory()
    model = Reference(width)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    few = padded(torch.from_numpy(_molecules().padded(np.arange(BATCH))).long())
    while True:
        train_step(model, optimizer, few)
        yield BATCH


def _steps(preset: str, width: int, bf16: bool) -> Iterator[int]:
    keep_freed_memory()
    trainer = _trainer(preset, width, _molecules(), bf16)
    while True:
        before = trainer.molecules
        for _ in range(STEPS):
            trainer._take_step()
        yield trainer.molecules - before


def _flop(trainer: Trainer, tokens: Tokens) -> float:
    """Arithmetic of the matrix products for one molecule of average length, there (2 a weight) and back (4)."""
    config, length = trainer.model.config, float(tokens.lengths.mean()) + 2
    weights = sum(
        one.numel() for name, one in trainer.model.named_parameters() if one.dim() == 2 and "embed" not in name
    )
    assert isinstance(config, AutoencoderConfig)
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


def _writing() -> None:
    """Untrained models never write END here, so that both write as many letters as the molecule has."""
    runs = paired({ALONE: (_write_alone, ()), **{one: (_write, (one,)) for one in PRESETS}}, ROUNDS)
    for name, side in runs.items():
        note = f"{side.median / runs[ALONE].median:.0f} times the peer" if name in PRESETS else ""
        report(f"writing again, width 64: {name}", side.rates, note, side.peak_mb)


def _of_average_length(count: int) -> torch.Tensor:
    """(count, L) ids of the molecules whose length is nearest to 115 nt."""
    tokens = _molecules()
    order = np.argsort(np.abs(tokens.lengths - 115), kind="stable")[:count]
    return torch.from_numpy(tokens.padded(order)).long()


def _write_alone() -> Iterator[int]:
    model = Reference(64).eval()
    model.out.bias.data[END] = -1e9
    one = _of_average_length(1)
    while True:
        write_again(model, one)
        yield 1


@torch.inference_mode()
def _write(preset: str) -> Iterator[int]:
    model = Autoencoder(from_mapping(TrainConfig, read_preset(preset)).model).eval()
    model.writer.bias[END] = -1e9
    many = _of_average_length(WRITTEN)
    while True:
        greedy(model, model.encode(many), key_mask(many), many.shape[1] - 1)
        yield len(many)


if __name__ == "__main__":
    main()
