"""The single file opened from disk in a browser that has no network: what stands in it is what the browser reads."""

import json

import numpy as np
import pytest

from ribospace.collection import Collection
from ribospace.collection.projections import store_projection
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder
from ribospace.records import record_batch
from ribospace.web import atlas

HOSTILE = "</script><img src=x onerror=alert(1)>"

INDEX = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Reader</title>
<link rel="stylesheet" href="style.css"><script type="module" src="app.js"></script></head>
<body><pre id="said"></pre></body></html>
"""
READING = """export async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
"""
APP = """import { unpacked } from "./reading.js";

const space = JSON.parse(document.getElementById("data-space").textContent);
const lines = async (id) => new TextDecoder().decode(await unpacked(id)).split("\\n");
const said = {
  space,
  points: Array.from(new Float32Array(await unpacked("data-points-0"))).map(String),
  near: Array.from(new Uint32Array(await unpacked("data-neighbours"))),
  ids: await lines("data-ids"),
  descriptions: await lines("data-descriptions"),
  sequences: await lines("data-sequences"),
};
document.getElementById("said").textContent = JSON.stringify(said);
document.body.className = "ready";
"""


@pytest.fixture
def opened(browser, tmp_path):
    """Open a file from disk, offline; what goes wrong in it comes as a list beside the page."""
    context = browser.new_context(offline=True, accept_downloads=True, viewport={"width": 1280, "height": 720})
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on(
        "request", lambda asked: None if asked.url.startswith(("file:", "blob:", "data:")) else wrong.append(asked.url)
    )

    def open_file(path):
        page.goto(path.as_uri())
        return page, wrong

    yield open_file
    context.close()


@pytest.fixture
def store(tmp_path):
    """Sixty molecules, one with a hostile description, on a stored map with one gap."""
    made = Collection.create(tmp_path / "here")
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGU"), n)) for n in generator.integers(20, 60, 60)]
    texts = [HOSTILE, *[f"molecule {n}" for n in range(1, 60)]]
    more = {"rna_type": ["tRNA", "rRNA", "snoRNA"] * 20, "description": texts}
    made.append([record_batch([f"m{n}" for n in range(60)], sequences, more)])
    embed_collection(made, KmerEncoder(2))
    points = generator.normal(size=(59, 2)).astype(np.float32)
    with made.writing():
        about = {"method": "pca", "seed": 0}
        store_projection(made, "flat", made.embeddings["kmer2"], [f"m{n}" for n in range(59)], points, about)
    return made


def test_a_browser_reads_the_blocks(store, opened, tmp_path, monkeypatch):
    """A page of our own shows what it reads: modules joined, policy kept, arrays and texts as they are."""
    for name, text in {
        "index.html": INDEX,
        "reading.js": READING,
        "app.js": APP,
        "style.css": "pre { margin: 0 }",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(atlas, "PAGE", tmp_path / "index.html")
    atlas.write_atlas(store, tmp_path / "a.html", k=3)
    page, wrong = opened(tmp_path / "a.html")
    page.wait_for_selector("body.ready", timeout=10_000)
    said = json.loads(page.text_content("#said"))
    assert wrong == []
    table = store.table(["id", "description", "sequence", "flat"]).to_pydict()
    assert [said[name] for name in ("ids", "descriptions", "sequences")] == [
        table[name] for name in ("id", "description", "sequence")
    ]
    points = np.array(said["points"], dtype=np.float32).reshape(60, 2)
    assert points[:59].tolist() == table["flat"][:59]
    assert np.isnan(points[59]).all()
    assert len(said["near"]) == 180
    assert max(said["near"]) < 60
    assert page.locator("img").count() == 0


def test_nothing_goes_out(store, opened, tmp_path, monkeypatch):
    """Even where the page's own script would: its policy forbids it."""
    leak = 'let said = "sent";\ntry { await fetch("data:text/plain,x"); } catch { said = "kept"; }\ndocument.body.className = said;'
    for name, text in {"index.html": INDEX, "app.js": leak, "style.css": "pre { margin: 0 }"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(atlas, "PAGE", tmp_path / "index.html")
    atlas.write_atlas(store, tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text().replace("<body>", '<body onload="alert(1)"><script>alert(2)</script>')
    (tmp_path / "a.html").write_text(html)
    page, wrong = opened(tmp_path / "a.html")
    page.wait_for_selector("body.kept", state="attached", timeout=10_000)
    assert all("Content Security Policy" in one for one in wrong), wrong
    assert len(wrong) >= 3
