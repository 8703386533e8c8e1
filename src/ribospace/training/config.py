"""All that a training needs beside its data, read from TOML."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeAlias

import numpy as np

from ribospace.config import read_toml
from ribospace.errors import UserError, nearest
from ribospace.models.autoencoder import AutoencoderConfig
from ribospace.models.qformer import QFormerConfig
from ribospace.training.data import DataConfig
from ribospace.training.objectives import ObjectiveConfig

SCHEDULES = ("cosine", "constant")
#: What each kind of training lays over its preset.
TASKS: dict[str, dict[str, Any]] = {
    "autoencoder": {},
    "classifier": {"objective": {"written": 0.0, "classes": 1.0}},
    "latent": {},
    "diffusion": {},
    "graph": {},
}


def read_preset(name: str) -> dict[str, Any]:
    """The settings of a preset that ships with the package.

    Examples
    --------
    >>> read_preset("talk")["model"]["feedforward"]
    2048
    """
    folder = resources.files("ribospace") / "data" / "presets"
    known = sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
    if name not in known:
        raise UserError(f"There is no preset {name!r}. {nearest(name, known)}")
    with resources.as_file(folder / f"{name}.toml") as path:
        return read_toml(path)


@dataclass(frozen=True)
class OptimizerConfig:
    """How the weights move, and for how long.

    Attributes
    ----------
    steps
        Optimiser steps.
    minutes
        Stop (and say so) after this long, whatever is left; 0 for no bound.
    learning_rate, weight_decay, clip
        AdamW's (with weight_decay 0 it is Adam), and the largest gradient norm; 0: any.
    schedule
        "cosine", down to 0 at the last step, or "constant"; both after `warmup` steps of rising.
    warmup
        Steps.
    token_budget
        Tokens in a step, padding included.
    accumulate
        Pieces that each process takes its share of a batch in (a step has four batches); more need less memory.
    evaluate_every
        Steps between two looks at the molecules held out; 0: only at the end.
    patience
        Stop when so many looks in a row brought nothing better; 0: never.
    precision
        "auto" (bf16 where the machine has it), "fp32" or "bf16".
    """

    steps: int = 2000
    minutes: float = 0.0
    learning_rate: float = 6e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    schedule: str = "cosine"
    warmup: int = 50
    token_budget: int = 8192
    accumulate: int = 1
    evaluate_every: int = 0
    patience: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        others = (self.weight_decay, self.clip, self.minutes)
        if not np.isfinite([self.learning_rate, *others]).all() or min(others) < 0:
            raise ValueError("learning_rate, weight_decay, clip and minutes must be finite, the last three 0 or more")
        if min(self.steps, self.token_budget, self.accumulate) < 1 or self.learning_rate <= 0:
            raise ValueError("steps, token_budget, accumulate and learning_rate must be above 0")
        if self.steps > 10**9:
            raise ValueError(f"steps {self.steps} must be a billion at most")
        if min(self.warmup, self.evaluate_every, self.patience) < 0:
            raise ValueError("warmup, evaluate_every and patience must be 0 or more")
        if self.patience and not self.evaluate_every:
            raise ValueError("patience counts looks at the molecules held out: set evaluate_every too")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule {self.schedule!r} is none of {', '.join(SCHEDULES)}")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0.

        Examples
        --------
        >>> settings = OptimizerConfig(steps=100, warmup=10, learning_rate=1.0)
        >>> settings.rate(0), settings.rate(9), round(settings.rate(55), 3)
        (0.1, 1.0, 0.5)
        """
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.schedule == "constant":
            return self.learning_rate
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return float(self.learning_rate * 0.5 * (1 + np.cos(np.pi * min(done, 1.0))))


@dataclass(frozen=True)
class Named:
    """What the making of any model is told first.

    Attributes
    ----------
    name
        What the model is called; the folder's name by default.
    seed
        Of all that is drawn: weights, split, order, masks, noise.
    """

    name: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed {self.seed} is not from 0 to 2^63 - 1")


@dataclass(frozen=True)
class Settings(Named):
    """What every training of a model that reads has: sections [data], [objective] and [optimizer] of a TOML file.

    Attributes
    ----------
    data, objective, optimizer
        See there.
    """

    data: DataConfig = field(default_factory=DataConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


@dataclass(frozen=True)
class TrainConfig(Settings):
    """What is trained, on what, and how; sections [data], [model], [objective] and [optimizer] of a TOML file.

    Attributes
    ----------
    model
        See there.
    start
        A trained model whose weights it begins with: a folder, or a name that ships; "" for none. Parts that it lacks,
        or that have other sizes, such as a classifier of other classes, begin as they would without.
    """

    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    start: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective.described:
            raise ValueError("the loss `described` is the summary's of a latent model: ribospace train latent")

    def with_parts(self, classes: tuple[str, ...]) -> TrainConfig:
        """The same with those parts of the model that the objective needs, and no others."""
        model = dataclasses.replace(
            self.model,
            decoder_layers=self.model.decoder_layers if self.objective.written else 0,
            letter_head=bool(self.objective.letters or self.objective.masked),
            classes=(self.model.classes or classes) if self.objective.classes else (),
        )
        return dataclasses.replace(self, model=model)


@dataclass(frozen=True)
class EncoderConfig:
    """Whose token embeddings a latent model reads.

    Attributes
    ----------
    model
        What was named, see `ribospace encoders`.
    revision
        Of the encoder that was found.
    frozen
        Whether it stays as it is; else it is trained along, which an autoencoder of our own can be.
    """

    model: str = ""
    revision: str = ""
    frozen: bool = True


@dataclass(frozen=True)
class LatentTrainConfig(Settings):
    """How a latent model is trained; sections [data], [encoder], [model], [objective] and [optimizer].

    Attributes
    ----------
    encoder, model
        See there.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    model: QFormerConfig = field(default_factory=QFormerConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.objective.written or self.objective.letters or self.objective.masked:
            raise ValueError("a latent model is trained by the losses `written`, `described` and `classes`")

    def with_parts(self, classes: tuple[str, ...]) -> LatentTrainConfig:
        """The same with a classifier if the objective needs one."""
        known = (self.model.classes or classes) if self.objective.classes else ()
        return dataclasses.replace(self, model=dataclasses.replace(self.model, classes=known))


AnyTrainConfig: TypeAlias = TrainConfig | LatentTrainConfig
