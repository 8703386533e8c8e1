"""Collections in an object store: a server of S3's kind of our own, on 127.0.0.1."""

import subprocess
import sys
import textwrap

import httpx
import numpy as np
import pyarrow as pa
import pytest

from ribospace.collection import Collection, append
from ribospace.collection.place import home_of, is_remote, uri_of
from ribospace.collection.upkeep import INDEXED, optimize
from ribospace.collection.vector_index import build_index, index_of
from ribospace.errors import UserError

SERVER = """
    import logging, sys
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel("ERROR")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server():
    """The address of a server with a bucket `bucket`, in a process of its own."""
    pytest.importorskip("moto.server", reason="the server is moto's: pip install moto[server,s3]")
    command = [sys.executable, "-c", textwrap.dedent(SERVER)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        lines = iter(process.stdout.readline, "")
        port = next(line for line in lines if line.strip().isdigit()).strip()
        address = f"http://127.0.0.1:{port}"
        assert httpx.put(f"{address}/bucket").status_code == 200
        yield address
        process.stdin.close()


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    """A URI in the server's bucket, where nothing is yet; and the environment that leads there."""
    said = {
        "AWS_ENDPOINT": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("platformdirs.user_state_path", (tmp_path / "state").joinpath)
    return f"s3://bucket/{tmp_path.name}/rnas"


def objects(server, prefix):
    listed = httpx.get(f"{server}/bucket", params={"list-type": "2", "prefix": prefix}).text
    return [one.split("</Key>")[0] for one in listed.split("<Key>")[1:]]


def test_places():
    assert is_remote("gs://b/c")
    assert not is_remote("c")
    assert not is_remote("/data/a:b")
    assert uri_of("az://container/c/") == "az://container/c"
    assert home_of("folder/c").parts == ("folder", "c")
    homes = {home_of(uri) for uri in ("s3://a/c", "s3://b/c", "gs://a/c")}
    assert len(homes) == 3
    assert all(home.name.startswith("c-") for home in homes)
    for uri in ("memory://x", "shared-memory://x"):
        with pytest.raises(UserError, match="would be gone"):
            uri_of(uri)


def test_commands_from_import_to_export(run, bucket, server, tmp_path):
    (tmp_path / "a.fasta").write_text("".join(f">m{n} tRNA number {n}\n{'ACGU' * (1 + n % 5)}\n" for n in range(300)))
    (tmp_path / "b.fasta").write_text(">late rRNA\nGGGGCCCC\n")
    assert run("import", tmp_path / "a.fasta", "--to", bucket, "--json").json["added"] == 300
    assert run("import", tmp_path / "b.fasta", "--to", f"{bucket}/", "--json").json["molecules"] == 301
    assert run("embed", bucket, "--model", "kmer2", "--json").json["embedded"] == 301
    assert run("optimize", bucket, "--json").json["indexed"] == list(INDEXED)
    said = run("info", bucket, "--json").json
    assert (said["collection"], said["molecules"]) == (bucket, 301)
    assert said["rna_types"] == {"tRNA": 300, "rRNA": 1}
    assert said["embeddings"][0]["vectors"] == 301
    assert said["disk_bytes"] > 10_000
    found = run("search", bucket, "--model", "kmer2", "--query", "GGGGCCCC", "-k", "1", "--json").json
    assert found["neighbours"][0]["id"] == "late"
    assert run("map", bucket, "--model", "kmer2", "--method", "pca", "--out", tmp_path / "map.png").code == 0
    out = tmp_path / "out.fasta"
    assert run("export", bucket, "--out", out, "--where", "rna_type = 'rRNA'", "--json").json["written"] == 1
    assert out.read_text() == ">late rRNA\nGGGGCCCC\n"
    home = Collection.open(bucket).home
    assert home.is_relative_to(tmp_path / "state")
    assert [file.name for file in home.iterdir()] in ([".lock"], [])
    assert not list(tmp_path.glob("s3*"))
    assert all("molecules.lance/" in name for name in objects(server, tmp_path.name))


def test_it_is_the_same_as_a_folder(bucket, molecules, tmp_path):
    matrix = np.random.default_rng(0).random((300, 4), "f4")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), 4)
    stores = [Collection.open_or_create(place) for place in (bucket, tmp_path / "folder")]
    for store in stores:
        store.append([molecules(300, "a", 1, mine=vectors)])
        store.append([molecules(20, "b", 2, rna_type="tRNA")])
        with pytest.raises(UserError, match="already in the collection"):
            store.append([molecules(1, "b", 2)])
        optimize(store)
        build_index(store, "mine")
    one, two = (store.table(store.schema.names) for store in stores)
    assert one == two
    assert index_of(stores[0], "mine") == index_of(Collection.open(bucket), "mine") is not None
    for exact in (True, False):
        found = [store.neighbours("mine", matrix[7], 5, exact=exact).records["id"].to_pylist() for store in stores]
        assert found[0][0] == found[1][0] == "a7"


def test_an_import_that_was_broken_off_is_finished(bucket, molecules, monkeypatch):
    monkeypatch.setattr(append, "COMMIT_ROWS", 5)

    def batches(error=None):
        yield from (molecules(5, prefix) for prefix in "abc")
        if error:
            raise error
        yield from (molecules(5, prefix) for prefix in "def")

    store = Collection.open_or_create(bucket)
    with pytest.raises(KeyboardInterrupt):
        store.append(batches(KeyboardInterrupt()), run="this")
    there = len(Collection.open(bucket))
    assert 0 < there < 30
    assert (store.home / "import.json").exists()
    done = Collection.open_or_create(bucket).append(batches(), run="this")
    assert (done.resumed, done.added) == (there, 30 - there)
    assert not (store.home / "import.json").exists()


def test_a_fault_in_the_first_import_leaves_nothing(refused, bucket, server, tmp_path):
    (tmp_path / "bad.fasta").write_text(">a\nMELT\n")
    refused(["import", tmp_path / "bad.fasta", "--to", bucket], "'E'")
    assert objects(server, tmp_path.name) == []


def test_what_is_not_there(refused, bucket, tmp_path):
    refused(["info", bucket], f"There is no collection at {bucket}", "ribospace import")
    refused(["embed", bucket, "--model", "kmer2"], "There is no collection")
    refused(["info", "ftp://host/c"], "cannot be read", "ftp")
    refused(["info", "memory://c"], "would be gone")
    refused(["import", "sample", "--to", "s3://no-such-bucket/c"], "no-such-bucket")
    Collection.create(bucket)
    with pytest.raises(UserError, match="exists and is not empty"):
        Collection.create(bucket)


def test_one_writer_at_a_time_on_this_machine(bucket, molecules):
    store = Collection.create(bucket)
    with store.writing():
        with pytest.raises(UserError, match=f"Another command is writing to {bucket}"):
            Collection.open(bucket).append([molecules(3)])
