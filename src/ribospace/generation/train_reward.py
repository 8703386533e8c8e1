"""From a table of measurements and a latent model to a learned reward on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ribospace.alphabet import tokenize
from ribospace.encoders.latent import LatentEncoder
from ribospace.errors import UserError
from ribospace.files import versions
from ribospace.generation.judging import Figures
from ribospace.generation.properties import IDENTITY, UNKNOWN, Rows, Targets, parts_by_cluster
from ribospace.generation.surrogates import FitConfig, fit
from ribospace.hygiene.split import SPLITS
from ribospace.models import checkpoint
from ribospace.models.latent import LatentAutoencoder
from ribospace.models.shipped import location_of
from ribospace.models.surrogate import SurrogateConfig
from ribospace.progress import Progress, silent, within
from ribospace.sources.measured import Measured, read_measured
from ribospace.training.config import Named
from ribospace.training.data import listed

LEAST = 50
LEFT_OUT = -1


@dataclass(frozen=True)
class SurrogateSize:
    """Sizes of a surrogate, see `SurrogateConfig`."""

    hidden: int = 128
    heads: int = 4
    layers: int = 2

    def __post_init__(self) -> None:
        SurrogateConfig(**dataclasses.asdict(self), structure=True)


@dataclass(frozen=True)
class RewardTrainConfig(Named):
    """How a reward is learned from a table.

    Attributes
    ----------
    value, unit
        The column of the property, see `read_measured`; its unit, for what is said of it.
    split
        A column that says train, validation or test; "": whole clusters of near copies are dealt out, 8:1:1.
    model, fit
        Sizes and training.
    """

    value: str = ""
    unit: str = ""
    split: str = ""
    model: SurrogateSize = field(default_factory=SurrogateSize)
    fit: FitConfig = field(default_factory=FitConfig)


def train_reward(
    table: Path | str,
    latent: Path | str,
    out: Path | str,
    config: RewardTrainConfig,
    progress: Progress = silent,
    warn: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Learn a property from a table, and write the reward to a folder.

    Parameters
    ----------
    table
        See `read_measured`.
    latent
        Folder of the latent model, or the name of one that ships.
    out
        Folder of the reward.
    config
        Column, split, sizes, training, seed.
    progress
        Told of the molecules read, and of the steps.
    warn
        Told what a user should know of the table.

    Returns
    -------
    dict
        What was learned from, and the figures, which also stand in config.json.

    Raises
    ------
    UserError
        Before any step: if the folder cannot be written, the latent model is none, or the table does not do.
    """
    out = Path(out).resolve()
    checkpoint.require_place(out)
    found = checkpoint.load(latent, LatentAutoencoder)
    measured = read_measured(table, config.value, config.split)
    encoder = LatentEncoder(found, "latents")
    window = encoder.window
    short = np.flatnonzero([len(one) <= window for one in measured.sequences])
    said = list(_said(measured, len(measured.sequences) - len(short), window))
    _require_usable(table, measured, short, window)
    sequences = [measured.sequences[row] for row in short]
    values = measured.values[short]
    parts, how = _parts(table, measured, short, sequences, config, progress)
    if left := int((parts == LEFT_OUT).sum()):
        said.append(f"Left out {left:,} molecules whose {config.split!r} is none of {', '.join(SPLITS)}")
    for line in said:
        warn(line)
    reading = within(progress, 0, config.fit.steps or None, "reading {} molecules")
    latents = encoder.latents(tokenize(sequences), reading)
    unknown = np.full(len(short), UNKNOWN, dtype=np.int64)
    targets = Targets(values[:, None], (measured.column,), (config.unit,), unknown)
    sizes = SurrogateConfig(
        found.revision,
        found.model.config.queries,
        found.model.config.width,
        window,
        **dataclasses.asdict(config.model),
        structure=True,  # replaced by what the targets hold
    )
    fitted = fit(latents, targets, parts, sizes, config.fit, config.seed, progress)
    about = {
        "property": {"name": measured.column, "unit": config.unit, **_natural(fitted.figures, measured.column)},
        "latent": {"name": found.name, "revision": found.revision, "location": location_of(found.path)},
        "training": dataclasses.asdict(config),
        "data": {"table": str(Path(table).resolve()), "rows": measured.rows, "split": how, "said": said},
        "figures": fitted.figures,
        "calibration": {"temperature": float(fitted.surrogate.temperature[0])},
        "versions": versions("torch", "numpy", "scipy"),
    }
    name = config.name or out.name
    checkpoint.save(fitted.surrogate, out, name, about, _card(name, about))
    return about


def _natural(figures: Figures, name: str) -> Figures:
    return {"test_standard_deviation": figures["values"][name]["standard_deviation"]}


def _said(measured: Measured, long: int, window: int) -> list[str]:
    said = []
    if measured.missing:
        said.append(f"Left out {measured.missing:,} of {measured.rows:,} rows without a {measured.column!r}")
    if measured.repeated:
        said.append(f"{measured.repeated:,} rows repeat a sequence: their {measured.column!r} is averaged")
    if long:
        said.append(f"Left out {long:,} molecules longer than {window} nt, the latent model's window")
    return said


def _require_usable(table: Path | str, measured: Measured, rows: Rows, window: int) -> None:
    if len(rows) < LEAST:
        raise UserError(
            f"{table} has {len(rows)} different molecules of at most {window} nt with a {measured.column!r}, at least "
            f"{LEAST} are needed to learn from and to judge by. Give more."
        )
    values = measured.values[rows]
    if values.min() == values.max():
        raise UserError(
            f"{table}, column {measured.column!r} is {values[0]:g} in every row: there is nothing to learn. Choose "
            "another: --value COLUMN"
        )


def _parts(
    table: Path | str,
    measured: Measured,
    rows: Rows,
    sequences: list[str],
    config: RewardTrainConfig,
    progress: Progress,
) -> tuple[Rows, str]:
    """(n,) the part of each molecule, and a sentence on how it came about."""
    clusters = f"clusters of molecules {IDENTITY:.0%} identical or more (seed {config.seed})"
    if measured.parts is None:
        parts = parts_by_cluster(sequences, (8, 1, 1), config.seed, progress)
        for place, part in enumerate(SPLITS):
            if not (parts == place).any():
                raise UserError(
                    f"Nearly all molecules of {table} are near copies of each other ({IDENTITY:.0%} identical), so "
                    f"none is left for {part!r}. Give more kinds, or say which to judge by: --split COLUMN"
                )
        return parts, f"{clusters} dealt out 8:1:1"
    words = [measured.parts[row] for row in rows]
    number = {part: place for place, part in enumerate(SPLITS)}
    parts = np.array([number.get(word, LEFT_OUT) for word in words], dtype=np.int64)
    how = f"the column {config.split!r}"
    for part in ("train", "test"):
        if part not in words:
            raise UserError(
                f"{table}, column {config.split!r} says {listed(sorted(set(words)))}, never {part!r}. Name one that "
                "says train, validation and test, or leave --split out."
            )
    if "validation" not in words:
        train = np.flatnonzero(parts == 0)
        parts[train] = parts_by_cluster([sequences[row] for row in train], (9, 1, 0), config.seed, progress)
        how += f"; for validation, a tenth of train by {clusters}"
    return parts, how


def _card(name: str, about: dict[str, Any]) -> str:
    """The model card in Markdown."""
    of, figures = about["property"], about["figures"]
    one, counts, unit = figures["values"][of["name"]], figures["molecules"], of["unit"] and f" {of['unit']}"
    return f"""---
library_name: ribospace
tags:
- rna
- ribospace
---

# {name}

A reward: {of["name"]}{unit and " in" + unit} of an RNA, told by its latents, learned with Ribospace
{about["versions"]["ribospace"]}.

## Use

With a generator over the same latent model. FOLDER is where this file lies; FOLDER:-1 pushes the property down,
FOLDER=5 comes near to 5.

```bash
ribospace generate --model GENERATOR -n 100 --reward-model FOLDER --strength 2 --out new.fasta
```

## Made from

- {counts["training"]:,} molecules of {about["data"]["table"]}; {counts["validation"]:,} to stop and calibrate by
- split: {about["data"]["split"]}
- the latent model {about["latent"]["name"]}, revision {about["latent"]["revision"]}; seed {about["training"]["seed"]}

## On {one["molecules"]:,} molecules held out

| | |
|---|---|
| R² (0: no better than the mean) | {one["r2"]:.3f} |
| R² with noise on the latents | {one["noised_r2"]:.3f} |
| Spearman's ρ | {one["spearman"]:.3f} |
| RMSE | {one["rmse"]:.4g}{unit} |
| standard deviation of the property | {one["standard_deviation"]:.4g}{unit} |
| inside the interval of 50 % | {one["inside_50"]:.1%} |
| inside the interval of 90 % | {one["inside_90"]:.1%} |

## What cannot be concluded

- That a molecule written towards this property has it: a surrogate is followed to where it errs. Measure.
- Anything of molecules unlike those of the table, by kind or length.
"""
