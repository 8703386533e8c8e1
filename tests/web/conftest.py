"""A small collection with vectors, a stored map, clusters and pseudotime, and a server of it."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from ribospace.analysis.projection import Projection
from ribospace.collection import Collection
from ribospace.collection.projections import store_projection
from ribospace.encoders import embed_collection, find_encoder
from ribospace.records import record_batch

pytest.importorskip("fastapi", reason="the server needs the extra `web`")

MOLECULES = 120
NASTY = '<img src=x onerror="alert(1)">'


def make_collection(place, model="kmer2") -> Collection:
    """Molecules of two types, some without type, one with a nasty description, one without vector."""
    draw = np.random.default_rng(0)
    sequences = ["".join(draw.choice(list("ACGU"), length)) for length in draw.integers(15, 60, MOLECULES)]
    kinds = [("tRNA", "rRNA", "tRNA", None)[number % 4] for number in range(MOLECULES)]
    columns = {
        "rna_type": pa.array(kinds, pa.string()),
        "description": [NASTY if not number else f"molecule number {number}" for number in range(MOLECULES)],
        "species": ["Homo sapiens", "Mus musculus"] * (MOLECULES // 2),
        "way_cluster": pa.array(np.arange(MOLECULES) % 3, pa.int32()),
        "way_pseudotime": pa.array(np.linspace(0, 1, MOLECULES), pa.float32()),
    }
    store = Collection.create(place)
    ids = ["URS000075A10E_9606", *(f"m{number}" for number in range(1, MOLECULES))]
    store.append([record_batch(ids, sequences, columns)])
    encoder = find_encoder(model)
    embed_collection(store, encoder)
    store.append([record_batch(["late"], ["ACGUACGUAC"])])
    ids, vectors = store.embedding(encoder.column)
    with store.writing():
        points = Projection("pca").fit(vectors).coordinates
        store_projection(store, "flat", store.embeddings[encoder.column], ids, points, {"method": "pca", "seed": 0})
    return store


@pytest.fixture(scope="module")  # its event loop is in the way of asyncio.run elsewhere
def browser():
    """Chromium without a display; skips where there is none."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = (os.environ.get("CHROMIUM", "chromium"), "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no chromium on the PATH")
    with sync.sync_playwright() as playwright:
        options = ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
        opened = playwright.chromium.launch(executable_path=path, args=options)
        yield opened
        opened.close()


@pytest.fixture
def store(tmp_path):
    """A collection of one's own."""
    return make_collection(tmp_path / "molecules")


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A collection that tests only read."""
    return make_collection(tmp_path_factory.mktemp("web") / "molecules")


@pytest.fixture
def client_of():
    """Make clients of collections; what is served is closed at the end."""
    from fastapi.testclient import TestClient

    from ribospace.web.app import make_app
    from ribospace.web.served import Served

    opened = []

    def make(store, **how):
        served = Served.open(store, **how)
        client = TestClient(make_app(served), base_url="http://127.0.0.1")
        opened.append(client.__enter__())
        return SimpleNamespace(client=client, served=served)

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(shared, client_of):
    """A client of the shared collection."""
    return client_of(shared).client
