"""What some molecules are made of beside all others, as the API answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ribospace.analysis.composition import compositions, values_of
from ribospace.errors import UserError, nearest

if TYPE_CHECKING:
    from ribospace.web.served import Served
    from ribospace.web.shapes import CompositionAsk

LABELS = ("isotype", "anticodon", "species", "domain", "rna_type")


def answer(served: Served, ask: CompositionAsk) -> dict[str, Any]:
    """Hold rows, or those of one value of a column, against all other molecules."""
    space = served.space
    inside = np.zeros(space.count, dtype=bool)
    if ask.rows is not None:
        inside[space.checked(ask.rows)] = True
    else:
        inside = _having(served, ask.column or "", ask.value or "")
    columns = [name for name in LABELS if name in space.plain and name != ask.column]
    table = space.records(np.arange(space.count), ["sequence", "length", *columns])
    values: dict[str, list[dict[str, Any]]] = {}
    for one in values_of(compositions(table, inside, columns)):
        values.setdefault(one.pop("property"), []).append(one)
    return {
        "molecules": int(inside.sum()),
        "background": int((~inside).sum()),
        "properties": [{"name": name, "values": rows} for name, rows in values.items()],
    }


def _having(served: Served, column: str, value: str) -> Any:
    space = served.space
    codes = space.column(column)
    labels = list(space.columns[column].labels)
    if space.columns[column].kind != "category":
        raise UserError(f"{column!r} has numbers, not clusters. {nearest(column, space.clusters)}")
    if value not in labels:
        raise UserError(f"{column} has no value {value!r}. {nearest(value, labels[:1000])}")
    return codes == labels.index(value) + 1
