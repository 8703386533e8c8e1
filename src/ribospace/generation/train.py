"""From a latent model and a collection to a generator on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ribospace.alphabet import detokenize
from ribospace.collection import Collection
from ribospace.collection.place import is_remote
from ribospace.encoders.latent import LatentEncoder
from ribospace.errors import UserError
from ribospace.files import versions
from ribospace.generation.learning import Learner, Molecules, NoiseConfig
from ribospace.generation.properties import natural_targets, parts_by_cluster
from ribospace.generation.surrogates import FitConfig, Fitted, fit
from ribospace.models import checkpoint
from ribospace.models.denoiser import DenoiserConfig
from ribospace.models.device import keep_freed_memory
from ribospace.models.diffusion import DiffusionConfig, LatentDiffusion
from ribospace.models.latent import LatentAutoencoder
from ribospace.models.shipped import location_of
from ribospace.models.surrogate import SurrogateConfig
from ribospace.progress import Progress, silent, within
from ribospace.training.config import Named, OptimizerConfig
from ribospace.training.data import DataConfig, Examples, TrainingData, training_data
from ribospace.training.logs import Logs
from ribospace.training.state import alone, forget, unfinished

#: Molecules that the surrogate of the built-in rewards is taught, drawn where there are more: each is folded.
TAUGHT = 50_000
FEW = 40  # molecules held out, below which the surrogate is judged by training molecules of the generator


@dataclass(frozen=True)
class DiffusionTrainConfig(Named):
    """How a generator is trained; sections [data], [model], [noise], [optimizer] and [rewards] of a TOML file.

    Attributes
    ----------
    data
        The label is the type that is told; molecules longer than the latent model's window are left out.
    model, noise, optimizer
        See there; of the optimiser, a token is a latent.
    rewards
        How the surrogate of the built-in rewards is taught.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: DenoiserConfig = field(default_factory=DenoiserConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    rewards: FitConfig = field(default_factory=FitConfig)


def train_diffusion(
    collection: Collection,
    latent: Path | str,
    out: Path | str,
    config: DiffusionTrainConfig,
    progress: Progress = silent,
    warn: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train a generator and write it to a folder, with the latent model inside.

    An unfinished training stands in OUT.training; the same call goes on with it, step by step the same.

    Parameters
    ----------
    collection
        The molecules.
    latent
        Folder of the latent model, or the name of one that ships.
    out
        Folder of the generator.
    config
        Data, sizes, noise, optimiser, seed.
    progress
        Told of every step.
    warn
        Told what a user should know of the data.

    Returns
    -------
    dict
        What was learned from, and the figures, which also stand in config.json.

    Raises
    ------
    UserError
        Before any step: if the folder cannot be written, the latent model is none, or the data are too few.
    """
    out = Path(out).resolve()
    checkpoint.require_place(out)
    keep_freed_memory()
    with alone(unfinished(out)):
        about, model, logs = _trained(collection, latent, unfinished(out), config, progress, warn)
        name = config.name or out.name
        checkpoint.save(model, out, name, about, _card(name, about))
        logs.close()
        forget(out)
    return about


def _trained(
    collection: Collection,
    latent: Path | str,
    folder: Path,
    config: DiffusionTrainConfig,
    progress: Progress,
    warn: Callable[[str], None],
) -> tuple[dict[str, Any], LatentDiffusion, Logs]:
    """What is said of the generator, the generator on the processor, and the logs of its training."""
    found, uri = checkpoint.load(latent, LatentAutoencoder), collection.uri
    encoder = LatentEncoder(found, "latents")
    data, said = _data(collection, config, encoder.window)
    for line in said:
        warn(line)
    reading = within(progress, 0, config.optimizer.steps, "reading {} molecules")
    training, validation = (_molecules(encoder, part, reading) for part in (data.training, data.validation))
    torch.manual_seed(config.seed)
    model = LatentDiffusion(DiffusionConfig(found.revision, config.model, data.classes), found.model.cpu())
    model.measure(training.latents, training.types, training.lengths)
    first, other = (dataclasses.replace(one, latents=model.standardised(one.latents)) for one in (training, validation))
    same = str([dataclasses.asdict(config), data.about["data_sha256"], found.revision])
    learner = Learner(model, first, other, config.optimizer, config.noise, config.seed, same, folder)
    stopped = learner.run(progress)
    learner.finish()
    fitted = teach(encoder, data, (training, validation), config, progress)
    model.cpu().give(fitted.surrogate)
    about = {
        "training": dataclasses.asdict(config),
        "latent": {"name": found.name, "revision": found.revision, "location": location_of(found.path)},
        "data": {**data.about, "collection": uri if is_remote(uri) else str(Path(uri).resolve())},
        "figures": {**_figures(learner), "stopped": stopped, "said": said, "rewards": fitted.figures},
        "versions": versions("torch", "diffusers"),
    }
    return about, model, learner.logs


def teach(
    encoder: LatentEncoder,
    data: TrainingData,
    molecules: tuple[Molecules, Molecules],
    config: DiffusionTrainConfig,
    progress: Progress = silent,
) -> Fitted:
    """Teach the surrogate of the built-in rewards: minimum free energy, GC, length, type, structure.

    Parameters
    ----------
    encoder, data
        Whose latents are read, and of which molecules.
    molecules
        Trained on and held out, their latents as the encoder gives them. The surrogate is taught by the first; half of
        the others calibrate it and half judge it. Where those are few, clusters of the first are dealt out.
    config
        Seed, and how it is taught.
    progress
        Told of molecules folded, and of steps.
    """
    random = np.random.default_rng(config.seed)
    count, held = len(molecules[0].types), len(molecules[1].types)
    rows = np.sort(random.choice(count, min(count, TAUGHT), replace=False))
    letters = [*detokenize(data.training.tokens.take(rows)), *detokenize(data.validation.tokens)]
    labels = np.concatenate([molecules[0].types.numpy()[rows], molecules[1].types.numpy()])
    names = [data.classes[one] if one >= 0 else None for one in labels.tolist()]
    latents = np.concatenate([molecules[0].latents.numpy()[rows], molecules[1].latents.numpy()])
    if held >= FEW:
        parts = np.concatenate([np.zeros(len(rows), dtype=np.int64), 1 + random.permutation(held) % 2])
    else:
        parts = parts_by_cluster(letters, seed=config.seed, progress=progress)
    size = encoder.model.config
    sizes = SurrogateConfig(encoder.revision, size.queries, size.width, size.window, structure=True)
    steps = config.optimizer.steps
    folding = within(progress, steps, steps, "folding {} molecules")
    targets = natural_targets(letters, names, sizes.slots, progress=folding)
    return fit(latents, targets, parts, sizes, config.rewards, config.seed, progress)


def _data(collection: Collection, config: DiffusionTrainConfig, window: int) -> tuple[TrainingData, list[str]]:
    """Molecules that the latent model can write, with their types where there are several."""
    asked = config.data
    long = collection.count(_both(f"length > {window}", asked.where))
    where = _both(f"length <= {window}", asked.where)
    if asked.label not in collection.schema.names:
        raise UserError(f"{collection.uri} has no column {asked.label!r} of types. Name one: --set data.label=COLUMN")
    named = collection.table([asked.label], where)[asked.label].drop_null().unique().to_pylist()
    classes = None if len([one for one in named if one]) > 1 else ()
    data = training_data(collection, dataclasses.replace(asked, where=where), window, config.seed, classes)
    said = [*data.said]
    if long:
        said.append(f"Left out {long:,} molecules longer than {window} nt, the latent model's window")
    if classes is not None:
        said.append(f"The molecules have no two different {asked.label}: the generator is told lengths alone")
    return data, said


def _both(one: str, other: str) -> str:
    return f"{one} AND ({other})" if other else one


def _molecules(encoder: LatentEncoder, examples: Examples, progress: Progress) -> Molecules:
    latents = encoder.latents(examples.tokens, progress)
    lengths = torch.from_numpy(examples.tokens.lengths)
    return Molecules(torch.from_numpy(latents), torch.from_numpy(examples.labels), lengths)


def _figures(learner: Learner) -> dict[str, Any]:
    seconds = max(learner.seconds, 1e-9)
    return {
        "steps": learner.step,
        "seconds": round(seconds, 1),
        "molecules_per_second": round(learner.step * learner.batch / seconds, 1),
        "epochs": round(learner.step * learner.batch / len(learner.training.types), 2),
        "first_loss": round(learner.losses[0], 4),
        "last_loss": round(float(np.mean(learner.losses[-100:])), 4),
        "validation_losses": [[step, round(loss, 4)] for step, loss in learner.looks],
        "parameters": sum(one.numel() for one in learner.model.denoiser.parameters()),
    }


def _card(name: str, about: dict[str, Any]) -> str:
    """The model card in Markdown."""
    figures, data = about["figures"], about["data"]
    loss = f"loss {figures['last_loss']}"
    loss += f", {figures['validation_losses'][-1][1]} on molecules held out" if figures["validation_losses"] else ""
    return f"""---
library_name: ribospace
tags:
- rna
- ribospace
---

# {name}

A generator of RNA: latent diffusion, trained with Ribospace {about["versions"]["ribospace"]}. What it writes is no
natural molecule.

## Use

```bash
ribospace generate --model FOLDER -n 100 --out new.fasta
ribospace assess new.fasta --against COLLECTION --out report
```

## Made from

- {data["training_molecules"]:,} molecules of {data["collection"]}; split: {data["split"]}
- the latent model {about["latent"]["name"]}, revision {about["latent"]["revision"]}, which lies inside
- {figures["steps"]:,} steps in {figures["seconds"]:,.0f} s, {figures["epochs"]} epochs; {loss}
{_surrogate_section(figures["rewards"])}
## What cannot be concluded

- That a molecule folds, is stable in a cell or does anything: that takes an experiment.
- Molecules are at most as long as the latent model's window; types and lengths are those of the training molecules.
"""


def _surrogate_section(figures: dict[str, Any]) -> str:
    """What the surrogate of the built-in rewards knows, beside chance, as a table in Markdown."""
    rows = []
    for name, one in figures.get("values", {}).items():
        error = f"error {one['rmse']:.3g}, standard deviation {one['standard_deviation']:.3g}"
        rows += [
            (f"`{name}`", f"R² {one['r2']:.3f}, Spearman {one['spearman']:.3f}, {error}", "0, 0"),
            ("… with noise on the latents", f"R² {one['noised_r2']:.3f}", "0"),
            ("… inside the intervals of 50 % and 90 %", f"{one['inside_50']:.1%}, {one['inside_90']:.1%}", ""),
        ]
    if types := figures.get("types"):
        chance = f"{types['chance_accuracy']:.1%}, {types['chance_macro_f1']:.3f} (always the commonest)"
        rows.append(("types", f"{types['accuracy']:.1%} right, macro-F1 {types['macro_f1']:.3f}", chance))
    if structure := figures.get("structure"):
        chance = f"{structure['chance_accuracy']:.1%} (always the commonest sign)"
        rows.append(("structure, each nucleotide", f"{structure['accuracy']:.1%} right", chance))
    table = "\n".join(f"| {what} | {figure} | {chance} |" for what, figure, chance in rows)
    return f"""
## What its rewards know, of {figures["molecules"]["test"]:,} molecules that they were not taught

| | | by chance |
|---|---|---|
{table}
"""
