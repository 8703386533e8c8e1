"""Exact search by cosine in memory, that answers whoever asks at one time by one product of matrices."""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

#: Numbers of a product that are held at a time.
_HELD = 16_000_000
#: Half the cores multiply; the others read questions and write answers.
_THREADS = max(1, (os.cpu_count() or 2) // 2)
#: Values of which the greatest alone is looked at first.
_BLOCK = 64
#: Most queries of one product.
_TOGETHER = 64


class Searcher:
    """Vectors that can be searched by several threads.

    Parameters
    ----------
    rows
        (m,) what each vector is called in an answer.
    vectors
        (m, width) float32; zero or not finite ones are never found.

    Examples
    --------
    >>> searcher = Searcher(np.array([4, 7]), np.array([[1, 0], [0, 2]], np.float32))
    >>> rows, distances = searcher.search(np.array([[0, 3]], np.float32), 2)
    >>> rows.tolist(), distances.tolist()
    ([[7, 4]], [[0.0, 1.0]])
    >>> searcher.close()
    """

    def __init__(self, rows: Rows, vectors: Floats) -> None:
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        good = np.isfinite(norms) & (norms > 0)
        if not good.all():
            rows, vectors, norms = rows[good], vectors[good], norms[good]
        self.rows, self._vectors, self._over = rows, vectors, (1 / norms).astype(np.float32)
        self._waiting: queue.SimpleQueue[tuple[Floats, int, Future[tuple[Rows, Floats]]] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="search", daemon=True)
        self._thread.start()

    def search(self, queries: Floats, k: int) -> tuple[Rows, Floats]:
        """Find the nearest of each query; of equally near ones the first rows.

        Parameters
        ----------
        queries
            (n, width) float32.
        k
            How many; all, where there are fewer.

        Returns
        -------
        rows : (n, k) int64
        distances : (n, k) float32
            Cosine distances, 0 to 2, ascending.

        Raises
        ------
        UserError
            For a query that is zero or not finite.
        """
        norms = np.linalg.norm(queries, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and (norms > 0).all()):
            raise UserError("A query's vector is zero or not finite: it has no direction to compare.")
        if self._closed:
            raise RuntimeError("the search is closed")
        answer: Future[tuple[Rows, Floats]] = Future()
        self._waiting.put(((queries / norms).astype(np.float32), k, answer))
        return answer.result()

    def close(self) -> None:
        """Answer what waits, and end."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        from threadpoolctl import ThreadpoolController

        blas = ThreadpoolController()
        while (first := self._waiting.get()) is not None:
            together, many = [first], len(first[0])
            while many < _TOGETHER and not self._waiting.empty():
                if (more := self._waiting.get()) is None:
                    self._waiting.put(None)
                    break
                together.append(more)
                many += len(more[0])
            try:
                with blas.limit(limits=_THREADS, user_api="blas"):
                    self._answer(together)
            except Exception as error:  # whoever waits must hear of it
                for _, _, answer in together:
                    if not answer.done():
                        answer.set_exception(error)

    def _answer(self, together: list[tuple[Floats, int, Future[tuple[Rows, Floats]]]]) -> None:
        queries = np.concatenate([one for one, _, _ in together])
        most = max(k for _, k, _ in together)
        places, likeness = _nearest(self._vectors, self._over, queries, min(most, len(self.rows)))
        done = 0
        for one, k, answer in together:
            mine = slice(done, done + len(one))
            done += len(one)
            distances = np.clip(1 - likeness[mine, :k], 0, 2).astype(np.float32)
            answer.set_result((self.rows[places[mine, :k]], distances))


def _nearest(vectors: Floats, over: Floats, queries: Floats, k: int) -> tuple[Rows, Floats]:
    """(n, k) places and cosines of the vectors most alike to each unit query, by parts of the vectors."""
    step = max(k, _HELD // max(1, len(queries)))
    places, best = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
    for begin in range(0, len(vectors), step):
        likeness = queries @ vectors[begin : begin + step].T
        likeness *= over[begin : begin + step]
        found = [_top(row, k) for row in likeness]
        values = [row[at] for row, at in zip(likeness, found, strict=True)]
        places = np.hstack([places, np.stack(found) + begin])
        best = np.hstack([best, np.stack(values)])
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]
        places, best = np.take_along_axis(places, order, axis=1), np.take_along_axis(best, order, axis=1)
    return places, best


def _top(values: Floats, k: int) -> Rows:
    """Places of the k greatest values, the first ones of equal, the greatest first."""
    k = min(k, len(values))
    if not k:
        return np.empty(0, np.int64)
    blocks = len(values) // _BLOCK
    some = values[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1) if blocks >= k else values
    least = np.partition(some, len(some) - k)[len(some) - k]  # k values or more are as great, each of its own block
    among = np.flatnonzero(values >= least)
    return among[np.argsort(-values[among], kind="stable")][:k]
