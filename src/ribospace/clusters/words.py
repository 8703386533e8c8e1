"""Words of molecules: places drawn by hash, so that two molecules draw the same of what they share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import BASES_OF, Sequences, flat_bytes, offsets_of

LETTERS_AT_ONCE = 4_000_000

Rows: TypeAlias = "npt.NDArray[np.int64]"
Words: TypeAlias = "npt.NDArray[np.uint64]"

_BASE = np.zeros(256, dtype=np.uint64)
for _letter, _bases in BASES_OF.items():
    _BASE[ord(_letter)] = "ACGU".index(_bases[0])


@dataclass(frozen=True)
class Molecules:
    """Letters end to end, where each molecule begins, and each as text."""

    data: npt.NDArray[np.uint8]
    offsets: Rows
    texts: list[str]

    @classmethod
    def gathered(cls, sequences: Iterable[Sequences]) -> Molecules:
        """Put batches of sequences together."""
        parts = [flat_bytes(one) for one in sequences if len(one)]
        data = np.concatenate([np.empty(0, np.uint8), *[letters for letters, _ in parts]])
        offsets = offsets_of(np.concatenate([np.empty(0, np.int64), *[np.diff(offsets) for _, offsets in parts]]))
        text, ends = data.tobytes().decode("ascii"), offsets.tolist()
        return cls(data, offsets, [text[ends[row] : ends[row + 1]] for row in range(len(ends) - 1)])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Rows:
        """(n,) nt."""
        return np.diff(self.offsets)

    def take(self, rows: Rows) -> Molecules:
        """The molecules with these numbers."""
        return Molecules.gathered([[self.texts[row] for row in rows.tolist()]])

    def with_others(self, others: Molecules) -> Molecules:
        """These, and others behind them."""
        data, lengths = np.concatenate([self.data, others.data]), np.concatenate([self.lengths, others.lengths])
        return Molecules(data, offsets_of(lengths), self.texts + others.texts)


def drawn_words(molecules: Molecules, rows: Rows, word: int, words: int, seed: int) -> tuple[Words, Rows]:
    """Words drawn from molecules, each once a molecule: 32 letters from its place on as 64 bits, and whose it is.

    The draw is by hash, so two molecules draw the same of what they share; the lowest hash is always drawn.
    """
    keys, owners = [], []
    until = np.cumsum(molecules.lengths[rows])
    for some in np.split(rows, np.searchsorted(until, np.arange(LETTERS_AT_ONCE, until[-1], LETTERS_AT_ONCE))):
        if len(some):
            key, owner = _words_of(molecules, some, word, words, seed)
            keys.append(key)
            owners.append(some[owner])
    return np.concatenate(keys), np.concatenate(owners)


def _words_of(molecules: Molecules, rows: Rows, word: int, words: int, seed: int) -> tuple[Words, Rows]:
    lengths = molecules.lengths[rows]
    offsets = offsets_of(lengths)
    owner = np.repeat(np.arange(len(rows)), lengths)
    place = np.arange(offsets[-1])
    key = _BASE[molecules.data[place + (molecules.offsets[rows] - offsets[:-1])[owner]]]
    for width in (1, 2, 4, 8, 16):
        key = (key << np.uint64(2 * width)) | np.concatenate([key[width:], np.zeros(width, np.uint64)])[: len(key)]
    inside = offsets[1:][owner] - place
    key &= ~np.uint64(0) << (2 * np.maximum(32 - inside, 0)).astype(np.uint64)
    whole = (inside >= word) | (place == offsets[:-1][owner])
    code = key >> np.uint64(64 - 2 * word)
    draw = np.where(whole, _hash(code, seed), 2.0)
    share = words / np.maximum(lengths - word + 1, 1)
    lowest = np.minimum.reduceat(draw, offsets[:-1])
    drawn = np.flatnonzero((draw < share[owner]) & whole | (draw == lowest[owner]))
    once = (owner[drawn].astype(np.uint64) << np.uint64(2 * word)) | code[drawn]
    drawn = drawn[np.unique(once, return_index=True)[1]]
    return key[drawn], owner[drawn]


def _hash(code: Words, seed: int) -> npt.NDArray[np.float64]:
    """Each code as a number from 0 to 1 (SplitMix64, Steele et al. 2014, doi 10.1145/2714064.2660195)."""
    mixed = code + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
