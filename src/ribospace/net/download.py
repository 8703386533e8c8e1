"""Large files over HTTP: gone on with where they broke off, checked by size and published checksum, there whole or not.

Beside a file stands what the server said of it (`.json`), so that it is fetched again only when the server has another;
beside an unfinished one (`.part`) too, so that it is never gone on with from another file.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock
import httpx

from ribospace.errors import Unavailable, UserError
from ribospace.files import cannot_write, written_whole
from ribospace.net.checksums import published_checksum
from ribospace.net.client import AGAIN, AGENT, Again, NotFound, as_passing, retry_after
from ribospace.progress import Progress, silent

BLOCK = 1 << 20
LONGEST_BACK_OFF = 60.0


@dataclass(frozen=True)
class _Known:
    """What a server said of a file."""

    url: str
    etag: str = ""
    modified: str = ""
    size: int | None = None

    @property
    def validator(self) -> str:
        """What makes sure that a range is of the same file; a weak tag does not."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


def download(
    url: str,
    path: Path,
    progress: Progress = silent,
    *,
    attempts: int = 7,
    back_off: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Fetch a file, or what of it is not there yet, and return its path.

    Parameters
    ----------
    url
        Its http(s) address. A checksum published beside it (see `published_checksum`) is looked for.
    path
        Where it goes. If it is there it is fetched again only if the server has another; with no server it is used.
    progress
        Told of bytes.
    attempts, back_off
        How often in a row to try without a byte coming; the n-th wait is random between 0 and back_off · 2ⁿ s, at most
        a minute, longer where the server says Retry-After.
    timeout
        Longest wait for a connection or for the next bytes, s.

    Raises
    ------
    Unavailable
        If it could not be had, or came with another checksum than published; run again, it goes on.
    NotFound, UserError
        If there is no such file, the address is none, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> download("http://127.0.0.1:9/nobody.gz", Path(tempfile.mkdtemp()) / "nobody.gz", attempts=1)
    Traceback (most recent call last):
        ...
    ribospace.errors.Unavailable: http://127.0.0.1:9/nobody.gz could not be had in 1 attempt: no connection. ...
    """
    _require_address(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            filelock.FileLock(f"{path}.lock", timeout=0),
            httpx.Client(timeout=timeout, follow_redirects=True, headers=_HEADERS) as http,
        ):
            return _Download(http, url, path, progress, attempts, back_off).run()
    except filelock.Timeout as error:
        raise UserError(f"Another command is fetching {path}. Wait until it ends.") from error
    except OSError as error:
        raise cannot_write(path, error) from error


def _require_address(url: str) -> None:
    try:
        good = httpx.URL(url).scheme in ("http", "https") and bool(httpx.URL(url).host)
    except httpx.InvalidURL:
        good = False
    if not good:
        raise UserError(f"{url} is not an address that can be fetched. Give one that begins with https:// or http://.")


_HEADERS = {"user-agent": AGENT, "accept-encoding": "identity"}


class _Download:
    def __init__(
        self, http: httpx.Client, url: str, path: Path, progress: Progress, attempts: int, back_off: float
    ) -> None:
        self.http, self.url, self.path, self.progress = http, url, path, progress
        self.attempts, self.back_off = attempts, back_off
        self.part = path.with_name(f"{path.name}.part")

    def run(self) -> Path:
        try:
            fresh = self._persistently(self._fetch)
        except Unavailable:
            if self.path.exists() and not self.part.exists():
                return self.path  # what is there is whole; whether the server has another cannot be known
            raise
        if fresh:
            self._check()
            self.path.unlink(missing_ok=True)  # never an old file beside what is said of the new one
            _note(self.path, _known(self.part, self.url))
            self.part.replace(self.path)
        for file in (self.part, _beside(self.part)):
            file.unlink(missing_ok=True)
        return self.path

    def _persistently(self, work: Callable[[], bool]) -> bool:
        """Try until it is done, or nothing has come in several attempts."""
        failed, had = 0, self._size()
        while True:
            try:
                with as_passing():
                    return work()
            except Again as error:
                failed = 1 if self._size() > had else failed + 1
                had = self._size()
                if failed >= self.attempts:
                    times = f"{failed} attempt{'s' if failed > 1 else ''}"
                    raise Unavailable(
                        f"{self.url} could not be had in {times}: {error}. "
                        "Check the network and the address, and run the same command again."
                    ) from error
                wait = random.uniform(0, min(self.back_off * 2**failed, LONGEST_BACK_OFF))
                time.sleep(max(wait, error.after))

    def _fetch(self) -> bool:
        """One request; whether the whole file has come (else the one that is there is the server's)."""
        known, had = _known(self.part, self.url), self._size()
        if known is None or not known.validator:
            had = 0
        if known is not None and had and had == known.size:
            return True
        headers = {}
        if known is not None and had:
            headers = {"range": f"bytes={had}-", "if-range": known.validator}
        elif (there := _known(self.path, self.url)) is not None and self.path.exists():
            headers = _unless_still(there)
        with self.http.stream("GET", self.url, headers=headers) as response:
            if response.status_code == 304:
                return False
            if response.status_code == 416:
                self.part.unlink(missing_ok=True)
                raise Again("the server has a shorter file than before")
            _refuse(response)
            self._receive(response, known, had)
        return True

    def _receive(self, response: httpx.Response, known: _Known | None, had: int) -> None:
        said = _said(self.url, response)
        if response.status_code == 206:
            if known is None or not _continues(response, known, had):
                self.part.unlink(missing_ok=True)
                raise Again("the server gave another part than was asked for")
            said = known
        else:
            self.part.unlink(missing_ok=True)
            _note(self.part, said)
            had = 0
        self._require_room((said.size or had) - had)
        done = had
        with open(self.part, "ab") as file:
            for block in response.iter_raw():
                file.write(block)
                done += len(block)
                self.progress(done, said.size)
            file.flush()
            os.fsync(file.fileno())
        if said.size is not None and done < said.size:
            raise Again(f"it ended after {done:,} of {said.size:,} bytes")
        if said.size is not None and done > said.size:
            self.part.unlink()
            raise Again(f"more came than the {said.size:,} bytes that the server had said")

    def _require_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise UserError(
                f"{self.url} needs {needed / 1e9:,.3f} GB, and the disk of {self.path.parent} has {free / 1e9:,.3f} GB "
                "free. Free some space, or put the files elsewhere with --cache."
            )

    def _check(self) -> None:
        """Compare with the checksum that is published, if one is."""
        published = published_checksum(self._text, self.url)
        if published is None:
            return
        digest, total = hashlib.new(published.method, usedforsecurity=False), self.part.stat().st_size
        with open(self.part, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                self.progress(file.tell(), total, "checking")
        if digest.hexdigest() != published.digest:
            self.part.unlink()
            raise Unavailable(
                f"{self.url} came with another {published.method} than {published.url} says, and was removed. "
                "Run the same command again; if that does not help, the server's file is damaged."
            )

    def _text(self, url: str) -> str | None:
        """A small text; None where the server has none."""
        found: list[str] = []

        def ask() -> bool:
            response = self.http.get(url)
            if response.status_code in AGAIN:
                raise Again(f"HTTP {response.status_code}", retry_after(response.headers.get("retry-after")))
            if response.is_success:
                found.append(response.text)
            return True

        self._persistently(ask)
        return found[0] if found else None

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def _refuse(response: httpx.Response) -> None:
    status = response.status_code
    if status in AGAIN:
        raise Again(f"HTTP {status}", retry_after(response.headers.get("retry-after")))
    if status in (404, 410):
        raise NotFound(f"{response.url} does not exist (HTTP {status}). Check the release and the address.")
    if status >= 400:
        raise UserError(f"{response.url} was refused (HTTP {status}). Check the address, or download it by hand.")


def _said(url: str, response: httpx.Response) -> _Known:
    length = response.headers.get("content-length", "")
    size = int(length) if length.isdecimal() else None
    return _Known(url, response.headers.get("etag", ""), response.headers.get("last-modified", ""), size)


def _continues(response: httpx.Response, known: _Known, had: int) -> bool:
    """Whether a part begins where the one at hand ends, and is of the same file."""
    span, _, total = response.headers.get("content-range", "").partition("/")
    same = response.headers.get("etag", known.etag) == known.etag and total in ("*", str(known.size))
    return same and span.startswith(f"bytes {had}-")


def _unless_still(known: _Known) -> dict[str, str]:
    """Ask for the file only if it is another now."""
    headers = {"if-none-match": known.etag, "if-modified-since": known.modified}
    return {name: value for name, value in headers.items() if value}


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _known(path: Path, url: str) -> _Known | None:
    try:
        known = _Known(**json.loads(_beside(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.url == url else None


def _note(path: Path, known: _Known | None) -> None:
    with written_whole(_beside(path)) as beside:
        beside.write_text(json.dumps(asdict(known) if known else {}), encoding="utf-8")
