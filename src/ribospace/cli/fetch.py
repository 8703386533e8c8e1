"""The command that fetches entries of RNAcentral, by the handful or by type, species or words: fetch."""

from __future__ import annotations

from typing import Annotated

import typer

from ribospace.cli.data import To
from ribospace.cli.output import Json, progress_bar, say
from ribospace.collection import Collection
from ribospace.errors import Unavailable
from ribospace.sources.rnacentral import API, SEARCH, Query


def fetch(
    to: To,
    rna_type: Annotated[
        list[str] | None, typer.Option("--rna-type", help="Of this INSDC type, such as tRNA; may be given again.")
    ] = None,
    min_length: Annotated[int | None, typer.Option(help="At least so many nt.", min=1)] = None,
    max_length: Annotated[int | None, typer.Option(help="At most so many nt.", min=1)] = None,
    taxid: Annotated[
        list[int] | None, typer.Option("--taxid", help="Of this NCBI taxonomy id, such as 9606; may be given again.")
    ] = None,
    query: Annotated[str, typer.Option(help="Words in EBI Search's language, such as 'expert_db:\"GtRNAdb\"'.")] = "",
    limit: Annotated[int | None, typer.Option(help="At most so many, over all runs of the same query.", min=1)] = None,
    page_size: Annotated[int, typer.Option(help="Entries a request of the REST API; 50 is the fastest.")] = 50,
    base_url: Annotated[str, typer.Option(help="Address of RNAcentral's REST API.")] = API,
    search_url: Annotated[str, typer.Option(help="Address of EBI Search's RNAcentral domain.")] = SEARCH,
    as_json: Json = False,
) -> None:
    """Fetch molecules from RNAcentral: the newest, or those of a type, species or search.

    Run again, it goes on where it stopped, asks again for what it could not have, and brings what is new. For more than
    some ten thousand molecules, fetch-bulk is faster by far.
    """
    from ribospace.fetching.fetch import fetch as bring

    asked = Query(tuple(rna_type or ()), tuple(taxid or ()), query, min_length, max_length)
    store = Collection.open_or_create(to)
    api = base_url.rstrip("/")
    with progress_bar("Fetching") as progress:
        done = bring(store, asked, limit=limit, page_size=page_size, api=api, search=search_url, progress=progress)
    answer = {
        "collection": str(to),
        "query": asked.key,
        "added": done.added,
        "already_there": done.known,
        "inactive_left_out": done.inactive,
        "missing": done.missing,
        "complete": done.complete,
        "molecules": len(store),
    }
    lines = [f"Fetched {done.added:,} molecules to {to}, which now holds {len(store):,}"]
    if done.known:
        lines.append(f"{done.known:,} were there already")
    if done.inactive:
        lines.append(f"Left out {done.inactive:,} that RNAcentral no longer holds to be RNAs")
    say(as_json, answer, *lines)
    if not done.complete:
        what = "; ".join(f"{one['what']} ({one['reason']})" for one in done.missing[:5])
        more = f"; and {len(done.missing) - 5} more" if len(done.missing) > 5 else ""
        raise Unavailable(f"Could not be had: {what or 'the end of the list'}{more}. Run it again to ask again.")
