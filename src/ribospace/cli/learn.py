"""Commands that make vectors: train, encoders, embed."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribospace.cli.data import one_of, read_file
from ribospace.cli.output import Json, progress_bar, say, table
from ribospace.collection import Collection
from ribospace.collection.place import is_remote
from ribospace.errors import UserError
from ribospace.files import existing_file
from ribospace.progress import silent

if TYPE_CHECKING:
    from ribospace.encoders.engine import Embedded
    from ribospace.encoders.registry import Offer
    from ribospace.training.config import TrainConfig

train = typer.Typer(no_args_is_help=True, help="Train a model.", rich_markup_mode=None)

Model = Annotated[
    str, typer.Option("--model", help="An encoder's name, see `ribospace encoders`; or its file or folder.")
]
Pool = Annotated[
    str, typer.Option(help="One vector a molecule: mean over nucleotides, or the first token.", metavar="mean|first")
]


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


def encoders(as_json: Json = False) -> None:
    """Say what can turn molecules into vectors: what --model may name, and what that needs."""
    from ribospace.encoders.registry import offered

    found = offered()
    rows = [(one.name, one.width, "yes" if one.tokens else "no", _needs(one), one.about, one.package) for one in found]
    say(
        as_json,
        {"encoders": [dataclasses.asdict(one) for one in found]},
        table(rows, ("--model", "width", "tokens", "needs", "what it is", "package")),
    )


def _needs(offer: Offer) -> str:
    if offer.usable or not offer.needs:
        return offer.needs or ("-" if offer.usable else "mending")
    return f"{offer.needs} (missing)"


def embed(
    what: Annotated[
        str, typer.Argument(metavar="COLLECTION|FILE", help="A collection; or, with --out, FASTA, .tsv or .parquet.")
    ],
    model: Model,
    out: Annotated[
        Path | None, typer.Option("--out", help="For a FILE: vectors.parquet, .npy (ids beside it) or .h5ad.")
    ] = None,
    pool: Pool = "mean",
    column: Annotated[str | None, typer.Option(help="Name of the embedding; the model's by default.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Store float16 in the collection.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a column that another model made.")] = False,
    strip_gaps: Annotated[bool, typer.Option("--strip-gaps", help="For a FILE: take - and . out.")] = False,
    engine: Annotated[
        str, typer.Option(help="ray: a collection by workers on Ray, on many machines.", metavar="local|ray")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster, such as 10.0.0.1:6379; else this machine alone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn molecules into vectors, in a collection (those that have none yet) or from a file to a file."""
    from ribospace.collection.export_vectors import ids_path
    from ribospace.encoders import embed_collection, find_encoder
    from ribospace.encoders.vectors import embed_to_file

    one_of("--pool", pool, ("mean", "first"))
    embed_all = _engine(engine, address) or embed_collection
    if out is None and what != "-" and not is_remote(what) and not Path(what).exists():
        raise UserError(f"There is no file and no collection at {what}. Check the path.")
    if out is None and what != "-" and not Path(what).is_file():
        store = Collection.open(what)
        encoder = find_encoder(model, pool)
        with progress_bar("Embedding") as progress:
            done = embed_all(store, encoder, column=column, half=half, overwrite=overwrite, progress=progress)
        had = f"; {done.before:,} had one before" if done.before else ""
        say(
            as_json,
            {
                "collection": what,
                "column": done.column,
                "width": encoder.width,
                "embedded": done.embedded,
                "before": done.before,
            },
            f"Embedded {done.embedded:,} molecules ({done.molecules_per_second:,.0f}/s){had}",
            f"Wrote the embedding {done.column!r}, width {encoder.width}, to {what}",
        )
        return
    if engine == "ray" and not Path(what).is_dir():
        raise UserError(
            f"--engine ray embeds a collection, in place. Make one: ribospace import {what} --to NEW_FOLDER"
        )
    if out is None:
        raise UserError(f"{what} is a file: say where its vectors go, --out vectors.parquet (or .npy, .h5ad).")
    if Path(what).is_dir():
        raise UserError(f"{what} is a collection: its vectors stay in it. Leave --out out, then export it.")
    encoder = find_encoder(model, pool)
    name = what if what == "-" else str(existing_file(what))
    with progress_bar("Embedding") as progress:
        rows = embed_to_file(read_file(name, strip_gaps=strip_gaps), encoder, out, progress)
    files = [str(out)] + ([str(ids_path(out))] if out.suffix == ".npy" else [])
    say(
        as_json,
        {"embedded": rows, "width": encoder.width, "files": files},
        f"Embedded {rows:,} molecules with {encoder.name}, width {encoder.width}",
        f"Wrote {' and '.join(files)}",
    )


def _engine(name: str, address: str | None) -> Callable[..., Embedded] | None:
    """What embeds a collection on many machines; None for the local engine."""
    one_of("--engine", name, ("local", "ray"))
    if name == "ray":
        from ribospace.encoders.ray_engine import embed_on_ray

        return functools.partial(embed_on_ray, address=address)
    if address is not None:
        raise UserError(f"--address {address} names a Ray cluster: add --engine ray, or leave it out.")
    return None
