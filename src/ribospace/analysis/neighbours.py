"""The nearest neighbours of every point among all points, by Euclidean distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError
from ribospace.progress import Progress, silent

Ints = npt.NDArray[np.int32]
Vectors = npt.NDArray[np.float32]
_AT_ONCE, _ASKED, _LISTS_LEAST = 4096, 200, 10_000


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours.

    Attributes
    ----------
    rows
        (n, k) int32, the nearest first, no point among its own.
    distances
        (n, k) float32.
    recall
        Share of the true neighbours that were found, of 200 drawn points; 1 for an exact search.
    """

    rows: Ints
    distances: Vectors
    recall: float = 1.0

    def without(self, dropped: npt.NDArray[np.bool_]) -> Neighbours:
        """The lists without some points: their rows are gone, their places in others' lists are −1."""
        kept = ~dropped
        new = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
        rows = self.rows[kept]
        return Neighbours(np.where(rows < 0, -1, new[rows]).astype(np.int32), self.distances[kept], self.recall)


def distinct(vectors: Vectors) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the first of equal vectors, and for each vector the place of its like among these.

    Examples
    --------
    >>> first, place = distinct(np.array([[2, 0], [1, 0], [2, 0]], dtype=np.float32))
    >>> first.tolist(), place.tolist()
    ([0, 1], [0, 1, 0])
    """
    bare = np.ascontiguousarray(vectors + np.float32(0))  # −0 becomes 0
    _, first, place = np.unique(bare.view(f"V{bare.itemsize * bare.shape[1]}"), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[place.ravel()]


def neighbours(
    vectors: Vectors, k: int, approximate: bool = False, seed: int = 0, progress: Progress = silent
) -> Neighbours:
    """Find every point's k nearest others.

    Parameters
    ----------
    vectors
        (n, width), all different (`distinct`), or copies fill each other's lists.
    k
        How many, at most n − 1.
    approximate
        From 10,000 points on, look only at a sixteenth of all, by lists (faiss' IVF); the recall is measured.
    seed
        Of the lists, and of the points that the recall is measured on.
    progress
        Told how many points are done.

    Raises
    ------
    UserError
        If there are not more than k points, or they are not finite.

    Examples
    --------
    >>> found = neighbours(np.array([[0.0], [1.0], [3.0]], dtype=np.float32), 1)
    >>> found.rows.ravel().tolist(), found.distances.ravel().tolist()
    ([1, 0, 1], [1.0, 1.0, 2.0])
    """
    n = len(vectors)
    if not 1 <= k < n:
        raise UserError(f"{k} neighbours of each cannot be had among {n:,} different molecules. Choose -k below {n:,}.")
    if not np.isfinite(vectors).all():
        raise UserError("The vectors hold NaN or infinity: they have no neighbours. Embed the molecules again.")
    centred = np.ascontiguousarray(vectors - vectors.mean(axis=0), dtype=np.float32)  # less is lost to rounding
    if not approximate or n < _LISTS_LEAST:
        return Neighbours(*_search(_flat(centred), centred, np.arange(n), k, progress))
    rows, distances = _search(_lists(centred, seed), centred, np.arange(n), k, progress)
    short = np.flatnonzero((rows < 0).any(axis=1))  # the lists looked at held too few
    rows[short], distances[short] = _search(_flat(centred), centred, short, k, silent)
    asked = np.sort(np.random.default_rng(seed).choice(n, _ASKED, replace=False))
    true = _search(_flat(centred), centred, asked, k, silent)[0]
    hits = [np.isin(mine, theirs).sum() for mine, theirs in zip(rows[asked], true, strict=True)]
    return Neighbours(rows, distances, float(np.sum(hits)) / true.size)


def _flat(vectors: Vectors) -> Any:
    import faiss

    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    return index


def _lists(vectors: Vectors, seed: int) -> Any:
    import faiss

    many = int(4 * np.sqrt(len(vectors)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(vectors.shape[1]), vectors.shape[1], many)
    index.cp.seed, index.cp.min_points_per_centroid = seed + 1, 1
    index.train(vectors)
    index.add(vectors)
    index.nprobe = max(8, many // 16)
    return index


def _search(
    index: Any, vectors: Vectors, asked: npt.NDArray[np.int64], k: int, progress: Progress
) -> tuple[Ints, Vectors]:
    rows = np.empty((len(asked), k), dtype=np.int32)
    distances = np.empty((len(asked), k), dtype=np.float32)
    for first in range(0, len(asked), _AT_ONCE):
        part = asked[first : first + _AT_ONCE]
        squared, found = index.search(vectors[part], k + 1)
        others = found != part[:, None]
        others[others.all(axis=1), -1] = False  # a point that rounding put behind its neighbours
        place = slice(first, first + len(part))
        rows[place] = found[others].reshape(len(part), k)
        distances[place] = np.sqrt(np.maximum(squared[others].reshape(len(part), k), 0))
        progress(min(first + _AT_ONCE, len(asked)), len(asked))
    return rows, distances
