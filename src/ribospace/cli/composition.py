"""The command that says what a cluster of molecules is made of."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from ribospace.cli.output import CollectionAt, Json, require_own, say, table, write_rows
from ribospace.collection import Collection
from ribospace.collection.store import ids_in
from ribospace.errors import UserError, nearest
from ribospace.files import versions, written_whole

if TYPE_CHECKING:
    from ribospace.analysis.composition import Composition

FILES = ("composition.tsv", "results.json", "figure.png")
LABELS = ("isotype", "anticodon", "species", "domain", "rna_type")
SHOWN = 12


def composition(
    collection: CollectionAt,
    clusters: Annotated[str, typer.Option(help="The column of clusters, such as `ribospace split` writes.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables and the figure.")],
    cluster_of: Annotated[str, typer.Option(help="The cluster that has this molecule.")] = "",
    cluster: Annotated[str, typer.Option(help="The cluster of this name.")] = "",
    where: Annotated[str, typer.Option(help="An SQL condition: which molecules, cluster and background alike.")] = "",
    as_json: Json = False,
) -> None:
    """Say what a cluster is made of, against all other molecules: isotypes, anticodons, CCA ends, lengths, species.

    Fisher's exact test for each value, corrected over the values of its property; shares with 95 % intervals.
    """
    from ribospace.analysis.composition import compositions, values_of
    from ribospace.plots import composition_figure

    require_own(out, FILES, "properties", "composition")
    store = Collection.open(collection)
    if clusters not in store.plain_columns:
        raise UserError(f"{store.uri} has no column {clusters!r}. {nearest(clusters, store.plain_columns)}")
    if pa.types.is_floating(store.schema.field(clusters).type):
        raise UserError(f"The column {clusters!r} has numbers with fractions, not clusters. Choose another.")
    if bool(cluster_of) == bool(cluster):
        raise UserError("Say which cluster: --cluster-of a molecule's id, or --cluster its name; one of them.")
    name = cluster or _cluster_of(store, clusters, cluster_of)
    columns = [one for one in LABELS if one in store.plain_columns and one != clusters]
    molecules = store.table(list(dict.fromkeys(["sequence", "length", clusters, *columns])), where or None)
    inside = np.array([str(one) == name for one in molecules[clusters].to_pylist()], dtype=bool)
    if not inside.any():
        said = sorted({str(one) for one in molecules[clusters].to_pylist()})
        raise UserError(f"No molecule is in the cluster {name!r} of {clusters}. {nearest(name, said[:10_000])}")
    found = compositions(molecules, inside, columns)
    about = {
        "collection": str(collection), "clusters": clusters, "cluster": name, "where": where,
        "molecules": int(inside.sum()), "background": int((~inside).sum()), "versions": versions("numpy", "scipy"),
        "command": " ".join(sys.argv[1:]),
    }  # fmt: skip
    title = f"Cluster {name} of {clusters}: {inside.sum():,} molecules, background {(~inside).sum():,}"
    with written_whole(out) as folder:
        folder.mkdir()
        _write(folder, about, found)
        several = {one: c for one, c in found.items() if len(c.values) > 1 and one != "length"}
        drawn = {one: (c.values, c.shares, c.low, c.high, c.expected, c.q) for one, c in several.items()}
        lengths = molecules["length"].to_numpy().astype(np.int64)
        composition_figure(drawn, (lengths[inside], lengths[~inside]), title).savefig(folder / "figure.png")
    rows = sorted(values_of(found), key=lambda row: (row["q"], row["p"]))[:SHOWN]
    lines = [
        (row["property"], row["value"], f"{row['cluster']:,}", f"{row['share']:.1%}", f"{row['expected']:.1%}",
         f"{row['odds_ratio']:.2f}", f"{row['q']:.2g}")
        for row in rows
    ]  # fmt: skip
    header = ("property", "value", "molecules", "share", "background", "odds ratio", "q")
    say(
        as_json,
        {**about, "rows": list(values_of(found)), "out": str(out)},
        title,
        table(lines, header, range(2, 7)),
        f"Wrote all {sum(len(one.values) for one in found.values()):,} values and a figure to {out}",
    )


def _cluster_of(store: Collection, clusters: str, identifier: str) -> str:
    found = store.table([clusters], ids_in([identifier]))[clusters].to_pylist()
    if not found:
        raise UserError(f"{store.uri} has no molecule {identifier!r}. Check the id: ribospace search, ribospace export")
    if found[0] is None:
        raise UserError(f"{identifier!r} is in no cluster of {clusters}.")
    return str(found[0])


def _write(folder: Path, about: dict[str, Any], found: dict[str, Composition]) -> None:
    from ribospace.analysis.composition import values_of

    rows = list(values_of(found))
    write_rows(folder / "composition.tsv", rows)
    properties = {
        name: {key: one.tolist() if isinstance(one, np.ndarray) else one for key, one in asdict(each).items()}
        for name, each in found.items()
    }
    said = {**about, "properties": properties}
    (folder / "results.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
