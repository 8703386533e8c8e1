"""The command that shows which neighbours of a molecule mattered: attended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ribospace.alphabet import tokenize
from ribospace.cli.output import Json, say, table
from ribospace.collection import Collection
from ribospace.collection.store import ids_in
from ribospace.errors import UserError
from ribospace.records import clean


def attended(
    query: Annotated[str, typer.Argument(metavar="SEQUENCE|ID", help="A molecule.")],
    model: Annotated[Path, typer.Option("--model", help="Folder that `ribospace train graph` wrote.")],
    data: Annotated[str, typer.Option("--data", help="The collection with its id, and what the neighbours are.")] = "",
    as_json: Json = False,
) -> None:
    """Say which neighbours mattered when a molecule's vector was refined, and how much."""
    from ribospace.encoders.graph import GraphEncoder

    store = Collection.open(data) if data else None
    encoder = GraphEncoder(model)
    found = store.table(["sequence"], ids_in([query]))["sequence"].to_pylist() if store else []
    try:
        sequence = str(found[0]) if found else str(clean([query], names=[repr(query)])[0].as_py())
    except UserError as error:
        hint = f" {data} has no molecule of this id." if data else " An id needs its collection: --data."
        raise UserError(f"{error}{hint}") from error
    near, features, weights = encoder.attended(tokenize([sequence]))
    ids = encoder.about.get("ids") or []
    known = {}
    if store is not None and ids:
        wanted = [ids[node] for node in near[0].tolist() if node >= 0]
        known = {row["id"]: row for row in store.table(["id", "rna_type", "description"], ids_in(wanted)).to_pylist()}
    rows = []
    for place in (-weights[0]).argsort(kind="stable").tolist():
        if (node := int(near[0, place])) >= 0:
            name = ids[node] if node < len(ids) else f"node {node}"
            rows.append({
                "id": name, "attention": round(float(weights[0, place]), 4),
                "cosine": round(float(features[0, place, 0]), 4), "identity": round(float(features[0, place, 1]), 4),
                "rna_type": known.get(name, {}).get("rna_type"), "description": known.get(name, {}).get("description"),
            })  # fmt: skip
    cells = [
        (f"{row['attention']:.3f}", f"{row['cosine']:.3f}", f"{row['identity']:.3f}" if row["identity"] else "-",
         row["id"], row["rna_type"] or "", (row["description"] or "")[:60])
        for row in rows
    ]  # fmt: skip
    header = ("attention", "cosine", "identity", "id", "rna_type", "description")
    lines = [table(cells, header, [0, 1, 2])] if rows else ["It has no neighbour in the graph: its vector is its own."]
    say(as_json, {"query": query, "model": str(model), "neighbours": rows}, *lines)
