"""What every request passes first: name of the host, origin, token, size, time; and what every answer carries."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOG = logging.getLogger("ribospace.web")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Middleware in front of the whole server.

    Parameters
    ----------
    app
        What answers.
    token
        What `Authorization: Bearer` must bring for anything under /api; "": nothing is asked.
    hosts
        Names that a request may call the server by, against DNS rebinding; addresses in numbers always may.
    body_limit
        Most bytes of a request's body, by its path; counted as they come, whatever the headers say.
    seconds
        An answer must have begun by then.
    """

    def __init__(
        self, app: App, *, token: str, hosts: Iterable[str], body_limit: Callable[[str], int], seconds: float
    ) -> None:
        self.app, self.token = app, token.encode()
        self.hosts, self.body_limit, self.seconds = frozenset(one.lower() for one in hosts), body_limit, seconds
        self._left: set[asyncio.Future[None]] = set()  # work whose answer came too late; kept from being collected

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, scope["path"].startswith("/api"), self.body_limit(scope["path"]))
        if refused := self._refused(scope, exchange.limit):
            await exchange.refuse(*refused)
            return
        work = asyncio.ensure_future(self.app(scope, exchange.receive, exchange.send))
        try:
            await asyncio.wait({work, exchange.begun}, timeout=self.seconds, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not exchange.begun.done():
                self._left.add(work)
                work.add_done_callback(self._forget)
                await exchange.refuse(504, f"This took longer than {self.seconds:g} seconds. Ask for less at a time.")
                work.cancel()
                return
            await work
        except asyncio.CancelledError:
            work.cancel()
            raise
        except Exception as error:  # whatever a fault of ours is, the answer is a sentence and the log says where
            if exchange.refused:
                return
            LOG.exception("%s %s", scope["method"], scope["path"])
            if not exchange.begun.done():
                said = f"Ribospace failed ({type(error).__name__}). The server's log says where; please report it."
                await exchange.refuse(500, said)

    def _forget(self, work: asyncio.Future[None]) -> None:
        self._left.discard(work)
        if not work.cancelled():
            work.exception()

    def _refused(self, scope: MutableMapping[str, Any], limit: int) -> tuple[int, str] | None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        host, origin = headers.get(b"host", b"").decode("latin-1"), headers.get(b"origin")
        if not self._knows(host):
            return 400, "This server does not go by that name: call it by its address, such as http://127.0.0.1."
        if origin is not None and _host_of(origin) != host.lower():
            return 403, "Pages of other servers may not ask here."
        if self.token and scope["path"].startswith("/api"):
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self.token):
                return 401, "A token is needed: open the address that `ribospace serve` printed."
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > limit:
            return _too_large(limit)
        return None

    def _knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            ipaddress.ip_address(name)
        except ValueError:
            return bool(host) and host.rsplit(":", 1)[0].lower() in self.hosts
        return True


class _Exchange:
    """One request and its answer, which is refused or sent, never both."""

    def __init__(self, receive: Receive, send: Send, is_api: bool, limit: int) -> None:
        self._receive, self._send, self.limit = receive, send, limit
        self._is_api, self._bytes, self.refused = is_api, 0, False
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def receive(self) -> Message:
        if self.refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self.limit and not self.begun.done():
            await self.refuse(*_too_large(self.limit))
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.refused:
            return
        if message["type"] == "http.response.start":
            self._begin()
            there = {name.lower() for name, _ in message["headers"]}
            message = {**message, "headers": [*message["headers"], *self._headers(there)]}
        await self._send(message)

    async def refuse(self, status: int, sentence: str) -> None:
        self.refused = True
        self._begin()
        body = json.dumps({"error": sentence}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._headers()]})
        await self._send({"type": "http.response.body", "body": body})

    def _begin(self) -> None:
        if not self.begun.done():
            self.begun.set_result(None)

    def _headers(self, there: Iterable[bytes] = ()) -> list[tuple[bytes, bytes]]:
        every = {**HEADERS, "cache-control": "no-store" if self._is_api else "no-cache"}
        return [(name.encode(), value.encode()) for name, value in every.items() if name.encode() not in there]


def _host_of(origin: bytes) -> str | None:
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower()
    except ValueError:  # such as a bracket that is not closed
        return None


def _too_large(limit: int) -> tuple[int, str]:
    return 413, f"The request is larger than {limit:,} bytes. Send less at a time."
