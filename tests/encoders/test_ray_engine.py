"""Embedding by workers on Ray: as the local engine does it, whoever is killed and whoever else writes."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.collection import shares as shares_of
from ribospace.collection.columns import begin_embedding, write_vectors
from ribospace.collection.rows import delete_rows
from ribospace.collection.shares import commit_fragments, open_version, read_share, shares_left, write_fragment
from ribospace.encoders import embed_collection, find_encoder, ray_engine
from ribospace.encoders.kmer import KmerEncoder
from ribospace.encoders.ray_engine import embed_on_ray
from ribospace.errors import Unavailable, UserError
from tests.systems import posix_only

#: An encoder of another package, so that workers find it by name: it takes its time, and can be told to misbehave.
SLOW = """
import os, time
from pathlib import Path
import numpy as np
from ribospace.encoders import Encoder, Family
from ribospace.encoders.kmer import KmerEncoder

HERE = Path(__file__).parent

class Slow(Encoder):
    name, pooling, width, piece = "slow", "none", 4, 256

    def __init__(self):
        self.revision = (HERE / "revision").read_text()

    def encode(self, tokens):
        with open(HERE / f"{os.getpid()}.pid", "a") as file:
            file.write(f"{len(tokens)}\\n")
        try:
            (HERE / "hold").rename(HERE / f"{os.getpid()}.held")
            time.sleep(1000)
        except FileNotFoundError:
            pass
        if (HERE / "deadly").exists():
            os.kill(os.getpid(), 9)
        if (HERE / "broken").exists():
            return np.full((len(tokens), 4), np.nan, dtype=np.float32)
        time.sleep(0.15)
        return KmerEncoder(1).encode(tokens)

FAMILY = Family(lambda argument, pooling: Slow(), "Takes its time", "4")
"""
TOLD = ("hold", "deadly", "broken")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package of the encoder `slow`, as pip would install it."""
    folder = tmp_path_factory.mktemp("package")
    about = folder / "slow-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[ribospace.encoders]\nslow = slow_encoder:FAMILY\n")
    (folder / "slow_encoder.py").write_text(SLOW)
    return folder


@pytest.fixture(scope="module")
def environment(package):
    """Of processes that find the package and this source tree."""
    import ribospace

    places = [str(package), str(Path(ribospace.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(one for one in places if one))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "token")  # Ray's default; a token of its own, not one in the home folder
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
        patch.delenv("RAY_ADDRESS", raising=False)
        yield dict(os.environ)


@pytest.fixture(scope="module")
def cluster(environment):
    """A Ray of two processors, with nothing else on it; its address."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ribospace[ray]'")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    found = ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, **quiet)
    yield found.address_info["address"]
    ray.shutdown()


@pytest.fixture
def slow(package, monkeypatch):
    """The encoder `slow`; the folder in which it notes what it was given, and looks for what to do."""
    for path in [*package.glob("*.pid"), *package.glob("*.held"), *(package / one for one in TOLD)]:
        path.unlink(missing_ok=True)
    (package / "revision").write_text("1")
    monkeypatch.syspath_prepend(package)
    return package


@pytest.fixture
def store(tmp_path, molecules):
    """1,500 molecules in two fragments, three deleted, and 200 which have a vector of `slow` and of `kmer2` already."""
    store = Collection.create(tmp_path / "collection")
    store.append([molecules(900, "a", 1)])
    store.append([molecules(600, "b", 2)])
    remove = np.zeros(1500, dtype=bool)
    remove[[0, 400, 1499]] = True
    delete_rows(store, remove)
    rows = store.lance().get_fragment(0).to_table(columns=["sequence"], with_row_id=True).slice(300, 200)
    for encoder, k in ((KmerEncoder(2).info(), 2), (KmerEncoder(1).info("slow"), 1)):
        info = encoder if k == 2 else type(encoder)("slow", "slow", "1", "none", 4)
        begin_embedding(store, info)
        write_vectors(store, info.column, 0, rows["_rowid"].to_numpy(), vectors_of(rows, k))
    return store


def vectors_of(table, k=1):
    return KmerEncoder(k).encode(tokenize(table["sequence"].combine_chunks()))


def require_all(store, column="slow", k=1, missing=0):
    """Every molecule has its own vector, but those of the last `missing`."""
    table = Collection.open(store.path).table(["id", "sequence", column])
    have = len(table) - missing
    assert table[column].is_valid().to_numpy().tolist() == [True] * have + [False] * missing
    ids, vectors = Collection.open(store.path).embedding(column)
    assert ids == table["id"].to_pylist()[:have]
    np.testing.assert_array_equal(vectors, vectors_of(table.slice(0, have), k))


def workers(folder):
    """Process ids, and how many molecules each was given."""
    return {int(one.stem): sum(map(int, one.read_text().split())) for one in folder.glob("*.pid")}


# ---------------------------------------------------------------- without Ray


def test_shares_are_read_and_written_by_row(store):
    shares = list(shares_left(store, "kmer2", 250))
    assert [share.missing for share in shares] == [250, 250, 198, 250, 250, 99]
    written, dataset = {}, open_version(store.lance().uri, shares[0].version)
    for share in shares:
        rows, sequences = read_share(dataset, "kmer2", share)
        assert len(rows) == len(sequences) == share.missing
        written.setdefault(share.fragment, []).append((rows, KmerEncoder(2).encode(tokenize(sequences))))
    done = [write_fragment(dataset, "kmer2", fragment, parts) for fragment, parts in written.items()]
    assert store.count("kmer2 IS NULL") == 1297
    assert commit_fragments(dataset, done)
    require_all(store, "kmer2", 2)


def test_a_write_that_was_overtaken_is_not_committed(store):
    share = next(shares_left(store, "kmer2", 250))
    dataset = open_version(store.lance().uri, share.version)
    rows, sequences = read_share(dataset, "kmer2", share)
    written = write_fragment(dataset, "kmer2", 0, [(rows, KmerEncoder(2).encode(tokenize(sequences)))])
    store._table.delete("id = 'a7'")
    assert not commit_fragments(dataset, [written])
    assert store.count("kmer2 IS NULL") == 1296
    assert store.count("id = 'a7'") == 0


def test_letters_of_a_share_are_bounded(store, monkeypatch):
    monkeypatch.setattr(shares_of, "PIECE_LETTERS", 500)
    shares = list(shares_left(store, "kmer2", 10_000))
    assert sum(share.missing for share in shares) == 1297
    assert max(share.missing for share in shares) < 40


def test_ray_that_is_not_installed(store, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(["embed", store.path, "--model", "kmer1", "--engine", "ray"], "pip install 'ribospace[ray]'")
    assert "kmer1" not in store.embeddings


def test_what_ray_is_not_for(store, refused, tmp_path):
    (tmp_path / "a.fa").write_text(">a\nACGU\n")
    ray = ["--model", "kmer1", "--engine", "ray"]
    refused(["embed", tmp_path / "a.fa", *ray], "embeds a collection, in place", "ribospace import")
    refused(["embed", tmp_path / "a.fa", *ray, "--out", tmp_path / "a.npy"], "embeds a collection, in place")
    refused(["embed", store.path, "--model", "kmer1", "--address", "auto"], "add --engine ray")
    refused(["embed", store.path, "--model", "kmer1", "--engine", "rya"], "Did you mean ray")


# ---------------------------------------------------------------- on Ray


@pytest.mark.parametrize("model", ["kmer2", "random:3"])
def test_vectors_are_those_of_the_local_engine(store, cluster, model, monkeypatch):
    encoder, told = find_encoder(model), []
    before = store.count(f"{encoder.column} IS NOT NULL") if encoder.column in store.schema.names else 0
    done = embed_on_ray(store, encoder, progress=lambda done, total, note="": told.append((done, total)))
    assert (done.column, done.embedded, done.before) == (encoder.column, 1497 - before, before)
    assert (told[0], told[-1]) == ((0, 1497 - before), (1497 - before, 1497 - before))
    embed_collection(store, encoder, column="local")
    ids, vectors = store.embedding(encoder.column)
    assert (ids, len(ids)) == (store.embedding("local")[0], 1497)
    np.testing.assert_allclose(vectors, store.embedding("local")[1], atol=0 if model == "kmer2" else 1e-5)
    again = embed_on_ray(store, encoder)
    assert (again.embedded, again.before) == (0, 1497)


def test_one_commit_for_all_fragments(store, cluster, monkeypatch):
    monkeypatch.setattr(Collection, "tidy", lambda self: None)
    versions = store.lance().version
    embed_on_ray(store, KmerEncoder(2), half=True)
    assert store.lance().version == versions + 1
    assert store.count("kmer2 IS NULL") == 0


@posix_only("no SIGKILL")
def test_a_worker_that_is_killed_has_its_share_done_again(store, cluster, slow):
    killed, told = [], []

    def kill(done, total, note=""):
        if not told and done:
            told.append(done)
            (slow / "hold").touch()  # the next share is never finished by the worker that has it
        for path in slow.glob("*.held"):
            killed.append(int(path.stem))
            path.unlink()
            os.kill(killed[0], signal.SIGKILL)

    done = embed_on_ray(store, find_encoder("slow"), progress=kill)
    assert (done.embedded, done.before, len(killed)) == (1297, 200, 1)
    given = workers(slow)
    assert len(given) == 3  # two, and the one in place of the killed
    assert sum(given.values()) > 1297
    require_all(store)


def test_a_share_that_kills_every_worker(store, cluster, slow, monkeypatch):
    monkeypatch.setattr(ray_engine, "RETRIES", 1)
    (slow / "deadly").touch()
    with pytest.raises(Unavailable, match=r"A worker was lost 2 times.*memory enough"):
        embed_on_ray(store, find_encoder("slow"))
    (slow / "deadly").unlink()
    embed_on_ray(store, find_encoder("slow"))
    require_all(store)


def test_molecules_that_come_meanwhile_are_kept(store, cluster, slow, molecules, monkeypatch):
    monkeypatch.setattr(ray_engine.engine, "WRITE_SECONDS", 0.3)
    fresh = molecules(11, "new", 5)

    def append(done, total, note=""):
        if 0 < done < total and store.count("id = 'new0'") == 0:
            store._table.add(pa.Table.from_batches([fresh]))  # as another machine would

    assert embed_on_ray(store, find_encoder("slow"), progress=append).embedded == 1297
    require_all(store, missing=11)
    embed_on_ray(store, find_encoder("slow"))
    require_all(store)


@pytest.mark.parametrize("how", ["delete", "compact", "column"])
def test_what_others_change_meanwhile_is_gone_with(store, cluster, slow, how):
    changed = []

    def change(done, total, note=""):
        if changed or not 0 < done < total:
            return
        changed.append(how)
        if how == "delete":
            store._table.delete("id = 'a3' OR id = 'b500'")
        elif how == "column":
            store._table.add_columns({"note": "'x'"})
        else:
            store.lance().optimize.compact_files(target_rows_per_fragment=10_000)

    embed_on_ray(store, find_encoder("slow"), progress=change)
    assert changed == [how]
    assert len(store) == (1495 if how == "delete" else 1497)
    require_all(store)
    assert how != "column" or store.count("note = 'x'") == 1497


def test_a_write_is_tried_again_but_not_for_ever(store, cluster, monkeypatch):
    monkeypatch.setattr(ray_engine, "commit_fragments", lambda dataset, written: False)
    monkeypatch.setattr(ray_engine, "COMMITS", 2)
    with pytest.raises(UserError, match="could not be committed"):
        embed_on_ray(store, KmerEncoder(2))
    assert store.count("kmer2 IS NULL") == 1297


def test_another_encoder_on_the_worker_is_refused(store, cluster, slow):
    encoder = find_encoder("slow")
    (slow / "revision").write_text("2")
    with pytest.raises(UserError, match=r"'slow' is revision 2 on the machine .* and 1 where the command was given"):
        embed_on_ray(store, encoder)
    assert store.count("slow IS NULL") == 1297


def test_an_encoder_that_gives_nan_writes_nothing(store, cluster, slow):
    (slow / "broken").touch()
    with pytest.raises(UserError, match=r"^The encoder of 'slow' gave NaN"):
        embed_on_ray(store, find_encoder("slow"))
    assert store.count("slow IS NULL") == 1297


def test_a_second_writer_is_refused(store, cluster):
    with store.writing(), pytest.raises(UserError, match="Another command is writing"):
        embed_on_ray(Collection.open(store.path), KmerEncoder(2))


# ---------------------------------------------------------------- the command, in a process of its own


@pytest.fixture
def command(store, cluster, slow, environment):
    """`ribospace embed` on the cluster, in its own process group, or in a Ray of its own."""
    processes = []

    def start(*arguments):
        program = [sys.executable, "-m", "ribospace", "embed", str(store.path), "--engine", "ray", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(program, env=environment, start_new_session=True, **pipes))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def alive(pids):
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@posix_only("no process groups that a signal reaches")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"], ids=["killed", "Ctrl-C"])
def test_a_driver_that_ends_early_is_run_again(store, cluster, slow, command, how):
    process = command("--model", "slow", "--address", cluster)
    wait_for(lambda: sum(workers(slow).values()) > 500)
    os.killpg(process.pid, getattr(signal, how))
    out, said = process.communicate(timeout=60)
    if how == "SIGINT":
        assert (process.returncode, out) == (1, "")
        assert said == "Error: Interrupted. What was committed stays; run the same command again to go on.\n"
    assert 0 < store.count("slow IS NULL") <= 1297
    wait_for(lambda: not alive(workers(slow)))
    again = command("--model", "slow", "--address", cluster, "--json")
    out, said = again.communicate(timeout=120)
    assert (again.returncode, said) == (0, ""), said
    assert '"width": 4' in out
    require_all(store)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked for in Linux's /proc")
def test_a_ray_of_its_own_leaves_nothing_behind(store, command, environment):
    environment["RIBOSPACE_TEST"] = mark = secrets.token_hex(8)
    process = command("--model", "kmer2", "--json")
    wait_for(lambda: len(marked(mark)) > 3)
    out, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, ""), said
    assert '"embedded": 1297, "before": 200' in out
    require_all(store, "kmer2", 2)
    wait_for(lambda: not marked(mark), 20)


def marked(mark):
    """Processes with a mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            found += [path.parent.name] if mark.encode() in path.read_bytes() else []
    return found


def test_a_machine_that_does_not_see_the_collection(store):
    with pytest.raises(UserError, match=r"The machine .* cannot read /nowhere/rnas: .* a shared folder"):
        open_version("/nowhere/rnas", 1)


def test_a_cluster_that_does_not_answer(store, command):
    for address, words in (("127.0.0.1:1", "No Ray cluster answers at 127.0.0.1:1"), ("nowhere", "cannot be used")):
        process = command("--model", "kmer2", "--address", address)
        out, said = process.communicate(timeout=60)
        assert process.returncode in (1, 2)
        assert said.startswith("Error: ")
        assert (out, said.count("\n"), words in said) == ("", 1, True), said
