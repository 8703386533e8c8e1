"""Entries that EBI Search finds, each then asked for by itself, as EBI Search has no sequences."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ribospace.errors import Unavailable, UserError
from ribospace.fetching.crawl import MOST_FAILURES, Item
from ribospace.net.client import Client
from ribospace.net.waiting import result, results
from ribospace.sources.rnacentral import URS, Query, read_entry, read_hits

HITS = 100
ROUNDS = 4


@dataclass
class Search:
    """Reads what a query finds.

    The list of hits can shift while it is read; as it says how many it holds, it is read again until that many have
    been seen and no more have come, four times at most.

    Attributes
    ----------
    client
        Asks the servers.
    query
        What to look for.
    holds
        Whether molecules of some ids are there already.
    api, address
        Addresses of the REST API and of EBI Search.
    limit
        Take the first so many hits; None: all.
    at_once
        Most requests under way.
    """

    client: Client
    query: Query
    holds: Callable[[list[str]], npt.NDArray[np.bool_]]
    api: str
    address: str
    limit: int | None = None
    at_once: int = 16
    known: int = 0
    finished: bool = False
    _seen: set[str] = field(default_factory=set)
    _missing: dict[str, str] = field(default_factory=dict)
    _failures: int = 0

    def read(self) -> Iterator[list[Item]]:
        """Give the entries that are not held, a hundred at a time.

        Raises
        ------
        Unavailable
            If a server gives nothing any more.
        """
        pool = ThreadPoolExecutor(self.at_once)
        try:
            for _ in range(ROUNDS):
                before = yield from self._round(pool)
                after = result(pool.submit(self._hits, 0))[0]
                if self._enough() or (len(self._seen) >= after == before):
                    self.finished = not self._missing
                    return
            self._missing["hits"] = f"EBI Search counts {after:,} entries but listed {len(self._seen):,}"
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def missing(self) -> list[dict[str, str]]:
        """What could not be had, and why."""
        return [{"what": what, "reason": reason} for what, reason in self._missing.items()]

    def _round(self, pool: ThreadPoolExecutor) -> Generator[list[Item], None, int]:
        total, start = result(pool.submit(self._hits, 0))[0], 0
        listed: set[str] = set()
        while start < total and not self._enough():
            starts, before = range(start, min(start + HITS * self.at_once, total), HITS), len(listed)
            for _, ids in results(pool, self._hits, starts):
                listed.update(ids)
                new = [one for one in dict.fromkeys(ids) if one not in self._seen]
                new = new if self.limit is None else new[: self.limit - len(self._seen)]
                self._seen.update(new)
                yield from self._entries(pool, [one for one in new if URS.match(one)])
            start = starts.stop if len(listed) > before else total  # a count may be wrong
        return total

    def _enough(self) -> bool:
        return self.limit is not None and len(self._seen) >= self.limit

    def _hits(self, start: int) -> tuple[int, list[str]]:
        asked: dict[str, str | int] = {"query": self.query.search, "format": "json", "size": HITS, "start": start}
        try:
            return self.client.json(self.address, asked, read_hits)
        except Unavailable as error:
            if start == 0:
                raise
            self._note(f"hits from {start:,} on", error)
            return 0, []

    def _entries(self, pool: ThreadPoolExecutor, ids: Sequence[str]) -> Iterator[list[Item]]:
        if not ids:
            return
        there = self.holds(list(ids))
        self.known += int(there.sum())
        wanted = [one for one, held in zip(ids, there, strict=True) if not held]
        found = [entry for entry in results(pool, self._entry, wanted) if entry]
        if found:
            yield found

    def _entry(self, name: str) -> Item | None:
        urs, taxid = URS.match(name).groups()  # type: ignore[union-attr]
        try:
            entry = self.client.json(
                f"{self.api}/rna/{urs}/{taxid}" if taxid else f"{self.api}/rna/{urs}", None, read_entry
            )
        except UserError as error:
            self._note(name, error)
            return None
        self._failures = 0
        return entry

    def _note(self, what: str, error: UserError) -> None:
        self._missing[what] = str(error)
        self._failures += isinstance(error, Unavailable)
        if self._failures >= MOST_FAILURES:
            raise error
