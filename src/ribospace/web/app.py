"""The server: the API's routes, the page, and errors as one sentence each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import ribospace
from ribospace.errors import UserError
from ribospace.web import routes_embed, routes_jobs, routes_molecules
from ribospace.web.guard import Guard
from ribospace.web.refusing import Refusal, status_of
from ribospace.web.served import Served

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


def make_app(served: Served) -> FastAPI:
    """The atlas as an ASGI application; its end closes what is served."""

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = served.limits.threads
        yield
        served.close()

    app = FastAPI(
        title="Ribospace",
        description="A collection of RNA molecules: search, embed, relations, structures. Arrays travel raw, little "
        "endian; their dtype stands in /api/space.",
        version=ribospace.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=living,
    )
    app.state.served = served
    for routes in (routes_molecules, routes_embed, routes_jobs):
        app.include_router(routes.router)
    _add_page(app)
    app.add_exception_handler(UserError, _mistaken)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _odd)
    limits, rows = served.limits, 4 * max(1, served.space.count)
    app.add_middleware(
        Guard,
        token=served.token,
        hosts=served.hosts,
        body_limit=lambda path: rows if path == "/api/export" else limits.body,
        seconds=limits.seconds,
    )
    return app


def page_files() -> dict[str, tuple[bytes, str]]:
    """The page's files, read once: by path below the page, their bytes and media types."""
    found: dict[str, tuple[bytes, str]] = {}

    def collect(folder: Traversable, above: str) -> None:
        for one in folder.iterdir():
            if one.is_dir():
                collect(one, f"{above}{one.name}/")
            elif (ending := f".{one.name.rpartition('.')[2]}") in KINDS:
                found[above + one.name] = one.read_bytes(), KINDS[ending]

    folder = resources.files("ribospace.web").joinpath("static")
    if folder.is_dir():
        collect(folder, "")
    return found


def _add_page(app: FastAPI) -> None:
    files = page_files()

    @app.get("/{name:path}", include_in_schema=False)
    async def page(name: str) -> Response:
        """A file of the page, of those that were there at the start; the name is only looked up, never opened."""
        if (name or "index.html") not in files:
            raise HTTPException(404, "There is nothing at this address.")
        body, kind = files[name or "index.html"]
        return Response(body, media_type=kind)


def _said(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    plain = sentence.encode("utf-8", "replace").decode()  # a key that was sent may hold a lone surrogate
    return JSONResponse({"error": plain}, status, headers)


async def _mistaken(request: Request, error: Any) -> Response:
    wait = error.retry_after if isinstance(error, Refusal) else 0
    return _said(status_of(error), str(error), {"retry-after": str(wait)} if wait else None)


async def _malformed(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _said(422, "The body is no JSON.")
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return _said(422, f"{where}: {first['msg'].removeprefix('Value error, ')}.")


async def _odd(request: Request, error: Any) -> Response:
    return _said(error.status_code, str(error.detail), error.headers)
