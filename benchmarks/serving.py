"""`ribospace serve` under load: 50 clients that search without a pause for a minute among 100,000 molecules (kmer4)."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.searching import molecules
from ribospace.collection import Collection
from ribospace.encoders import embed_collection, find_encoder

MOLECULES, CLIENTS, SECONDS = 100_000, 50, 60.0
PROGRAM = "import sys; from ribospace.cli import main; sys.argv[0] = 'ribospace'; main()"


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        store = Collection.create(folder / "molecules")
        store.append(molecules(MOLECULES, 2))
        embed_collection(store, find_encoder("kmer4"))
        command = [sys.executable, "-c", PROGRAM, "serve", str(folder / "molecules"), "--model", "kmer4", "--port", "0"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            lines = iter(server.stderr.readline, "")
            port = next(int(found[1]) for line in lines if (found := re.search(r"http://127\.0\.0\.1:(\d+)/", line)))
            print(json.dumps(asyncio.run(_load(port, server.pid))), flush=True)
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0
    finally:
        shutil.rmtree(folder)


async def _load(port: int, process: int) -> dict[str, object]:
    """Let all clients search, and say what they met; the first seconds, which only warm up, are not counted."""
    await asyncio.gather(*(_client(port, number, time.perf_counter() + 5) for number in range(CLIENTS)))
    memory = [_resident_mb(process)]
    until = time.perf_counter() + SECONDS
    clients = asyncio.gather(*(_client(port, number, until) for number in range(CLIENTS)))
    while time.perf_counter() < until:
        await asyncio.sleep(SECONDS / 6)
        memory.append(_resident_mb(process))
    took = [one for client in await clients for one in client]
    well = np.array([seconds for seconds, status in took if status == 200]) * 1000
    p50, p95, p99 = np.percentile(well, [50, 95, 99]).round(1).tolist()
    return {
        "what": f"search {MOLECULES:,} by kmer4, {CLIENTS} clients, {SECONDS:.0f} s", "requests": len(took),
        "errors": len(took) - len(well), "a_second": round(len(well) / SECONDS, 1),
        "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "memory_mb": memory,
    }  # fmt: skip


async def _client(port: int, number: int, until: float) -> list[tuple[float, int]]:
    """One browser: searches for ten neighbours of a new sequence, again and again, over one connection."""
    draw = np.random.default_rng(number)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    while time.perf_counter() < until:
        sequence = "".join(draw.choice(list("ACGU"), draw.integers(20, 140)))
        body = json.dumps({"query": sequence, "k": 10}).encode()
        head = "POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length:"
        began = time.perf_counter()
        writer.write(f"{head} {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", answer, re.IGNORECASE)
        assert length is not None
        found = json.loads(await reader.readexactly(int(length[1])))
        took.append((time.perf_counter() - began, int(answer.split()[1])))
        assert took[-1][1] != 200 or len(found["queries"][0]["neighbours"]) == 10
    writer.close()
    return took


def _resident_mb(process: int) -> int:
    said = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(next(line for line in said.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024


if __name__ == "__main__":
    main()
