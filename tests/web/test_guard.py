"""What passes the guard, and what does not: hosts, origins, tokens, sizes, time."""

import asyncio
import time

import httpx
import pytest

from ribospace.web.guard import CSP, Guard


async def echo(scope, receive, send):
    """Answer with the number of bytes that came; /slow sleeps, /broken breaks."""
    if scope["path"] == "/api/slow":
        await asyncio.sleep(5)
    if scope["path"] == "/api/broken":
        raise ZeroDivisionError("a secret")
    many, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        many, more = many + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(many).encode()})


def ask(method, path, *, token="", seconds=1.0, base="http://127.0.0.1:8765", **how):
    """One request to a guarded echo."""
    app = Guard(echo, token=token, hosts=["localhost"], body_limit=lambda path: 1000, seconds=seconds)

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
            return await client.request(method, path, **how)

    return asyncio.run(run())


@pytest.mark.parametrize("base", ["http://127.0.0.1:8765", "http://localhost", "http://[::1]:1", "http://192.168.1.7"])
def test_known_hosts_pass(base):
    assert ask("GET", "/", base=base).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8765", "", "127.0.0.1.nip.io", "[", "a]b"])
def test_other_hosts_do_not(host):
    answer = ask("GET", "/api/health", headers={"host": host})
    assert answer.status_code == 400
    assert "name" in answer.json()["error"]


def test_pages_of_others_may_not_ask():
    assert ask("POST", "/api/x", headers={"origin": "http://127.0.0.1:8765"}).status_code == 200
    for origin in ("https://evil.example", "null", "http://127.0.0.1:8766", "http://["):
        assert ask("POST", "/api/x", headers={"origin": origin}).status_code == 403


def test_a_token_opens_the_api_only():
    token = "s" * 20
    assert ask("GET", "/api/space", token=token, headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert ask("GET", "/app.js", token=token).status_code == 200
    for given in ("", "Bearer", f"bearer {token}", f"Bearer {token}x", f"Basic {token}", "Bearer é".encode("latin-1")):
        answer = ask("GET", "/api/space", token=token, headers={"authorization": given} if given else {})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "error" in answer.json()
    assert ask("GET", "/api", token=token).status_code == 401


def test_large_bodies_are_refused_by_header_and_as_they_come():
    assert ask("POST", "/api/x", content=b"x" * 1000).text == "1000"
    assert ask("POST", "/api/x", content=b"x" * 1001).status_code == 413

    async def pieces():
        for _ in range(100):
            yield b"x" * 100

    answer = ask("POST", "/api/x", content=pieces())
    assert "content-length" not in answer.request.headers
    assert answer.status_code == 413
    assert "1,000 bytes" in answer.json()["error"]


def test_late_answers_are_given_up():
    began = time.perf_counter()
    answer = ask("GET", "/api/slow", seconds=0.05)
    assert answer.status_code == 504
    assert "0.05 seconds" in answer.json()["error"]
    assert time.perf_counter() - began < 4


def test_a_fault_of_ours_tells_nothing(caplog):
    answer = ask("GET", "/api/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("path", ["/", "/api/x", "/api/broken", "/api/slow"])
def test_every_answer_carries_the_headers(path):
    headers = ask("GET", path, seconds=0.05).headers
    assert headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("no-store" if path.startswith("/api") else "no-cache")
