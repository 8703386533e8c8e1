"""What all routes share: what is served, and how refusals look in the schema."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from ribospace.web.served import Served
from ribospace.web.shapes import Refused

_WHY = {
    400: "Malformed",
    401: "No token, or another",
    404: "Not there",
    409: "Not possible here",
    413: "Too large",
    422: "A mistake in what was asked",
    503: "Too much waits, or the collection is gone",
    504: "It took too long",
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": why} for status, why in _WHY.items()
}


async def _served(request: Request) -> Served:
    return request.app.state.served


Here = Annotated[Served, Depends(_served)]


def api_router(tag: str) -> APIRouter:
    """A router of one subject, under /api."""
    return APIRouter(prefix="/api", tags=[tag], responses=_REFUSED)
