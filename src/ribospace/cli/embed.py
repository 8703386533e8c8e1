"""Commands that make vectors: encoders, embed."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ribospace.cli.given import StripGaps, is_input, one_of, read_input, require_apart
from ribospace.cli.output import Json, progress_bar, say, table
from ribospace.collection.place import is_remote
from ribospace.encoders.named import POOLINGS
from ribospace.errors import UserError
from ribospace.files import exists, ids_path
from ribospace.models.shipped import ENCODER

if TYPE_CHECKING:
    import pyarrow as pa

    from ribospace.collection import Collection
    from ribospace.encoders.base import Encoder
    from ribospace.encoders.engine import Embedded
    from ribospace.encoders.registry import Offer

Model = Annotated[
    str, typer.Option("--model", help="An encoder's name, see `ribospace encoders`; or its file or folder.")
]
Pool = Annotated[
    str,
    typer.Option(
        help="One vector a molecule: mean over nucleotides or the first token; of a latent model its summary or all "
        "latents. The first of the two by default.",
        metavar="|".join(POOLINGS),
    ),
]


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
        str,
        typer.Argument(
            metavar="COLLECTION|FILE",
            help="A collection; or, with --out, FASTA (- for stdin), .tsv, .csv, .parquet, or sample (ships).",
        ),
    ],
    model: Model = ENCODER,
    out: Annotated[
        str | None,
        typer.Option("--out", help="For a FILE: vectors.parquet, .npy (ids beside it) or .h5ad; --tokens: .lance."),
    ] = None,
    pool: Pool = "",
    tokens: Annotated[bool, typer.Option("--tokens", help="A vector for every nucleotide, into --out.")] = False,
    column: Annotated[str | None, typer.Option(help="Name of the embedding; the model's by default.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Store float16: in a collection, or with --tokens.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a column that another model made.")] = False,
    strip_gaps: StripGaps = False,
    engine: Annotated[
        str, typer.Option(help="ray: a collection by workers on Ray, on many machines.", metavar="local|ray")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster, such as 10.0.0.1:6379; else this machine alone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn molecules into vectors, in a collection (those that have none yet) or from a file to a file.

    In a collection and with --tokens, a run that was interrupted or killed goes on when it is given again.
    """
    from ribospace.encoders import find_encoder

    if pool:
        one_of("--pool", pool, POOLINGS)
    embed_all = _engine(engine, address)
    is_file = is_input(what)
    if not is_file and not is_remote(what) and not exists(what):
        raise UserError(f"There is no file and no collection at {what}. Check the path.")
    if embed_all is not None and (is_file or tokens):
        mend = f"Make one: ribospace import {what} --to NEW_FOLDER" if is_file else "Leave --tokens out."
        raise UserError(f"--engine ray embeds a collection, in place. {mend}")
    if half and is_file and not tokens:
        raise UserError("--half is for a collection, or for --tokens: files of vectors are float32. Leave it out.")
    if tokens:
        if out is None:
            raise UserError("--tokens makes a table of its own: say where, --out tokens.lance")
        store = None if is_file else _opened(what)
        encoder = find_encoder(model, pool)
        batches = read_input(what, strip_gaps) if store is None else store.read(["id", "sequence"])
        _into_table(batches, None if store is None else len(store), encoder, out, half, as_json)
    elif not is_file:
        store = _opened(what)
        if out is not None:
            raise UserError(f"{what} is a collection: its vectors stay in it. Leave --out out, then export it.")
        encoder = find_encoder(model, pool)
        _into_collection(store, encoder, column, half, overwrite, embed_all, as_json)
    elif out is None:
        raise UserError(f"{what} is no collection: say where its vectors go, --out vectors.parquet (or .npy, .h5ad).")
    else:
        require_apart(what, out, *([ids_path(Path(out))] if Path(out).suffix == ".npy" else []))
        _into_file(what, find_encoder(model, pool), Path(out), strip_gaps, as_json)


def _opened(what: str) -> Collection:
    from ribospace.collection import Collection

    return Collection.open(what)


def _into_collection(
    store: Collection,
    encoder: Encoder,
    column: str | None,
    half: bool,
    overwrite: bool,
    engine: Callable[..., Embedded] | None,
    as_json: bool,
) -> None:
    from ribospace.encoders import embed_collection

    with progress_bar("Embedding") as progress:
        done = (engine or embed_collection)(
            store, encoder, column=column, half=half, overwrite=overwrite, progress=progress
        )
    said = {"column": done.column, "width": encoder.width, "embedded": done.embedded, "before": done.before}
    say(
        as_json,
        {"collection": store.uri, **said},
        _embedded(done, encoder, "had one"),
        f"Wrote the embedding {done.column!r}, width {encoder.width}, to {store.uri}",
    )


def _into_file(name: str, encoder: Encoder, out: Path, strip_gaps: bool, as_json: bool) -> None:
    from ribospace.encoders.vectors import embed_to_file

    with progress_bar("Embedding") as progress:
        rows = embed_to_file(read_input(name, strip_gaps), encoder, out, progress)
    files = [str(out)] + ([str(ids_path(out))] if out.suffix == ".npy" else [])
    say(
        as_json,
        {"embedded": rows, "width": encoder.width, "files": files},
        f"Embedded {rows:,} molecules with {encoder.name}, width {encoder.width}",
        f"Wrote {' and '.join(files)}",
    )


def _into_table(
    batches: Iterator[pa.RecordBatch], total: int | None, encoder: Encoder, out: str, half: bool, as_json: bool
) -> None:
    from ribospace.encoders.tokens import embed_tokens

    with progress_bar("Embedding") as progress:
        done = embed_tokens(batches, encoder, out, half=half, total=total, progress=progress)
    say(
        as_json,
        {"table": out, "width": encoder.width, "embedded": done.embedded, "before": done.before},
        _embedded(done, encoder, "were there"),
        f"Wrote a vector of width {encoder.width} for every nucleotide to {out}",
    )


def _embedded(done: Embedded, encoder: Encoder, had: str) -> str:
    before = f"; {done.before:,} {had} before" if done.before else ""
    return f"Embedded {done.embedded:,} molecules ({done.molecules_per_second:,.0f}/s, {encoder.precision}){before}"


def _engine(name: str, address: str | None) -> Callable[..., Embedded] | None:
    """What embeds a collection on many machines; None for the local engine."""
    one_of("--engine", name, ("local", "ray"))
    if name == "ray":
        from ribospace.encoders.ray_engine import embed_on_ray

        return functools.partial(embed_on_ray, address=address)
    if address is not None:
        raise UserError(f"--address {address} names a Ray cluster: add --engine ray, or leave it out.")
    return None
