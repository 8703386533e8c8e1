"""Commands that train a model."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribospace.cli.output import Json, progress_bar, say
from ribospace.collection import Collection
from ribospace.progress import silent

if TYPE_CHECKING:
    from ribospace.training.config import TrainConfig

train = typer.Typer(no_args_is_help=True, help="Train a model.", rich_markup_mode=None)


@train.callback()
def _train() -> None:
    """Train a model."""


Data = Annotated[str, typer.Option("--data", help="The collection to learn from.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the model.")]
Preset = Annotated[
    str, typer.Option(help="Where the config starts from: default, or talk (the first transformer, as in the talk).")
]
Config = Annotated[
    Path | None,
    typer.Option(help="A TOML file with the sections [data], [model], [objective] and [optimizer], over the preset."),
]
Settings = Annotated[list[str] | None, typer.Option("--set", help="key=value over the config, such as model.width=32.")]


@train.command(short_help="Learn to write molecules again")
def autoencoder(
    data: Data,
    out: Out,
    preset: Preset = "default",
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Train an autoencoder: an encoder reads a molecule, a decoder writes it again letter by letter.

    The weights of [objective] choose what is learned: written (the decoder), letters (every letter by the encoder
    alone, BERT-like), masked (masked letters), classes (the rna_type, or what the column data.label says), or several.
    Interrupted or killed, the same command goes on where it stopped.
    """
    _train_model(data, out, preset, config, settings, as_json, "autoencoder")


@train.command(short_help="Learn to tell types apart")
def classifier(
    data: Data,
    out: Out,
    preset: Preset = "default",
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Train a classifier: an encoder reads a molecule and names its rna_type, or what the column data.label says.

    As `train autoencoder`, with the loss `classes` in place of `written`.
    """
    _train_model(data, out, preset, config, settings, as_json, "classifier")


def _train_model(
    data: str,
    out: Path,
    preset: str,
    config: Path | None,
    settings: list[str] | None,
    as_json: bool,
    task: str,
) -> None:
    from ribospace.config import from_mapping, laid_over, read_toml, with_overrides
    from ribospace.training.config import TASKS, TrainConfig, read_preset
    from ribospace.training.train import train as train_model

    said = laid_over(laid_over(read_preset(preset), TASKS[task]), read_toml(config) if config else {})
    where = " and ".join([*([str(config)] if config else []), *(["--set"] if settings else [])]) or "the settings"
    chosen = from_mapping(TrainConfig, with_overrides(said, settings or []), where)
    store = Collection.open(data)
    warned: list[str] = []

    def warn(line: str) -> None:
        warned.append(line)
        print(line, file=sys.stderr, flush=True)

    first = os.environ.get("RANK", "0") == "0"  # of the processes that `accelerate launch` began
    with progress_bar("Training", "steps") if first else contextlib.nullcontext(silent) as progress:
        answer = train_model(store, out, chosen, progress, warn)
    if not first:
        return
    about, figures = answer["data"], answer["figures"]
    say(
        as_json,
        {"model": str(out), **answer},
        f"Trained on {about['training_molecules']:,} molecules for {figures['steps']:,} steps in "
        f"{figures['seconds']:,.1f} s ({figures['molecules_per_second']:,.0f} molecules/s, {figures['precision']})",
        *_judged(about, figures, chosen),
        *(line for line in figures["said"] if line not in warned),
        *([figures["stopped"].capitalize()] if figures["stopped"] else []),
        f"Wrote the model and its card to {out}",
    )


def _judged(about: dict[str, Any], figures: dict[str, Any], config: TrainConfig) -> list[str]:
    parts, data = [], config.data
    if "validation_cer" in figures:
        how = (
            "edits over letters"
            if config.objective.written
            else "of letters that the encoder sees: copying, not writing"
        )
        parts.append(f"character error rate {figures['validation_cer']:.2%} ({how})")
    if "validation_micro_f1" in figures:
        both = f"{figures['validation_micro_f1']:.3f} micro, {figures['validation_macro_f1']:.3f} macro"
        parts.append(f"F1 of the {data.label} {both}")
    if not parts:
        return []
    molecules, windows = about["validation_molecules"], about["validation_windows"]
    cut = f", in {windows:,} windows" if windows > molecules else ""
    which = f"of the part 'validation' in {data.split!r}" if data.split else "held out at random"
    return [f"On {molecules:,} molecules {which}{cut}: {'; '.join(parts)}"]
