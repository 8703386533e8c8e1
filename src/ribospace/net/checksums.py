"""The checksum that a server publishes of a file, in the ways that file servers do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_DIGITS: dict[Literal["sha256", "md5"], int] = {"sha256": 64, "md5": 32}
_LISTS = {"sha256": ("sha256sum.txt", "SHA256SUMS"), "md5": ("md5sum.txt", "md5sums.txt", "MD5SUMS")}


@dataclass(frozen=True)
class Checksum:
    """A file's checksum, by `method`, in hexadecimal digits; `url` is where it is published."""

    method: Literal["sha256", "md5"]
    digest: str
    url: str


def published_checksum(text_at: Callable[[str], str | None], url: str) -> Checksum | None:
    """Look for a file's checksum: URL.sha256, URL.md5, or a list such as sha256sum.txt or MD5SUMS in its folder.

    Parameters
    ----------
    text_at
        Gives the text at an address, None where there is none.
    url
        The file's address.

    Returns
    -------
    Checksum or None
        None where none is published.

    Examples
    --------
    >>> texts = {"http://host/folder/MD5SUMS": "d41d8cd98f00b204e9800998ecf8427e  a.gz"}
    >>> published_checksum(texts.get, "http://host/folder/a.gz").digest
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    base, query = url.partition("?")[::2]
    folder, name = base.rsplit("/", 1)
    ending = f"?{query}" if query else ""
    for method, digits in _DIGITS.items():
        for place in (f"{base}.{method}", *(f"{folder}/{one}" for one in _LISTS[method])):
            digest = _digest_of(name, text_at(place + ending) or "", digits, alone=place.startswith(base))
            if digest:
                return Checksum(method, digest, place)
    return None


def _digest_of(name: str, text: str, digits: int, *, alone: bool) -> str | None:
    """The digest in a line "digest  name" or "METHOD (name) = digest"; in a file's own text also one without a name."""
    lines = [line for line in text[: 1 << 22].splitlines() if re.search(rf"\b[0-9a-fA-F]{{{digits}}}\b", line)]
    named = [line for line in lines if re.search(rf"(?:^|[\s*/(]){re.escape(name)}(?:[\s)]|$)", line)]
    if not named and alone and len(lines) == 1 and re.fullmatch(r"\s*\w+\s*", lines[0]):
        named = lines
    found = re.search(rf"\b[0-9a-fA-F]{{{digits}}}\b", named[0]) if named else None
    return found[0].lower() if found else None
