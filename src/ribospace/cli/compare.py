"""Commands that compare: representations (compare) and reductions of one (compare-projections)."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import typer

from ribospace.cli.output import Json, progress_bar, require_own, say, table
from ribospace.collection import Collection
from ribospace.collection.store import vectors_of
from ribospace.encoders.named import find_column
from ribospace.errors import UserError, nearest
from ribospace.files import exists, versions, written_whole
from ribospace.models.shipped import ENCODER

if TYPE_CHECKING:
    from ribospace.analysis.comparison import Measured, Truth
    from ribospace.analysis.reductions import Kept

FILES = ("table.md", "table.csv", "results.json", "figure.png", "report.html")
SAMPLE = 2000

Out = Annotated[Path, typer.Option("--out", help="Folder of the report.")]
Where = Annotated[str, typer.Option(help="An SQL condition: which molecules.")]
Limit = Annotated[int, typer.Option(help="Most molecules, drawn at random; all pairs of them are compared.", min=20)]
Seed = Annotated[int, typer.Option(help="Of all that is drawn.", min=0)]


@dataclass(frozen=True)
class Represented:
    """Vectors of the molecules compared, and how fast they were made, molecules a second; 0 where they were there."""

    name: str
    vectors: npt.NDArray[np.float32]
    rate: float


def compare(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="The molecules.")],
    models: Annotated[str, typer.Option("--models", help="Embeddings of the collection, or encoders: a,b,c.")],
    out: Out,
    label: Annotated[str, typer.Option(help="The column of the labels.")] = "rna_type",
    where: Where = "",
    limit: Limit = SAMPLE,
    clusters: Annotated[
        str, typer.Option(help="A column of clusters, as `ribospace split` writes; else near copies are looked for.")
    ] = "",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare representations: what each knows of a label, of sequences and of structures, beside chance.

    Equal sequences are taken once. The probe keeps near copies in one fold; its 95 % intervals are by bootstrap over
    clusters.
    """
    from ribospace.analysis.comparison import LEAST, chance_of, measure, truth_of

    require_own(out, FILES, "rows", "comparison")
    store = Collection.open(collection)
    molecules, left_out = _molecules(store, label, where, limit, seed, clusters)
    known, unknown = len(molecules), left_out.get("without a label", 0)
    if unknown and known < LEAST:
        raise UserError(
            f"{label} is known of {known:,} of {known + unknown:,} molecules, and {LEAST} are needed to compare "
            "representations. Choose another column with --label, or bring in more molecules."
        )
    names = [one.strip() for one in models.split(",") if one.strip()]
    if not names:
        raise UserError("--models names nothing. Name embeddings or encoders, such as --models kmer4,random.")
    with written_whole(out) as folder, progress_bar("Comparing", "representations") as progress:
        groups = molecules[clusters].to_pylist() if clusters else None
        truth = truth_of(molecules["sequence"].to_pylist(), molecules[label].to_pylist(), groups, seed)
        rows = []
        for number, (name, shown) in enumerate(zip(names, _shown(names), strict=True)):
            progress(number, len(names), shown)
            found = _represented(store, name, molecules)
            rows.append(_row(found, measure(found.vectors, truth, seed)) | {"representation": shown, "named": name})
        chance = {"representation": "chance", **asdict(chance_of(truth))}
        about = _about(store, where, seed, molecules, label, left_out, truth)
        cells = [[_cell(row, key) for key, _ in COLUMNS] for row in rows] + [_chance_cells(chance)]
        _write(folder, about, {"rows": rows, "chance": chance}, cells, [head for _, head in COLUMNS], rows)
    say(
        as_json,
        {**about, "rows": rows, "chance": chance},
        table(cells, [head for _, head in COLUMNS], list(range(1, len(COLUMNS)))),
        *_said(about),
        f"Wrote the report to {out}",
    )


def compare_projections(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="The molecules.")],
    *,
    model: Annotated[str, typer.Option("--model", help="An embedding of the collection, or an encoder.")] = ENCODER,
    out: Out,
    methods: Annotated[
        str, typer.Option(help="pca, umap, tsne, random (projection), parametric-umap, noise (chance).")
    ] = "pca,umap,tsne,random,parametric-umap,noise",
    dims: Annotated[str, typer.Option(help="Dimensions of the reductions.")] = "2,3,10,40",
    seeds: Annotated[int, typer.Option(help="Runs of each, for the spread.", min=1)] = 3,
    reductions: Annotated[
        str, typer.Option("--with", help="Reductions that are there: embeddings or encoders, such as a latent model.")
    ] = "",
    where: Where = "",
    limit: Limit = SAMPLE,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare reductions of one representation: what each keeps of neighbours, distances, angles and sums.

    Equal sequences are taken once. Vectors are brought to length 1, so that near is near by cosine and by distance.
    """
    from ribospace.analysis.reductions import compare_reductions, require_methods

    require_own(out, FILES, "rows", "comparison")
    chosen, numbers = [one.strip() for one in methods.split(",") if one.strip()], _numbers(dims)
    require_methods(chosen)
    store = Collection.open(collection)
    molecules, _ = _molecules(store, "", where, limit, seed, "")
    with written_whole(out) as folder, progress_bar("Comparing", "reductions") as progress:
        full = _represented(store, model, molecules)
        named = [one.strip() for one in reductions.split(",") if one.strip()]
        given = {one: _represented(store, one, molecules).vectors for one in named}
        kept, most = [], len(chosen) * len(numbers) + len(given)
        for one in compare_reductions(full.vectors, chosen, numbers, seeds, given, seed):
            kept.append(one)
            progress(len(kept), most, f"{one.method}, {one.dims} dimensions")
        if not kept:
            raise UserError(
                f"Nothing is left to compare: {model} has {full.vectors.shape[1]} numbers, a reduction has fewer, "
                "and t-SNE has 3 at most. Name other --methods or --dims."
            )
        rows = [_kept_row(one) for one in kept]
        about = {
            "collection": store.uri, "where": where, "seed": seed, "seeds": seeds, "molecules": len(molecules),
            "representation": model, "width": full.vectors.shape[1],
            "versions": versions("torch", "umap-learn", "openTSNE"),
        }  # fmt: skip
        cells = [[_kept_cell(row, key) for key, _ in KEPT_COLUMNS] for row in rows]
        _write_kept(folder, about, rows, cells)
    say(
        as_json,
        {**about, "rows": rows},
        table(cells, [head for _, head in KEPT_COLUMNS], list(range(1, len(KEPT_COLUMNS)))),
        f"{len(molecules):,} molecules, {model} (width {full.vectors.shape[1]}), {seeds} seeds",
        f"Wrote the report to {out}",
    )


# ---------------------------------------------------------------- molecules and their vectors


def _molecules(
    store: Collection, label: str, where: str, limit: int, seed: int, clusters: str
) -> tuple[pa.Table, dict[str, int]]:
    """Distinct sequences that have a label, at most so many; and how many were left out, by why."""
    columns = list(dict.fromkeys(["id", "sequence", *([label] if label else []), *([clusters] if clusters else [])]))
    for name in columns:
        if name not in store.plain_columns:
            raise UserError(f"{store.uri} has no column {name!r}. {nearest(name, store.plain_columns)}")
    found = store.table(columns, where or None)
    first = np.unique(found["sequence"].to_numpy(zero_copy_only=False).astype(str), return_index=True)[1]
    kept = found.take(np.sort(first))
    left = {"equal to another": len(found) - len(kept)}
    if label:
        known = pa.array([one is not None and one != "" for one in kept[label].to_pylist()], pa.bool_())
        left["without a label"] = len(kept) - (known.true_count)
        kept = kept.filter(known)
    if len(kept) > limit:
        left["not drawn"] = len(kept) - limit
        kept = kept.take(np.sort(np.random.default_rng(seed).choice(len(kept), limit, replace=False)))
    return kept, {why: many for why, many in left.items() if many}


def _represented(store: Collection, name: str, molecules: pa.Table) -> Represented:
    """Vectors of the molecules, from the collection where it has them all, else from the encoder."""
    from ribospace.alphabet import tokenize
    from ribospace.encoders import find_encoder
    from ribospace.encoders.registry import names_place

    ids = molecules["id"].to_pylist()
    if name in store.embeddings or (names_place(name) and _has_column(store, name)):
        column = find_column(store, name, "")
        vectors = np.full((len(ids), column.width), np.nan, dtype=np.float32)
        place = {one: row for row, one in enumerate(ids)}
        for batch in store.read(["id", column.column], f"`{column.column}` IS NOT NULL"):
            rows = [place.get(one, -1) for one in batch.column("id").to_pylist()]
            chosen = np.flatnonzero(np.array(rows) >= 0)
            if len(chosen):
                there = pa.chunked_array([batch.take(chosen).column(column.column)])
                vectors[np.array(rows)[chosen]] = vectors_of(there, column.width)
        if missing := int(np.isnan(vectors).any(axis=1).sum()):
            raise UserError(
                f"{missing:,} of the molecules have no vector {column.column!r} yet. Make them: ribospace embed "
                f"{store.uri} --model {column.location or column.encoder}"
            )
        return Represented(name, vectors, 0.0)
    encoder = find_encoder(name)
    began = time.perf_counter()
    vectors = encoder.encode(tokenize(molecules["sequence"]))
    return Represented(name, vectors, round(len(ids) / max(time.perf_counter() - began, 1e-9), 1))


def _shown(names: Sequence[str]) -> list[str]:
    """Names as tables have them: a folder's last part, where no other is called so."""
    short = [Path(name).name if exists(name) else name for name in names]
    return [one if short.count(one) == 1 and one else name for name, one in zip(names, short, strict=True)]


def _has_column(store: Collection, name: str) -> bool:
    try:
        find_column(store, name, "")
    except UserError:
        return False
    return True


def _numbers(text: str) -> list[int]:
    if not all(one.strip().isdecimal() and len(one) < 10 and int(one) > 0 for one in text.split(",")):
        raise UserError(f"--dims {text!r} is no list of numbers above 0; for instance --dims 2,3,10.")
    return [int(one) for one in text.split(",")]


# ---------------------------------------------------------------- the report of representations

COLUMNS = (
    ("representation", "representation"),
    ("neighbours", "5-NN"),
    ("neighbours_apart", "5-NN, clusters apart"),
    ("probe", "probe"),
    ("macro_f1", "probe, macro-F1"),
    ("silhouette", "silhouette"),
    ("ari", "Leiden, ARI"),
    ("nmi", "Leiden, NMI"),
    ("retrieval", "retrieval, mAP"),
    ("edits", "edit distance, ρ"),
    ("structures", "structure distance, ρ"),
    ("width", "width"),
    ("bytes", "bytes"),
    ("rate", "molecules/s"),
)


def _row(found: Represented, measured: Measured) -> dict[str, Any]:
    width = found.vectors.shape[1]
    return {"representation": found.name, **asdict(measured), "width": width, "bytes": 4 * width, "rate": found.rate}


def _cell(row: dict[str, Any], key: str) -> str:
    value = row[key]
    if isinstance(value, dict):
        return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    if key == "rate":
        return f"{value:,.0f}" if value else "-"
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else value if isinstance(value, str) else f"{value:.3f}"


def _chance_cells(chance: dict[str, Any]) -> list[str]:
    known = {"representation": "chance"} | {key: f"{chance[key]:.3f}" for key in ("retrieval", "macro_f1")}
    known |= dict.fromkeys(("neighbours", "neighbours_apart", "probe"), f"{chance['accuracy']:.3f}")
    known |= dict.fromkeys(("ari", "edits", "structures"), "0")
    return [known.get(key, "-") for key, _ in COLUMNS]


def _about(
    store: Collection, where: str, seed: int, molecules: pa.Table, label: str, left: dict[str, int], truth: Truth
) -> dict[str, Any]:
    names, counts = np.unique(truth.labels, return_counts=True)
    return {
        "collection": store.uri,
        "where": where,
        "seed": seed,
        "label": label,
        "molecules": len(molecules),
        "labels": dict(zip(names.tolist(), counts.tolist(), strict=True)),
        "clusters": len(np.unique(truth.clusters)),
        "left_out": left,
        "edit_distances": len(truth.edits[1]),
        "structure_distances": len(truth.structures[1]) if truth.structures else 0,
        "versions": versions("torch", "scikit-learn"),
    }


def _said(about: dict[str, Any]) -> Iterator[str]:
    counts = sorted(about["labels"].items(), key=lambda item: -item[1])
    named = ", ".join(f"{name} {many:,}" for name, many in counts[:15]) + (" …" if len(counts) > 15 else "")
    yield f"{about['molecules']:,} molecules in {about['clusters']:,} clusters; {about['label']}: {named}"
    if about["left_out"]:
        yield "Left out: " + ", ".join(f"{many:,} {why}" for why, many in about["left_out"].items())
    if not about["structure_distances"]:
        yield "Structures were not compared: that needs ViennaRNA, pip install 'ribospace[structure]'"


def _write(
    folder: Path,
    about: dict[str, Any],
    result: dict[str, Any],
    cells: list[list[str]],
    header: list[str],
    rows: Sequence[dict[str, Any]],
) -> None:
    from ribospace.plots import comparison_figure

    shown = [one for one in COLUMNS[1:11] if any(row[one[0]] is not None for row in rows)]
    figures = {head: [_value(row[key]) for row in rows] for key, head in shown}
    probed = [one for one in shown if one[0] in ("probe", "macro_f1")]
    intervals = {head: [(row[key]["low"], row[key]["high"]) for row in rows] for key, head in probed}
    line = dict(zip(header, cells[-1], strict=True))
    chance = {head: float(line[head]) for _, head in shown if line[head] != "-"}
    title = f"{about['molecules']:,} molecules, {about['label']} ({len(about['labels'])} labels)"
    figure = comparison_figure([row["representation"] for row in rows], figures, intervals, chance, title)
    _write_all(folder, about, result, cells, header, figure, f"Representations compared: {title}", list(_said(about)))


def _value(value: Any) -> float | None:
    return value["value"] if isinstance(value, dict) else value


def _write_all(
    folder: Path,
    about: dict[str, Any],
    result: dict[str, Any],
    cells: list[list[str]],
    header: list[str],
    figure: Any,
    title: str,
    lines: list[str],
) -> None:
    from ribospace.plots import report_page

    folder.mkdir()
    said = {**about, "command": " ".join(sys.argv[1:]), **result}
    (folder / "results.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    rule = "|".join(["---", *["---:"] * (len(header) - 1)])
    rows = [f"| {' | '.join(row)} |" for row in cells]
    lines_of_table = [f"| {' | '.join(header)} |", f"|{rule}|", *rows]
    (folder / "table.md").write_text("\n".join(lines_of_table) + "\n", encoding="utf-8")
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *cells])
    figure.savefig(folder / "figure.png")
    (folder / "report.html").write_text(report_page(title, lines, header, cells, figure), encoding="utf-8")


# ---------------------------------------------------------------- the report of reductions

KEPT_COLUMNS = (
    ("method", "reduction"),
    ("dims", "dimensions"),
    ("trustworthiness", "trustworthiness"),
    ("continuity", "continuity"),
    ("kept_5", "5 nearest kept"),
    ("kept_15", "15 nearest kept"),
    ("kept_50", "50 nearest kept"),
    ("distances", "distance ranks, ρ"),
    ("angle", "angle error (°)"),
    ("sums_kept", "best sums kept"),
    ("sums_true", "best sums true"),
    ("seconds", "s"),
)


def _kept_row(kept: Kept) -> dict[str, Any]:
    """Mean and standard deviation over the seeds of each measure."""
    runs = []
    for run in kept.runs:
        said = asdict(run)
        runs.append({**{f"kept_{k}": value for k, value in said.pop("kept").items()}, **said})
    columns = {key: [run[key] for run in runs] for key in runs[0]}
    spread = {key: (float(np.mean(values)), float(np.std(values))) for key, values in columns.items()}
    return {"method": kept.method, "dims": kept.dims, **spread, "runs": len(runs), "seconds": round(kept.seconds, 2)}


def _kept_cell(row: dict[str, Any], key: str) -> str:
    value = row[key]
    if isinstance(value, tuple):
        digits = 1 if key == "angle" else 3
        return f"{value[0]:.{digits}f}" + (f" ± {value[1]:.{digits}f}" if row["runs"] > 1 else "")
    if key == "seconds":
        return f"{value:.1f}" if value else "-"
    return str(value)


def _write_kept(folder: Path, about: dict[str, Any], rows: list[dict[str, Any]], cells: list[list[str]]) -> None:
    from ribospace.plots import kept_figure

    figures: dict[str, dict[str, list[tuple[int, float, float]]]] = {}
    for key, head in KEPT_COLUMNS[2:-1]:
        for row in rows:
            figures.setdefault(head, {}).setdefault(row["method"], []).append((row["dims"], *row[key]))
    space = f"{about['representation']} (width {about['width']})"
    what = f"{about['molecules']:,} molecules, {space}, {about['seeds']} seeds"
    figure = kept_figure(figures, what, "noise")
    lines = [
        "Mean ± standard deviation over the seeds. Nearest kept: share of a molecule's nearest in the full space that "
        "are among its nearest in the reduction. Best sums: a molecule's best sum is the pair of others whose sum lies "
        "nearest to it; kept, if it is among the best hundredth of all pairs in the reduction; true, the other way "
        "round. noise: points that know nothing, what chance keeps.",
    ]
    header = [head for _, head in KEPT_COLUMNS]
    _write_all(folder, about, {"rows": rows}, cells, header, figure, f"Reductions compared: {what}", lines)
