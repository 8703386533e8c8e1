"""Commands that train a model."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ribospace.cli.learn_graph import graph
from ribospace.cli.learn_reward import reward
from ribospace.cli.output import Json, progress_bar, say, warn
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import exists
from ribospace.models.shipped import ENCODER, LATENT
from ribospace.progress import silent

if TYPE_CHECKING:
    from ribospace.models.latent import Model
    from ribospace.training.config import AnyTrainConfig

Chosen = TypeVar("Chosen")
train = typer.Typer(no_args_is_help=True, add_completion=False, help="Train a model.", rich_markup_mode=None)


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
    from ribospace.training.config import TrainConfig

    chosen = _settings(TrainConfig, preset, "autoencoder", config, settings)
    _train_model(Collection.open(data), out, chosen, as_json)


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
    from ribospace.training.config import TrainConfig

    chosen = _settings(TrainConfig, preset, "classifier", config, settings)
    _train_model(Collection.open(data), out, chosen, as_json)


@train.command(short_help="Learn latents of fixed size")
def latent(
    data: Data,
    *,
    encoder: Annotated[
        str, typer.Option("--encoder", help="Whose token embeddings are read: mini, a trained autoencoder's folder …")
    ] = ENCODER,
    out: Out,
    preset: Annotated[str, typer.Option(help="Where the config starts from.")] = "latent",
    config: Config = None,
    settings: Settings = None,
    cache: Annotated[
        str, typer.Option(help="A .lance table that keeps token embeddings between epochs, for encoders that are slow.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Train a Q-Former and its decoder: token embeddings become 16 vectors of 40 numbers, and these the molecule again.

    The losses of [objective] are written (the decoder), described (the summary names length and 3-mers) and classes.
    An autoencoder of ours becomes part of the model, trained along with --set encoder.frozen=false; another encoder has
    to be there whenever the model is used. Interrupted or killed, the same command goes on where it stopped.
    """
    from ribospace.encoders import find_encoder
    from ribospace.encoders.latent import latent_model, written_cache
    from ribospace.training.config import LatentTrainConfig

    if exists(encoder) and out.resolve() == Path(encoder).resolve():
        raise UserError(f"--out {out} is the encoder that is read: its decoder would be lost. Choose another --out.")
    chosen = _settings(LatentTrainConfig, preset, "latent", config, settings)
    store, found = Collection.open(data), find_encoder(encoder)
    reads = dataclasses.replace(chosen.encoder, model=encoder, revision=found.revision)
    with written_cache(found, cache) as read:
        _train_model(
            store,
            out,
            dataclasses.replace(chosen, encoder=reads),
            as_json,
            lambda config: latent_model(found, config.model, config.encoder.frozen, read),
        )


@train.command(short_help="Learn to generate molecules")
def diffusion(
    data: Data,
    *,
    latent: Annotated[
        str, typer.Option("--latent", help="mini-latent, or a folder that `ribospace train latent` wrote.")
    ] = LATENT,
    out: Out,
    preset: Annotated[str, typer.Option(help="Where the config starts from.")] = "diffusion",
    config: Config = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Train a generator: a denoiser over the latents of a latent model, which becomes a part of it.

    It is told the type (rna_type, or what the column data.label says) and the length of the molecules. Interrupted or
    killed, the same command goes on where it stopped.
    """
    from ribospace.generation.train import DiffusionTrainConfig, train_diffusion

    chosen = _settings(DiffusionTrainConfig, preset, "diffusion", config, settings)
    with progress_bar("Training", "steps") as progress:
        said = train_diffusion(Collection.open(data), latent, out, chosen, progress, warn)
    figures = said["figures"]
    held = f", {figures['validation_losses'][-1][1]} on those held out" if figures["validation_losses"] else ""
    say(
        as_json,
        {"model": str(out), "data": said["data"], "figures": figures},
        f"Trained on {said['data']['training_molecules']:,} molecules for {figures['steps']:,} steps in "
        f"{figures['seconds']:,.1f} s ({figures['molecules_per_second']:,.0f} molecules/s)",
        f"Loss {figures['last_loss']}{held}",
        *([figures["stopped"].capitalize()] if figures["stopped"] else []),
        f"Wrote the generator and its card to {out}",
    )


train.command(short_help="Learn a property to steer by")(reward)
train.command(short_help="Refine vectors by a graph of molecules")(graph)


def _settings(kind: type[Chosen], preset: str, task: str, config: Path | None, settings: list[str] | None) -> Chosen:
    from ribospace.config import from_mapping, laid_over, read_toml, with_overrides
    from ribospace.training.config import TASKS, read_preset

    said = laid_over(laid_over(read_preset(preset), TASKS[task]), read_toml(config) if config else {})
    where = " and ".join([*([str(config)] if config else []), *(["--set"] if settings else [])]) or "the settings"
    return from_mapping(kind, with_overrides(said, settings or []), where)


def _train_model(
    store: Collection,
    out: Path,
    chosen: AnyTrainConfig,
    as_json: bool,
    make: Callable[[Any], Model] | None = None,
) -> None:
    from ribospace.training.train import new_autoencoder
    from ribospace.training.train import train as train_model

    warned: list[str] = []

    def noted(line: str) -> None:
        warned.append(line)
        warn(line)

    first = os.environ.get("RANK", "0") == "0"  # of the processes that `accelerate launch` began
    with progress_bar("Training", "steps") if first else contextlib.nullcontext(silent) as progress:
        answer = train_model(store, out, chosen, progress, noted, make or new_autoencoder)
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


def _judged(about: dict[str, Any], figures: dict[str, Any], config: AnyTrainConfig) -> list[str]:
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
