"""What embedding-atlas is given, read by its own code: loader, server and archive, in another process."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow.parquet as pq
import pytest

from ribospace.collection.projections import store_projection
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder


@pytest.fixture
def mapped(collection):
    """Fifty molecules with an embedding and a stored map of the first forty."""
    embed_collection(collection, KmerEncoder(2))
    ids = collection.table(["id"])["id"].to_pylist()[:40]
    points = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    with collection.writing():
        about = {"method": "pca", "seed": 0}
        store_projection(collection, "flat", collection.embeddings["kmer2"], ids, points, about)
    return collection


def test_points_and_neighbours(run, mapped, tmp_path):
    out = tmp_path / "rnas.parquet"
    answer = run("export", mapped.uri, "--for", "embedding-atlas", "--out", out, "--json").json
    assert (answer["written"], answer["projection"]) == (40, "flat")
    table = pq.read_table(out)
    ids, points = (table[name].to_pylist() for name in ("id", "projection_x"))
    stored = {row["id"]: row["flat"] for row in mapped.table(["id", "flat"]).to_pylist()}
    assert points == [stored[one][0] for one in ids]
    names, vectors = mapped.embedding("kmer2")
    unit = dict(zip(names, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True))
    near = np.stack([unit[one] for one in ids])
    far = 1 - near @ near.T
    np.fill_diagonal(far, np.inf)
    for row, found in enumerate(table["neighbors"].to_pylist()):
        assert row not in found["ids"]
        np.testing.assert_allclose(far[row, found["ids"]], np.sort(far[row])[:10], atol=1e-5)
        np.testing.assert_allclose(found["distances"], np.sort(far[row])[:10], atol=1e-5)


def test_a_map_is_fitted_where_none_is_flat(run, collection, tmp_path, monkeypatch):
    monkeypatch.setattr("ribospace.web.space.MOST_UMAP", 10)  # PCA, which takes no time
    embed_collection(collection, KmerEncoder(2))
    run("map", collection.uri, "--model", "kmer2", "--method", "pca", "--dims", 3, "--store")
    asked = ["export", collection.uri, "--for", "embedding-atlas", "--out", tmp_path / "rnas.parquet", "--json"]
    assert run(*asked, "--where", "rna_type = 'tRNA'").json["projection"] == "kmer2_pca2"
    assert len(pq.read_table(tmp_path / "rnas.parquet")) == 25


def test_what_cannot_be(refused, mapped, tmp_path):
    asked = ["export", mapped.uri, "--out", tmp_path / "a.parquet"]
    refused([*asked, "--for", "embeding-atlas"], "embedding-atlas")
    refused([*asked, "--projection", "flat"], "--for")
    refused([*asked, "--for", "embedding-atlas", "--projection", "falt"], "flat")
    refused([*asked, "--for", "embedding-atlas", "--embedding", "kmer9"], "kmer2")
    refused([*asked, "--for", "embedding-atlas", "--where", "id = 'b24'"], "point")
    refused(["export", mapped.uri, "--out", tmp_path / "a.csv", "--for", "embedding-atlas"], ".parquet")
    assert not list(tmp_path.glob("a.*"))


OPENED = """
    import json, sys, zipfile
    from click.testing import CliRunner
    from starlette.testclient import TestClient
    import embedding_atlas.cli as cli

    file, folder = sys.argv[1:]
    options = [file, "--x", "projection_x", "--y", "projection_y", "--neighbors", "neighbors", "--text", "description"]
    done = CliRunner().invoke(cli.main, [*options, "--export-application", f"{folder}/a.zip"])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(f"{folder}/a.zip") as archive:
        metadata = json.loads(archive.read("data/metadata.json"))
    served = []
    cli.uvicorn.run = lambda app, **options: served.append(app)
    done = CliRunner().invoke(cli.main, [*options, "--host", "127.0.0.1"])
    assert done.exit_code == 0, done.output
    with TestClient(served[0]) as client:
        said = client.get("/data/metadata.json").json()
        query = "SELECT count(*) AS n, max(len(neighbors.ids)) AS k, sum(projection_x) AS x, any_value(neighbors) AS near"
        answer = client.post("/data/query", json={"type": "json", "sql": f"{query} FROM dataset"}).json()
        page = client.get("/").status_code
    print(json.dumps({"archive": metadata["props"], "server": said["props"], "rows": answer, "page": page}))
"""


def test_embedding_atlas_opens_it(run, mapped, tmp_path):
    """By its command's own code, without its port, in another process.

    It asks for another pandas than we do: EMBEDDING_ATLAS_PYTHON may name the interpreter of an environment of its own.
    """
    python = os.environ.get("EMBEDDING_ATLAS_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import embedding_atlas"], capture_output=True, check=False).returncode:
        pytest.skip(f"embedding-atlas is not installed beside {python}; EMBEDDING_ATLAS_PYTHON names where it is")
    out = tmp_path / "rnas.parquet"
    run("export", mapped.uri, "--for", "embedding-atlas", "--out", out)
    done = subprocess.run(
        [python, "-c", textwrap.dedent(OPENED), str(out), str(tmp_path)],
        capture_output=True, text=True, check=False, env={"XDG_CACHE_HOME": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"embedding-atlas lacks a library: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    for props in (said["archive"], said["server"]):
        data = props["data"]
        assert data["projection"] == {"x": "projection_x", "y": "projection_y"}
        assert (data["neighbors"], data["text"]) == ("neighbors", "description")
    (row,) = said["rows"]
    assert (row["n"], row["k"], said["page"]) == (40, 10, 200)
    assert sorted(row["near"]) == ["distances", "ids"]
    assert row["x"] == pytest.approx(sum(pq.read_table(out)["projection_x"].to_pylist()), abs=1e-4)
