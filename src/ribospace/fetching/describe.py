"""What a molecule is to biology: species, isotype and anticodon from descriptions, papers from RNAcentral."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ribospace.collection import Collection
from ribospace.collection.about import About, recall, remember
from ribospace.collection.columns import add_text_columns, fragments, update_rows
from ribospace.collection.store import ids_in
from ribospace.errors import Unavailable, UserError
from ribospace.net.client import Broken, Client, NotFound
from ribospace.net.waiting import results
from ribospace.progress import Progress, silent
from ribospace.sources.descriptions import read_descriptions
from ribospace.sources.rnacentral import API, URS

COLUMNS = ("species", "isotype", "anticodon")
MOST_PAGES, PAGE = 10, 100
AT_ONCE = 64


@dataclass(frozen=True)
class Card:
    """One molecule, readable.

    Attributes
    ----------
    record
        Its plain columns.
    about
        What RNAcentral says of it; None where it has no URS, RNAcentral does not know it, or it could not be had.
    reason
        Why it could not be had; empty otherwise.
    """

    record: dict[str, Any]
    about: About | None
    reason: str = ""


def read_all(collection: Collection, progress: Progress = silent) -> dict[str, int]:
    """Fill species, isotype and anticodon from the descriptions, where they are not known; no network.

    Parameters
    ----------
    collection
        Columns that it lacks are added.
    progress
        Called with the molecules read.

    Returns
    -------
    dict of str to int
        How many molecules each of them is known of now.
    """
    with collection.writing():
        add_text_columns(collection, COLUMNS)
        done, total = 0, len(collection)
        for fragment, rows in fragments(collection, ["description", *COLUMNS]):
            _fill(collection, fragment, rows, read_descriptions(rows["description"].combine_chunks()))
            done += len(rows)
            progress(done, total)
    return {name: collection.count(f"{name} IS NOT NULL") for name in COLUMNS}


def describe(
    collection: Collection,
    ids: Sequence[str],
    *,
    api: str = API,
    client: Client | None = None,
    refresh: bool = False,
    progress: Progress = silent,
) -> list[Card]:
    """Ask RNAcentral for the cross-references and publications of some molecules, and keep the answers.

    Species, isotype and anticodon that were not known are filled in where the answers agree on them.

    Parameters
    ----------
    collection, ids
        Which molecules; those whose id is no URS are described from their record alone.
    api, client
        Whom to ask, and how.
    refresh
        Ask again for what is kept already.
    progress
        Called with the molecules asked for.

    Returns
    -------
    list of Card
        In the order of `ids`.

    Raises
    ------
    UserError
        For an id that the collection does not hold.
    Unavailable
        If RNAcentral gives nothing any more; what came before is kept.
    """
    ids = list(dict.fromkeys(ids))
    records = _records(collection, ids)
    known = {} if refresh else recall(collection, ids)
    wanted, failed = [one for one in ids if one not in known and URS.match(one)], dict[str, str]()
    with client or Client() as asks:
        for part in range(0, len(wanted), AT_ONCE):
            learnt = _ask(asks, api, wanted[part : part + AT_ONCE], failed)
            with collection.writing():
                remember(collection, learnt)
                _fill_from(collection, learnt)
            known |= {one.id: one for one in learnt}
            progress(min(part + AT_ONCE, len(wanted)), len(wanted))
    if wanted:
        records = _records(collection, ids)
    return [Card(records[one], known.get(one), failed.get(one, "")) for one in ids]


def _records(collection: Collection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for part in range(0, len(ids), 1000):
        where = ids_in(ids[part : part + 1000])
        found |= {row["id"]: row for row in collection.table(where=where).to_pylist()}
    for one in ids:
        if one not in found:
            raise UserError(f"{collection.uri} has no molecule with the id {one!r}. Check it, or search for it.")
    return found


def _ask(client: Client, api: str, ids: Sequence[str], failed: dict[str, str]) -> list[About]:
    """What is said of each; one that cannot be had is noted, unless it is all of them."""

    def ask(name: str) -> About | None:
        try:
            return _about(client, api, name)
        except Unavailable as error:
            failed[name] = str(error)
            if all(one in failed for one in ids):
                raise
            return None

    pool = ThreadPoolExecutor(16)
    try:
        return [one for one in results(pool, ask, ids) if one]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _about(client: Client, api: str, name: str) -> About | None:
    """What RNAcentral says of a URS, or of a URS in one species; None if it does not know it."""
    urs, taxid = URS.match(name).groups()  # type: ignore[union-attr]
    try:
        xrefs = list(_pages(client, f"{api}/rna/{urs}/xrefs"))
        papers = list(_pages(client, f"{api}/rna/{urs}/publications"))
    except NotFound:
        return None
    accessions = [one.get("accession") or {} for one in xrefs if taxid is None or str(one.get("taxid")) == taxid]
    told = {
        "species": _frequent(one.get("species") for one in accessions),
        "names": _frequent(one.get(key) for one in accessions for key in ("description", "product")),
        "genes": _frequent(one.get("gene") for one in accessions),
    }
    keys = ("title", "authors", "publication", "doi", "pubmed_id")
    publications = [{key: str(one[key]) if one.get(key) else None for key in keys} for one in papers]
    return About(name, **told, publications=publications, asked=datetime.now(UTC).isoformat(timespec="seconds"))


def _pages(client: Client, url: str) -> Iterator[dict[str, Any]]:
    """Items of all pages until the empty one; of a molecule with thousands, the first thousand."""

    def read(body: Any) -> list[dict[str, Any]]:
        if not isinstance(body, dict) or not isinstance(body.get("results"), list):
            raise Broken("the answer is no page")
        return [one for one in body["results"] if isinstance(one, dict)]

    for number in range(1, MOST_PAGES + 1):
        try:
            page = client.json(url, {"page": number, "page_size": PAGE}, read)
        except NotFound:
            if number == 1:
                raise
            return  # behind the end
        yield from page
        if not page:
            return


def _frequent(texts: Iterable[Any]) -> list[str]:
    return [text for text, _ in Counter(str(one).strip() for one in texts if one).most_common(20)]


def _fill_from(collection: Collection, learnt: Sequence[About]) -> None:
    """Fill in the columns what cross-references agree on."""
    add_text_columns(collection, COLUMNS)
    told = pa.table(
        {
            "id": pa.array([one.id for one in learnt], pa.string()),
            "species": pa.array([_only(one.species) for one in learnt], pa.string()),
            **{name: pa.array([_agreed(one.names, name) for one in learnt], pa.string()) for name in COLUMNS[1:]},
        }
    )
    where = ids_in([one.id for one in learnt])
    for fragment, rows in fragments(collection, ["id", *COLUMNS], where) if learnt else ():
        order = pc.index_in(rows["id"], told["id"])
        _fill(collection, fragment, rows, told.take(order))


def _only(values: Sequence[str]) -> str | None:
    return values[0] if len(values) == 1 else None


def _agreed(names: Sequence[str], column: str) -> str | None:
    read = read_descriptions(pa.array(names, pa.string())).column(column)
    return _only(read.drop_null().unique().to_pylist())


def _fill(collection: Collection, fragment: int, rows: pa.Table, told: pa.Table | pa.RecordBatch) -> None:
    """Write what is told into the rows where it was not known."""
    changed, columns = pa.array([False] * len(rows)), {"_rowid": rows["_rowid"]}
    for name in COLUMNS:
        columns[name] = pc.coalesce(rows[name], told.column(name))
        changed = pc.or_(changed, pc.and_(pc.is_null(rows[name]), pc.is_valid(columns[name])))
    data = pa.table(columns).filter(changed)
    if len(data):
        update_rows(collection, fragment, data)
