"""The client is polite and patient: throttle, Retry-After, retries; and clear when it gives up."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ribospace.errors import Unavailable, UserError
from ribospace.net.client import Broken, Client, NotFound, retry_after
from tests.rnacentral_server import serving, world


def quick(**options):
    return Client(**{"per_second": 1000, "back_off": 0.01, "timeout": 0.5, **options})


def first(kind, times):
    """A fault of the first so many requests."""
    return lambda path, asked, before: kind if before < times else None


@pytest.mark.parametrize("kind", ["500", "503", "429", "cut", "html", "gzip", "slow"])
def test_tries_again(kind):
    with serving(world(5, fault=first(kind, 2))) as url, quick() as client:
        body = client.json(f"{url}/api/v1/rna/", {"page": 1})
    assert len(body["results"]) == 5


@pytest.mark.parametrize(
    ("kind", "said"), [("500", "HTTP 500"), ("cut", "broke off"), ("html", "not JSON"), ("429", "429")]
)
def test_gives_up_and_says_why(kind, said):
    here = world(5, fault=first(kind, 99))
    with serving(here) as url, quick(attempts=3) as client:
        with pytest.raises(Unavailable, match=said) as caught:
            client.json(f"{url}/api/v1/rna/", {"page": 1})
    assert "in 3 attempts" in str(caught.value)
    assert "page=1" in str(caught.value)
    assert len(here.asked) == 3


def test_a_dripping_answer_is_broken_off():
    with serving(world(5, fault=first("slow", 99))) as url, quick(attempts=1, timeout=0.1) as client:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="in time"):
            client.json(f"{url}/api/v1/rna/")
    assert time.monotonic() - began < 4


def test_not_found_and_refused_are_not_tried_again():
    here = world(5, fault=lambda path, asked, before: "400" if "page" in asked else None)
    with serving(here) as url, quick() as client:
        with pytest.raises(NotFound, match="404"):
            client.json(f"{url}/api/v1/rna/URS0000009999")
        with pytest.raises(UserError, match="bad query"):
            client.json(f"{url}/api/v1/rna/", {"page": 1})
    assert len(here.asked) == 2


def test_nobody_there():
    with quick(attempts=2) as client, pytest.raises(Unavailable, match="no connection"):
        client.json("http://127.0.0.1:9/")


def test_not_an_address():
    with quick(attempts=2) as client, pytest.raises(UserError, match="address"):
        client.json("rnacentral.org/api")


def test_what_the_reader_refuses_is_asked_for_again():
    seen = []

    def read(body):
        seen.append(json.dumps(body))
        if len(seen) < 3:
            raise Broken("wrong md5")
        return "good"

    with serving(world(1)) as url, quick() as client:
        assert client.json(f"{url}/api/v1/rna/", None, read) == "good"
    assert len(seen) == 3


def test_never_more_than_so_many_a_second():
    here = world(5)
    with serving(here) as url, quick(per_second=50) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.json(f"{url}/api/v1/rna/"), range(40)))
    times = sorted(moment for moment, _ in here.asked)
    assert times[-1] - times[0] >= 0.9 * 39 / 50


def test_a_strict_server_never_says_429_to_a_patient_client():
    here = world(5, per_second=24)
    with serving(here) as url, Client() as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.json(f"{url}/api/v1/rna/"), range(50)))
    assert len(here.asked) == 50


def test_retry_after_is_obeyed_by_all_threads():
    here = world(5, fault=lambda path, asked, before: "429" if len(here.asked) == 1 else None, retry_after="1")
    with serving(here) as url, quick() as client, ThreadPoolExecutor(4) as pool:
        client_started = time.monotonic()
        list(pool.map(lambda n: (time.sleep(0.05 * n), client.json(f"{url}/api/v1/rna/")), range(4)))
    late = [moment - client_started for moment, _ in here.asked[1:]]
    assert min(late) >= 0.95


def test_retry_after_in_all_its_forms():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 <= retry_after(soon) <= 30
    assert retry_after("-5") == retry_after("nan") == retry_after("") == retry_after("Mon") == 0
    assert retry_after("1e9") == 600


def test_closing_breaks_off_what_waits():
    with serving(world(1, fault=first("500", 99))) as url:
        client = quick(back_off=100)
        threading.Timer(0.3, client.close).start()
        began = time.monotonic()
        with pytest.raises(Exception, match=r"broken off|closed"):
            client.json(f"{url}/api/v1/rna/")
    assert time.monotonic() - began < 5
