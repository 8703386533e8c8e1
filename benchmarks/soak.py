"""`ribospace serve` for minutes under a mix of all its routes, with clients that break off, dawdle and send nonsense.

python -m benchmarks.soak --minutes 10

A small collection is served on 127.0.0.1 while another process appends molecules to it. Memory, open files and threads
of the server are read all the while; the answer says errors by status, latencies by route, and growth per 1,000
requests after the first fifth of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.measure import machine
from ribospace.collection import Collection
from ribospace.collection.projections import store_projection
from ribospace.encoders import embed_collection, find_encoder
from ribospace.records import record_batch
from ribospace.sources.sample import read_sample

EMBEDDING, MAP = "kmer3", "kmer3_pca2"
SERVE = "import sys; from ribospace.cli import main; sys.argv[0] = 'ribospace'; main()"
WRITE = "import sys; from benchmarks.soak import write_on; write_on(sys.argv[1])"
WARM_UP = 0.2
TIMEOUT = 60.0


@dataclass
class Seen:
    """What the clients met and how the server stood."""

    took: dict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))
    statuses: collections.Counter[str] = field(default_factory=collections.Counter)
    unexpected: list[str] = field(default_factory=list)
    samples: list[tuple[float, int, float, int, int]] = field(default_factory=list)
    requests: int = 0


@dataclass(frozen=True)
class Route:
    """A request: how often it comes, what it sends, and which answers are right."""

    share: float
    method: str
    path: str
    body: Callable[[np.random.Generator], Any] | None = None
    right: tuple[int, ...] = (200,)


def _sequence(draw: np.random.Generator) -> str:
    return "".join(draw.choice(list("ACGU"), int(draw.integers(20, 120))))


ROUTES = (
    Route(2, "GET", "/"),
    Route(3, "GET", "/api/health"),
    Route(1, "GET", "/api/openapi.json"),
    Route(2, "GET", "/api/space"),
    Route(3, "GET", f"/api/points/{MAP}"),
    Route(3, "GET", "/api/columns/rna_type"),
    Route(4, "GET", "/api/molecules?text=tRNA&limit=50"),
    Route(4, "GET", "/api/molecules?rows=0,5,17"),
    Route(2, "POST", "/api/export?format=csv", lambda draw: draw.integers(0, 300, 50).astype("<u4").tobytes()),
    Route(8, "POST", "/api/search", lambda draw: {"query": _sequence(draw), "k": 10}),
    Route(4, "POST", "/api/embed", lambda draw: {"sequences": [{"sequence": _sequence(draw)}]}),
    Route(4, "POST", "/api/neighbours", lambda draw: {"row": int(draw.integers(0, 300))}),
    Route(1, "POST", "/api/fold", lambda draw: {"sequence": _sequence(draw)}, (200, 409)),
    Route(2, "POST", "/api/composition", lambda draw: {"column": "rna_type", "value": "tRNA"}),
    Route(1, "POST", "/api/relations", lambda draw: {"a": int(draw.integers(0, 300)), "permutations": 2}, (202, 429)),
    Route(1, "POST", "/api/relations", lambda draw: {"plus": [0, 1], "minus": [2]}, (202, 429)),
    Route(1, "POST", "/api/heads", lambda draw: {"a": 0, "b": 1}, (409,)),
    Route(1, "POST", "/api/generate", lambda draw: {"count": 1}, (409,)),
    Route(1, "GET", "/api/trajectories/none", None, (404,)),
    Route(1, "GET", "/api/jobs/none", None, (404,)),
    Route(1, "GET", "/nothing/here", None, (404,)),
    Route(1, "POST", "/api/search", lambda draw: {"query": "not an RNA 123"}, (422,)),
    Route(1, "POST", "/api/search", lambda draw: {"query": "ACGU", "k": 10**9}, (422,)),
    Route(1, "POST", "/api/neighbours", lambda draw: {"row": 2**31 - 1}, (404, 422)),
    Route(1, "POST", "/api/embed", lambda draw: b"{" * 1000, (422,)),
    Route(1, "PUT", "/api/health", None, (405,)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=6)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        print(json.dumps(soak(folder, 60 * asked.minutes, asked.clients) | {"machine": machine()}, indent=1))
    finally:
        shutil.rmtree(folder)


def soak(folder: Path, seconds: float, clients: int) -> dict[str, Any]:
    """Serve a collection for so many seconds to so many clients, and say what was seen."""
    place = folder / "rnas"
    prepare(place)
    log = folder / "server.log"
    with _running(log, SERVE, "serve", str(place), "--model", EMBEDDING, "--port", "0") as server:
        port = _port(log, server)
        with _running(folder / "writer.log", WRITE, str(place)):
            seen = asyncio.run(_load(port, server.pid, seconds, clients))
        at_the_end = len(Collection.open(place))
    return _said(seen, seconds, clients) | {"molecules_at_the_end": at_the_end}


def prepare(place: Path) -> None:
    """The sample that ships with Ribospace, with vectors and a map."""
    store = Collection.create(place)
    store.append(read_sample())
    embed_collection(store, find_encoder(EMBEDDING))
    ids, vectors = store.embedding(EMBEDDING)
    _, _, directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    with store.writing():
        points = vectors @ directions[:2].T
        store_projection(store, MAP, store.embeddings[EMBEDDING], ids, points, {"method": "pca", "seed": 0})


def write_on(place: str) -> None:
    """Append molecules and embed them, until it is ended."""
    store, number = Collection.open(place), 0
    while True:
        draw = np.random.default_rng(number)
        names = [f"late{number}:{one}" for one in range(5)]
        store.append([record_batch(names, [_sequence(draw) for _ in names])])
        if number % 10 == 9:
            embed_collection(store, find_encoder(EMBEDDING))
        number += 1
        time.sleep(1)


@contextmanager
def _running(log: Path, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program that must live until the block ends; what it says goes to a file, as a pipe would fill."""
    with open(log, "wb") as said:
        process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=said, stderr=said)
    try:
        yield process
        assert process.poll() is None, log.read_text(encoding="utf-8")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _port(log: Path, server: subprocess.Popen[bytes]) -> int:
    """Where the server listens, as soon as it says so."""
    while True:
        said = log.read_text(encoding="utf-8")
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", said):
            return int(found[1])
        assert server.poll() is None, said
        time.sleep(0.2)


# ---------------------------------------------------------------- clients


async def _load(port: int, process: int, seconds: float, clients: int) -> Seen:
    seen, began = Seen(), time.perf_counter()
    until = began + seconds
    working = [_client(port, number, until, seen) for number in range(clients)]
    working += [_rude(port, 1000 + number, until, seen) for number in range(max(1, clients // 3))]
    everybody = asyncio.gather(*working)
    while time.perf_counter() < until:
        seen.samples.append((time.perf_counter() - began, seen.requests, *_standing(process)))
        await asyncio.sleep(max(0.5, seconds / 200))
    await everybody
    await asyncio.sleep(min(5.0, seconds / 10))
    seen.samples.append((time.perf_counter() - began, seen.requests, *_standing(process)))
    return seen


async def _client(port: int, number: int, until: float, seen: Seen) -> None:
    """One that asks for everything, follows half of its jobs, and leaves or cancels the others."""
    draw = np.random.default_rng(number)
    shares = np.array([route.share for route in ROUTES])
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT) as http:
        while time.perf_counter() < until:
            route = ROUTES[draw.choice(len(ROUTES), p=shares / shares.sum())]
            answer = await _ask(http, route, draw, seen)
            if answer is not None and answer.status_code == 202:
                await _follow(http, answer.json()["job"], draw, seen)


async def _ask(http: httpx.AsyncClient, route: Route, draw: np.random.Generator, seen: Seen) -> httpx.Response | None:
    body = route.body(draw) if route.body else None
    sent = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
    began = time.perf_counter()
    try:
        answer = await http.request(route.method, route.path, **sent)
    except httpx.HTTPError as error:
        seen.unexpected.append(f"{route.method} {route.path}: {type(error).__name__}")
        seen.statuses["no answer"] += 1
        return None
    seen.requests += 1
    seen.statuses[str(answer.status_code)] += 1
    seen.took[f"{route.method} {route.path.split('?')[0]}"].append(time.perf_counter() - began)
    if answer.status_code not in route.right:
        seen.unexpected.append(f"{route.method} {route.path}: {answer.status_code} {answer.text[:100]}")
    return answer


async def _follow(http: httpx.AsyncClient, job: str, draw: np.random.Generator, seen: Seen) -> None:
    fate = draw.random()
    if fate < 0.3:
        return
    if fate < 0.5:
        await _ask(http, Route(1, "DELETE", f"/api/jobs/{job}", None, (204,)), draw, seen)
        return
    for _ in range(20):
        answer = await _ask(http, Route(1, "GET", f"/api/jobs/{job}"), draw, seen)
        if answer is None or answer.json()["state"] not in ("waiting", "running"):
            return
        await asyncio.sleep(0.1)


async def _rude(port: int, number: int, until: float, seen: Seen) -> None:
    """One that hangs up at once, sends half a body and waits, or sends what is no HTTP."""
    draw = np.random.default_rng(number)
    body = json.dumps({"query": _sequence(draw)}).encode()
    head = "POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    while time.perf_counter() < until:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            way = draw.integers(0, 4)
            if way == 3:
                writer.write(draw.bytes(200) + b"\r\n\r\n")
            else:
                writer.write(head.encode() + (body if way == 0 else body[: len(body) // 2]))
            await writer.drain()
            if way == 1:
                await asyncio.sleep(float(draw.uniform(0, 3)))
                writer.write(body[len(body) // 2 :])
            writer.close()
        except OSError as error:
            seen.unexpected.append(f"rude: {type(error).__name__}")
        seen.statuses["hung up"] += 1
        await asyncio.sleep(float(draw.uniform(0, 0.2)))


# ---------------------------------------------------------------- the server's process


def _standing(process: int) -> tuple[float, int, int]:
    """Resident memory in MB, open files and threads of a process."""
    said = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines() if ":" in line)
    return int(said["VmRSS"].split()[0]) / 1000, len(list(Path(f"/proc/{process}/fd").iterdir())), int(said["Threads"])


def _said(seen: Seen, seconds: float, clients: int) -> dict[str, Any]:
    kept = [one for one in seen.samples if one[0] >= WARM_UP * seconds]
    requests = np.array([one[1] for one in kept], dtype=float) / 1000
    grows = {}
    for place, name in ((2, "rss_mb"), (3, "open_files"), (4, "threads")):
        values = np.array([one[place] for one in kept], dtype=float)
        slope = float(np.polyfit(requests, values, 1)[0]) if np.ptp(requests) else 0.0
        grows[name] = {
            "first": values[0], "last": values[-1], "most": values.max(), "per_1000_requests": round(slope, 3),
        }  # fmt: skip
    latency = {
        route: {"count": len(took), **dict(zip(("p50_ms", "p95_ms", "p99_ms"), _percentiles(took), strict=True))}
        for route, took in sorted(_by_route(seen.took).items())
    }
    return {
        "what": f"soak: {clients} clients, {seconds:.0f} s", "requests": seen.requests,
        "statuses": dict(sorted(seen.statuses.items())), "unexpected": len(seen.unexpected),
        "unexpected_first": seen.unexpected[:10], "growth_after_warm_up": grows, "latency": latency,
        "samples": [[round(one, 1) for one in sample] for sample in seen.samples],
    }  # fmt: skip


def _by_route(took: dict[str, list[float]]) -> dict[str, list[float]]:
    together: dict[str, list[float]] = collections.defaultdict(list)
    for route, times in took.items():
        together[re.sub(r"/api/jobs/.*", "/api/jobs/…", route)] += times
    return together


def _percentiles(took: list[float]) -> list[float]:
    return (np.percentile(np.array(took) * 1000, [50, 95, 99])).round(1).tolist()


if __name__ == "__main__":
    main()
