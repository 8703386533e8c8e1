"""Commands that bring molecules in and out: import, synthesize, info, export."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from ribospace.cli.given import StripGaps, is_built_in, one_of, read_input
from ribospace.cli.output import CollectionAt, Json, progress_bar, say, table
from ribospace.collection import Collection
from ribospace.collection.summary import summarize
from ribospace.errors import UserError
from ribospace.files import existing_file, identity_of, require_ending
from ribospace.progress import Progress

To = Annotated[str, typer.Option("--to", help="The collection (a folder or URI); made where there is none.")]
Duplicates = Annotated[
    str, typer.Option(help="An id that is there already or comes twice: refuse all, or keep-first.", metavar="POLICY")
]


def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="FASTA (also .gz, or - for standard input), .tsv, .csv or .parquet; or `sample`, `ribosome` or "
            "`ribosome-regions`, which ship with Ribospace.",
        ),
    ],
    to: To,
    duplicates: Duplicates = "refuse",
    strip_gaps: StripGaps = False,
    header: Annotated[
        str, typer.Option(help="What a FASTA header's first word is: id, or rna_type.", metavar="id|rna_type")
    ] = "id",
    as_json: Json = False,
) -> None:
    """Bring molecules into a collection: all of the files, or none if one of them is faulty.

    A .tsv, .csv or .parquet needs the columns id and sequence; a Parquet's numeric list columns come in as embeddings
    under their own names. Killed half-way, the same command run again goes on where it stopped.
    """
    one_of("--header", header, ("id", "rna_type"))
    names = [one if is_built_in(one) or one == "-" else str(existing_file(one)) for one in files]
    batches = (batch for name in names for batch in read_input(name, strip_gaps, header))
    run = None
    if all(is_built_in(name) or Path(name).is_file() for name in names):
        run = json.dumps(["import", [_identity(name) for name in names], duplicates, strip_gaps, header])
    with progress_bar("Importing") as progress:
        answer = _append(to, _counted(batches, progress), duplicates, run)
    _said(as_json, answer, f"from {', '.join(names)}")


def synthesize(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="words, symmetric or hairpins.")],
    to: To,
    max_length: Annotated[
        int, typer.Option(help="words: longest molecule; symmetric: longest of its four blocks, nt.", min=1)
    ] = 4,
    letters: Annotated[str, typer.Option(help="words, symmetric: the alphabet, such as ACGU or ACGUN.")] = "ACGU",
    undefined: Annotated[
        bool, typer.Option("--undefined", help="symmetric: the variants whose halves differ in one N.")
    ] = False,
    count: Annotated[int, typer.Option("--count", "-n", help="hairpins: how many.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="hairpins: the same seed, the same molecules.", min=0)] = 0,
    tails: Annotated[bool, typer.Option(help="hairpins: with tails of 0 to 4 nt.")] = True,
    duplicates: Duplicates = "refuse",
    as_json: Json = False,
) -> None:
    """Make molecules by rule: every short word, symmetric ABAB and ABBA, or random hairpins."""
    from ribospace.sources import synthetic

    makers = {
        "words": lambda: synthetic.words(max_length, letters.upper()),
        "symmetric": lambda: synthetic.symmetric(max_length, letters.upper(), undefined=undefined),
        "hairpins": lambda: synthetic.hairpins(count, seed=seed, tails=tails),
    }
    one_of("KIND", kind, makers)
    run = json.dumps(["synthesize", kind, max_length, letters, undefined, count, seed, tails, duplicates])
    with progress_bar("Making") as progress:
        answer = _append(to, _counted(makers[kind](), progress), duplicates, run)
    _said(as_json, answer, f"of the kind {kind}")


def info(
    collection: CollectionAt,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="Draw molecules, lengths, letters and GC by type: a .png, .svg or .pdf, and a table beside it."
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="For the figure: the column of types; rna_type by default.")] = None,
    where: Annotated[
        str | None, typer.Option(help="For the figure: an SQL condition, such as \"rna_type = 'tRNA'\".")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a collection holds: molecules by type, lengths, embeddings, maps, indexes, disk, versions; draw it."""
    store = Collection.open(collection)
    files = _drawn(store, figure, by, where)
    said = summarize(store)
    held = f"{said.uri}: {said.molecules:,} molecules, {said.disk_bytes / 1e6:,.1f} MB on disk"
    lines = [f"{held}, in {said.fragments:,} fragment{'' if said.fragments == 1 else 's'}"]
    if said.molecules:
        rows: list[tuple[object, ...]] = [(name or "not known", f"{n:,}") for name, n in said.rna_types.items()]
        lines += ["", table(rows, ("rna_type", "molecules"), [1])]
        lines += ["", "  length (nt): " + ", ".join(f"{name} {value:,}" for name, value in said.length_nt.items())]
    lines += ["", "  columns: " + ", ".join(said.columns), "  indexed: " + (", ".join(said.indexed) or "none"), ""]
    made_by = ("column", "encoder", "revision", "pooling", "width")
    rows = [
        (*(one[key] for key in made_by), f"{one['vectors']:,}", _index_said(one["index"])) for one in said.embeddings
    ]
    lines.append(
        table(rows, ("embedding", "encoder", "revision", "pooling", "width", "vectors", "index"), [4, 5])
        if rows
        else f"  no embeddings yet: ribospace embed {collection}"
    )
    maps = [(p["name"], p["embedding"], p["method"], p["dims"], f"{p['molecules']:,}") for p in said.projections]
    if maps:
        lines += ["", table(maps, ("stored map", "of", "method", "dims", "molecules"), [3, 4])]
    lines += ["", "  versions: " + ", ".join(f"{name} {version}" for name, version in said.versions.items())]
    answer = dataclasses.asdict(said)
    if files:
        lines += ["", f"Wrote {files['figure']}, and what is drawn to {files['table']}"]
    say(as_json, {"collection": answer.pop("uri"), **answer, **files}, *lines)


def _drawn(store: Collection, figure: Path | None, by: str | None, where: str | None) -> dict[str, str]:
    """Write the figure if one is asked for; give the files."""
    if figure is None:
        if by is not None or where is not None:
            name = "--where" if by is None else "--by"
            raise UserError(f"{name} is for the figure. Name a file for it, such as --figure summary.png.")
        return {}
    from ribospace.cli.summary_figure import write_summary_figure

    table = write_summary_figure(store, figure, by or "rna_type", where)
    return {"figure": str(figure), "table": str(table)}


def _index_said(index: dict[str, Any] | None) -> str:
    return f"recall@10 {index['recall']:.3f}" if index else "none"


def export(
    collection: CollectionAt,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="A file ending in .fasta, .parquet or .h5ad; for one embedding .npy or .faiss (ids beside it), or a "
            "folder for TensorBoard's projector.",
        ),
    ],
    where: Annotated[str | None, typer.Option(help="An SQL condition, such as \"rna_type = 'tRNA'\".")] = None,
    embedding: Annotated[
        str | None, typer.Option(help="For .npy, .faiss, a folder and --for: which embedding.")
    ] = None,
    purpose: Annotated[
        str | None,
        typer.Option("--for", help="embedding-atlas: a .parquet with x, y and neighbours.", metavar="PROGRAM"),
    ] = None,
    projection: Annotated[str | None, typer.Option(help="For --for: a stored map; see `map --store`.")] = None,
    as_json: Json = False,
) -> None:
    """Write molecules (and, in .parquet and .h5ad, all embeddings and maps), or one embedding, for other programs."""
    if purpose is not None:
        one_of("--for", purpose, ["embedding-atlas"])
        _export_for_embedding_atlas(collection, out, where, embedding, projection, as_json)
        return
    if projection is not None:
        raise UserError("--projection is for --for embedding-atlas. Leave it out: a .parquet or .h5ad has all maps.")
    from ribospace.collection.export import ENDINGS
    from ribospace.collection.export import export as write
    from ribospace.collection.export_vectors import export_vectors, is_for_vectors

    if is_for_vectors(out):
        rows, files = export_vectors(Collection.open(collection), out, embedding, where)
        names = [str(file) for file in files]
        said = f"Wrote the vectors of {rows:,} molecules to {', '.join(names)}"
        say(as_json, {"written": rows, "files": names}, said)
        return
    require_ending(out, (*ENDINGS, ".npy", ".faiss"))
    if embedding is not None:
        raise UserError(f"--embedding is for .npy, .faiss and a folder; {out} would have all. Leave it out.")
    rows = write(Collection.open(collection), out, where)
    say(as_json, {"written": rows, "file": str(out)}, f"Wrote {rows:,} molecules to {out}")


def _export_for_embedding_atlas(
    collection: str, out: Path, where: str | None, embedding: str | None, projection: str | None, as_json: bool
) -> None:
    from ribospace.web.embedding_atlas import command_for, export_for_embedding_atlas

    with progress_bar("Exporting") as progress:
        store = Collection.open(collection)
        rows, shown = export_for_embedding_atlas(store, out, projection, embedding, where, progress=progress)
    answer = {"written": rows, "file": str(out), "projection": shown.name, "command": command_for(out)}
    say(as_json, answer, f"Wrote {rows:,} molecules, placed by {shown.name}, to {out}", f"Open it: {command_for(out)}")


def _identity(name: str) -> list[Any]:
    """What tells that a file is the same as before."""
    if is_built_in(name):
        return [name]
    return identity_of(Path(name))


def _append(to: str, batches: Iterable[pa.RecordBatch], duplicates: str, run: str | None) -> dict[str, Any]:
    one_of("--duplicates", duplicates, ("refuse", "keep-first"))
    store = Collection.open_or_create(to)
    result = store.append(batches, duplicates=duplicates, run=run)  # type: ignore[arg-type]
    return {
        "collection": str(to),
        "added": result.added,
        "skipped_duplicates": result.skipped,
        "already_there_from_an_interrupted_run": result.resumed,
        "molecules": len(store),
    }


def _said(as_json: bool, answer: dict[str, Any], what: str) -> None:
    lines = [
        f"Added {answer['added']:,} molecules {what} to {answer['collection']}, which now holds {answer['molecules']:,}"
    ]
    if answer["skipped_duplicates"]:
        lines.append(f"Left out {answer['skipped_duplicates']:,} whose id was there already")
    if answer["already_there_from_an_interrupted_run"]:
        lines.append(f"{answer['already_there_from_an_interrupted_run']:,} were there from a run that was broken off")
    say(as_json, answer, *lines)


def _counted(batches: Iterable[pa.RecordBatch], progress: Progress) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in batches:
        done += batch.num_rows
        progress(done, None)
        yield batch
