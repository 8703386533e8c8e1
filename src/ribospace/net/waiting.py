"""Waiting that Ctrl-C ends at once.

Seen in `fetch` (Python 3.11, Linux): a main thread that waits for a future is not woken by SIGINT, and Python sees it
only when the wait ends. Which library is the cause is not settled; so no wait is longer than a moment.
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
