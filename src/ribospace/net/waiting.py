"""Waiting that Ctrl-C ends at once.

With polars imported (2.1, as seen) a main thread that waits for a lock is not woken by a signal, and Python sees
Ctrl-C only when the wait ends. So no wait is longer than a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

MOMENT = 0.2


def result(future: Future[B]) -> B:
    """What a future gives, when it does."""
    while True:
        try:
            return future.result(MOMENT)
        except TimeoutError:
            if future.done():
                return future.result()


def results(pool: Executor, function: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """A function's results for all items, in their order; what has not begun is cancelled if one fails.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     results(pool, abs, [-1, 2, -3])
    [1, 2, 3]
    """
    futures = [pool.submit(function, item) for item in items]
    try:
        return [result(future) for future in futures]
    finally:
        for future in futures:
            future.cancel()
