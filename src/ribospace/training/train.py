"""From a collection to a model on disk: what training does as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import versions
from ribospace.models import checkpoint
from ribospace.models.autoencoder import POOLINGS, Autoencoder, pooled
from ribospace.models.device import keep_freed_memory, pick_device, use_bf16
from ribospace.models.latent import Model
from ribospace.progress import Progress, silent, within
from ribospace.training.card import model_card
from ribospace.training.config import AnyTrainConfig
from ribospace.training.data import Examples, TrainingData, training_data
from ribospace.training.loop import Trainer
from ribospace.training.report import some_of
from ribospace.training.state import alone, forget, unfinished
from ribospace.training.validation import batches_of, judge, scores


def new_autoencoder(config: Any) -> Model:
    """Make the network of a `TrainConfig`, with the weights that it starts from."""
    model = Autoencoder(config.model)
    if config.start:
        begin_with(model, config.start)
    return model


@torch.no_grad()
def begin_with(model: Autoencoder, start: str) -> None:
    """Copy a trained model's weights into another, as far as names and shapes agree; those of the encoder must.

    Raises
    ------
    UserError
        If there is no autoencoder, or its encoder has other sizes.
    """
    known = checkpoint.load(start, Autoencoder).model.state_dict()
    own = model.state_dict()
    sizes, theirs = (
        {name: tuple(one.shape) for name, one in state.items() if name.startswith(("embedding.", "words.", "encoder"))}
        for state in (own, known)
    )
    wrong = checkpoint.differences(sizes, theirs)
    if wrong:
        raise UserError(f"The encoder of {start} has other sizes than the config: {wrong}. Say the same in [model].")
    for name, value in own.items():
        if name in known and known[name].shape == value.shape:
            value.copy_(known[name])


def train(
    collection: Collection,
    out: Path | str,
    config: AnyTrainConfig,
    progress: Progress = silent,
    warn: Callable[[str], None] = lambda _: None,
    make: Callable[[Any], Model] = new_autoencoder,
) -> dict[str, Any]:
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
    warn
        Told, before the first step, what a user should know of the data; it stands in the figures too.
    make
        Makes the network, with the parts that the config says when the data are known.

    Returns
    -------
    dict
        The figures, which also stand in the model's config.json: losses, character error rate and F1 on the molecules
        held out, molecules and tokens a second.

    Raises
    ------
    UserError
        Before any step: if the folder cannot be written, the data are too few, there are no labels where some are to be
        told apart, the loss `written` lacks its decoder, or nothing is held out where evaluate_every asks for looks.
    """
    out = Path(out).resolve()
    if config.objective.written and not config.model.decoder_layers:
        raise UserError(
            "The loss `written` needs a decoder. Set model.decoder_layers above 0, or objective.written to 0."
        )
    checkpoint.require_place(out)
    accelerator, precision = _accelerator(config)
    wanted = (config.model.classes or None) if config.objective.classes else ()
    data = training_data(collection, config.data, config.model.window, config.seed, wanted)
    config = config.with_parts(data.classes)
    said = [*data.said, *_not_judged(data, config)]
    for line in said if accelerator.is_main_process else ():
        warn(line)
    torch.manual_seed(config.seed)
    with alone(unfinished(out), accelerator.is_main_process):
        trainer = Trainer(accelerator, make(config), data, config, unfinished(out), warn=warn)
        trainer.model.train()
        stopped = trainer.run(progress)
        figures = {**_speed(trainer, data), "precision": precision, "stopped": stopped, "said": [*said, *trainer.said]}
        figures |= _finished(trainer, progress)
        if accelerator.is_main_process:
            _save(trainer, out, figures)
        trainer.logs.close()
    accelerator.wait_for_everyone()
    return {"data": data.about, "figures": figures}


def _save(trainer: Trainer, out: Path, figures: dict[str, Any]) -> None:
    """Write the model with its card, and take the unfinished training's state away."""
    about = {
        "training": dataclasses.asdict(trainer.config),
        "data": trainer.data.about,
        "figures": figures,
        "versions": versions("torch", "accelerate"),
    }
    name = trainer.config.name or out.name
    checkpoint.save(trainer.model, out, name, about, model_card(name, about))
    forget(out)


def _not_judged(data: TrainingData, config: AnyTrainConfig) -> list[str]:
    """Why the model is not judged, where nothing is held out; refused where looks at it are asked for."""
    if len(data.validation):
        only_classes = config.objective.used == ("classes",) and not (data.validation.labels >= 0).any()
        if only_classes and config.optimizer.evaluate_every:
            raise UserError(
                f"No molecule held out of {data.about['collection']} has a {config.data.label} that the model learns, "
                "but optimizer.evaluate_every asks for looks at them. Hold others out, or set it and patience to 0."
            )
        return []
    drawn = data.about.get("validation_near_copies_left_out", 0)
    why = f"{config.data.held_out:.0%} of so few molecules is none" if config.data.held_out else "data.held_out is 0"
    if config.data.split:
        why = f"no molecule says 'validation' in the column {config.data.split!r}"
    elif drawn:
        why = f"all {drawn:,} that were drawn have a near copy among the others"
    if config.optimizer.evaluate_every:
        raise UserError(
            f"Nothing of {data.about['collection']} is held out, as {why}, but optimizer.evaluate_every asks for looks "
            "at it. Hold more molecules out, or set evaluate_every and patience to 0."
        )
    return [f"No molecule is held out, as {why}: the model is not judged"]


def _finished(trainer: Trainer, progress: Progress) -> dict[str, float]:
    """Take the best weights, whiten, and judge on what is held out, as far as the model has the parts for it."""
    if trainer.config.optimizer.evaluate_every:
        trainer.look()
        trainer.model.load_state_dict(trainer.best)
    trainer.model.eval()
    if isinstance(trainer.model, Autoencoder):
        set_whitening(trainer.model, trainer.data.training)
    judging = within(progress, trainer.step, trainer.config.optimizer.steps, "judging, {} windows")
    judged = judge(trainer.model, trainer.data.validation, progress=judging)
    trainer.log_end(judged)
    return {f"validation_{name}": value for name, value in scores(judged).items()} if judged.true else {}


@torch.inference_mode()
def set_whitening(model: Autoencoder, examples: Examples, most: int = 20_000) -> None:
    """Fit the model's center and whitening (ZCA) to the pooled vectors of 20,000 windows, drawn evenly.

    To the variances 1e-5 of the largest is added, so that directions without any signal are not blown up.
    """
    few = some_of(examples, most, seed=0)
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


def _accelerator(config: AnyTrainConfig) -> tuple[Accelerator, str]:
    keep_freed_memory()
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
        "best_loss": round(trainer.best_loss, 5) if trainer.best else None,
        "seconds": round(seconds, 1),
        "molecules_per_second": round(trainer.molecules / seconds, 1),
        "tokens_per_second": round(trainer.tokens_read / seconds),
        "parameters": sum(one.numel() for one in trainer.model.parameters()),
    }
