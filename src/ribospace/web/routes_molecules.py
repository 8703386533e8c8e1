"""The collection itself: what is there, arrays to draw, molecules, files."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

import ribospace
from ribospace.collection.export import fasta_record
from ribospace.web.refusing import Refusal
from ribospace.web.routing import Here, api_router
from ribospace.web.served import Served
from ribospace.web.shapes import Health, Molecules, Waiting

router = api_router("collection")

Text = Annotated[str | None, Query(max_length=200)]
Length = Annotated[int | None, Query(ge=0, le=2**31 - 1)]
_RAW: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}, "description": "Raw array"}}

#: Most molecules that are named by row at a time; with sequences where they are few.
MOST_NAMED, MOST_SEQUENCES, MOST_IDS = 1000, 20, 200
_PIECE = 2000


@router.get("/health")
def health(here: Here) -> Health:
    """Whether the server is well; 503 where the collection is gone."""
    space = here.space
    space.require_there()
    return Health(
        status="ok",
        version=ribospace.__version__,
        collection=space.name,
        molecules=space.count,
        collection_version=space.version,
        uptime_s=round(time.monotonic() - here.began, 1),
        jobs=Waiting(**here.jobs.counts()),
    )


@router.get("/space")
def space(here: Here) -> dict[str, Any]:
    """What is there: maps, columns, embeddings, what can be asked, limits."""
    return here.said()


@router.get("/points/{projection:path}", responses=_RAW, response_class=Response)
def points(here: Here, projection: str) -> Response:
    """A map's coordinates: float32, molecules × dims, NaN where a molecule has none."""
    return _raw(here.space.points(projection))


@router.get("/columns/{column:path}", responses=_RAW, response_class=Response)
def column(here: Here, column: str) -> Response:
    """A column's values: codes of a category (0: missing, i + 1: labels[i]) or float32 (NaN: missing)."""
    return _raw(here.space.column(column))


def _raw(values: npt.NDArray[Any]) -> Response:
    return Response(np.ascontiguousarray(values).tobytes(), media_type="application/octet-stream")


@router.get("/molecules")
def molecules(
    here: Here,
    text: Text = None,
    rna_type: Text = None,
    species: Text = None,
    min_length: Length = None,
    max_length: Length = None,
    rows: Annotated[str | None, Query(max_length=20_000, pattern=r"^\d{1,10}(,\d{1,10})*$")] = None,
    id: Annotated[list[Annotated[str, Query(max_length=200)]] | None, Query(max_length=MOST_IDS)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> Molecules:
    """Molecules by row (`3,17`), by id (`id=a&id=b`; those that are there), or all that fit.

    What fits has a text in id or description, a type, a species, a length.
    """
    if rows is not None:
        named = [int(one) for one in rows.split(",")]
        if len(named) > MOST_NAMED:
            raise Refusal(422, f"rows: {MOST_NAMED:,} at most at a time.")
        return _answer(here, len(named), named, sequence=len(named) <= MOST_SEQUENCES)
    if id is not None:
        at = here.space.rows_of(id)
        return _answer(here, len(id), at[at >= 0].tolist())
    found = _matching(here, text, rna_type, species, min_length, max_length)
    return _answer(here, len(found), found[offset : offset + limit].tolist())


def _answer(here: Served, total: int, rows: list[int], sequence: bool = False) -> Molecules:
    return Molecules.model_validate({"total": total, "molecules": here.molecules(rows, sequence)})


def _matching(
    here: Served, text: str | None, rna_type: str | None, species: str | None, shortest: int | None, longest: int | None
) -> npt.NDArray[np.int64]:
    """Rows of the molecules that all conditions hold for; one whose id is the text comes first."""
    head = here.space.head
    conditions = []
    if text:
        both = [pc.match_substring(head[name], text, ignore_case=True) for name in ("id", "description")]
        conditions.append(pc.or_kleene(*both))
    if rna_type:
        conditions.append(pc.equal(head["rna_type"], rna_type))
    if species:
        conditions.append(pc.match_substring(head["species"], species, ignore_case=True))
    if shortest is not None:
        conditions.append(pc.greater_equal(head["length"], shortest))
    if longest is not None:
        conditions.append(pc.less_equal(head["length"], longest))
    holds = np.ones(len(head), dtype=bool)
    for one in conditions:
        holds &= pc.fill_null(pa.chunked_array(one), False).to_numpy()
    rows = np.flatnonzero(holds)
    exact = here.space.rows_of([text])[0] if text else -1
    return np.concatenate([rows[rows == exact], rows[rows != exact]])


_ROWS = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}, "required": True}
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/x-fasta": {}, "text/csv": {}}, "description": "File"}}


@router.post("/export", openapi_extra={"requestBody": _ROWS}, responses=_FILE, response_class=StreamingResponse)
async def export(here: Here, request: Request, format: Literal["fasta", "csv"] = "fasta") -> StreamingResponse:
    """Molecules as a file; the body is their rows, uint32, little endian."""
    body = await request.body()
    if not body or len(body) % 4:
        raise Refusal(422, "The body must be rows, four bytes each, and one at least.")
    rows = here.space.checked(np.frombuffer(body, "<u4"))
    pieces = _fasta(here, rows) if format == "fasta" else _csv(here, rows)
    first = await run_in_threadpool(next, pieces)  # what cannot be read is refused before an answer begins

    def whole() -> Iterator[bytes]:
        yield first
        yield from pieces

    kind = "text/x-fasta; charset=us-ascii" if format == "fasta" else "text/csv; charset=utf-8"
    headers = {"content-disposition": f'attachment; filename="molecules.{format}"'}
    return StreamingResponse(whole(), media_type=kind, headers=headers)


def _fasta(here: Served, rows: npt.NDArray[np.int64]) -> Iterator[bytes]:
    for begin in range(0, len(rows), _PIECE):
        table = here.space.records(rows[begin : begin + _PIECE], ["id", "sequence", "rna_type", "description"])
        yield "".join(fasta_record(one) for one in table.to_pylist()).encode("ascii", "backslashreplace")


def _csv(here: Served, rows: npt.NDArray[np.int64]) -> Iterator[bytes]:
    for begin in range(0, len(rows), _PIECE):
        table = here.space.records(rows[begin : begin + _PIECE])
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if not begin:
            writer.writerow(table.column_names)
        writer.writerows(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
        yield text.getvalue().encode("utf-8", "replace")
