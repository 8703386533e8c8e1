"""The atlas's page with many molecules: python -m benchmarks.map_page [--molecules 100000 1000000].

A collection of random molecules on a stored map of Gaussian clusters, served and opened in headless Chromium at 1280 ×
720: seconds until the page is ready with its points drawn (median of three openings), and milliseconds a frame while
the map is dragged. Where there is no GPU, Chromium draws in software, and says so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import uvicorn
from playwright.sync_api import sync_playwright

from benchmarks.measure import machine
from ribospace.collection import Collection
from ribospace.collection.projections import store_projection
from ribospace.records import record_batch
from ribospace.web.app import make_app
from ribospace.web.served import Served

WIDTH, ROUNDS, CLUSTERS = 8, 3, 40
FRAMES = """() => new Promise((resolve) => {
  const times = [];
  const tick = (now) => { times.push(now); if (times.length < 120) requestAnimationFrame(tick); else resolve(times); };
  requestAnimationFrame(tick);
})"""
GPU = """() => {
  const gl = document.createElement('canvas').getContext('webgl2');
  const about = gl.getExtension('WEBGL_debug_renderer_info');
  return about ? gl.getParameter(about.UNMASKED_RENDERER_WEBGL) : '';
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, nargs="+", default=[100_000, 1_000_000])
    arguments = parser.parse_args()
    print(machine())
    for count in arguments.molecules:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measured(collection(Path(folder) / "many", count))), flush=True)


def collection(place: Path, count: int) -> Collection:
    """Random molecules with small vectors and a map of clusters."""
    draw = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGU", np.uint8)[draw.integers(0, 4, (count, 40))]
    sequences = [row.tobytes().decode() for row in letters]
    cluster = draw.integers(0, CLUSTERS, count)
    points = (draw.normal(size=(CLUSTERS, 2))[cluster] * 5 + draw.normal(size=(count, 2))).astype(np.float32)
    vectors = draw.normal(size=(count, WIDTH)).astype(np.float32)
    store = Collection.create(place)
    more = {
        "rna_type": [f"type {one % 12}" for one in cluster],
        "given": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), WIDTH),
    }
    ids = [f"m{number}" for number in range(count)]
    store.append([record_batch(ids, sequences, more)])
    with store.writing():
        store_projection(store, "map", store.embeddings["given"], ids, points, {"method": "umap", "seed": 0})
    return store


def measured(store: Collection) -> dict[str, Any]:
    """Seconds to open, milliseconds a frame."""
    server = uvicorn.Server(uvicorn.Config(make_app(Served.open(store)), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    options = ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
    opening = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        for _ in range(ROUNDS):
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            began = time.perf_counter()
            page.goto(address)
            page.wait_for_selector("body.ready", timeout=120_000)
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            opening.append(time.perf_counter() - began)
        box = page.locator("#points").bounding_box()
        assert box is not None
        page.evaluate(f"() => {{ window.frames_seen = ({FRAMES})(); }}")
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(*middle)
        page.mouse.down()
        for step in range(100):
            page.mouse.move(middle[0] + 150 * np.sin(step / 8), middle[1] + 100 * np.cos(step / 8))
        page.mouse.up()
        times = page.evaluate("() => window.frames_seen")
        renderer = page.evaluate(GPU)
        browser.close()
    server.should_exit = True
    thread.join()
    gaps = np.diff(times)
    return {
        "molecules": len(store), "opening_s": round(median(opening), 2), "frame_ms": round(float(np.median(gaps)), 1),
        "frame_ms_95": round(float(np.quantile(gaps, 0.95)), 1), "renderer": renderer,
    }  # fmt: skip


if __name__ == "__main__":
    main()
