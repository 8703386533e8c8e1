"""From a collection to a model on disk: what training does as a whole."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import versions
from ribospace.models import checkpoint
from ribospace.models.autoencoder import POOLINGS, Autoencoder, pooled
from ribospace.models.device import pick_device, use_bf16
from ribospace.progress import Progress, silent
from ribospace.training.config import TrainConfig
from ribospace.training.data import Examples, TrainingData, distinct, training_data
from ribospace.training.loop import Trainer
from ribospace.training.metrics import character_error_rate, f1_scores
from ribospace.training.state import STATE
from ribospace.training.validation import batches_of, judge


def train(collection: Collection, out: Path | str, config: TrainConfig, progress: Progress = silent) -> dict[str, Any]:
    """Train a model on a collection and write it to a folder.

    An unfinished training stands in OUT.training; the same call goes on with it, and takes the same steps as if it had
    never been broken off. TensorBoard's logs stay there.

    Parameters
    ----------
    collection
        The molecules.
    out
        Folder of the model.
    config
        Parts, sizes, losses, optimiser, seed.
    progress
        Told of every step.

    Returns
    -------
    dict
        The figures, which also stand in the model's config.json: losses, character error rate and F1 on the molecules
        held out, molecules and tokens a second.

    Raises
    ------
    UserError
        If a label is missing where types are to be told apart, the folder cannot be written, or the data are too few.
    """
    out = Path(out)
    checkpoint.require_place(out)
    config = config.with_parts(_classes(collection, config))
    accelerator, precision = _accelerator(config)
    data = training_data(collection, config.data, config.model.window, config.seed, config.model.classes)
    torch.manual_seed(config.seed)
    folder = out.parent / f"{out.name}.training"
    trainer = Trainer(accelerator, Autoencoder(config.model), data, config, folder)
    trainer.model.train()
    stopped = trainer.run(progress)
    if config.optimizer.evaluate_every and len(data.validation):
        trainer.look()
        trainer.model.load_state_dict(trainer.best)
    model = trainer.model.eval()
    set_whitening(model, data.training)
    figures = {**_speed(trainer, data), "precision": precision, "stopped": stopped, "said": trainer.said}
    figures |= held_out_figures(model, data.validation)
    about = {
        "training": dataclasses.asdict(config),
        "data": data.about,
        "figures": figures,
        "versions": versions("torch", "accelerate"),
    }
    if accelerator.is_main_process:
        checkpoint.save(model, out, config.name or out.name, about)
        (folder / STATE).unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            shutil.rmtree(folder)
    trainer.logs.close()
    accelerator.wait_for_everyone()
    return {"data": data.about, "figures": figures}


def held_out_figures(model: Autoencoder, examples: Examples) -> dict[str, float]:
    """Character error rate, and accuracy and F1 of the types, as far as the model has the parts for them."""
    if not len(examples):
        return {}
    judged, figures = judge(model, examples), {}
    if judged.written:
        figures["validation_cer"] = character_error_rate(judged.written, judged.true)
    if judged.probabilities is not None and (judged.labels >= 0).any():
        known = judged.labels >= 0
        scores = f1_scores(judged.labels[known], judged.probabilities[known].argmax(axis=1))
        figures |= {f"validation_{name}": value for name, value in scores.items()}
    return figures


@torch.inference_mode()
def set_whitening(model: Autoencoder, examples: Examples, most: int = 20_000) -> None:
    """Fit the model's center and whitening (ZCA) to the pooled vectors of the first 20,000 windows.

    To the variances 1e-5 of the largest is added, so that directions without any signal are not blown up.
    """
    few = examples.take(np.arange(min(most, len(examples))))
    encoded = ((batch.tokens, model.encode(batch.tokens)) for _, batch in batches_of(model, few))
    both = [[pooled(embedded, tokens, one).double() for one in POOLINGS] for tokens, embedded in encoded]
    for number in range(len(POOLINGS)):
        vectors = torch.cat([pair[number] for pair in both])
        center = vectors.mean(dim=0)
        covariance = (vectors - center).T @ (vectors - center) / len(vectors)
        variance, direction = torch.linalg.eigh(covariance)
        scale = (variance + 1e-5 * variance.max() + 1e-12).rsqrt()
        model.center[number] = center
        model.whitening[number] = direction * scale @ direction.T


def _classes(collection: Collection, config: TrainConfig) -> tuple[str, ...]:
    """The types that the molecules have, sorted; none where none are to be told apart."""
    if not config.objective.classes:
        return ()
    types = distinct(collection, config.data)["rna_type"]
    names = sorted(pc.unique(types.drop_null()).to_pylist())
    if len(names) < 2:
        raise UserError(
            f"There is nothing to tell apart: the molecules of {collection.uri} have {len(names)} rna_types. Import "
            "more, with an rna_type, or leave the loss `classes` out."
        )
    return tuple(names)


def _accelerator(config: TrainConfig) -> tuple[Accelerator, str]:
    device = pick_device()
    bf16 = use_bf16(config.optimizer.precision, device)
    if not torch.distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)  # it keeps an earlier training's precision
    return Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=device.type == "cpu"), "bf16" if bf16 else "fp32"


def _speed(trainer: Trainer, data: TrainingData) -> dict[str, Any]:
    seconds = max(trainer.seconds, 1e-9)
    return {
        "steps": trainer.step,
        "first_loss": round(trainer.losses[0], 4),
        "last_loss": round(float(np.mean(trainer.losses[-20:])), 4),
        "epochs": round(trainer.molecules / len(data.training), 2),
        "seconds": round(seconds, 1),
        "molecules_per_second": round(trainer.molecules / seconds, 1),
        "tokens_per_second": round(trainer.tokens_read / seconds),
        "parameters": sum(one.numel() for one in trainer.model.parameters()),
    }
