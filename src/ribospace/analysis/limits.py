"""Which molecules an equation may join: of the same or of different labels, and no near copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from ribospace.analysis.equations import Floats, Keep, Mask, Rows


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
    """No two of the three are near copies; what was compared once is known."""

    def __init__(self, sequences: Sequence[str], most: float) -> None:
        self.sequences, self.most = sequences, most
        self.known, self.near = np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)

    def __call__(self, a: Rows, b: Rows, c: Rows) -> Mask:
        kept = np.ones(len(a), dtype=bool)
        for one, other in ((a, b), (a, c), (b, c)):
            rows = np.flatnonzero(kept)
            code = np.minimum(one, other)[rows] * len(self.sequences) + np.maximum(one, other)[rows]
            kept[rows] = ~self._near(code)
        return kept

    def _near(self, code: Rows) -> Mask:
        new = np.setdiff1d(code, self.known)
        if len(new):
            many = len(self.sequences)
            near = identities(self.sequences, new // many, new % many) > self.most
            order = np.argsort(np.concatenate([self.known, new]), kind="stable")
            self.known = np.concatenate([self.known, new])[order]
            self.near = np.concatenate([self.near, near])[order]
        result: Mask = self.near[np.searchsorted(self.known, code)]
        return result


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
