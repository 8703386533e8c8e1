"""JSON over HTTP, politely: throttled, tried again with jittered back-off, a failure said in one sentence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, TypeVar

import httpx
import tenacity

import ribospace
from ribospace.errors import Unavailable, UserError
from ribospace.net.waiting import MOMENT

T = TypeVar("T")

AGENT = f"ribospace/{ribospace.__version__} (python-httpx)"
AGAIN = frozenset([408, 425, 429, 500, 502, 503, 504])
LONGEST_WAIT = 600.0
MOST_BYTES = 1 << 29  # of an answer; a page of a hundred of the longest molecules is a fifth of it


class Broken(Exception):
    """An answer that is not what was asked for; it is asked for again."""


class NotFound(UserError):
    """The server has nothing under this address (HTTP 404 or 410)."""


class Client:
    """Asks one server; may be used by several threads at once.

    Parameters
    ----------
    per_second
        Most requests a second, of all threads together.
    attempts
        How often a request is tried before it is given up.
    back_off
        Scale of the wait between two attempts, s: the n-th is random between 0 and back_off · 2ⁿ, at most a minute;
        longer where the server says Retry-After.
    timeout
        Longest wait for a connection or for the next bytes, and a fifth of the longest time for one answer, s.

    Examples
    --------
    >>> with Client(attempts=1) as client:
    ...     client.json("http://127.0.0.1:9/nobody")
    Traceback (most recent call last):
        ...
    ribospace.errors.Unavailable: http://127.0.0.1:9/nobody could not be had in 1 attempt: no connection. ...
    """

    def __init__(
        self, *, per_second: float = 20.0, attempts: int = 7, back_off: float = 0.5, timeout: float = 30.0
    ) -> None:
        self._throttle = _Throttle(per_second)
        self._attempts, self._longest = attempts, 5 * timeout
        self._back_off = tenacity.wait_random_exponential(multiplier=back_off, max=60)
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
        self._http = httpx.Client(
            timeout=timeout,
            limits=limits,
            follow_redirects=True,
            headers={"user-agent": AGENT, "accept": "application/json"},
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Break off what waits, and close the connections."""
        self._throttle.closed.set()
        self._http.close()

    def json(
        self, url: str, params: Mapping[str, str | int] | None = None, read: Callable[[Any], T] = lambda body: body
    ) -> T:
        """Ask for a JSON document.

        Parameters
        ----------
        url, params
            The address and its query.
        read
            Makes the result of the parsed document; raises Broken where that is not what was asked for.

        Returns
        -------
        T
            What `read` makes.

        Raises
        ------
        Unavailable
            If it could not be had after all attempts.
        NotFound
            If the server does not know the address.
        UserError
            If the server refuses the request otherwise (another 4xx).
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=self._wait,
            sleep=self._throttle.sleep,
            retry=tenacity.retry_if_exception_type(Again),
            reraise=True,
        )
        try:
            return retrying(self._once, url, params, read)
        except Again as error:
            times = f"{self._attempts} attempt{'s' if self._attempts > 1 else ''}"
            shown = httpx.URL(url, params=params) if params else url
            raise Unavailable(
                f"{shown} could not be had in {times}: {error}. "
                "Check the network and the address, and run the same command again."
            ) from error

    def _once(self, url: str, params: Mapping[str, str | int] | None, read: Callable[[Any], T]) -> T:
        self._throttle.wait()
        try:
            with as_passing():
                response, body = self._get(url, params)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise UserError(f"{url} is not an address: {error} Give one such as https://rnacentral.org.") from error
        self._refuse_status(response, body)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Again("the answer is not JSON or is cut off") from error
        try:
            return read(found)
        except Broken as error:
            raise Again(str(error)) from error

    def _get(self, url: str, params: Mapping[str, str | int] | None) -> tuple[httpx.Response, bytes]:
        """The whole body; a server that drips it must not hold the crawl for ever."""
        until = time.monotonic() + self._longest
        with self._http.stream("GET", url, params=params) as response:
            body = bytearray()
            for block in response.iter_bytes():
                body += block
                if len(body) > MOST_BYTES:
                    raise Again(f"the answer is larger than {MOST_BYTES:,} bytes")
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("too slow")
        return response, bytes(body)

    def _refuse_status(self, response: httpx.Response, body: bytes) -> None:
        status = response.status_code
        if status in AGAIN:
            raise Again(f"HTTP {status}", self._retry_after(response))
        if status in (404, 410):
            raise NotFound(f"{response.url} does not exist (HTTP {status}). Check the id and the address.")
        if status >= 400:
            reason = " ".join(body[:200].decode("utf-8", errors="replace").split())
            raise UserError(f"{response.url} was refused (HTTP {status}: {reason}). Mend the query or the address.")

    def _retry_after(self, response: httpx.Response) -> float:
        """Seconds that the server wants to be left alone; all threads obey."""
        wait = retry_after(response.headers.get("retry-after"))
        if wait:
            self._throttle.pause(wait)
        return wait

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(self._back_off(state), error.after if isinstance(error, Again) else 0.0)


class Again(Exception):
    """A failure that may pass; `after` is the least wait, s."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


@contextmanager
def as_passing() -> Iterator[None]:
    """Take failures of the way there for such as may pass; an address that is none does not."""
    try:
        yield
    except httpx.UnsupportedProtocol:
        raise
    except httpx.TimeoutException as error:
        raise Again("no answer in time") from error
    except httpx.ConnectError as error:
        raise Again("no connection") from error
    except httpx.RequestError as error:
        raise Again(f"the answer broke off ({error})") from error


class _Throttle:
    """Gives each request its moment, so that there are never more than so many a second."""

    def __init__(self, per_second: float) -> None:
        self._gap, self._next, self._paused, self._lock = 1.0 / per_second, 0.0, 0.0, threading.Lock()
        self.closed = threading.Event()

    def wait(self) -> None:
        while True:
            with self._lock:
                mine = self._next = max(self._next + self._gap, self._paused, time.monotonic())
            self.sleep(max(0.0, mine - time.monotonic()))
            if self._paused <= mine:
                return

    def pause(self, seconds: float) -> None:
        with self._lock:
            self._paused = max(self._paused, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.closed.wait(max(0.0, min(MOMENT, until - time.monotonic()))):
            if time.monotonic() >= until:
                return
        raise Unavailable("The request was broken off.")


def retry_after(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, given as a number or as a date; at most ten minutes.

    Examples
    --------
    >>> retry_after("3"), retry_after(None), retry_after("soon")
    (3.0, 0.0, 0.0)
    """
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else 0.0
