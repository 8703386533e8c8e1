"""Fetching entries of RNAcentral into a collection: resumed after a kill, nothing lost, nothing twice.

The collection itself says what is there already. Beside it stands what each query has read of the list and which pages
it could not have (`fetch.json`), written after the molecules; whatever happens in between, molecules that come again
are known by their ids.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ribospace.collection import Collection
from ribospace.collection.intake import Intake, intake
from ribospace.errors import UserError
from ribospace.fetching.coverage import Coverage
from ribospace.fetching.crawl import Crawl, Item
from ribospace.fetching.search import Search
from ribospace.files import written_whole
from ribospace.net.client import Client, NotFound
from ribospace.progress import Progress, silent
from ribospace.sources.rnacentral import API, SEARCH, Query, read_page, records_of

COMMIT_ROWS, COMMIT_SECONDS = 20_000, 10.0
MOST_PER_PAGE = 100


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    Attributes
    ----------
    added
        Molecules that are new in the collection.
    known
        Entries given by the server whose id was in the collection already.
    inactive
        Entries left out, as RNAcentral no longer holds them to be RNAs.
    missing
        What could not be had, each with `what` and `reason`; the next run asks for it again.
    complete
        Whether all has been read that the query finds (or as much as the limit says).
    """

    added: int
    known: int
    inactive: int
    missing: list[dict[str, str]]
    complete: bool


def fetch(
    collection: Collection,
    query: Query,
    *,
    limit: int | None = None,
    page_size: int = 50,
    api: str = API,
    search: str = SEARCH,
    client: Client | None = None,
    commit_seconds: float = COMMIT_SECONDS,
    progress: Progress = silent,
) -> Fetched:
    """Fetch what a query finds and the collection does not hold.

    Parameters
    ----------
    collection
        Where to.
    query
        Which entries. Without type, species or words they come by the REST API, 50 a request, the newest first; else
        EBI Search finds them and each takes a request of its own.
    limit
        Most entries, counted over all runs of the same query.
    page_size
        Entries a request, at most 100.
    api, search
        Addresses of the REST API and of EBI Search.
    client
        Asks the servers; 20 requests a second by default.
    commit_seconds
        What has come is written at least so often, s.
    progress
        Called with the molecules that have come.

    Returns
    -------
    Fetched

    Raises
    ------
    UserError
        If the server refuses the query.
    Unavailable
        If it gives nothing any more; what has come stays.
    """
    require_page_size(page_size)
    asks = client or Client()
    with intake(collection) as taken:
        state = _State(collection.home / "fetch.json", f"{api} {query.key}")
        source = _source(query, state.coverage, taken, asks, limit, page_size, api, search)
        run = _Run(taken, state, commit_seconds, progress)
        try:
            run.follow(source.read())
        finally:
            asks.close()
            run.commit(source.missing())
    known = run.known + (source.known if isinstance(source, Search) else 0)
    return Fetched(run.added, known, run.inactive, source.missing(), source.finished)


def _source(
    query: Query,
    coverage: Coverage,
    taken: Intake,
    asks: Client,
    limit: int | None,
    page_size: int,
    api: str,
    search: str,
) -> Crawl | Search:
    if query.is_search:
        return Search(asks, query, taken.holds, api, search, limit)

    def get(number: int, size: int) -> list[Item]:
        try:
            return asks.json(f"{api}/rna/", {**query.rest, "page": number, "page_size": size}, read_page)
        except NotFound:
            if number == 1:
                raise
            return []  # behind the end

    return Crawl(get, coverage, page_size, most=limit)


def require_page_size(entries: int) -> None:
    """Refuse a page that RNAcentral does not give."""
    if not 1 <= entries <= MOST_PER_PAGE:
        raise UserError(f"--page-size is 1 to {MOST_PER_PAGE}, not {entries}: RNAcentral gives no larger pages.")


class _Run:
    """Takes entries in and commits them by and by, the state after them."""

    def __init__(self, taken: Intake, state: _State, commit_seconds: float, progress: Progress) -> None:
        self.taken, self.state, self.progress, self.commit_seconds = taken, state, progress, commit_seconds
        self.added = self.known = self.inactive = 0
        self._last = time.monotonic()

    def follow(self, pages: Iterator[list[Item]]) -> None:
        """Take in page after page."""
        for page in pages:
            active = [item for item in page if item.get("is_active", True)]
            self.inactive += len(page) - len(active)
            added = self.taken.add(records_of(active)) if active else 0
            self.added, self.known = self.added + added, self.known + len(active) - added
            self.state.mark()
            self.progress(self.added, None)
            if self.taken.waiting >= COMMIT_ROWS or time.monotonic() - self._last > self.commit_seconds:
                self.commit([])
        self.state.mark()

    def commit(self, missing: list[dict[str, str]]) -> None:
        """Write the molecules, then what has been read of the list."""
        self.taken.commit()
        self.state.write(missing)
        self._last = time.monotonic()


class _State:
    """What one query has read of the list, in a file that holds all queries' states.

    It is marked when a page has been taken in and written when its molecules are: never ahead of them.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.all: dict[str, Any] = {}
        self.coverage = Coverage()
        try:
            self.all = json.loads(path.read_text(encoding="utf-8"))
            self.coverage = Coverage.from_json(self.all[key]["coverage"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none, or damaged: then the list is read from its start, and what is there is known by its ids
        self.mark()

    def mark(self) -> None:
        """Note what has been taken in."""
        self._marked = self.coverage.to_json()

    def write(self, missing: list[dict[str, str]]) -> None:
        """Write what was marked, and what could not be had."""
        self.all[self.key] = {"coverage": self._marked, "missing": missing}
        with written_whole(self.path) as beside:
            beside.write_text(json.dumps(self.all, indent=1) + "\n", encoding="utf-8")
