"""The command that learns a reward from a table of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ribospace.cli.output import Json, progress_bar, say, warn
from ribospace.models.shipped import LATENT


def reward(
    table: Annotated[Path, typer.Option("--table", help="A .tsv, .csv or .parquet: a sequence and a number in a row.")],
    *,
    latent: Annotated[
        str, typer.Option("--latent", help="mini-latent, or a folder that `ribospace train latent` wrote.")
    ] = LATENT,
    out: Annotated[Path, typer.Option("--out", help="Folder of the reward.")],
    value: Annotated[str, typer.Option(help="Column of the property; 'value', or the only one of numbers.")] = "",
    unit: Annotated[str, typer.Option(help="Unit of the property, for what is said of it.")] = "",
    split: Annotated[str, typer.Option(help="Column that says train, validation or test.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as fit.steps=500 or model.hidden=64.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split and the training.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Learn a measured property from a table, to steer a generator by.

    A network reads the property off the latents of a latent model. Without --split whole clusters of near copies are
    held out, for calibration and for the figures. Molecules longer than the latent model's window are left out.
    """
    from ribospace.config import from_mapping, with_overrides
    from ribospace.generation.train_reward import RewardTrainConfig, train_reward

    given = {"value": value, "unit": unit, "split": split, "seed": seed}
    config = from_mapping(RewardTrainConfig, with_overrides(given, settings or []), "the settings")

    with progress_bar("Learning", "steps") as progress:
        about = train_reward(table, latent, out, config, progress, warn)
    of, figures = about["property"], about["figures"]
    one, counts, unit = figures["values"][of["name"]], figures["molecules"], of["unit"] and f" {of['unit']}"
    say(
        as_json,
        {"reward": str(out), **about},
        f"Learned {of['name']} from {counts['training']:,} molecules in {figures['steps']:,} steps",
        f"On {one['molecules']:,} held out: R² {one['r2']:.3f}, Spearman {one['spearman']:.3f}, RMSE {one['rmse']:.4g}"
        f"{unit} (standard deviation {one['standard_deviation']:.4g})",
        f"Calibration: {one['inside_50']:.0%} inside the interval of 50 %, {one['inside_90']:.0%} inside that of 90 %",
        *(
            ["It tells the property no better than the mean does: steering by it means nothing"]
            if one["r2"] <= 0
            else []
        ),
        f"Wrote the reward and its card to {out}",
    )
