"""The command that follows molecules from a root: clusters, pseudotime, terminal states."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import typer

from ribospace.cli.embed import Pool
from ribospace.cli.explore import Model
from ribospace.cli.given import one_of
from ribospace.cli.output import CollectionAt, Json, progress_bar, require_own, say, table, write_rows
from ribospace.collection import Collection
from ribospace.collection.columns import add_columns, fragments, require_addable, update_rows
from ribospace.collection.store import require_column_name, vectors_of
from ribospace.encoders.named import find_column
from ribospace.errors import UserError, nearest
from ribospace.files import versions, written_whole
from ribospace.models.shipped import ENCODER

if TYPE_CHECKING:
    from ribospace.analysis.neighbours import Neighbours
    from ribospace.analysis.trajectory import Stability, Trajectory

FILES = ("results.json", "clusters.tsv", "molecules.tsv", "trajectory.h5ad", "graph.png", "stream.png")
READ = ("id", "sequence", "length", "rna_type", "description", "species", "isotype", "anticodon", "domain", "family")
SHOWN = 15


def trajectory(
    collection: CollectionAt,
    *,
    model: Model = ENCODER,
    out: Annotated[Path, typer.Option("--out", help="Folder of the figures, tables and the .h5ad.")],
    root: Annotated[
        str, typer.Option(help="Where it begins: a molecule's id, an rna_type, an SQL condition, or none.")
    ] = "none",
    k: Annotated[int, typer.Option("-k", help="Neighbours of each molecule.", min=1)] = 30,
    runs: Annotated[int, typer.Option(help="Runs that tell how stable it is; 0: none.", min=0)] = 10,
    where: Annotated[str, typer.Option(help="An SQL condition: which molecules are followed.")] = "",
    label: Annotated[str, typer.Option(help="The column that pies and colours show.")] = "rna_type",
    method: Annotated[
        str, typer.Option(help="Of pseudotime: way; hitting, as VIA's; or dpt, scanpy's, with its PAGA.")
    ] = "way",
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Find most of the neighbours, faster; the recall is said.")
    ] = False,
    resolution: Annotated[float, typer.Option(help="Above 1: more clusters.", min=0.01)] = 1.0,
    name: Annotated[str, typer.Option(help="The collection's columns NAME_cluster, NAME_pseudotime.")] = "trajectory",
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
    pool: Pool = "",
    as_json: Json = False,
) -> None:
    """Follow molecules from a root, as single cells are: clusters, pseudotime, terminal states, how stable they are.

    Clusters and pseudotime become columns of the collection; figures, tables and an .h5ad go to the folder.
    """
    from ribospace.analysis.trajectory import METHODS, follow, search, spread, stability

    one_of("--method", method, METHODS)
    require_column_name(name)
    require_own(out, FILES, "stability", "trajectory")
    store = Collection.open(collection)
    require_addable(store, _fields(name))
    info = find_column(store, model, pool)
    records, vectors, left_out = _load(store, info.column, info.width, where, label)
    at, begins = _root(store, records, vectors, root)
    with progress_bar("Neighbours") as progress:
        first, place, found = search(vectors, k, approximate, seed, progress)
    options: dict[str, Any] = {"method": method, "resolution": resolution}
    with progress_bar("Following"):
        small = follow(vectors[first], found, None if at is None else int(place[at]), seed=seed, **options)
    with progress_bar("Stability", "runs") as progress:
        anew = at is None
        stable = stability(vectors[first], found, small, runs, seed=seed, progress=progress, anew=anew, **options)
    one = spread(small, first, place, at)
    said = {
        "collection": str(collection), "embedding": info.column, "encoder": info.encoder, "revision": info.revision,
        "where": where, "k": k, "method": method, "resolution": resolution, "approximate": approximate,
        "neighbours_recall": found.recall, "runs": runs, "seed": seed, "label": label, "asked_root": root,
        "root": records["id"][one.root].as_py(), "root_said": begins, "molecules": len(records),
        "different_vectors": len(first), "left_out": left_out, "columns": [f"{name}_cluster", f"{name}_pseudotime"],
        "versions": versions("numpy", "scipy", "faiss-cpu", "umap-learn", "scanpy", "igraph"),
        "command": " ".join(sys.argv[1:]),
    }  # fmt: skip
    with progress_bar("Drawing a map"):
        places = _map(vectors[first], found, seed)[place]
    result = _Result(said, records, vectors, places, one, stable)
    with written_whole(out) as folder:
        folder.mkdir()
        rows = _write(folder, result, name)
    _keep(store, name, records["id"], one)
    _keep_graph(store, name, {key: said[key] for key in ("embedding", "root", "label")}, one)
    say(as_json, {**said, **_answer(result), "clusters": rows, "out": str(out)}, *_lines(result, rows, name, out))


@dataclass(frozen=True)
class _Result:
    said: dict[str, Any]
    records: pa.Table
    vectors: npt.NDArray[np.float32]
    places: npt.NDArray[np.float64]
    one: Trajectory
    stable: Stability


def _load(
    store: Collection, column: str, width: int, where: str, label: str
) -> tuple[pa.Table, npt.NDArray[np.float32], int]:
    if label not in store.plain_columns:
        raise UserError(f"{store.uri} has no column {label!r}. {nearest(label, store.plain_columns)}")
    names = list(dict.fromkeys([*(one for one in READ if one in store.plain_columns), label]))
    condition = f"`{column}` IS NOT NULL" + (f" AND ({where})" if where else "")
    records = store.table([*names, column], condition)
    vectors = vectors_of(records[column], width)
    if not len(records):
        raise UserError(f"No molecule has a vector of {column!r}{f' where {where}' if where else ''}.")
    fine = np.isfinite(vectors).all(axis=1)
    left_out = store.count(where or None) - int(fine.sum())
    return records.select(names).filter(pa.array(fine)), vectors[fine], left_out


def _root(store: Collection, records: pa.Table, vectors: npt.NDArray[np.float32], root: str) -> tuple[int | None, str]:
    """The row where it begins, and what is said of it."""
    from ribospace.analysis.trajectory import middle_of

    if root in ("", "none"):
        return None, "none was given: it is one end of the longest way, and the direction means nothing"
    ids = records["id"]
    found = pc.index(ids, root).as_py()
    if found >= 0:
        return int(found), "the molecule that was given"
    types = records["rna_type"].combine_chunks() if "rna_type" in records.column_names else pa.array([], pa.string())
    rows = np.flatnonzero(pc.fill_null(pc.equal(types, root), False).to_numpy(zero_copy_only=False))
    if not len(rows) and re.fullmatch(r"[\w.:/|-]+", root):
        known = sorted({one for one in types.to_pylist() if one})
        raise UserError(
            f"--root {root!r} is no molecule with a vector among those followed, no rna_type of theirs and no SQL "
            f"condition. {nearest(root, known)}"
        )
    if not len(rows):
        chosen = store.table(["id"], root)["id"]
        rows = np.flatnonzero(pc.is_in(ids, chosen).to_numpy(zero_copy_only=False))
    if not len(rows):
        raise UserError(f"--root: no molecule followed fulfils {root!r}. Widen the condition, or --where.")
    return middle_of(vectors, rows), f"of {len(rows):,} molecules that fulfil {root!r}, the one nearest to their mean"


def _map(vectors: npt.NDArray[np.float32], found: Neighbours, seed: int) -> npt.NDArray[np.float64]:
    from ribospace.analysis.projection import umap_of

    return umap_of(vectors, found.rows, found.distances, seed).astype(np.float64)


def _write(folder: Path, result: _Result, name: str) -> list[dict[str, Any]]:
    from ribospace.analysis.trajectory import flow
    from ribospace.plots import cluster_graph_figure, stream_figure

    one, records, said = result.one, result.records, result.said
    rows = _clusters(result)
    for file, table_rows in (("clusters.tsv", rows), ("molecules.tsv", _molecules(result))):
        write_rows(folder / file, table_rows)
    labels = records[said["label"]].to_pylist()
    labels = [None if one is None else str(one) for one in labels]
    title = f"{len(records):,} molecules by {said['embedding']}, root {said['root']}"
    middles = np.stack([np.median(result.places[one.clusters == c], axis=0) for c in range(one.between.shape[0])])
    marks = (int(one.clusters[one.root]), one.clusters[one.ends].tolist())
    cluster_graph_figure(
        middles, one.between.toarray(), one.clusters, labels, one.cluster_times(), marks, title, said["label"]
    ).savefig(folder / "graph.png")
    stream_figure(
        result.places,
        labels,
        one.pseudotime,
        flow(one, result.places),
        (one.root, one.ends.tolist()),
        title,
        said["label"],
    ).savefig(folder / "stream.png")
    _h5ad(folder / "trajectory.h5ad", result, name)
    (folder / "results.json").write_text(json.dumps({**said, **_answer(result)}, indent=1) + "\n", encoding="utf-8")
    return rows


def _answer(result: _Result) -> dict[str, Any]:
    one, stable = result.one, result.stable
    return {
        "stability": {
            "adjusted_rand": stable.clusters.tolist(),
            "spearman": [float(rho) if np.isfinite(rho) else None for rho in stable.pseudotime],
            "terminal_states": stable.ends.tolist(),
        },
        "terminal_states": [result.records["id"][row].as_py() for row in one.ends.tolist()],
        "terminal_clusters": one.clusters[one.ends].tolist(),
        "clusters_found": one.between.shape[0],
        "not_reached": int(np.isnan(one.pseudotime).sum()),
    }


def _clusters(result: _Result) -> list[dict[str, Any]]:
    """A row for each cluster: how many, when, how long, CCA ends, the commonest labels."""
    one, records = result.one, result.records
    lengths = records["length"].to_numpy()
    ending = pc.ends_with(records["sequence"], "CCA").to_numpy()
    labels = records[result.said["label"]].to_pylist()
    rows = []
    for number, time in enumerate(one.cluster_times()):
        inside = np.flatnonzero(one.clusters == number)
        shares = one.lineages[inside[np.isfinite(one.pseudotime[inside])]]
        common = Counter(str(labels[row]) for row in inside if labels[row] is not None).most_common(3)
        rows.append(
            {
                "cluster": number,
                "molecules": len(inside),
                "pseudotime": round(float(time), 4) if np.isfinite(time) else None,
                "terminal": " ".join(str(n) for n, row in enumerate(one.ends, 1) if one.clusters[row] == number),
                "root": "root" if one.clusters[one.root] == number else "",
                "median_length_nt": float(np.median(lengths[inside])),
                "share_cca": round(float(ending[inside].mean()), 4),
                "commonest": ", ".join(f"{what} {many / len(inside):.0%}" for what, many in common),
                "lineages": " ".join(f"{share:.2f}" for share in shares.mean(axis=0)) if len(shares) else "",
            }
        )
    return rows


def _molecules(result: _Result) -> list[dict[str, Any]]:
    one = result.one
    ids, labels = result.records["id"].to_pylist(), result.records[result.said["label"]].to_pylist()
    known = np.isfinite(one.pseudotime)
    return [
        {"id": ids[row], result.said["label"]: labels[row], "cluster": int(one.clusters[row]),
         "pseudotime": f"{one.pseudotime[row]:.5f}" if known[row] else None,
         "x": f"{result.places[row, 0]:.4f}", "y": f"{result.places[row, 1]:.4f}",
         "lineages": " ".join(f"{share:.3f}" for share in one.lineages[row]) if known[row] else None}
        for row in range(len(ids))
    ]  # fmt: skip


def _h5ad(path: Path, result: _Result, name: str) -> None:
    import anndata

    from ribospace.analysis.trajectory import write
    from ribospace.collection.export import frame_of

    said = result.said
    data = anndata.AnnData(result.vectors, obs=frame_of(result.records))
    data.var_names = [f"{said['embedding']}_{number}" for number in range(result.vectors.shape[1])]
    data.obsm["X_umap"] = result.places.astype(np.float32)
    write(
        data, result.one, name, {key: said[key] for key in ("k", "method", "seed", "resolution", "neighbours_recall")}
    )
    data.uns["ribospace"] = json.dumps({**said, **_answer(result)})
    data.write_h5ad(path, convert_strings_to_categoricals=False)


def _fields(name: str) -> list[pa.Field]:
    return [pa.field(f"{name}_cluster", pa.int32()), pa.field(f"{name}_pseudotime", pa.float32())]


def _keep(store: Collection, name: str, ids: pa.ChunkedArray, one: Trajectory) -> None:
    """Write the columns; molecules that were not followed are null."""
    fields = _fields(name)
    unknown = np.isnan(one.pseudotime)
    values = [pa.array(one.clusters, pa.int32()), pa.array(one.pseudotime, pa.float32(), mask=unknown)]
    ids = ids.combine_chunks()
    with store.writing():
        add_columns(store, fields)
        for fragment, rows in fragments(store, ["id"]):
            at = pc.index_in(rows["id"], ids)
            made = {
                field.name: pc.take(value, at.combine_chunks()) for field, value in zip(fields, values, strict=True)
            }
            update_rows(store, fragment, pa.table({"_rowid": rows["_rowid"], **made}))


def _keep_graph(store: Collection, name: str, said: dict[str, Any], one: Trajectory) -> None:
    """Keep beside the collection how the clusters hang together, for a page that shows them."""
    rows, columns = np.triu(one.between.toarray(), 1).nonzero()
    edges = [
        {"from": str(a), "to": str(b), "weight": round(float(one.between[a, b]), 6)}
        for a, b in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    graph = {
        **said,
        "clusters": {str(c): many for c, many in enumerate(np.bincount(one.clusters).tolist())},
        "edges": edges,
        "terminal_clusters": [str(c) for c in one.clusters[one.ends].tolist()],
    }
    with written_whole(store.home / f"trajectory-{name}.json") as beside:
        beside.write_text(json.dumps(graph, indent=1) + "\n", encoding="utf-8")


def _lines(result: _Result, rows: list[dict[str, Any]], name: str, out: Path) -> list[str]:
    said, answer = result.said, _answer(result)
    shown = sorted(rows, key=lambda row: (row["pseudotime"] is None, row["pseudotime"] or 0.0))
    keys = ("cluster", "molecules", "pseudotime", "median_length_nt", "share_cca", "terminal", "commonest")
    lines = [
        f"{said['molecules']:,} molecules by {said['embedding']}: {answer['clusters_found']} clusters, "
        f"{len(answer['terminal_states'])} terminal states",
        f"Root {said['root']}: {said['root_said']}",
        table(
            [["-" if row[key] is None else row[key] for key in keys] for row in shown[:SHOWN]],
            ("cluster", "molecules", "pseudotime", "nt", "CCA", "terminal", said["label"]),
            range(5),
        ),
    ]
    if len(rows) > SHOWN:
        lines.append(f"  and {len(rows) - SHOWN} more clusters: clusters.tsv")
    if said["runs"]:
        stable = answer["stability"]
        lines.append(
            f"Over {said['runs']} runs, each with another seed and without a tenth of the molecules: clusters alike by "
            f"{np.mean(stable['adjusted_rand']):.2f} (adjusted Rand index), pseudotime by "
            f"{np.nanmean(result.stable.pseudotime):.3f} (Spearman), {min(stable['terminal_states'])} to "
            f"{max(stable['terminal_states'])} terminal states"
        )
    if answer["not_reached"]:
        lines.append(
            f"{answer['not_reached']:,} molecules cannot be reached from the root, and have no pseudotime: choose a "
            "larger -k, or a root among them"
        )
    if said["approximate"]:
        lines.append(f"The neighbours were searched by lists: {said['neighbours_recall']:.1%} of the true ones")
    if said["left_out"]:
        lines.append(f"{said['left_out']:,} molecules have no vector of {said['embedding']} and are left out")
    return [
        *lines,
        f"Wrote {name}_cluster and {name}_pseudotime to {said['collection']}, figures and trajectory.h5ad to {out}",
    ]
