"""A server of our own that behaves as RNAcentral and EBI Search do, and as badly as they can."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from ribospace.records import md5_of

TYPES = ("tRNA", "rRNA", "snRNA")
TAXIDS = (9606, 10090, 562)


def entry(number: int) -> dict[str, Any]:
    """The entry with this number: the same each time, of 20 to 120 nt."""
    generator = np.random.default_rng(number)
    sequence = "".join(generator.choice(list("ACGU"), generator.integers(20, 121)))
    urs, rna_type, taxid = f"URS{number:010X}", TYPES[number % 3], TAXIDS[number // 3 % 3]
    return {
        "url": f"https://rnacentral.org/api/v1/rna/{urs}",
        "rnacentral_id": urs,
        "md5": md5_of(sequence),
        "sequence": sequence,
        "length": len(sequence),
        "xrefs": f"https://rnacentral.org/api/v1/rna/{urs}/xrefs",
        "publications": f"https://rnacentral.org/api/v1/rna/{urs}/publications",
        "is_active": True,
        "description": f"{rna_type} from {1 + number % 2} species",
        "rna_type": rna_type,
        "count_distinct_organisms": 1 + number % 2,
        "distinct_databases": ["Rfam", "ENA"][: 1 + number % 2],
        "_taxid": taxid,
    }


#: (path, parameters, how often it was asked before) → a fault's name, or None.
Fault = Callable[[str, dict[str, str], int], str | None]


@dataclass
class World:
    """What the server holds and how it behaves.

    Attributes
    ----------
    entries
        The newest first.
    fault
        Says whether and how a request fails: 500, 503, 429, 400, cut, html, gzip (said, but not so), md5 or slow.
    arrivals
        New entries come in before these requests, by their number.
    per_second
        More requests than this in a second are answered by 429.
    """

    entries: list[dict[str, Any]]
    fault: Fault = lambda path, asked, before: None
    arrivals: dict[int, int] = field(default_factory=dict)
    per_second: float = 1e9
    retry_after: str = "0"
    asked: list[tuple[float, str]] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)
    recent: deque[float] = field(default_factory=deque)
    lock: Any = field(default_factory=threading.Lock)

    def arrive(self, count: int) -> None:
        newest = int(self.entries[0]["rnacentral_id"][3:], 16)
        self.entries = [entry(newest + n) for n in range(count, 0, -1)] + self.entries

    def pages(self) -> list[str]:
        return [path for _, path in self.asked]


def world(count: int, **behaviour: Any) -> World:
    return World([entry(number) for number in range(count, 0, -1)], **behaviour)


def _public(one: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if not key.startswith("_")}


def _page(items: list[Any], asked: dict[str, str]) -> dict[str, Any]:
    size, page = min(int(asked.get("page_size", 10)), 100), int(asked.get("page", 1))
    return {
        "next": f"?page={page + 1}",
        "previous": f"?page={page - 1}" if page > 1 else None,
        "results": items[(page - 1) * size : page * size],
    }


def _rna(world: World, parts: list[str], asked: dict[str, str]) -> Any:
    if not parts:
        low, high = int(asked.get("min_length", 0)), int(asked.get("max_length", 10**9))
        return _page([_public(one) for one in world.entries if low <= one["length"] <= high], asked)
    found = next((one for one in world.entries if one["rnacentral_id"] == parts[0]), None)
    if found is None:
        return None
    if parts[1:] == ["publications"]:
        number = int(parts[0][3:], 16)
        return _page([publication(n) for n in range(number % 3)], asked)
    if parts[1:] == ["xrefs"]:
        species = SPECIES[found["_taxid"]]
        accession = {
            "species": species,
            "rna_type": found["rna_type"],
            "gene": "",
            "product": "tRNA-Leu",
            "description": f"{species} tRNA-Leu (CAA)",
        }
        return _page([{"accession": accession, "taxid": found["_taxid"], "database": "ENA"}], asked)
    if len(parts) == 2:
        taxid = int(parts[1])
        extra = {
            "species": SPECIES.get(taxid),
            "taxid": taxid,
            "short_description": f"{found['rna_type']}-Leu (anticodon CAA)",
            "genes": [],
        }
        extra["description"] = f"{SPECIES.get(taxid)} {extra['short_description']}"
        return {**_public(found), **extra, "rnacentral_id": f"{parts[0]}_{taxid}"}
    return _public(found)


SPECIES = {9606: "Homo sapiens", 10090: "Mus musculus", 562: "Escherichia coli"}


def publication(number: int) -> dict[str, Any]:
    return {
        "title": f"On RNA {number}",
        "authors": "A. Author, B. Author",
        "publication": "J. RNA 1:1 (2020)",
        "pubmed_id": str(1000 + number),
        "doi": f"10.1000/{number}",
    }


def _search(world: World, asked: dict[str, str]) -> Any:
    query, found = asked["query"], world.entries
    if types := re.findall(r'rna_type:"([^"]+)"', query):
        found = [one for one in found if one["rna_type"] in types]
    if taxids := re.findall(r'taxonomy:"(\d+)"', query):
        found = [one for one in found if str(one["_taxid"]) in taxids]
    if limits := re.search(r"length:\[(\d+) TO (\d+)\]", query):
        found = [one for one in found if int(limits[1]) <= one["length"] <= int(limits[2])]
    start, size = int(asked.get("start", 0)), min(int(asked.get("size", 15)), 100)
    hits = [{"id": f"{one['rnacentral_id']}_{one['_taxid']}", "source": "rnacentral", "fields": {}} for one in found]
    return {"hitCount": len(hits), "entries": hits[start : start + size], "facets": []}


def _with_wrong_md5(body: dict[str, Any]) -> dict[str, Any]:
    if "md5" in body:
        return {**body, "md5": "0" * 32}
    items = body.get("results", [])
    return {**body, "results": [*items[:-1], {**items[-1], "md5": "0" * 32}]} if items else body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = [part for part in url.path.split("/") if part]
        with self.world.lock:
            fault, body = self._looked_up(parts, asked)
        if fault in ("500", "503", "429"):
            self._send(int(fault), b"no", {"Retry-After": self.world.retry_after} if fault == "429" else {})
        elif body is None:
            self._send(404, b"{}")
        elif fault == "400":
            self._send(400, b"bad query")
        else:
            self._faulty(fault, json.dumps(body).encode())

    def _looked_up(self, parts: list[str], asked: dict[str, str]) -> tuple[str | None, Any]:
        world, now = self.world, time.monotonic()
        world.asked.append((now, self.path))
        if added := world.arrivals.pop(len(world.asked), 0):
            world.arrive(added)
        world.recent.append(now)
        while world.recent[0] < now - 1:
            world.recent.popleft()
        fault = world.fault(self.path, asked, world.times[self.path])
        world.times[self.path] += 1
        if len(world.recent) > world.per_second:
            fault = "429"
        body = _search(world, asked) if parts[0] == "ebisearch" else _rna(world, parts[3:], asked)
        if fault == "md5" and body is not None:
            body = _with_wrong_md5(body)
        return fault, body

    def _faulty(self, fault: str | None, body: bytes) -> None:
        if fault == "cut":
            self._send(200, body[: len(body) // 2], {"Content-Length": str(len(body))})
            self.close_connection = True
        elif fault == "html":
            self._send(200, b"<html>maintenance</html>")
        elif fault == "gzip":
            self._send(200, body, {"Content-Encoding": "gzip"})
        elif fault == "slow":
            self._send(200, b"", {"Content-Length": str(len(body))})
            for letter in body[:100]:
                self.wfile.write(bytes([letter]))
                time.sleep(0.05)
            self.close_connection = True
        else:
            self._send(200, body)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serving(world: World):
    """Serve a world on 127.0.0.1; gives the address."""
    handler = type("Handler", (_Handler,), {"world": world})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
