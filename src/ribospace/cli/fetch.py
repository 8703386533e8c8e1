"""Commands that ask RNAcentral: fetch molecules by the handful, and describe them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ribospace.cli.data import To
from ribospace.cli.output import CollectionAt, Json, progress_bar, say
from ribospace.collection import Collection
from ribospace.errors import Unavailable, UserError
from ribospace.sources.rnacentral import API, SEARCH, Query

if TYPE_CHECKING:
    from ribospace.fetching.describe import Card

Api = Annotated[str, typer.Option(envvar="RIBOSPACE_API", help="Address of RNAcentral's REST API.")]


def fetch(
    to: To,
    rna_type: Annotated[
        list[str] | None, typer.Option("--rna-type", help="Of this INSDC type, such as tRNA; may be given again.")
    ] = None,
    min_length: Annotated[int | None, typer.Option(help="At least so many nt.", min=1)] = None,
    max_length: Annotated[int | None, typer.Option(help="At most so many nt.", min=1)] = None,
    taxid: Annotated[
        list[int] | None,
        typer.Option(
            "--taxid", help="Of this NCBI taxonomy id, such as 9606; may be given again.", min=1, max=2**31 - 1
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="Words in EBI Search's language, such as 'expert_db:\"GtRNAdb\"'.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="At most so many, over all runs of the same query; of a search the first hits.", min=1),
    ] = None,
    page_size: Annotated[int, typer.Option(help="Entries a request of the REST API; 50 is the fastest.")] = 50,
    base_url: Api = API,
    search_url: Annotated[
        str, typer.Option(envvar="RIBOSPACE_SEARCH", help="Address of EBI Search's RNAcentral domain.")
    ] = SEARCH,
    as_json: Json = False,
) -> None:
    """Fetch molecules from RNAcentral: the newest, or those of a type, species or search.

    Run again, it goes on where it stopped, asks again for what it could not have, and brings what is new. For more than
    some ten thousand molecules, fetch-bulk is faster by far.
    """
    from ribospace.fetching.fetch import fetch as bring
    from ribospace.fetching.fetch import require_page_size

    if query is not None and not query.strip():
        raise UserError("--query is empty. Leave it out to fetch everything, or say what to look for.")
    asked = Query(tuple(rna_type or ()), tuple(taxid or ()), query or "", min_length, max_length)
    require_page_size(page_size)
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


def describe(
    collection: CollectionAt,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Molecules to ask RNAcentral about.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="An SQL condition: molecules to ask RNAcentral about.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask again for what is kept already.")] = False,
    base_url: Api = API,
    as_json: Json = False,
) -> None:
    """Say what molecules are: species, isotype, anticodon, publications.

    With ids (or --where) RNAcentral is asked, two requests a molecule, and the answers are kept in the collection.
    Without, the descriptions of all molecules are read, which asks nobody; both fill the columns species, isotype and
    anticodon where they are empty.
    """
    from ribospace.fetching import describe as describing

    store = Collection.open(collection)
    if not ids and where is None:
        with progress_bar("Reading descriptions") as progress:
            known = describing.read_all(store, progress)
        lines = [
            f"{count:>12,} molecules with {'an' if name[0] in 'aio' else 'a'} {name}" for name, count in known.items()
        ]
        say(as_json, {"collection": collection, "molecules": len(store), "known": known},
            f"Read the descriptions of {len(store):,} molecules; there are now", *lines)  # fmt: skip
        return
    chosen = list(ids or []) + (store.table(["id"], where)["id"].to_pylist() if where else [])
    if not chosen:
        raise UserError(f"No molecule of {collection} fits {where!r}. Choose another --where.")
    with progress_bar("Asking RNAcentral") as progress:
        cards = describing.describe(store, chosen, api=base_url.rstrip("/"), refresh=refresh, progress=progress)
    answer = [{**card.record, "about": asdict(card.about) if card.about else None} for card in cards]
    say(as_json, {"collection": collection, "molecules": answer}, *[line for card in cards for line in _card(card)])
    failed = [card.record["id"] for card in cards if card.reason]
    if failed:
        raise Unavailable(f"RNAcentral could not be asked about {', '.join(failed[:5])}. Run it again to ask again.")


def _card(card: Card) -> list[str]:
    """A molecule as lines of text."""
    record = card.record
    amino = " ".join(filter(None, [record.get("isotype"), record.get("anticodon") and f"({record['anticodon']})"]))
    facts = [record["rna_type"], amino, record["species"], f"{record['length']:,} nt"]
    lines = [f"{record['id']}  " + " · ".join(filter(None, facts))]
    lines += [f"  {record['description']}"] if record["description"] else []
    if card.about is None:
        return [*lines, f"  {card.reason or 'RNAcentral knows nothing of it'}", ""]
    lines += [f"  genes: {', '.join(card.about.genes)}"] if card.about.genes else []
    for number, paper in enumerate(card.about.publications, 1):
        links = [paper["doi"] and f"doi:{paper['doi']}", paper["pubmed_id"] and f"PubMed {paper['pubmed_id']}"]
        said = [paper["title"], paper["authors"], paper["publication"], *links]
        lines.append(f"  {number}. " + ". ".join(part.rstrip(".") for part in said if part))
    return [*lines, *([] if card.about.publications else ["  no publication"]), ""]
