"""A file server on 127.0.0.1 with ranges, validators and the faults of real ones."""

import hashlib
import threading
import time
from collections import defaultdict, deque
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise


class FileServer:
    """Serves `files`, by path. `faults[path]` are met by the next requests for it, one each:

    "503", "429 0.3" (with a Retry-After, s), "cut 1000" (the body ends after so many bytes, though more were
    announced), "late 5" (nothing for so many seconds), "whole" (the range is ignored), "elsewhere" (another range than
    was asked for). With `slow` every `block` bytes take so many seconds.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.requests: list[tuple[str, dict[str, str], int]] = []
        self.ranges = self.tags = True
        self.slow, self.block = 0.0, 1 << 16
        self.url = ""

    def asked(self, path):
        """Range (None for all) and status of every request for a path."""
        return [(headers.get("range"), status) for one, headers, status in self.requests if one == path]


class _Handler(BaseHTTPRequestHandler):
    files: FileServer

    def do_GET(self):
        path = self.path
        fault, _, value = (self.files.faults[path].popleft() if self.files.faults[path] else "").partition(" ")
        body = self.files.files.get(path)
        if fault == "late":
            time.sleep(float(value))
            self.close_connection = True
        elif fault in ("503", "429", "403"):
            self.answer(int(fault), b"", {"Retry-After": value} if value else {})
        elif body is None:
            self.answer(404, b"no such file")
        else:
            self.give(body, fault, value)

    def give(self, body, fault, value):
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        headers = {"ETag": tag, "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"} if self.files.tags else {}
        if self.files.tags and self.headers.get("if-none-match") == tag:
            return self.answer(304, b"")
        asked, status = self.headers.get("range"), 200
        if asked and self.files.ranges and fault != "whole" and self.headers.get("if-range", tag) == tag:
            first = int(asked.removeprefix("bytes=").removesuffix("-")) + (5 if fault == "elsewhere" else 0)
            if first >= len(body):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
            body, status = body[first:], 206
        return self.answer(status, body, headers, int(value) if fault == "cut" else None)

    def answer(self, status, body, headers=(), most=None):
        self.files.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, status))
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[:most]
        self.close_connection = most is not None
        for start, end in pairwise([*range(0, len(body), self.files.block), len(body)]):
            self.wfile.write(body[start:end])
            time.sleep(self.files.slow)

    def handle(self):
        with suppress(ConnectionError):  # the client was killed
            super().handle()

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    """Give a FileServer that is up."""
    files = FileServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": files}))
    server.daemon_threads = True
    files.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
