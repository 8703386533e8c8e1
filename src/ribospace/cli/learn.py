"""Commands that make vectors: train, embed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ribospace.cli.data import one_of, read_file
from ribospace.cli.output import Json, progress_bar, say
from ribospace.collection import Collection
from ribospace.collection.place import is_remote
from ribospace.errors import UserError
from ribospace.files import existing_file

train = typer.Typer(no_args_is_help=True, help="Train a model.", rich_markup_mode=None)

Model = Annotated[str, typer.Option("--model", help="kmer1 to kmer8, or the folder of a trained model.")]
Pool = Annotated[
    str, typer.Option(help="One vector a molecule: mean over nucleotides, or the first token.", metavar="mean|first")
]


@train.callback()
def _train() -> None:
    """Train a model."""


@train.command(short_help="Learn to write molecules again")
def autoencoder(
    data: Annotated[str, typer.Option("--data", help="The collection to learn from.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the model.")],
    config: Annotated[Path | None, typer.Option(help="A TOML file with the sections [model] and [optimizer].")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the config, such as model.width=32.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train an autoencoder: an encoder reads a molecule, a decoder writes it again letter by letter."""
    from ribospace.config import from_mapping, read_toml, with_overrides
    from ribospace.training.loop import TrainConfig, train_autoencoder

    said = with_overrides(read_toml(config) if config else {}, settings or [])
    chosen = from_mapping(TrainConfig, said, str(config) if config else "the settings")
    store = Collection.open(data)
    with progress_bar("Training", "steps") as progress:
        answer = train_autoencoder(store, out, chosen, progress)
    about, figures = answer["data"], answer["figures"]
    error = figures.get("validation_cer")
    judged = (
        f"Character error rate {error:.2%} on {about['validation_molecules']:,} molecules held out, no near copy of a "
        "training molecule among them"
        if error is not None
        else "No character error rate: no molecule could be held out that is not a near copy of a training molecule"
    )
    say(
        as_json,
        {"model": str(out), **answer},
        f"Trained on {about['training_molecules']:,} molecules for {figures['steps']:,} steps in "
        f"{figures['seconds']:.0f} s ({figures['molecules_per_second']:,.0f} molecules/s, {figures['precision']})",
        judged,
        *([figures["stopped"].capitalize()] if figures["stopped"] else []),
        f"Wrote the model to {out}",
    )


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
    as_json: Json = False,
) -> None:
    """Turn molecules into vectors, in a collection (those that have none yet) or from a file to a file."""
    from ribospace.encoders import embed_collection, find_encoder
    from ribospace.encoders.vectors import embed_to_file, ids_path

    one_of("--pool", pool, ("mean", "first"))
    if out is None and what != "-" and not is_remote(what) and not Path(what).exists():
        raise UserError(f"There is no file and no collection at {what}. Check the path.")
    if out is None and what != "-" and not Path(what).is_file():
        store = Collection.open(what)
        encoder = find_encoder(model, pool)
        with progress_bar("Embedding") as progress:
            done = embed_collection(store, encoder, column=column, half=half, overwrite=overwrite, progress=progress)
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
