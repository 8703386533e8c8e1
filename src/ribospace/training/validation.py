"""How a model does on molecules that it has not learned from, unmasked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.alphabet import FIRST_LETTER, PAD, letters_of
from ribospace.batching import token_budget_batches
from ribospace.models.autoencoder import Autoencoder
from ribospace.models.latent import Model
from ribospace.progress import Progress, silent
from ribospace.training.data import Examples
from ribospace.training.metrics import character_error_rate, f1_scores
from ribospace.training.objectives import Batch, ObjectiveConfig, loss_sums, spoil

BUDGET = 16_384


@dataclass
class Judged:
    """What a model makes of molecules, in their order.

    Attributes
    ----------
    true, written
        (n,) sequences, and as the decoder wrote them, or the encoder alone where there is no decoder; empty where the
        model has neither.
    labels
        (n,) class numbers, -1 where not known.
    probabilities
        (n, classes) float32; None without a classifier.
    forced
        (n,) letters, END among them, that the decoder names wrongly with the true ones before them; None without a
        decoder.
    """

    true: list[str]
    written: list[str]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32] | None = None
    forced: npt.NDArray[np.int64] | None = None


@torch.inference_mode()
def validation_losses(model: Model, examples: Examples, objective: ObjectiveConfig) -> dict[str, float]:
    """Mean of each used loss in nats, without smoothing; a loss that has no term here is left out.

    Inputs are unmasked, but for the masked letters' loss, which has no meaning without: its masks are always the same.
    """
    whole = objective.used != ("masked",)
    plain = dataclasses.replace(objective, label_smoothing=0.0, masked=0.0, weighting="fixed") if whole else objective
    masks = torch.Generator().manual_seed(0)
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for _, batch in batches_of(model, examples):
        parts = [(batch, plain)] if whole else []
        if objective.masked:
            spoiled, chosen = spoil(batch.tokens.cpu(), objective.mask, masks)
            masked = dataclasses.replace(batch, spoiled=spoiled, chosen=chosen).to(batch.tokens.device)
            parts.append((masked, ObjectiveConfig(0.0, 0.0, 1.0, 0.0, mask=objective.mask)))
        for part, asked in parts:
            outputs = model(part.spoiled, part.tokens)
            for name, value in loss_sums(outputs, part, asked).items():
                sums[name] = sums.get(name, 0.0) + float(value)
                counts[name] = counts.get(name, 0) + part.counts()[name]
    return {name: sums[name] / count for name, count in counts.items() if count}


@torch.inference_mode()
def judge(model: Model, examples: Examples, beams: int = 1, progress: Progress = silent) -> Judged:
    """Write every molecule again without seeing it, and name its type; `progress` is told of every batch."""
    n, done = len(examples), 0
    judged = Judged([""] * n, [""] * n if _writes(model) else [], examples.labels)
    if model.config.classes:
        judged.probabilities = np.zeros((n, len(model.config.classes)), dtype=np.float32)
    for rows, batch in batches_of(model, examples):
        encoded = model.encode(batch.tokens)
        for row, ids in zip(rows, batch.tokens.cpu().numpy(), strict=True):
            judged.true[row] = letters_of(ids[1:])
        if _writes(model):
            for row, ids in zip(rows, _written(model, batch.tokens, encoded, beams).cpu().numpy(), strict=True):
                judged.written[row] = letters_of(ids)
        if model.config.decoder_layers:
            judged.forced = np.zeros(n, dtype=np.int64) if judged.forced is None else judged.forced
            judged.forced[rows] = _forced_errors(model, batch.tokens).cpu().numpy()
        if judged.probabilities is not None:
            judged.probabilities[rows] = model.classify(encoded, batch.tokens).float().softmax(dim=-1).cpu().numpy()
        done += len(rows)
        progress(done, n)
    return judged


def scores(judged: Judged) -> dict[str, float]:
    """Character error rate ("cer"), and "micro_f1" and "macro_f1" of the known types, as far as there is either."""
    found: dict[str, float] = {}
    if judged.written:
        found["cer"] = character_error_rate(judged.written, judged.true)
    known = judged.labels >= 0
    if judged.probabilities is not None and known.any():
        found |= f1_scores(judged.labels[known], judged.probabilities[known].argmax(axis=1))
    return found


@torch.inference_mode()
def vectors_of(model: Model, examples: Examples, pooling: str = "") -> npt.NDArray[np.float32]:
    """(n, D) vectors of (n) examples; the model's first pooling by default."""
    pooling = pooling or model.poolings[0]
    vectors = np.zeros((len(examples), model.config.width), dtype=np.float32)
    for rows, batch in batches_of(model, examples):
        vectors[rows] = model.embed(batch.tokens, pooling).float().cpu().numpy()
    return vectors


def batches_of(model: Model, examples: Examples) -> Iterator[tuple[npt.NDArray[np.int64], Batch]]:
    """Row numbers and unmasked batches, the longest molecules first, on the model's device."""
    device = next(model.parameters()).device
    for rows in token_budget_batches(examples.tokens.lengths + 2, BUDGET):
        tokens = torch.from_numpy(examples.tokens.padded(rows)).long()
        nothing = torch.zeros_like(tokens, dtype=torch.bool)
        batch = Batch(tokens, tokens, nothing, torch.from_numpy(examples.labels[rows]))
        yield rows, batch.to(device)


def _forced_errors(model: Model, tokens: Tensor) -> Tensor:
    """(B,) letters of (B, L) ids that the decoder names wrongly with the true ones before them (teacher forcing)."""
    logits = model(tokens, tokens).written
    assert logits is not None
    target = tokens[:, 1:]
    return ((logits[:, :-1].argmax(dim=-1) != target) & (target != PAD)).sum(dim=1)


def _writes(model: Model) -> bool:
    return bool(model.config.decoder_layers) or (isinstance(model, Autoencoder) and model.config.letter_head)


def _written(model: Model, tokens: Tensor, encoded: Tensor, beams: int) -> Tensor:
    """(B, L) ids behind START, up to END or PAD."""
    if model.config.decoder_layers or not isinstance(model, Autoencoder):
        return model.reconstruct(tokens, beams=beams)
    letters = model.spell(encoded).argmax(dim=-1)
    return torch.where(tokens >= FIRST_LETTER, letters, tokens)[:, 1:]
