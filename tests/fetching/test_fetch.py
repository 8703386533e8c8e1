"""Fetching from a server of our own: complete, checked, resumed, and honest about what is missing."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from ribospace.collection import Collection
from ribospace.errors import Unavailable, UserError
from ribospace.fetching.fetch import fetch
from ribospace.net.client import Client
from ribospace.records import md5_of
from ribospace.sources.rnacentral import Query, read_entry, read_hits, read_page
from tests.rnacentral_server import entry, serving, world
from tests.systems import posix_only

EVERYTHING = Query()


def bring(store, url, query=EVERYTHING, **options):
    client = Client(per_second=5000, back_off=0.005, timeout=0.5, attempts=options.pop("attempts", 7))
    return fetch(
        store, query, api=f"{url}/api/v1", search=f"{url}/ebisearch/ws/rest/rnacentral", client=client, **options
    )


def ids_of(store):
    return store.table(["id"])["id"].to_pylist()


@pytest.fixture
def empty(tmp_path):
    return Collection.create(tmp_path / "fetched")


def test_every_field(empty):
    with serving(world(123)) as url:
        done = bring(empty, url)
    assert (done.added, done.known, done.complete, done.missing) == (123, 0, True, [])
    rows = empty.table().to_pylist()
    assert [row["id"] for row in rows] == [entry(n)["rnacentral_id"] for n in range(123, 0, -1)]
    for row, number in zip(rows, range(123, 0, -1), strict=True):
        one = entry(number)
        assert row["sequence"] == one["sequence"]
        assert row["md5"] == one["md5"] == md5_of(one["sequence"])
        assert (row["length"], row["rna_type"], row["description"]) == (
            one["length"],
            one["rna_type"],
            one["description"],
        )
        assert row["databases"] == ",".join(sorted(one["distinct_databases"]))
        assert row["organisms"] == one["count_distinct_organisms"]
        assert row["source"] == "RNAcentral"


@pytest.mark.parametrize("kind", ["500", "429", "cut", "html", "md5"])
def test_faults_that_pass_cost_nothing(empty, kind):
    chance = random.Random(kind)
    with serving(world(300, fault=lambda path, asked, before: kind if chance.random() < 0.2 else None)) as url:
        assert bring(empty, url).complete
    assert len(empty) == len(set(ids_of(empty))) == 300


def test_a_wrong_md5_never_comes_in(empty):
    """Page 2's last entry has a wrong md5 for ever: the page is missing and said, and had once it is mended."""
    here = world(30, fault=lambda path, asked, before: "md5" if asked.get("page") == "2" else None)
    with serving(here) as url:
        done = bring(empty, url, page_size=10, attempts=2)
        assert not done.complete
        assert "does not fit its md5" in done.missing[0]["reason"]
        assert "page 2" in done.missing[0]["reason"]
        assert len(empty) == 20
        state = json.loads((empty.path / "fetch.json").read_text())
        assert next(iter(state.values()))["missing"] == done.missing
        here.fault = lambda path, asked, before: None
        here.arrive(17)
        again = bring(empty, url, page_size=10)
    assert again.complete
    assert again.missing == []
    assert sorted(ids_of(empty)) == sorted(one["rnacentral_id"] for one in here.entries)


def test_new_entries_during_and_between_runs(empty):
    here = world(400, arrivals={5: 3, 9: 70, 14: 1, 18: 1, 25: 10})
    with serving(here) as url:
        bring(empty, url, page_size=20)
        here.arrive(55)
        here.asked.clear()
        done = bring(empty, url, page_size=20)
    assert done.added == 55
    assert sorted(ids_of(empty)) == sorted(one["rnacentral_id"] for one in here.entries)
    assert len(here.asked) < 15


def test_what_is_known_already_is_kept(empty, molecules):
    from ribospace.records import record_batch

    mine = record_batch([entry(5)["rnacentral_id"]], [entry(5)["sequence"]], {"description": ["mine"]})
    empty.append([mine])
    with serving(world(10)) as url:
        done = bring(empty, url)
    assert (done.added, done.known) == (9, 1)
    assert empty.count("description = 'mine'") == 1


def test_inactive_entries_are_left_out(empty):
    here = world(10)
    here.entries[3]["is_active"] = False
    with serving(here) as url:
        done = bring(empty, url)
    assert (done.added, done.inactive, done.complete) == (9, 1, True)


def test_lengths_go_to_the_rest_api(empty):
    here = world(200)
    with serving(here) as url:
        bring(empty, url, Query(min_length=50, max_length=60))
    expected = [one["rnacentral_id"] for one in here.entries if 50 <= one["length"] <= 60]
    assert ids_of(empty) == expected


@pytest.mark.parametrize(
    "query",
    [Query(("tRNA",)), Query(("tRNA", "rRNA"), (9606,)), Query(taxids=(562, 10090)), Query(("snRNA",), max_length=70)],
)
def test_searches(empty, query):
    here = world(350)
    with serving(here) as url:
        done = bring(empty, url, query)
        assert done.complete
        assert bring(empty, url, query).added == 0
    expected = {
        f"{one['rnacentral_id']}_{one['_taxid']}"
        for one in here.entries
        if (not query.rna_types or one["rna_type"] in query.rna_types)
        and (not query.taxids or one["_taxid"] in query.taxids)
        and one["length"] <= (query.max_length or 999)
    }
    assert set(ids_of(empty)) == expected
    assert len(empty) == len(expected)
    row = empty.table(limit=1).to_pylist()[0]
    assert row["id"].endswith(f"_{row['taxid']}")
    assert row["species"] in ("Homo sapiens", "Mus musculus", "Escherichia coli")


def test_a_search_while_new_entries_arrive(empty):
    """Hits shift on while they are listed; as the count says that some were not seen, they are listed again."""
    here = world(600, arrivals={2: 30, 8: 90})
    with serving(here) as url:
        assert bring(empty, url, Query(("tRNA",))).complete
    assert {one[:13] for one in ids_of(empty)} == {e["rnacentral_id"] for e in here.entries if e["rna_type"] == "tRNA"}


def test_a_search_says_what_it_could_not_have_and_asks_again(empty):
    one = entry(9)["rnacentral_id"]
    here = world(60, fault=lambda path, asked, before: "500" if one in path else None)
    with serving(here) as url:
        done = bring(empty, url, Query(("tRNA",)), attempts=2)
        assert [missed["what"] for missed in done.missing] == [f"{one}_{entry(9)['_taxid']}"]
        assert not done.complete
        here.fault = lambda path, asked, before: None
        assert bring(empty, url, Query(("tRNA",))).added == 1


def test_limits(empty):
    with serving(world(500)) as url:
        assert bring(empty, url, limit=120).added == 120
        assert bring(empty, url, limit=120).added == 0
        assert bring(empty, url, limit=130).added == 10
        assert bring(empty, url, Query(("tRNA",)), limit=33).added == 33
    assert ids_of(empty)[:130] == [entry(n)["rnacentral_id"] for n in range(500, 370, -1)]


def test_two_queries_keep_apart(empty):
    with serving(world(100)) as url:
        bring(empty, url, Query(max_length=60))
        bring(empty, url, Query(min_length=50))
        assert bring(empty, url).complete
    assert len(empty) == len(set(ids_of(empty))) == 100


def test_a_damaged_state_only_costs_time(empty):
    with serving(world(100)) as url:
        bring(empty, url, limit=40)
        (empty.path / "fetch.json").write_text('{"http', encoding="utf-8")
        assert bring(empty, url).added == 60
    assert len(set(ids_of(empty))) == 100


def test_nothing_is_left_where_nothing_came(tmp_path):
    store = Collection.open_or_create(tmp_path / "new" / "one")
    with pytest.raises(Unavailable, match="no connection"):
        bring(store, "http://127.0.0.1:9", attempts=1)
    assert not (tmp_path / "new").exists()


def test_what_came_before_the_server_died_stays(empty):
    here = world(2000)
    here.fault = lambda path, asked, before: "500" if len(here.asked) > 30 else None
    with serving(here) as url:
        with pytest.raises(Unavailable):
            bring(empty, url, attempts=1)
        came = len(empty)
        assert came > 500
        here.fault = lambda path, asked, before: None
        assert bring(empty, url).added == 2000 - came
    assert len(set(ids_of(empty))) == 2000


PROGRAM = """
import sys
import time
from ribospace.collection import Collection
from ribospace.fetching.fetch import fetch
from ribospace.net.client import Client
from ribospace.sources.rnacentral import Query
url, path = {url!r}, {path!r}
store = Collection.open_or_create(path)
print("begun", flush=True)
done = fetch(
    store, Query({query}), api=url + "/api/v1", search=url + "/ebisearch/ws/rest/rnacentral", page_size=20,
    client=Client(per_second=400, back_off=0.005, timeout=1), commit_seconds=0.05,
    progress=lambda done, total, note="": print(done, flush=True),
)
assert done.complete, done
"""


@pytest.mark.slow
@pytest.mark.parametrize(("query", "lines"), [("", 60), ("('tRNA',)", 2)])
def test_killed_ten_times_it_is_as_if_never_killed(tmp_path, killed_again_and_again, query, lines):
    """New entries arrive all the while, pages fail and bodies break; the two collections hold the same rows."""
    chance = random.Random(3)
    here = world(
        2400, fault=lambda path, asked, before: chance.choice(["500", "cut", "md5"]) if chance.random() < 0.05 else None
    )
    path = tmp_path / "killed"
    with serving(here) as url:

        def check():
            here.arrive(chance.randint(0, 30))
            if path.exists() and any(path.glob("*.lance")):
                ids = ids_of(Collection.open_or_create(path))
                assert len(ids) == len(set(ids))

        moments = [chance.randint(0, lines) for _ in range(10)]
        kills = killed_again_and_again(PROGRAM.format(url=url, path=str(path), query=query), moments, check)
        assert kills >= 5
        whole = Collection.create(tmp_path / "whole")
        here.fault = lambda path, asked, before: None
        bring(whole, url, Query(*eval(f"({query},)") if query else ()))
    killed = Collection.open(path).table().sort_by("id")
    assert killed.equals(whole.table().sort_by("id"))
    assert len(killed) >= 800


def test_interrupted_it_keeps_what_came(empty):
    class Interrupt(Exception):
        pass

    def stop(done, total, note=""):
        if done >= 100:
            raise KeyboardInterrupt

    with serving(world(500)) as url:
        with pytest.raises(KeyboardInterrupt):
            bring(empty, url, progress=stop)
        assert len(empty) == 100
        assert bring(empty, url).added == 400


@pytest.mark.parametrize(
    "body", [None, [], {}, {"results": None}, {"results": [1]}, {"results": [{"rnacentral_id": "X"}]}, "text"]
)
def test_what_is_no_page_is_broken(body):
    from ribospace.net.client import Broken

    with pytest.raises(Broken):
        read_page(body)
    with pytest.raises(Broken):
        read_hits(body)


def test_entries_are_checked():
    from ribospace.net.client import Broken

    good = entry(7)
    assert read_entry(good)["id"] == good["rnacentral_id"]
    assert read_entry({**good, "sequence": good["sequence"].replace("U", "T").lower()})["sequence"] == good["sequence"]
    assert read_entry({**good, "taxid": 9606})["id"].endswith("_9606")
    for wrong in (
        {"sequence": ""},
        {"sequence": good["sequence"][:-1]},
        {"md5": "0"},
        {"length": 3},
        {"sequence": "MKV!"},
    ):
        with pytest.raises(Broken):
            read_entry({**good, **wrong})


def test_queries_that_cannot_be():
    with pytest.raises(UserError, match="tRNA"):
        Query(("trna",))
    with pytest.raises(UserError, match="at least 50"):
        Query(min_length=50, max_length=20)
    assert sys.version_info >= (3, 11)


@posix_only("another process cannot be sent SIGINT")
def test_control_c_is_answered_while_the_server_is_down(tmp_path):
    """Without care a wait in the main thread is not woken, and this would last until the retries are used up."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # a background job ignores it
        "from ribospace.cli import main; import sys; "
        "sys.argv = ['ribospace', 'fetch', '--to', sys.argv[1], '--base-url', sys.argv[2]]; main()"
    )
    here = world(
        50, fault=lambda path, asked, before: "429" if asked.get("page_size") != "1" else None, retry_after="60"
    )
    with serving(here) as url:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "c"), f"{url}/api/v1"],
            stderr=subprocess.PIPE,
            text=True,
        )
        while not any("page_size=50" in path for path in here.pages()):
            time.sleep(0.05)
        try:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:  # seen twice in whole suites, never alone: Ctrl-C has to be pressed again
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Interrupted" in said
    assert not (tmp_path / "c").exists()


def test_a_commit_that_fails_half_way_is_not_made_twice(empty, monkeypatch):
    from ribospace.collection import append
    from ribospace.collection.intake import intake
    from ribospace.records import record_batch

    monkeypatch.setattr(append, "COMMIT_BYTES", 1)
    write, written = append.write, []

    def full_once(collection, batches):
        if len(written) == 1:
            written.append(None)
            raise OSError(28, "No space left on device")
        written.append(batches)
        write(collection, batches)

    monkeypatch.setattr(append, "write", full_once)
    with intake(empty) as taken:
        taken.add(record_batch(["a"], ["ACGU"]))
        taken.add(record_batch(["b"], ["GGCC"]))
        with pytest.raises(UserError, match="full"):
            taken.commit()
        taken.commit()
    assert ids_of(empty) == ["a", "b"]
