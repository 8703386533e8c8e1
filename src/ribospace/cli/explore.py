"""Commands that look at a space: search, map."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import typer

from ribospace.alphabet import tokenize
from ribospace.cli.embed import Pool
from ribospace.cli.given import StripGaps, is_input, read_input, require_apart
from ribospace.cli.output import CollectionAt, Json, progress_bar, say, table
from ribospace.collection import Collection, EmbeddingInfo
from ribospace.collection.projections import POOLING as PROJECTION
from ribospace.collection.projections import require_projection_name, store_projection
from ribospace.collection.rows import refuse_broken_import
from ribospace.collection.store import ids_in
from ribospace.collection.vector_index import VectorIndex, build_index, index_of, pays
from ribospace.encoders.named import encoder_of, find_column
from ribospace.errors import UserError
from ribospace.files import require_ending, versions, written_whole
from ribospace.models.shipped import ENCODER
from ribospace.records import clean

if TYPE_CHECKING:
    from ribospace.analysis.projection import Projection

Model = Annotated[
    str, typer.Option("--model", help="An embedding of the collection, or the encoder's name, file or folder.")
]


SHOWN = ["id", "rna_type", "length", "description"]


def search(
    collection: CollectionAt,
    *,
    model: Model = ENCODER,
    query: Annotated[str, typer.Option("--query", help="A molecule's id, or a sequence.")],
    k: Annotated[int, typer.Option("-k", help="How many neighbours.", min=1)] = 10,
    where: Annotated[str | None, typer.Option(help="An SQL condition on the neighbours.")] = None,
    pool: Pool = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare with every vector, even where an index would be faster.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find the molecules nearest to one, by cosine distance; the query itself is left out.

    Among many vectors an index is built the first time and used from then on, but for a --where, which is searched
    exactly; the answer says the index's recall.
    """
    store = Collection.open(collection)
    info = find_column(store, model, pool)
    vector, asked = _query_vector(store, info, model, query)
    index, how = (None, "") if exact or where else _index(store, info.column)
    found = store.neighbours(info.column, vector, k + 1, exact=index is None, where=where)
    rows = [
        {**record, "distance": round(float(distance), 6)}
        for record, distance in zip(found.records.to_pylist(), found.distances, strict=True)
        if record["id"] != asked
    ][:k]
    lines = [
        (n, f"{row['distance']:.4f}", row["id"], row["rna_type"] or "", row["length"], (row["description"] or "")[:60])
        for n, row in enumerate(rows, 1)
    ]
    title = f"{len(rows)} nearest to {query if len(query) <= 40 else query[:39] + '…'} by {info.column}"
    say(
        as_json,
        {
            "query": query,
            "embedding": info.column,
            "exact": index is None,
            "recall_at_10": index.recall if index else 1.0,
            "neighbours": rows,
        },
        title,
        table(lines, ("", "distance", "id", "rna_type", "nt", "description"), [0, 1, 4]),
        *([how] if how else []),
    )


def map_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="COLLECTION|FILE",
            help="A collection; or FASTA (- for stdin), .tsv, .csv, .parquet, or sample (ships).",
        ),
    ],
    *,
    model: Model = ENCODER,
    out: Annotated[
        Path | None, typer.Option("--out", help="A figure (.png, .pdf, .svg) or a page (.html); not needed to store.")
    ] = None,
    method: Annotated[str, typer.Option(help="umap, pca or tsne.")] = "umap",
    dims: Annotated[int, typer.Option(help="2 or 3.")] = 2,
    where: Annotated[str | None, typer.Option(help="An SQL condition: which molecules are shown.")] = None,
    fit: Annotated[
        str | None, typer.Option(help="An SQL condition: which molecules the projection is fitted on (the basis).")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same map.", min=0)] = 0,
    keep: Annotated[bool, typer.Option("--store", help="Keep the map in the collection, for the atlas.")] = False,
    column: Annotated[
        str | None, typer.Option(help="Keep it under this name; EMBEDDING_METHODdims, as kmer4_umap2, by --store.")
    ] = None,
    pool: Pool = "",
    strip_gaps: StripGaps = False,
    as_json: Json = False,
) -> None:
    """Draw molecules in two or three dimensions, coloured by type and by length, or store where they lie.

    Of a collection it draws vectors that are there; a file's molecules are embedded on the way. Beside the figure stand
    its points, FILE.points.tsv, with what made them in the first line. A stored map takes the place of an earlier one
    of its name, and never of another column.
    """
    if out is not None:
        require_ending(out, (".png", ".pdf", ".svg", ".html"))
    elif not keep and column is None:
        raise UserError("The map goes nowhere. Name a file, --out map.png, or keep it in the collection, --store.")
    from ribospace.analysis.projection import Projection

    projection, how = Projection(method, dims, seed), {"method": method, "dims": dims, "seed": seed}
    if is_input(what):
        if out is None or keep or column is not None or where or fit:
            raise UserError(
                f"{what} is no collection: its map goes to --out, whole. For --where, --fit, --store or --column "
                f"import it first: ribospace import {what} --to NEW_FOLDER"
            )
        require_apart(what, out, out.with_suffix(".points.tsv"))
        _map_file(what, strip_gaps, model, pool, out, projection, as_json)
        return
    store = Collection.open(what)
    info = find_column(store, model, pool)
    name = column if column is not None else f"{info.column}_{method}{dims}" if keep else None
    if name is not None:
        require_projection_name(store, name)
        refuse_broken_import(store)
    with progress_bar(f"Fitting {method}"):
        records, coordinates = project(store, info.column, projection, where, fit)
    said = {
        "collection": str(what), "embedding": info.column, "encoder": info.encoder, "revision": info.revision, **how,
        "where": where, "fit": fit, "molecules": len(records), "versions": _versions(),
    }  # fmt: skip
    lines, points = [], None
    if name is not None:
        with store.writing():
            about = {key: said[key] for key in ("method", "seed", "where", "fit", "versions")}
            store_projection(store, name, info, records["id"].to_pylist(), coordinates, about)
        lines.append(f"Stored {name!r} in {what}: {len(records):,} molecules, {method} in {dims} dimensions")
    if out is not None:
        title = f"{len(records):,} molecules of {Path(what).name} by {info.column}"
        points = write_map(out, records, coordinates, title, method, said)
        lines.append(_wrote(out, points, len(records), how))
    answer = {**said, "column": name, "file": out and str(out), "points": points and str(points)}
    say(as_json, answer, *lines, *_left_out(store, info, model, where, len(records)))


def _map_file(
    what: str, strip_gaps: bool, model: str, pool: str, out: Path, projection: Projection, as_json: bool
) -> None:
    """Embed and draw the molecules of a file, without a collection."""
    from ribospace.encoders import find_encoder
    from ribospace.encoders.engine import embed_records

    encoder = find_encoder(model, pool)
    tables, vectors = [], []
    with progress_bar("Embedding") as progress:
        for batch, found in embed_records(read_input(what, strip_gaps), encoder, progress):
            tables.append(pa.Table.from_batches([batch]).select(SHOWN))
            vectors.append(found)
    if not tables:
        raise UserError(f"{what} has no molecule to draw. Name a file with some.")
    how = {"method": projection.method, "dims": projection.dims, "seed": projection.seed}
    with progress_bar(f"Fitting {projection.method}"):
        records, coordinates = placed(pa.concat_tables(tables), np.concatenate(vectors), projection)
    said = {
        "file": what, "encoder": encoder.name, "revision": encoder.revision, **how, "molecules": len(records),
        "versions": _versions(),
    }  # fmt: skip
    title = f"{len(records):,} molecules of {'standard input' if what == '-' else Path(what).name} by {encoder.name}"
    points = write_map(out, records, coordinates, title, projection.method, said)
    left = sum(map(len, tables)) - len(records)
    lines = [f"{left:,} molecules are left out: their vectors are zero, without a direction"] if left else []
    answer = {**said, "input": what, "file": str(out), "points": str(points)}
    say(as_json, answer, *lines, _wrote(out, points, len(records), how))


def _wrote(out: Path, points: Path, count: int, how: dict[str, Any]) -> str:
    return f"Wrote {out}: {count:,} molecules, {how['method']} in {how['dims']} dimensions; points in {points}"


def _versions() -> dict[str, str]:
    return versions("umap-learn", "openTSNE", "scikit-learn")


def _left_out(store: Collection, info: EmbeddingInfo, model: str, where: str | None, shown: int) -> list[str]:
    """Which molecules are not on a map, and why."""
    missing = store.count(f"({where or 'true'}) AND `{info.column}` IS NULL")
    elsewhere = info.pooling in ("given", PROJECTION)
    mend = "they were made elsewhere" if elsewhere else f"ribospace embed {store.uri} --model {model}"
    zero = store.count(where) - missing - shown
    return [
        *([f"{zero:,} molecules are left out: their vectors are zero, without a direction"] if zero else []),
        *([f"{missing:,} molecules have no vector: {mend}"] if missing else []),
    ]


def _index(store: Collection, column: str) -> tuple[VectorIndex | None, str]:
    """The index to search by, built where that pays, and a word on it; where there can be none, why."""
    index = index_of(store, column)
    if pays(store, column):
        print(f"Building an index over {column!r}, once; --exact searches without", file=sys.stderr, flush=True)
        try:
            with progress_bar(f"Indexing {column}", "") as progress:
                index = build_index(store, column, progress)
        except (UserError, OSError, RuntimeError) as error:
            return None, f"Searched exactly, as no index could be built: {str(error).splitlines()[0]}"
    if index is None:
        return None, ""
    return index, f"Searched by an index; its recall@10 is {index.recall:.3f}, on {index.queries} molecules"


def _query_vector(
    store: Collection, info: EmbeddingInfo, model: str, query: str
) -> tuple[npt.NDArray[np.float32], str | None]:
    """The query's vector, and its id where it is a molecule of the collection."""
    itself = ids_in([query])
    if store.count(itself):
        ids, vectors = store.embedding(info.column, itself)
        if not ids:
            raise UserError(f"{query!r} has no vector yet: ribospace embed {store.uri} --model {model}")
        return vectors[0], query
    try:
        sequence = clean([query], names=["the query"])
    except UserError as error:
        raise UserError(
            f"{store.uri} has no molecule with the id {query!r}, and it is no RNA sequence: {error}"
        ) from error
    return encoder_of(info, model).encode(tokenize(sequence))[0], None


def project(
    store: Collection, column: str, projection: Projection, where: str | None, fit: str | None
) -> tuple[pa.Table, npt.NDArray[np.float32]]:
    """Records shown and their coordinates, the projection fitted on `fit` (or on what is shown)."""
    condition = f"({where}) AND `{column}` IS NOT NULL" if where else f"`{column}` IS NOT NULL"
    records = store.table(SHOWN, condition)
    _, vectors = store.embedding(column, where)
    if not len(records):
        raise UserError(f"No molecule to draw: none has a vector of {column!r}{f' where {where}' if where else ''}.")
    basis = None if fit is None else store.embedding(column, fit)[1]
    return placed(records, vectors, projection, basis)


def placed(
    records: pa.Table,
    vectors: npt.NDArray[np.float32],
    projection: Projection,
    basis: npt.NDArray[np.float32] | None = None,
) -> tuple[pa.Table, npt.NDArray[np.float32]]:
    """Records that can be drawn and their coordinates, the projection fitted on the basis, or on themselves."""
    if projection.method != "pca":  # they go by cosine, and a zero vector has no direction
        pointing = vectors.any(axis=1)
        records, vectors = records.filter(pa.array(pointing)), vectors[pointing]
        basis = basis if basis is None else basis[basis.any(axis=1)]
    if not len(records):
        raise UserError("No molecule to draw: all vectors are zero, without a direction. Choose another --model.")
    if basis is None:
        return records, projection.fit(vectors).coordinates
    return records, projection.fit(basis).apply(vectors)


def write_map(
    out: Path, records: pa.Table, coordinates: npt.NDArray[np.float32], title: str, method: str, said: dict[str, Any]
) -> Path:
    """Write the figure or page, and its points beside it; give the points' path."""
    from ribospace import plots

    ids, labels = records["id"].to_pylist(), records["rna_type"].to_pylist()
    lengths = records["length"].to_pylist()
    axes = {"umap": "UMAP", "pca": "PC", "tsne": "t-SNE"}[method]
    with written_whole(out) as beside:
        if out.suffix == ".html":
            texts = [text or "" for text in records["description"].to_pylist()]
            page = plots.map_page(coordinates, ids, labels, lengths, texts, title, axes)
            beside.write_text(page, encoding="utf-8")
        else:
            plots.map_figure(coordinates, labels, lengths, title, axes).savefig(beside)
    points = out.with_suffix(".points.tsv")
    with written_whole(points) as beside, open(beside, "w", encoding="utf-8", newline="\n") as file:
        file.write(
            f"# {json.dumps(said)}\n" + "\t".join(["id", *"xyz"[: coordinates.shape[1]], "rna_type", "length"]) + "\n"
        )
        for one, place, label, length in zip(ids, coordinates.tolist(), labels, lengths, strict=True):
            file.write("\t".join([one, *(f"{x:.5f}" for x in place), label or "", str(length)]) + "\n")
    return points
