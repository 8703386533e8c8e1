"""The nearest of many molecules by edit distance, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from ribospace.progress import Progress, silent

LIKE = 500  # references of like length on either side that are looked at first


def nearest(
    queries: Sequence[str], references: Sequence[str], progress: Progress = silent
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The reference nearest to each query: fewest letters put in, left out or changed.

    Parameters
    ----------
    queries
        (n,).
    references
        (m,), one at least.
    progress
        Told how many queries are done.

    Returns
    -------
    rows, distances : ndarray
        (n,) int64 each; of several as near the first.

    Examples
    --------
    >>> nearest(["GAC", "UU"], ["GGAC", "UA", "GAU"])
    (array([0, 1]), array([1, 1]))
    """
    lengths = np.array([len(one) for one in references])
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order]
    rows, distances = np.zeros(len(queries), dtype=np.int64), np.zeros(len(queries), dtype=np.int64)
    for number, query in enumerate(queries):
        middle = int(np.searchsorted(ordered, len(query)))
        like = order[max(0, middle - LIKE) : middle + LIKE]  # of like length: one of them is near enough to bound
        most = _extract(query, references, like)[1]
        first, last = np.searchsorted(ordered, [len(query) - most, len(query) + most + 1])
        rows[number], distances[number] = _extract(query, references, np.sort(order[first:last]), most)
        progress(number + 1, len(queries))
    return rows, distances


def _extract(
    query: str, references: Sequence[str], rows: npt.NDArray[np.int64], most: int | None = None
) -> tuple[int, int]:
    """The nearest of some references, the first of several, and the edits to it; one is within `most`."""
    some = [references[row] for row in rows]
    found = process.extractOne(query, some, scorer=Levenshtein.distance, score_cutoff=most)
    assert found is not None
    return int(rows[found[2]]), int(found[1])
