"""The command that lists the weights that ship: models."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator

from ribospace.cli.output import Json, say
from ribospace.models.shipped import Shipped, place_of, shipped

LINE = 100


def models(as_json: Json = False) -> None:
    """Say which weights ship with Ribospace: their size, licence, what they learned from, and what was measured."""
    found = shipped()
    rows = [{**dataclasses.asdict(one), "place": str(place_of(one.name))} for one in found]
    total = sum(one.size for one in found)
    lines = [line for one in found for line in (*_said(one), "")]
    say(as_json, {"models": rows, "bytes": total}, *lines, f"{_megabytes(total)} in all, at {place_of('mini').parent}")


def _said(one: Shipped) -> Iterator[str]:
    yield f"{one.name}   {_megabytes(one.size)}   {one.licence}"
    for text in (one.what, one.data, *(f"{name}: {value}" for name, value in one.figures.items())):
        yield from textwrap.wrap(text, LINE, initial_indent="  ", subsequent_indent="    ")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
