"""What servers answer: RNAcentral, EBI Search, whatever their bytes, counts and types."""

import itertools
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.collection import Collection
from ribospace.errors import Unavailable, UserError
from ribospace.fetching.coverage import Coverage
from ribospace.fetching.crawl import Crawl
from ribospace.fetching.fetch import fetch
from ribospace.net.client import Broken, Client, retry_after
from ribospace.sources.rnacentral import Query, read_entry, read_hits, read_page, records_of
from tests.fuzzing.surviving import JSON, bounded_memory, cases, changed, mutated, survives
from tests.rnacentral_server import entry

ENTRY = {key: value for key, value in entry(7).items() if not key.startswith("_")}
HITS = {"hitCount": 2, "entries": [{"id": "URS0000000001_9606"}, {"id": "URS0000000002_9606"}]}


def read(action, *arguments):
    """The answer, or None where it is refused as broken."""
    try:
        return action(*arguments)
    except Broken:
        return None


@cases(300)
@given(body=changed(ENTRY) | JSON)
def test_any_entry(body):
    if (found := read(read_entry, json.loads(json.dumps(body)))) is not None:
        assert len(records_of([found])) == 1


@cases(150)
@given(body=changed({"next": None, "results": [ENTRY, ENTRY]}) | JSON, hits=changed(HITS) | JSON)
def test_any_page(body, hits):
    if found := read(read_page, json.loads(json.dumps(body))):
        assert len(records_of(found)) == len(found)
    read(read_hits, json.loads(json.dumps(hits)))


@cases(100)
@given(
    text=st.text(max_size=40) | st.sampled_from(["inf", "nan", "-1", "1e999", "Thu, 01 Jan 99999999999 00:00:00 GMT"])
)
def test_any_retry_after(text):
    assert 0 <= retry_after(text) <= 600


def answering(answer) -> Client:
    """A client whose server is this function of a request."""
    client = Client(attempts=2, back_off=0.0001, per_second=1e6, timeout=5)
    client._http = httpx.Client(transport=httpx.MockTransport(answer))
    return client


@cases(100)
@given(
    seed=st.integers(0, 2**64),
    status=st.sampled_from([200, 200, 200, 204, 301, 404, 418, 500]),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "content-encoding", "location", "retry-after", "content-length"]),
        st.sampled_from(["gzip", "br", "zstd", "http://[", "/", "0", "application/json", "text/html; charset=x", "-5"]),
    ),
)
def test_any_http(seed, status, headers):
    body = mutated(json.dumps({"results": [ENTRY]}).encode(), seed)
    headers.pop("content-length", None)
    with answering(lambda request: httpx.Response(status, headers=headers, content=body)) as client:
        survives(client.json, "http://127.0.0.1/x", {"page": 1}, read_page)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"results": [' + "1e999," * 1000, "\ufeff{}", "NaN", ""])
def test_json_that_cannot_be_read(text):
    with answering(lambda request: httpx.Response(200, text=text)) as client:
        with pytest.raises(Unavailable):
            client.json("http://127.0.0.1/x", None, read_page)


def test_an_answer_without_end(monkeypatch):
    monkeypatch.setattr("ribospace.net.client.MOST_BYTES", 1 << 20)
    endless = (b" " * 65536 for _ in itertools.count())
    with answering(lambda request: httpx.Response(200, content=endless)) as client:
        with bounded_memory(1 << 30), pytest.raises(Unavailable, match="larger than"):
            client.json("http://127.0.0.1/x")


def test_a_search_that_counts_hits_without_end(tmp_path):
    asked = itertools.count()

    def answer(request):
        assert next(asked) < 2000, "it asks without end"
        if "ebisearch" in request.url.path:
            return httpx.Response(200, json={"hitCount": 10**15, "entries": [{"id": "URS0000000007_9606"}]})
        return httpx.Response(200, json=ENTRY)

    store = Collection.create(tmp_path / "fetched")
    done = fetch(store, Query(("tRNA",)), search="http://127.0.0.1/ebisearch", api="http://127.0.0.1/api/v1",
                 client=answering(answer))  # fmt: skip
    assert not done.complete
    assert done.missing
    assert len(store) == 1


def test_a_list_that_gives_the_same_page_for_ever():
    asked = itertools.count()

    def get(number, size):
        if next(asked) > 3000:
            raise UserError("it asks without end")
        return [{"id": f"URS{n:010X}", "sequence": "ACGU"} for n in range(size, 0, -1)]

    seen = sum(len(page) for page in Crawl(get, Coverage(), 50, most=None).read())
    assert next(asked) < 3000
    assert seen >= 50
