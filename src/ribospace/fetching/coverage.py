"""Which stretches of a list that grows at its front have been read.

RNAcentral lists its entries by page, the newest first, and new ones push all others on: a page number means nothing a
day later. What lasts is the order of the entries. So a crawl remembers stretches: between the newest and the oldest
entry of one, everything has been read. What lies between two stretches is a gap, to be read by this run or the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any


@dataclass
class Stretch:
    """Entries without a gap, from the newest to the oldest.

    Attributes
    ----------
    newest, oldest
        Ids of its ends.
    count
        Entries in it.
    end
        How many entries the list had down to `oldest`, when last seen.
    """

    newest: str
    oldest: str
    count: int
    end: int


@dataclass
class Coverage:
    """Stretches of a list, the newest first, none touching another.

    Attributes
    ----------
    stretches
        What has been read.
    complete
        Whether the last stretch reaches the end of the list.

    Examples
    --------
    >>> coverage = Coverage()
    >>> coverage.add(["URS9", "URS7"], start=0)
    2
    >>> coverage.add(["URS4", "URS3"], start=4)
    2
    >>> [(one.newest, one.oldest) for one in coverage.stretches]
    [('URS9', 'URS7'), ('URS4', 'URS3')]
    >>> coverage.add(["URS7", "URS6", "URS4"], start=1)
    1
    >>> [(one.newest, one.oldest, one.count) for one in coverage.stretches]
    [('URS9', 'URS3', 5)]
    """

    stretches: list[Stretch] = field(default_factory=list)
    complete: bool = False

    @property
    def count(self) -> int:
        """Entries read."""
        return sum(one.count for one in self.stretches)

    @property
    def in_gaps(self) -> int:
        """About how many entries lie in gaps between stretches."""
        return sum(max(0, below.end - below.count - above.end) for above, below in pairwise(self.stretches))

    @property
    def ends(self) -> list[str]:
        """The ends of all stretches, and whether the last is the list's: changes with anything that is read anew."""
        return [*(end for one in self.stretches for end in (one.newest, one.oldest)), str(self.complete)]

    @property
    def gaps(self) -> list[tuple[str, str]]:
        """The entries above and below each gap between two stretches."""
        return [(above.oldest, below.newest) for above, below in pairwise(self.stretches)]

    def holds(self, entry: str) -> bool:
        """Whether an entry has been read."""
        return any(one.oldest <= entry <= one.newest for one in self.stretches)

    def add(self, entries: Sequence[str], start: int) -> int:
        """Take in entries that follow one another in the list.

        Parameters
        ----------
        entries
            Ids, the newest first.
        start
            How many entries the list has before them.

        Returns
        -------
        int
            How many of them had not been read.
        """
        fresh = sum(not self.holds(entry) for entry in entries)
        joined, apart, shift = Stretch(entries[0], entries[-1], fresh, start + len(entries)), [], 0
        for one in self.stretches:
            if one.newest < joined.oldest or one.oldest > joined.newest:
                one.end += shift if one.newest < joined.oldest else 0
                apart.append(one)
                continue
            if one.oldest < joined.oldest:
                seen = one.newest in entries
                joined.end = start + entries.index(one.newest) + one.count if seen else max(joined.end, one.end)
                shift = joined.end - one.end
            joined.newest, joined.oldest = max(one.newest, joined.newest), min(one.oldest, joined.oldest)
            joined.count += one.count
        self.stretches = sorted([*apart, joined], key=lambda one: one.newest, reverse=True)
        return fresh

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Coverage:
        """Build it from what `to_json` wrote."""
        return cls([Stretch(**one) for one in said["stretches"]], bool(said["complete"]))
