"""Loops compiled by numba when they are first needed, and kept on disk where there is a folder for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def kept(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile a function, or fetch it from numba's cache."""
    from numba import njit

    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in
        return njit(**options)(function)


def compiled(**options: Any) -> Callable[[Function], Function]:
    """Compile a function at its first call, so that importing it costs nothing.

    Examples
    --------
    >>> @compiled()
    ... def twice(number):
    ...     return 2 * number
    >>> twice(21)
    42
    """

    def decorate(function: Function) -> Function:
        made = cache(lambda: kept(function, **options))

        @wraps(function)
        def call(*arguments: Any) -> Any:
            return made()(*arguments)

        return cast(Function, call)

    return decorate
