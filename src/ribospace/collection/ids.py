"""A set of ids in little memory, whatever their length."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class IdIndex:
    """A set of ids as sorted 128-bit hashes, (2, n) as `hashes_of` gives them: 16 bytes an id, whatever its length."""

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.uint64]] = []  # each (2, n), sorted by its first row

    def contains(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """(n,) whether each id is in the set."""
        if not self._runs:
            return np.zeros(hashes.shape[1], dtype=bool)
        order = np.argsort(hashes[0])
        found = np.empty(len(order), dtype=bool)
        found[order] = self._contains(hashes[:, order])
        return found

    def _contains(self, ordered: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        found = np.zeros(ordered.shape[1], dtype=bool)
        for run in self._runs:
            at = np.minimum(np.searchsorted(run[0], ordered[0]), run.shape[1] - 1)
            found |= (run[:, at] == ordered).all(axis=0)
        return found

    def add(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Put ids in; (n,) whether each was new, also against those before it in `hashes`."""
        order = np.argsort(hashes[0], kind="stable")
        ordered = hashes[:, order]
        fresh = ~self._contains(ordered)
        fresh[1:] &= ~(ordered[:, 1:] == ordered[:, :-1]).all(axis=0)
        if fresh.any():
            self._runs.append(ordered[:, fresh])
        while len(self._runs) > 1 and self._runs[-2].shape[1] < 2 * self._runs[-1].shape[1]:
            both = np.concatenate([self._runs.pop(), self._runs.pop()], axis=1)
            self._runs.append(both[:, np.argsort(both[0], kind="stable")])
        new = np.empty(len(order), dtype=bool)
        new[order] = fresh
        return new


def hashes_of(ids: pa.Array) -> npt.NDArray[np.uint64]:
    """(2, n) two 64-bit hashes of each id: Polars', or of MD5 where Polars, several times as fast, is not installed."""
    try:
        import polars as pl
    except ModuleNotFoundError:
        return _md5_of(ids)
    series = pl.Series(pl.from_arrow(ids))
    return np.stack([series.hash(seed=11).to_numpy(), series.hash(seed=1117).to_numpy()])


def _md5_of(ids: pa.Array) -> npt.NDArray[np.uint64]:
    digests = (hashlib.md5(one.encode(), usedforsecurity=False).digest() for one in ids.to_pylist())
    return np.frombuffer(b"".join(digests), dtype=np.uint64).reshape(-1, 2).T
