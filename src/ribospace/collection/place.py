"""Where a collection lies: a folder, or the URI of an object store; and the folder of its lock and journals."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from ribospace.errors import UserError

TABLE = "molecules"

MEND = "If its files are damaged, copy it again or import its molecules into a new one."

_GONE = ("was not found", "Not found")
_IN_MEMORY = ("memory", "shared-memory")


def uri_of(place: Path | str) -> str:
    """A collection's place as one text: a path, or a URI without a slash at its end.

    Examples
    --------
    >>> uri_of("s3://bucket/rnas/")
    's3://bucket/rnas'
    >>> uri_of("file:///data/rnas")
    '/data/rnas'
    """
    said = str(place)
    if not is_remote(said):
        return said.removeprefix("file://")
    if said.split("://")[0] in _IN_MEMORY:
        raise UserError(f"{said} would be gone when the command ends. Choose a folder, s3://, gs:// or az://.")
    return said.rstrip("/")


def is_remote(uri: str) -> bool:
    """Whether a place is an object store's.

    Examples
    --------
    >>> is_remote("az://container/rnas"), is_remote("data/rnas"), is_remote("file:///data/rnas")
    (True, False, False)
    """
    return re.match(r"[a-z][a-z0-9+-]*://", uri) is not None and not uri.startswith("file://")


def home_of(uri: str) -> Path:
    """The folder of a collection's lock and journals: its own, or for a URI one in the user's state folder."""
    if not is_remote(uri):
        return Path(uri)
    import platformdirs

    digest = hashlib.sha256(uri.encode()).hexdigest()[:12]
    return platformdirs.user_state_path("ribospace") / "collections" / f"{uri.rsplit('/', 1)[-1]}-{digest}"


def dataset_at(uri: str) -> Any | None:
    """The collection's table as a Lance dataset; None where there is none.

    Raises
    ------
    UserError
        If what is there cannot be read.
    """
    import lance

    try:
        return lance.dataset(f"{uri}/{TABLE}.lance")
    except (ValueError, RuntimeError, OSError) as error:
        if any(word in str(error) for word in _GONE) and "bucket" not in str(error).lower():
            return None
        raise cannot_read(uri, error) from error


def cannot_read(uri: str, error: BaseException) -> UserError:
    """Turn an error of the store into one clear sentence."""
    return UserError(f"The collection {uri} cannot be read or written: {first_line(error)}. {MEND}")


def first_line(error: BaseException) -> str:
    """What an error of the store says, without the lines and source files of its library."""
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return said.split(", /")[0].removeprefix("lance error: ").removeprefix("LanceError(IO): ")[:300]
