import hashlib
import re
import threading

import numpy as np
import pytest

from ribospace.errors import Unavailable, UserError
from ribospace.net.client import NotFound
from ribospace.net.download import download
from tests.file_server import serving

BODY = np.random.default_rng(0).bytes(3_000_000)
OTHER = np.random.default_rng(1).bytes(2_500_000)


@pytest.fixture
def server():
    with serving() as one:
        one.files["/d/a.gz"] = BODY
        yield one


@pytest.fixture
def fetch(server, tmp_path):
    def execute(path="/d/a.gz", **options):
        options = {"attempts": 3, "back_off": 0.001, "timeout": 2.0} | options
        return download(server.url + path, tmp_path / "cache" / "a.gz", **options)

    return execute


def left(path):
    return sorted(file.name for file in path.parent.iterdir() if not file.name.endswith(".lock"))


def test_a_file_comes_whole(fetch, server):
    said = []
    path = fetch(progress=lambda done, total, note="": said.append((done, total)))
    assert path.read_bytes() == BODY
    assert left(path) == ["a.gz", "a.gz.json"]
    assert said[-1] == (len(BODY), len(BODY))


def test_what_is_there_is_fetched_again_only_if_the_server_has_another(fetch, server):
    fetch()
    assert fetch().read_bytes() == BODY
    assert server.asked("/d/a.gz") == [(None, 200), (None, 304)]
    server.files["/d/a.gz"] = OTHER
    path = fetch()
    assert path.read_bytes() == OTHER
    assert left(path) == ["a.gz", "a.gz.json"]


def test_what_is_there_serves_without_a_server(fetch, server):
    fetch()
    server.faults["/d/a.gz"].extend(["503"] * 3)
    assert fetch().read_bytes() == BODY


def test_a_body_that_is_cut_is_gone_on_with(fetch, server):
    server.faults["/d/a.gz"].extend(["cut 1000000", "cut 500000"])
    assert fetch().read_bytes() == BODY
    assert server.asked("/d/a.gz") == [(None, 200), ("bytes=1000000-", 206), ("bytes=1500000-", 206)]


def test_bytes_that_come_begin_the_attempts_anew(fetch, server):
    server.faults["/d/a.gz"].extend(["cut 100000"] * 10)
    assert fetch().read_bytes() == BODY


def test_another_run_goes_on(fetch, server):
    server.faults["/d/a.gz"].append("cut 1000000")
    with pytest.raises(Unavailable, match="the answer broke off"):
        fetch(attempts=1)
    assert fetch().read_bytes() == BODY
    assert server.asked("/d/a.gz")[-1] == ("bytes=1000000-", 206)


def test_a_part_that_is_whole_is_not_asked_for(fetch, server, tmp_path):
    fetch()
    for ending in ("", ".json"):
        (tmp_path / f"cache/a.gz{ending}").rename(tmp_path / f"cache/a.gz.part{ending}")
    assert fetch().read_bytes() == BODY
    assert server.asked("/d/a.gz") == [(None, 200)]


@pytest.mark.parametrize("ranges", [True, False])
def test_another_file_between(fetch, server, ranges):
    server.ranges = ranges
    server.faults["/d/a.gz"].append("cut 1000000")
    with pytest.raises(Unavailable):
        fetch(attempts=1)
    server.files["/d/a.gz"] = OTHER
    assert fetch().read_bytes() == OTHER


def test_a_part_that_is_longer_than_the_servers_file(fetch, server, tmp_path):
    server.faults["/d/a.gz"].append("cut 1000000")
    with pytest.raises(Unavailable):
        fetch(attempts=1)
    (tmp_path / "cache/a.gz.part").write_bytes(BODY + b"more")
    assert fetch().read_bytes() == BODY
    assert [status for _, status in server.asked("/d/a.gz")] == [200, 416, 200]


@pytest.mark.parametrize("fault", ["whole", "elsewhere"])
def test_a_server_that_ignores_or_mistakes_ranges(fetch, server, fault):
    server.faults["/d/a.gz"].extend(["cut 1000000", fault])
    assert fetch().read_bytes() == BODY


def test_a_server_without_validators_is_asked_for_all(fetch, server):
    server.tags = False
    server.faults["/d/a.gz"].append("cut 1000000")
    assert fetch().read_bytes() == BODY
    assert server.asked("/d/a.gz") == [(None, 200), (None, 200)]


@pytest.mark.parametrize("fault", ["503", "429 0.05", "late 0.4"])
def test_what_may_pass_is_tried_again(fetch, server, fault):
    server.faults["/d/a.gz"].extend([fault] * 2)
    assert fetch(timeout=0.2).read_bytes() == BODY


@pytest.mark.parametrize(
    ("fault", "reason"), [("503", "HTTP 503"), ("late 0.4", "no answer in time"), ("cut 0", "the answer broke off")]
)
def test_it_gives_up_in_a_sentence(fetch, server, fault, reason):
    server.faults["/d/a.gz"].extend([fault] * 3)
    with pytest.raises(Unavailable, match=rf"a\.gz could not be had in 3 attempts: {reason}.*Check the network"):
        fetch(timeout=0.2)


def test_what_does_not_pass_is_not_tried_again(fetch, server):
    with pytest.raises(NotFound, match=r"/d/none\.gz does not exist \(HTTP 404\)\. Check the release"):
        fetch("/d/none.gz")
    server.faults["/d/a.gz"].append("403")
    with pytest.raises(UserError, match=r"was refused \(HTTP 403\)"):
        fetch()
    assert len(server.asked("/d/a.gz")) == 1


@pytest.mark.parametrize("url", ["ftp://host/a.gz", "a.gz", "http://", "http://a:b/", ""])
def test_no_address(tmp_path, url):
    with pytest.raises(UserError, match=r"Give one that begins with https://"):
        download(url, tmp_path / "a.gz")


# ---------------------------------------------------------------- checksums


def publish(server, place, digest):
    server.files[place] = digest.encode()


@pytest.mark.parametrize("method", ["md5", "sha256"])
@pytest.mark.parametrize("place", ["/d/a.gz.{}", "/d/{}sum.txt"])
def test_a_published_checksum(fetch, server, method, place, tmp_path):
    publish(server, place.format(method), f"{hashlib.new(method, BODY).hexdigest()}  a.gz\n")
    assert fetch().read_bytes() == BODY
    server.files["/d/a.gz"] = OTHER
    with pytest.raises(Unavailable, match=rf"a\.gz came with another {method} than .*{method}.* and was removed"):
        fetch()
    assert not (tmp_path / "cache/a.gz.part").exists()
    assert (tmp_path / "cache/a.gz").read_bytes() == BODY


def test_a_checksum_that_may_be_had_later(fetch, server):
    publish(server, "/d/a.gz.md5", hashlib.md5(OTHER).hexdigest())
    server.faults["/d/a.gz.md5"].append("503")
    with pytest.raises(Unavailable, match="another md5"):
        fetch()


# ---------------------------------------------------------------- the disk


def test_a_disk_too_small_is_said_before(server, small_disk):
    disk = small_disk(1)
    with pytest.raises(UserError, match=r"needs 0\.003 GB, and the disk of .* has 0\.001 GB free\. Free some space"):
        download(f"{server.url}/d/a.gz", disk / "a.gz")


def test_a_disk_that_fills(server, small_disk, monkeypatch):
    monkeypatch.setattr("ribospace.net.download._Download._require_room", lambda *_: None)
    with pytest.raises(UserError, match=r"The disk is full: .*a\.gz was not written"):
        download(f"{server.url}/d/a.gz", small_disk(1) / "a.gz")


def test_one_at_a_time(fetch, server):
    server.slow, said = 0.01, []

    def second(done, total, note=""):
        if not said:
            with pytest.raises(UserError) as error:
                fetch()
            said.append(str(error.value))

    thread = threading.Thread(target=fetch, kwargs={"progress": second})
    thread.start()
    thread.join()
    assert re.search("Another command is fetching", said[0])
