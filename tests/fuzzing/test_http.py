"""The server under requests that no one would write: bytes that are no HTTP, hosts, headers, bodies, and a long walk."""

# ruff: noqa: RUF005

import contextlib
import json
import random
import socket
import threading
import time
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing.surviving import CASES, JSON, cases, mutated
from tests.web.conftest import make_collection

pytest.importorskip("fastapi", reason="the server needs the extra `web`")

PATHS = [
    "/",
    "/api/health",
    "/api/space",
    "/api/search",
    "/api/embed",
    "/api/neighbours",
    "/api/relations",
    "/api/fold",
]
PATHS += [
    "/api/composition",
    "/api/heads",
    "/api/generate",
    "/api/export",
    "/api/jobs/x",
    "/api/molecules",
    "/../etc/passwd",
]
BODIES = {
    "/api/search": {"query": "ACGU", "k": 3},
    "/api/embed": {"sequences": [{"id": "a", "sequence": "ACGU"}]},
    "/api/neighbours": {"row": 1, "k": 3},
    "/api/fold": {"sequence": "GGGAAACCC"},
    "/api/composition": {"rows": [1, 2]},
    "/api/relations": {"a": 1, "best": 2, "permutations": 1},
    "/api/heads": {"a": 0, "b": 1},
    "/api/generate": {"count": 1},
    "/api/export": {"rows": [1, 2], "format": "fasta"},
}
WHOLE = (
    b"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 24\r\n"
    b'Connection: close\r\n\r\n{"query": "ACGU", "k":3}'
)
HEADERS = st.dictionaries(
    st.sampled_from(["host", "origin", "authorization", "content-type", "content-length", "accept", "cookie", "range"])
    | st.text("abc-", min_size=1, max_size=5),
    st.sampled_from(
        [
            b"127.0.0.1",
            b"[::1]",
            b"[",
            b"http://[",
            b"a]b",
            b"\xff",
            b"http://127.0.0.1",
            b"null",
            b"Bearer",
            b"-1",
            b"9" * 30,
        ]
        + [
            b"application/json",
            b"text/plain; charset=x",
            b"multipart/form-data",
            b"gzip",
            b"chunked",
            b"",
            b"127.0.0.1:x",
        ]
        + [b"evil.example", b"127.0.0.1@evil.example", "½.example".encode(), b"bytes=0-"]
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from ribospace.web.served import Limits, Served

    limits = Limits(seconds=600)  # a machine may be slow: here a request may be late, not lost
    one = Served.open(make_collection(tmp_path_factory.mktemp("http") / "molecules"), limits=limits)
    yield one
    one.close()


@pytest.fixture(scope="module")
def client(served):
    from fastapi.testclient import TestClient

    from ribospace.web.app import make_app

    with TestClient(make_app(served), base_url="http://127.0.0.1", raise_server_exceptions=False) as one:
        yield one


def refused_or_answered(answer):
    assert answer.status_code < 500, (answer.request.url, answer.status_code, answer.text)
    assert "Traceback" not in answer.text
    if answer.status_code >= 400 and answer.request.url.path.startswith("/api") and answer.request.method != "HEAD":
        said = answer.json()["error"]
        assert said
        assert "\n" not in said


@cases(150)
@given(
    path=st.sampled_from(PATHS) | st.text(max_size=8).map(quote).map("/api/{}".format),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "FOO"]),
    headers=HEADERS,
    data=st.data(),
)
def test_any_request(client, path, method, headers, data):
    whole = json.dumps(BODIES.get(path, {})).encode()
    body = data.draw(
        st.binary(max_size=60)
        | st.integers(0, 2**32).map(lambda seed: mutated(whole, seed))
        | JSON.map(json.dumps).map(str.encode)
    )
    headers.pop("content-length", None)
    try:
        answer = client.request(
            method, path, content=body, headers={**{"content-type": b"application/json"}, **headers}
        )
    except (UnicodeError, ValueError, httpx.InvalidURL):  # httpx does not send it
        return
    refused_or_answered(answer)


@cases(150)
@given(path=st.sampled_from(sorted(BODIES)), data=st.data())
def test_bodies_with_odd_values(client, path, data):
    said = dict(BODIES[path])
    for _ in range(data.draw(st.integers(1, 2))):
        said[data.draw(st.sampled_from(["row", "id", "sequence", "k", "embedding", "rows", "column", "value", "a", "plus", "minus",
            "b", "query", "projection", "sequences", "type", "reward", "seed", "best", "format", *said]))] = data.draw(JSON)  # fmt: skip
    body = json.dumps(said).encode()
    refused_or_answered(client.post(path, content=body, headers={"content-type": "application/json"}))


def test_deep_and_long_bodies(client):
    for body in (
        b"[" * 100_000,
        b'{"query":' * 50_000,
        b"9" * 100_000,
        b'{"k": ' + b"9" * 5000 + b"}",
        b'"\\ud800"',
        b"\xff" * 100,
    ):
        for path in sorted(BODIES):
            refused_or_answered(client.post(path, content=body, headers={"content-type": "application/json"}))


@contextlib.contextmanager
def listening(served):
    """A server of its own thread at a port of 127.0.0.1."""
    import uvicorn

    from ribospace.web.app import make_app

    server = uvicorn.Server(uvicorn.Config(make_app(served), port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


def sent(port, data, pieces, seconds=0.2):
    """What comes back for raw bytes, sent in pieces, until the server closes or says nothing for so long."""
    found = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection,
        contextlib.suppress(ConnectionError, TimeoutError),
    ):
        size = max(1, len(data) // pieces)
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
        while block := connection.recv(65536):
            found += block
    return found


def test_bytes_that_are_no_http(served):
    """The server lives on, and never answers 5xx, whatever bytes come; then a good request is answered."""
    draw = random.Random(0)
    with listening(served) as port:
        for number in range(max(60, CASES)):
            found = sent(port, mutated(WHOLE, number) if number % 4 else draw.randbytes(200), draw.choice([1, 1, 3]))
            assert not found.startswith(b"HTTP/1.1 5"), (number, found[:300])
        assert sent(port, WHOLE, 1, seconds=60).startswith(b"HTTP/1.1 200")
    assert served.folder is not None


def test_a_walk_of_many_requests_leaves_the_answers_as_they_were(client, served):
    """Heavy work, refusals and searches in any order: the queue empties, and a search says what it said before."""
    draw = random.Random(1)
    asked = {"query": "ACGUACGUACGGCC", "k": 5}
    before = client.post("/api/search", json=asked)
    assert before.status_code == 200
    for number in range(max(80, CASES)):
        path = draw.choice(sorted(BODIES))
        body = json.dumps(BODIES[path]).encode()
        answer = client.post(
            path,
            content=mutated(body, number) if draw.random() < 0.5 else body,
            headers={"content-type": "application/json"},
        )
        refused_or_answered(answer)
        if answer.status_code == 200 and "job" in (said := answer.json() if b"{" in answer.content[:1] else {}):
            job = f"/api/jobs/{said['job']}"
            refused_or_answered(client.delete(job) if draw.random() < 0.5 else client.get(job))
    for _ in range(600):
        jobs = client.get("/api/health").json()["jobs"]
        if not jobs["waiting"] and not jobs["running"]:
            break
        time.sleep(0.1)
    assert not jobs["waiting"]
    assert client.post("/api/search", json=asked).json() == before.json()
