"""A Hugging Face hub of our own on 127.0.0.1: as much of its protocol as a download needs."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Hub:
    """`files[repository][revision][name]` are bytes; `commits[repository][revision]` is the commit that it stands for."""

    def __init__(self):
        self.files: dict[str, dict[str, dict[str, bytes]]] = {}
        self.requests: list[tuple[str, str]] = []
        self.url = ""

    def add(self, repository, revision, files):
        """Put files under a branch, and under the commit of their hash, which is returned."""
        commit = hashlib.sha1(b"".join(files[name] for name in sorted(files))).hexdigest()
        self.files.setdefault(repository, {}).update({revision: files, commit: files})
        return commit


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self):
        self.do_GET(head=True)

    def do_GET(self, head=False):
        self.hub.requests.append((self.command, self.path))
        pieces = [unquote(one) for one in self.path.split("?")[0].strip("/").split("/")]
        if len(pieces) < 5 or pieces[2] != "resolve":
            return self.answer(404, {"X-Error-Code": "EntryNotFound"}, b"", head)
        revisions = self.hub.files.get("/".join(pieces[:2]))
        if revisions is None:
            return self.answer(404, {"X-Error-Code": "RepoNotFound"}, b"", head)
        files = revisions.get(pieces[3])
        if files is None:
            return self.answer(404, {"X-Error-Code": "RevisionNotFound"}, b"", head)
        commit = next(key for key, value in revisions.items() if value is files and len(key) == 40)
        body = files.get("/".join(pieces[4:]))
        if body is None:
            return self.answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b"", head)
        tag = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(body).hexdigest()}"'}
        return self.answer(200, tag, body, head)

    def answer(self, status, headers, body, head):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    """Give a Hub that is up."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
