"""The command that brings in RNAcentral's bulk files: fetch-bulk."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from ribospace.cli.data import To
from ribospace.cli.given import one_of
from ribospace.cli.output import Json, progress_bar, say
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import existing_file, identity_of
from ribospace.progress import Progress
from ribospace.records import RNA_TYPES
from ribospace.sources import bulk

MB = 1_000_000


def fetch_bulk(
    to: To,
    release: Annotated[str, typer.Option(help="current, or a number such as 24.0.")] = "current",
    fasta: Annotated[
        str | None, typer.Option(help="Another FASTA than the release's active molecules.", metavar="URL|FILE")
    ] = None,
    id_mapping: Annotated[
        str | None,
        typer.Option(
            help="Another id_mapping.tsv than the release's; none for none, as is usual beside --fasta.",
            metavar="URL|FILE|none",
        ),
    ] = None,
    rna_type: Annotated[list[str] | None, typer.Option(help="Only this type; may be given several times.")] = None,
    taxid: Annotated[
        list[int] | None,
        typer.Option(help="Only molecules of this organism; may be given several times.", min=1, max=2**31 - 1),
    ] = None,
    base_url: Annotated[
        str, typer.Option(envvar="RIBOSPACE_FILES", help="Where the releases are: RNAcentral or a mirror.")
    ] = bulk.BASE_URL,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for what is downloaded; it is kept there until you delete it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch RNAcentral's bulk files, about 40 million molecules, and bring them into a collection.

    rna_type, taxid, databases and organisms (how many) are from the id mapping; without it, rna_type is the
    description's. Downloads go on where they broke off. Molecules whose id is there already are left out. Killed
    half-way, the same command run again goes on where it stopped.
    """
    for one in rna_type or ():
        one_of("--rna-type", one, RNA_TYPES)
    if not re.fullmatch(r"current|\d+(\.\d+)?", release):
        raise UserError(f"--release cannot be {release!r}. Give current, or a number such as 24.0.")
    active, mapping = bulk.release_files(release, base_url)
    places = [fasta or active, id_mapping or ("none" if fasta else mapping)]
    for place in places:
        if not _is_url(place) and place != "none":
            existing_file(place)
    cache = cache or _user_cache()
    files = [None if place == "none" else _file(place, cache) for place in places]
    label = Path(urlsplit(places[0]).path).name if fasta else f"{release} {Path(active).name}"
    answer = _bring_in(to, files, cache, f"RNAcentral {label}", rna_type or [], taxid or [])
    _said(as_json, answer, cache)


def _bring_in(
    to: str, files: list[Path | None], cache: Path, source: str, rna_types: list[str], taxids: list[int]
) -> dict[str, Any]:
    from ribospace.sources.mapping import Mapping

    fasta, mapping_file = files
    assert fasta is not None
    run = json.dumps(
        ["fetch-bulk", *[file and identity_of(file) for file in files], source, sorted(rna_types), sorted(taxids)]
    )
    tally = bulk.Tally()
    with ExitStack() as open_now:
        chunks = open_now.enter_context(bulk.read_chunks(fasta))
        mapping = None
        if mapping_file:
            with progress_bar("Indexing the id mapping", "MB") as progress:
                mapping = open_now.enter_context(Mapping(mapping_file, cache, _in_mb(progress)))
        progress = open_now.enter_context(progress_bar("Bringing in"))
        store = Collection.open_or_create(to)
        batches = bulk.read_bulk(
            chunks, mapping, source=source, rna_types=rna_types, taxids=taxids, tally=tally, progress=progress
        )
        joined = open_now.enter_context(bulk.ReadAhead(batches))
        result = store.append(joined, duplicates="keep-first", run=run)
    return {
        "collection": str(to),
        "added": result.added,
        "skipped_duplicates": result.skipped,
        "already_there_from_an_interrupted_run": result.resumed,
        "molecules": len(store),
        "read": tally.read,
        "with_id_mapping": tally.mapped,
        "filtered_out": tally.read - tally.kept,
        "fasta": str(fasta),
        "id_mapping": mapping_file and str(mapping_file),
        "cache": str(cache),
        "cache_bytes": sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()),
    }


def _said(as_json: bool, answer: dict[str, Any], cache: Path) -> None:
    lines = [
        f"Added {answer['added']:,} molecules of RNAcentral to {answer['collection']}, "
        f"which now holds {answer['molecules']:,}"
    ]
    if answer["id_mapping"]:
        lines.append(f"{answer['with_id_mapping']:,} of {answer['read']:,} records read are in the id mapping")
    if answer["filtered_out"]:
        lines.append(f"Left out {answer['filtered_out']:,} of another type or organism")
    if answer["skipped_duplicates"]:
        lines.append(f"Left out {answer['skipped_duplicates']:,} whose id was there already")
    if answer["already_there_from_an_interrupted_run"]:
        lines.append(f"{answer['already_there_from_an_interrupted_run']:,} were there from a run that was broken off")
    if answer["cache_bytes"]:
        lines.append(f"{cache} keeps {answer['cache_bytes'] / MB:,.1f} MB for the next time; delete it as you like")
    say(as_json, answer, *lines)


def _file(place: str, cache: Path) -> Path:
    """The file of a place: itself, or what was downloaded now or before."""
    if not _is_url(place):
        return Path(place)
    from ribospace.net.download import download

    parts = urlsplit(place)
    steps = [step for step in unquote(parts.path).split("/") if step not in ("", ".", "..")]
    path = cache.joinpath(re.sub(r"[^\w.-]", "_", parts.netloc), *steps)
    with progress_bar(f"Fetching {path.name}", "MB") as progress:
        return download(place, path, _in_mb(progress))


def _in_mb(progress: Progress) -> Progress:
    def report(done: int, total: int | None, note: str = "") -> None:
        progress(done // MB, None if total is None else total // MB, note)

    return report


def _is_url(place: str) -> bool:
    return "://" in place


def _user_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("ribospace"))
