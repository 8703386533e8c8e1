"""The single file, read as a browser reads it: its blocks against the collection, its bytes, its policy."""

import base64
import gzip
import html.parser
import json
import re

import numpy as np
import pytest

from ribospace.collection import Collection
from ribospace.collection.projections import store_projection
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder
from ribospace.records import record_batch
from ribospace.web import atlas

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "two\nlines\r\nand \u2028 more",
    '"quotes" & \\backslash \\u003c',
    "kjære 🧬",
    None,
]


@pytest.fixture
def store(tmp_path):
    """Sixty molecules with hostile texts, missing vectors, missing points, structures and numbers."""
    made = Collection.create(tmp_path / "here")
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGU"), n)) for n in generator.integers(5, 60, 60)]
    texts = [HOSTILE[n % len(HOSTILE)] for n in range(60)]
    more = {
        "rna_type": [["tRNA", "rRNA", "</script><b>", None][n % 4] for n in range(60)],
        "description": texts,
        "structure": ["." * len(one) if n % 3 else None for n, one in enumerate(sequences)],
        "mfe": [None if n % 5 == 0 else -n / 7 for n in range(60)],
    }
    made.append([record_batch([f"<i>{n}" for n in range(60)], sequences, more)])
    embed_collection(made, KmerEncoder(2))
    ids = made.table(["id"])["id"].to_pylist()
    for name, dims in (("flat", 2), ("deep", 3)):
        points = generator.normal(size=(50, dims)).astype(np.float32)
        with made.writing():
            about = {"method": "pca", "seed": 0}
            store_projection(made, name, made.embeddings["kmer2"], ids[5:55], points, about)
    return made


@pytest.fixture(autouse=True)
def page(tmp_path, monkeypatch):
    """A page, where there is none yet."""
    if not atlas.PAGE.exists():
        (tmp_path / "index.html").write_text(
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="stylesheet" href="style.css">'
            '<script type="module" src="app.js"></script></head><body><p>None yet</p></body></html>'
        )
        (tmp_path / "style.css").write_text("p { color: red }")
        (tmp_path / "app.js").write_text("document.title = 1;")
        monkeypatch.setattr(atlas, "PAGE", tmp_path / "index.html")


class Blocks(html.parser.HTMLParser):
    """The elements of a page, and the text of its blocks, as an HTML parser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.blocks: dict[str, str] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open = dict(attributes).get("id") or ""

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, data):
        if self.open.startswith("data-"):
            self.blocks[self.open.removeprefix("data-")] = data


def read(path):
    parsed = Blocks(path.read_text(encoding="utf-8"))
    space = json.loads(parsed.blocks.pop("space"))
    raw = {name: gzip.decompress(base64.b64decode(text, validate=True)) for name, text in parsed.blocks.items()}
    return space, raw, parsed.elements


def lines(raw):
    return raw.decode().split("\n")


def test_what_is_in_it_is_what_is_in_the_collection(store, tmp_path):
    written = atlas.write_atlas(store, tmp_path / "a.html", k=4)
    space, raw, _ = read(tmp_path / "a.html")
    table = store.table(store.schema.names).to_pydict()
    count = space["molecules"]
    assert (count, written.molecules, written.fitted) == (60, 60, None)
    assert written.bytes == (tmp_path / "a.html").stat().st_size
    assert lines(raw["ids"]) == table["id"]
    assert lines(raw["sequences"]) == table["sequence"]
    assert lines(raw["structures"]) == [one or "" for one in table["structure"]]
    assert lines(raw["descriptions"]) == [re.sub(r"[\r\n]+", " ", one or "") for one in table["description"]]
    for number, info in enumerate(space["projections"]):
        points = np.frombuffer(raw[f"points-{number}"], "<f4").reshape(count, info["dims"])
        for mine, theirs in zip(points, table[info["name"]], strict=True):
            assert np.isnan(mine).all() if theirs is None else mine.tolist() == theirs
    for number, info in enumerate(space["columns"]):
        values = np.frombuffer(raw[f"column-{number}"], np.dtype(info["dtype"]).newbyteorder("<"))
        theirs = table[info["name"]]
        if info["kind"] == "category":
            assert [None if code == 0 else info["labels"][code - 1] for code in values] == theirs
        else:
            np.testing.assert_allclose(values, np.array(theirs, dtype=float), rtol=1e-6)
    assert {"rna_type", "length", "mfe"} <= {one["name"] for one in space["columns"]}


def test_neighbours_are_the_nearest_by_cosine(store, tmp_path):
    atlas.write_atlas(store, tmp_path / "a.html", k=4)
    space, raw, _ = read(tmp_path / "a.html")
    assert space["neighbours"] == {"k": 4, "embedding": "kmer2"}
    near = np.frombuffer(raw["neighbours"], "<u4").reshape(-1, 4)
    distances = np.frombuffer(raw["distances"], "<f4").reshape(-1, 4)
    _, vectors = store.embedding("kmer2")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    far = 1 - unit @ unit.T
    np.fill_diagonal(far, np.inf)
    np.testing.assert_allclose(distances, np.sort(far, axis=1)[:, :4], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(far, near.astype(int), 1), distances, atol=1e-5)


def test_molecules_without_a_vector_or_few_of_them(store, tmp_path):
    store.append([record_batch(["late"], ["ACGU"])])
    atlas.write_atlas(store, tmp_path / "a.html", where="id IN ('late', '<i>7', '<i>8')")
    space, raw, _ = read(tmp_path / "a.html")
    assert lines(raw["ids"]) == ["<i>7", "<i>8", "late"]
    near = np.frombuffer(raw["neighbours"], "<u4").reshape(3, 10)
    assert near[:, 0].tolist() == [1, 0, atlas.NONE]
    assert (near[:, 1:] == atlas.NONE).all()
    assert np.isnan(np.frombuffer(raw["distances"], "<f4").reshape(3, 10)[2]).all()
    assert space["molecules"] == 3


def test_text_of_too_many_values_travels_as_text(store, tmp_path, monkeypatch):
    monkeypatch.setattr("ribospace.web.columns.MOST_LABELS", 2)
    atlas.write_atlas(store, tmp_path / "a.html")
    space, raw, _ = read(tmp_path / "a.html")
    assert space["texts"] == ["rna_type"]
    assert lines(raw["text-0"]) == [one or "" for one in store.table(["rna_type"])["rna_type"].to_pylist()]


def test_the_same_collection_the_same_bytes(store, tmp_path):
    atlas.write_atlas(store, tmp_path / "a.html")
    atlas.write_atlas(Collection.open(store.uri), tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_no_text_becomes_an_element_and_nothing_is_fetched(store, tmp_path):
    """Whatever molecules are called: the parser sees the page's own elements and the blocks, and no address."""
    atlas.write_atlas(store, tmp_path / "a.html")
    hostile = read(tmp_path / "a.html")[2]
    page = Blocks(atlas.PAGE.read_text(encoding="utf-8")).elements
    names = [tag for tag, _ in hostile]
    own = [tag for tag, attributes in page if attributes.get("rel") != "stylesheet"]
    blocks = [tag for tag, attributes in hostile if (attributes.get("id") or "").startswith("data-")]
    assert sorted(names) == sorted([*own, *blocks, "meta", "style"])
    for _, attributes in hostile:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "data", "action"):
                assert value == "data:," or (value or "").startswith("#"), value
    policy = next(a["content"] for _, a in hostile if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_which_maps(run, refused, store, tmp_path):
    out = tmp_path / "a.html"
    answer = run("atlas", store.uri, "--out", out, "--projection", "deep", "--json").json
    assert (answer["projections"], answer["embedding"], answer["fitted"]) == (["deep"], "kmer2", None)
    assert [one["name"] for one in read(out)[0]["projections"]] == ["deep"]
    assert read(out)[0]["start"]["projection"] == "deep"
    assert "60 molecules, flat, deep, neighbours by kmer2" in run("atlas", store.uri, "--out", out).out
    refused(["atlas", store.uri, "--out", out, "--projection", "flet"], "flat")
    refused(["atlas", store.uri, "--out", out, "--model", "kmer9"], "kmer2")


def test_a_map_is_fitted_where_none_is_stored(run, collection, tmp_path, monkeypatch):
    monkeypatch.setattr("ribospace.web.space.MOST_UMAP", 10)  # PCA, which takes no time
    embed_collection(collection, KmerEncoder(2))
    answer = run("atlas", collection.uri, "--out", tmp_path / "a.html")
    assert "kmer2_pca2 was fitted" in answer.out
    assert "map … --store" in answer.out
    assert "kmer2_pca2" not in collection.schema.names


def test_what_cannot_be(refused, store, tmp_path, monkeypatch):
    out = tmp_path / "a.html"
    refused(["atlas", store.uri, "--out", tmp_path / "a.htm"], ".html")
    refused(["atlas", store.uri, "--out", out, "--where", "length > 1000"], "nothing to show")
    refused(["atlas", store.uri, "--out", out, "--where", "size > 1000"], "size")
    monkeypatch.setattr(atlas, "MOST", 59)
    refused(["atlas", store.uri, "--out", out], "59", "--where", "ribospace serve")
    assert not out.exists()
    empty = Collection.create(tmp_path / "empty")
    refused(["atlas", empty.uri, "--out", out], "nothing to show")


def test_a_collection_without_vectors(refused, collection, tmp_path):
    refused(["atlas", collection.uri, "--out", tmp_path / "a.html"], "ribospace embed")
