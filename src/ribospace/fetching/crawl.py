"""Reading a list by pages while it grows: several at once, nothing lost between two of them, failed ones remembered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ribospace.errors import Unavailable
from ribospace.fetching.coverage import Coverage, Stretch
from ribospace.net.waiting import result, results

Item: TypeAlias = dict[str, Any]

#: (number from 1, entries to a page) → the page's entries, the newest first; raises Unavailable.
GetPage: TypeAlias = Callable[[int, int], list[Item]]

MOST_PAGES = 32
MOST_FAILURES = 25
_TRIES = 40


@dataclass
class Crawl:
    """Reads the gaps of a coverage, from the front of the list to its end.

    Pages asked for at one time may be answered in any order, and a new entry in between could hide another from both
    of two pages. So the front of the list is looked at before and after: where it changed, the pages are taken for
    themselves, and what may lie between them is read again one page after the other, which can show an entry twice but
    never hide it.

    Attributes
    ----------
    get
        Asks for a page.
    coverage
        What was read before; it goes along with what `read` gives.
    page_size
        Entries to a page.
    at_once
        Most pages under way.
    most
        Stop at so many entries in all, those of earlier runs counted; None: read all.
    failed
        Pages that could not be had, by number, with the reason.
    """

    get: GetPage
    coverage: Coverage
    page_size: int = 50
    at_once: int = 8
    most: int | None = None
    failed: dict[int, str] = field(default_factory=dict)
    _given_up: set[str] = field(default_factory=set)
    _failures: int = 0
    _step: int = 0
    _empty: bool = False
    _unordered: bool = False

    def read(self) -> Iterator[list[Item]]:
        """Give entries not read before, page by page; the coverage then includes them.

        Raises
        ------
        Unavailable
            If the server gives nothing any more.
        """
        pool = ThreadPoolExecutor(self.at_once)
        try:
            yield from self._read(pool)
        except _Unordered:
            self._unordered = True
            yield from self._read_unordered(pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, pool: Executor) -> Iterator[list[Item]]:
        head, steady, width, tries, last = self._head(pool), True, 2, 0, ""
        while head and (gap := self._next_gap(head)) is not None:
            above, name = gap
            if name == last:
                width, tries = min(2 * width, MOST_PAGES), tries + 1
            else:
                width, tries, last, self._step = 2, 0, name, 0
            first = (max(above.end, 1) - 1) // self.page_size + 1 if above else 1
            numbers = range(first, first + self._width(width))
            if steady:
                pages = results(pool, self._page, numbers)
            else:
                pages = [result(pool.submit(self._page, number)) for number in numbers]
            now, before = self._head(pool), self.coverage.ends
            linked, steady, head = now == head or not steady, now == head, now
            yield from self._take(first, pages, linked=linked)
            if linked and self.coverage.ends == before:
                self._look_elsewhere(above, name, pages, tries)

    def _read_unordered(self, pool: Executor) -> Iterator[list[Item]]:
        """Read a list that has no such order, from its first page to the empty one, each time anew."""
        self.coverage.stretches, self.coverage.complete = [], False
        number, given = 1, 0
        while (page := result(pool.submit(self._page, number, False))) != [] and (
            self.most is None or given < self.most
        ):
            wanted = (page or [])[: None if self.most is None else self.most - given]
            given += len(wanted)
            if wanted:
                yield wanted
            number += 1

    @property
    def finished(self) -> bool:
        """Whether nothing is left to read, or as much has come as was wanted."""
        if self._unordered:
            return not self.failed
        if self._full():
            return True
        whole = self._empty or (self.coverage.complete and "front" not in self._given_up)
        return not self.coverage.gaps and (whole or self._enough())

    def missing(self) -> list[dict[str, str]]:
        """Where pages could not be had, and why."""
        if self.finished:
            return []
        places = [f"entries between {above} and {below}" for above, below in self.coverage.gaps]
        if "front" in self._given_up:
            places.insert(0, "the newest entries")
        if self.coverage.stretches and not self.coverage.complete and not self._enough():
            places.append(f"entries older than {self.coverage.stretches[-1].oldest}")
        reason = "; ".join(f"page {number}: {said}" for number, said in sorted(self.failed.items()))
        return [{"what": ", ".join(places) or "some entries", "reason": reason or "the list changed while it was read"}]

    def _head(self, pool: Executor) -> str:
        """The newest entry's id; empty where there is none."""
        newest = result(pool.submit(self.get, 1, 1))
        self._empty = not newest
        return str(newest[0]["id"]) if newest else ""

    def _full(self) -> bool:
        return self.most is not None and self.coverage.count >= self.most

    def _enough(self) -> bool:
        return self.most is not None and self.coverage.count + self.coverage.in_gaps >= self.most

    def _width(self, width: int) -> int:
        left = MOST_PAGES * self.page_size if self.most is None else self.most - self.coverage.count
        return max(2, min(width, -(-left // self.page_size) + 1))

    def _next_gap(self, head: str) -> tuple[Stretch | None, str] | None:
        """The stretch above the first gap that is still to be tried (None: the front), and the gap's name."""
        stretches, enough = self.coverage.stretches, self._enough()
        if self._full():
            return None
        if (not stretches or head > stretches[0].newest) and "front" not in self._given_up and not enough:
            return None, "front"
        for above, below in itertools.pairwise(stretches):
            if below.newest not in self._given_up:
                return above, below.newest
        if stretches and not self.coverage.complete and "end" not in self._given_up and not enough:
            return stretches[-1], "end"
        return None

    def _page(self, number: int, ordered: bool = True) -> list[Item] | None:
        try:
            page = self.get(number, self.page_size)
        except Unavailable as error:
            self.failed[number] = str(error)
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                raise
            return None
        self._failures = 0
        self.failed.pop(number, None)
        ids = [str(item["id"]) for item in page]
        if ordered and any(newer <= older for newer, older in itertools.pairwise(ids)):
            raise _Unordered
        return page

    def _take(self, first: int, pages: Sequence[list[Item] | None], *, linked: bool) -> Iterator[list[Item]]:
        """Put pages into the coverage, each joined to the one before where nothing can lie between them."""
        previous: str | None = None
        for number, page in enumerate(pages, first):
            if page is None:
                previous = None
                continue
            if not page:
                self.coverage.complete |= previous is not None and previous == self.coverage.stretches[-1].oldest
                return
            fresh, ids = self._fresh(page)
            if not ids:
                return
            if number > first and pages[number - first - 1] is None:
                self._given_up.add(ids[0])  # what the failed page holds is for the next run
            link = [previous] if previous is not None and previous > ids[0] else []
            self.coverage.add([*link, *ids], (number - 1) * self.page_size - len(link))
            previous = ids[-1] if linked else None
            if fresh:
                yield fresh

    def _fresh(self, page: list[Item]) -> tuple[list[Item], list[str]]:
        """Entries that have not been read, no more than are wanted; and the ids of the page as far as it was used."""
        fresh = [item for item in page if not self.coverage.holds(str(item["id"]))]
        ids = [str(item["id"]) for item in page]
        if self.most is not None and fresh:
            deepest = self.coverage.stretches[-1].oldest if self.coverage.stretches else ""
            beyond = str(fresh[0]["id"]) < deepest  # then room is left for what lies in gaps
            wanted = max(0, self.most - self.coverage.count - (self.coverage.in_gaps if beyond else 0))
            if wanted < len(fresh):
                ids, fresh = ids[: ids.index(str(fresh[wanted]["id"]))], fresh[:wanted]
        return fresh, ids

    def _look_elsewhere(self, above: Stretch | None, name: str, pages: Sequence[list[Item] | None], tries: int) -> None:
        """After a look that brought nothing: pages failed, or entries have left the list, or many were put in."""
        if None in pages:
            behind = pages[pages.index(None) + 1 :]
            if tries > _TRIES or any(page is not None for page in behind):
                self._given_up.add(name)  # else the next look is wider and reaches beyond the failed pages
        elif above is None or tries > _TRIES:
            self._given_up.add(name)
        else:
            page = pages[0]
            direction = -1 if not page or str(page[0]["id"]) < above.oldest else 1
            forth = self._step * direction >= 0
            self._step = (2 * self._step or direction) if forth else direction * max(1, abs(self._step) // 2)
            above.end = max(1, above.end + self._step * self.page_size)


class _Unordered(Exception):
    """The list is not sorted by id, the newest first."""
