"""Which molecules an equation may join: of the same or of different labels, and no near copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from ribospace.analysis.equations import Floats, Keep, Mask, Rows

WORD = 3
AT_ONCE = 1 << 16  # pairs whose words are compared


def keeping(
    sequences: Sequence[str] | None = None,
    max_identity: float = 1.0,
    same: Mapping[str, Sequence[object]] | None = None,
    different: Mapping[str, Sequence[object]] | None = None,
) -> Keep | None:
    """Say which equations are let pass; None for all.

    Parameters
    ----------
    sequences
        (n,) where near copies are to be left out.
    max_identity
        Greatest identity of any two of the three: 1 less the edits over the longer length. From 1 on all pass.
    same, different
        (n,) labels each, by name, of which all three must be one, or all three be others; never where one is not known.

    Examples
    --------
    >>> keep = keeping(["ACGUACGUAC", "ACGUACGUAG", "GGGGCCCC", "UUUU"], 0.8)
    >>> keep(np.array([0, 0]), np.array([1, 2]), np.array([2, 3])).tolist()
    [False, True]
    """
    rules: list[Keep] = [_same(_codes(one)) for one in (same or {}).values()]
    rules += [_different(_codes(one)) for one in (different or {}).values()]
    if sequences is not None and max_identity < 1:
        rules.append(_Apart(sequences, max_identity))
    if not rules:
        return None

    def keep(a: Rows, b: Rows, c: Rows) -> Mask:
        kept = np.ones(len(a), dtype=bool)
        for rule in rules:
            rows = np.flatnonzero(kept)
            kept[rows] = rule(a[rows], b[rows], c[rows])
        return kept

    return keep


def identities(sequences: Sequence[str], one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """(n,) identity of pairs of molecules: 1 less the edits over the longer length.

    Examples
    --------
    >>> identities(["ACGU", "ACGA", "A"], [0, 0], [1, 2]).tolist()
    [0.75, 0.25]
    """
    firsts, seconds = ([sequences[row] for row in np.asarray(rows, dtype=np.int64).tolist()] for rows in (one, other))
    result: Floats = process.cpdist(firsts, seconds, scorer=Levenshtein.normalized_similarity, dtype=np.float64)
    return result


class _Apart:
    """No two of the three are near copies.

    An edit takes at most three 3-mers away and brings three others (Ukkonen 1992), so most pairs need no alignment.
    """

    def __init__(self, sequences: Sequence[str], most: float) -> None:
        self.sequences, self.most = sequences, most
        self.lengths = np.array([len(one) for one in sequences])
        self.words = _words(sequences, self.lengths)

    def __call__(self, a: Rows, b: Rows, c: Rows) -> Mask:
        kept = np.ones(len(a), dtype=bool)
        for one, other in ((a, b), (a, c), (b, c)):
            rows = np.flatnonzero(kept)
            for first in range(0, len(rows), AT_ONCE):
                part = rows[first : first + AT_ONCE]
                kept[part] = ~self._near(one[part], other[part])
        return kept

    def _near(self, one: Rows, other: Rows) -> Mask:
        edits = (1 - self.most) * np.maximum(self.lengths[one], self.lengths[other])
        apart = np.abs(self.words[one] - self.words[other]).sum(axis=1)
        near: Mask = apart <= 2 * WORD * edits
        near[near] = identities(self.sequences, one[near], other[near]) > self.most
        return near


def _words(sequences: Sequence[str], lengths: Rows) -> npt.NDArray[np.int32]:
    """(n, 125) how often a molecule has each 3-mer of A, C, G, U and any other letter."""
    code = np.full(256, 4)
    code[list(b"ACGU")] = range(4)
    letters = code[np.frombuffer("".join(sequences).encode("ascii"), dtype=np.uint8)]
    molecule = np.repeat(np.arange(len(sequences)), lengths)
    word = letters[:-2] * 25 + letters[1:-1] * 5 + letters[2:]
    whole = molecule[:-2] == molecule[2:]
    counts = np.bincount(molecule[:-2][whole] * 125 + word[whole], minlength=125 * len(sequences))
    return counts.reshape(-1, 125).astype(np.int32)


def _codes(labels: Sequence[object]) -> Rows:
    """(n,) a number for each label; -1 where it is not known."""
    known = np.array([one is not None and one != "" for one in labels])
    return np.where(known, np.unique([str(one) for one in labels], return_inverse=True)[1], -1)


def _same(codes: Rows) -> Keep:
    return lambda a, b, c: (codes[a] >= 0) & (codes[a] == codes[b]) & (codes[a] == codes[c])


def _different(codes: Rows) -> Keep:
    def keep(a: Rows, b: Rows, c: Rows) -> Mask:
        x, y, z = codes[a], codes[b], codes[c]
        return (np.minimum(np.minimum(x, y), z) >= 0) & (x != y) & (x != z) & (y != z)

    return keep
