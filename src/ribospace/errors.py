"""A user's mistake, said in one sentence: what, where, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend.

    The command line prints its text and leaves with `code`; a library user may catch it.
    """

    code = 2


class Unavailable(UserError):
    """Something outside, such as a server, that fails without the user's doing."""

    code = 1


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names a mistyped one resembles.

    Parameters
    ----------
    name
        What was typed.
    known
        The names that exist.

    Returns
    -------
    str
        A sentence to put behind an error message.

    Examples
    --------
    >>> nearest("umpa", ["umap", "tsne"])
    'Did you mean umap?'
    >>> nearest("xyz", ["umap", "pca"])
    'There are: pca, umap.'
    """
    options = sorted(set(known))
    by_lower = {option.lower(): option for option in options}
    close = [by_lower[one] for one in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"There are: {', '.join(options)}." if options else "There are none yet."


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, of Python or of a library written in Rust, says that the disk is full."""
    text = str(error)
    return getattr(error, "errno", None) in (28, 122) or "No space left on device" in text or "os error 28" in text


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust has given up, as the store does at odd conditions: that is no `Exception`."""
    return type(error).__name__ == "PanicException"


def is_of_store(error: BaseException) -> bool:
    """Whether an error is one of Lance's, about a table's files.

    Examples
    --------
    >>> is_of_store(OSError("LanceError(IO): Not found: rnas/molecules.lance/data/1.lance"))
    True
    >>> is_of_store(ValueError("no"))
    False
    """
    return any(word in str(error) for word in ("LanceError", "lance error", ".lance/", "/lance/rust/"))
