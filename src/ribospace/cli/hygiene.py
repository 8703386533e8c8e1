"""Commands that keep a collection clean: dedupe, split, sample."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated, Any

import typer

from ribospace.cli.output import CollectionAt, Json, progress_bar, say, table
from ribospace.collection import Collection
from ribospace.errors import UserError

Where = Annotated[str | None, typer.Option(help="An SQL condition, such as \"rna_type = 'tRNA'\".")]


def dedupe(
    collection: CollectionAt,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are.")] = False,
    as_json: Json = False,
) -> None:
    """Keep the first molecule of each sequence (by md5) and remove the others.

    A table removed-N.tsv in the collection's folder says which molecule stands for each that was removed.
    """
    from ribospace.hygiene import dedupe as remove_copies

    store = Collection.open(collection)
    with progress_bar("Comparing") as progress:
        done = remove_copies(store, dry_run=dry_run, progress=progress)
    of = f"of {done.molecules:,} molecules in {store.uri}"
    line = f"No molecule {of} repeats the sequence of an earlier one"
    if done.removed:
        did = "Would remove" if dry_run else "Removed"
        line = f"{did} {done.removed:,} {of} that repeat the sequence of an earlier one"
    lines = [line] + ([f"Which molecule stands for which: {done.table}"] if done.table else [])
    say(as_json, {"collection": store.uri, "dry_run": dry_run, **asdict(done)}, *lines)


def split(
    collection: CollectionAt,
    identity: Annotated[float, typer.Option(help="Molecules at least this identical stay together, 0.7 to 1.")] = 0.8,
    ratios: Annotated[str, typer.Option(help="Of train, validation and test.")] = "8:1:1",
    seed: Annotated[int, typer.Option(help="The same seed, the same split.", min=0)] = 0,
    engine: Annotated[
        str,
        typer.Option(
            help="sketch finds more near copies, mmseqs takes more molecules; auto is the sketch up to 200,000 "
            "sequences, above them MMseqs2 where it is installed.",
            metavar="auto|sketch|mmseqs",
        ),
    ] = "auto",
    column: Annotated[str, typer.Option(help="The column to write; the cluster goes to COLUMN_cluster.")] = "split",
    where: Where = None,
    threads: Annotated[int | None, typer.Option(help="How many processors to use; all by default.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Split into train, validation and test by clusters of near copies, and check that none is left across them.

    What was done and found is written beside, as split-COLUMN.json in the collection's folder.
    """
    from ribospace.hygiene import SPLITS, SplitPlan, report_file
    from ribospace.hygiene import split as split_collection

    plan = SplitPlan(identity, _ratios(ratios), seed, engine, column, where)
    store = Collection.open(collection)
    with progress_bar("Comparing", "compared") as progress:
        report = split_collection(store, plan, threads=threads or os.cpu_count() or 1, progress=progress)
    say(as_json, {**report, "report": str(report_file(store, column))}, *_split_lines(store, report, SPLITS))


def sample(
    collection: CollectionAt,
    per_type: Annotated[int, typer.Option("--per-type", help="Most molecules of each rna_type.", min=1)],
    to: Annotated[str, typer.Option("--to", help="The new collection, a folder that does not exist yet.")],
    seed: Annotated[int, typer.Option(help="The same seed, the same molecules.", min=0, max=2**63 - 1)] = 0,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """Draw at most so many molecules of each type into a new collection, with all columns and embeddings."""
    from ribospace.hygiene import sample as draw

    store = Collection.open(collection)
    with progress_bar("Drawing") as progress:
        done = draw(store, to, per_type, seed=seed, where=where, progress=progress)
    fewer = {name: count for name, count in done.taken.items() if count < per_type}
    answer = {
        "collection": str(to),
        "molecules": sum(done.taken.values()),
        "seed": seed,
        **asdict(done),
        "fewer": fewer,
    }
    rows = [(name or "not known", f"{count:,}", f"{done.there[name]:,}") for name, count in done.taken.items()]
    lines = [f"Drew {answer['molecules']:,} molecules of {len(rows):,} types into {to}", ""]
    lines.append(table(rows, ("rna_type", "drawn", "of"), [1, 2]))
    if fewer:
        lines += ["", f"  fewer than {per_type:,}: {', '.join(name or 'not known' for name in fewer)}"]
    say(as_json, answer, *lines)


def _ratios(text: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise UserError(
            f"--ratios {text!r} are not those of train, validation and test. Give three numbers, such as 8:1:1."
        ) from error
    return train, validation, test


def _split_lines(store: Collection, report: dict[str, Any], splits: tuple[str, ...]) -> list[str]:
    from ribospace.hygiene import report_file

    rows = [
        (name or "not known", *(f"{counts[one]:,}" for one in splits))
        for name, counts in report["counts_by_type"].items()
    ]
    rows.append(("all", *(f"{report['counts'][one]:,}" for one in splits)))
    checks = [
        f"{said['found']:,} of {said['checked']:,} distinct molecules in {name}"
        for name, said in report["near_copies"].items()
    ]
    return [
        f"Split {report['molecules']:,} molecules in {report['clusters']:,} clusters ({report['used']}, identity "
        f"{report['identity']:g}) into the column {report['column']!r} of {store.uri}",
        "",
        table(rows, ("rna_type", *splits), [1, 2, 3]),
        "",
        f"  with a near copy in train, by a second search: {', '.join(checks)}",
        f"  report: {report_file(store, report['column'])}",
    ]
