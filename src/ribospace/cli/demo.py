"""The demo: shipped molecules to a map, neighbours and a report, in one command."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from ribospace.analysis.evaluation import LabelAccuracy, near_copies, neighbour_accuracy
from ribospace.cli.explore import project, write_map
from ribospace.cli.output import Json, progress_bar, say, table
from ribospace.collection import Collection
from ribospace.encoders import embed_collection, find_encoder
from ribospace.errors import UserError
from ribospace.files import versions, written_whole
from ribospace.sources.ribosome import read_ribosome
from ribospace.sources.sample import read_sample
from ribospace.sources.synthetic import hairpins

HAIRPINS = 2000
BASELINE = "kmer4"
SAMPLE = "source <> 'synthetic' AND source NOT LIKE 'construct%'"
QUERY = "rna_type = 'tRNA' AND isotype = 'Phe' AND species LIKE 'Escherichia%'"
NEIGHBOURS = 5


@dataclass
class _Seen:
    """What the demo saw on its way, for report.md."""

    seconds: dict[str, float] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    accuracy: dict[str, tuple[LabelAccuracy, LabelAccuracy]] = field(default_factory=dict)
    sample_types: list[str] = field(default_factory=list)
    near_copies: int = 0
    query: dict[str, Any] = field(default_factory=dict)
    neighbours: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def timed(self, what: str, as_json: bool) -> Iterator[None]:
        """Note how long a step took, and say so."""
        began = time.perf_counter()
        yield
        self.seconds[what] = round(time.perf_counter() - began, 1)
        if not as_json:
            print(f"  {what:<52}{self.seconds[what]:6.1f} s", flush=True)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("demo"),
    steps: Annotated[
        int, typer.Option(help="Training steps; the default takes under a minute on two cores.", min=1)
    ] = 400,
    as_json: Json = False,
) -> None:
    """See it work: real RNAs to a trained model, a map and a report.

    Imports the molecules that ship with Ribospace and 2,000 synthetic hairpins, trains a small autoencoder, embeds,
    maps, finds the neighbours of a tRNA. A second run uses what is there.
    """
    _require_own(out)
    began = time.perf_counter()
    if not as_json:
        print(f"Ribospace demo, written to {out}/")
    seen = _Seen()
    with seen.timed("import the sample, the PTC set and hairpins", as_json):
        store = Collection.open_or_create(out / "collection")
        for batches in (read_sample(), read_ribosome(), hairpins(HAIRPINS)):
            store.append(batches, duplicates="keep-first")
    with seen.timed("train a small autoencoder", as_json):
        seen.training = _trained(store, out / "model", steps)
    with seen.timed("embed all molecules with it, and with 4-mers", as_json):
        columns = [
            embed_collection(store, find_encoder(model), overwrite=True).column
            for model in (str(out / "model"), BASELINE)
        ]
    with seen.timed("draw the map", as_json):
        _draw(store, columns[0], out)
    with seen.timed("judge by the sample's types, find neighbours", as_json):
        _judge(store, columns, seen)
        _look_around(store, columns[0], seen)
    total = time.perf_counter() - began
    with written_whole(out / "report.md") as beside:
        beside.write_text(_report(store, columns, seen, total), encoding="utf-8")
    answer = {
        "out": str(out),
        "molecules": len(store),
        "accuracy": {name: dataclasses.asdict(plain) for name, (plain, _) in seen.accuracy.items()},
        "validation_cer": seen.training["figures"].get("validation_cer"),
        "neighbours": [one["id"] for one in seen.neighbours],
        "seconds": round(total, 1),
    }
    say(as_json, answer, *_farewell(out, seen, columns, total))


def _require_own(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "collection").is_dir())):
        raise UserError(f"{out} exists and was not made by the demo. Choose another place: ribospace demo --out FOLDER")


def _trained(store: Collection, folder: Path, steps: int) -> dict[str, Any]:
    """Train, or take the model that an earlier demo trained in the same way on the same molecules."""
    from ribospace.training.config import OptimizerConfig, TrainConfig
    from ribospace.training.train import train

    config = TrainConfig(name="autoencoder", optimizer=OptimizerConfig(steps=steps, minutes=1.2, token_budget=4096))
    if about := _earlier(folder):
        distinct = len(store.table(["sequence"])["sequence"].unique())
        if about["training"] == json.loads(json.dumps(dataclasses.asdict(config))) and (
            about["data"]["distinct_molecules"] == distinct
        ):
            return {"data": about["data"], "figures": about["figures"]}
    with progress_bar("Training", "steps") as progress:
        return train(store, folder, config, progress)


def _earlier(folder: Path) -> dict[str, Any]:
    """What an earlier demo's model says of itself; nothing where there is none that this version reads."""
    from ribospace.models import checkpoint

    try:
        return checkpoint.load(folder).about if checkpoint.is_model(folder) else {}
    except UserError:
        return {}


def _draw(store: Collection, column: str, out: Path) -> None:
    """Draw the map, unless this very map is there already."""
    said = {
        **store.embeddings[column].metadata(), "molecules": len(store), "method": "umap", "dims": 2, "seed": 0,
        "versions": versions("umap-learn"),
    }  # fmt: skip
    files = [out / name for name in ("map.png", "map.html", "map.points.tsv")]
    if all(file.is_file() for file in files):
        with open(files[-1], encoding="utf-8") as points:
            if points.readline() == f"# {json.dumps(said)}\n":
                return
    with progress_bar("Fitting umap"):
        records, coordinates = project(store, column, "umap", 2, seed=0, where=None, fit=None)
    title = f"{len(records):,} molecules by a small autoencoder: real RNAs, ribosome constructs, synthetic hairpins"
    for file in files[:2]:
        write_map(file, records, coordinates, title, "umap", said)


def _judge(store: Collection, columns: list[str], seen: _Seen) -> None:
    """Leave-one-out accuracy of the type on the distinct sequences of the sample."""
    records = store.table(["id", "md5", "sequence", "rna_type"], SAMPLE)
    _, first = np.unique(records["md5"].to_numpy(zero_copy_only=False), return_index=True)
    distinct = records.take(pa.array(np.sort(first)))
    seen.sample_types = distinct["rna_type"].to_pylist()
    copies = near_copies(distinct["sequence"].to_pylist())
    seen.near_copies = int((copies.sum(axis=1) > 1).sum())
    for column in columns:
        ids, vectors = store.embedding(column, SAMPLE)
        row = {one: number for number, one in enumerate(ids)}
        chosen = vectors[[row[one] for one in distinct["id"].to_pylist()]]
        seen.accuracy[column] = (
            neighbour_accuracy(chosen, seen.sample_types),
            neighbour_accuracy(chosen, seen.sample_types, excluded=copies),
        )


def _look_around(store: Collection, column: str, seen: _Seen) -> None:
    """Find the nearest molecules of one tRNA, copies of its own sequence left out."""
    seen.query = store.table(where=QUERY, limit=1).to_pylist()[0]
    _, vectors = store.embedding(column, f"id = '{seen.query['id']}'")
    others = f"md5 <> '{seen.query['md5']}'"
    fields = ["id", "rna_type", "length", "description", "isotype"]
    found = store.neighbours(column, vectors[0], NEIGHBOURS, where=others, columns=fields)
    seen.neighbours = [
        {**record, "distance": float(distance)}
        for record, distance in zip(found.records.to_pylist(), found.distances, strict=True)
    ]


def _report(store: Collection, columns: list[str], seen: _Seen, total: float) -> str:
    cer = seen.training["figures"].get("validation_cer")
    names, counts = np.unique(seen.sample_types, return_counts=True)
    types = sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda one: -one[1])
    return _template().format(
        molecules=len(store),
        real=store.count(SAMPLE),
        hairpins=HAIRPINS,
        figures=seen.training["figures"],
        data=seen.training["data"],
        stopped=seen.training["figures"]["stopped"].capitalize(),
        error="not measured, as each has a near copy in training" if cer is None else f"{cer:.2%}",
        distinct=len(seen.sample_types),
        types=", ".join(f"{name} {count}" for name, count in types),
        chance=next(iter(seen.accuracy.values()))[0].chance,
        near_copies=seen.near_copies,
        accuracy=_rows(
            (column, store.embeddings[column].width, *_shares(both)) for column, both in seen.accuracy.items()
        ),
        query=seen.query,
        column=columns[0],
        neighbours=_rows(
            (number, f"{one['distance']:.4f}", one["id"], one["rna_type"], one["length"], one["description"])
            for number, one in enumerate(seen.neighbours, 1)
        ),
        seconds=_rows(seen.seconds.items()),
        total=total,
        versions=", ".join(
            f"{name} {one}" for name, one in versions("torch", "lancedb", "umap-learn", "numpy").items()
        ),
    )


def _shares(both: tuple[LabelAccuracy, LabelAccuracy]) -> list[str]:
    return [f"{share:.1%}" for one in both for share in (one.accuracy, one.mean_over_labels)]


def _template() -> str:
    return (resources.files("ribospace") / "data" / "demo_report.md").read_text(encoding="utf-8")


def _rows(rows: Iterable[tuple[object, ...]]) -> str:
    """Rows of a Markdown table."""
    return "\n".join("| " + " | ".join(str(cell or "") for cell in row) + " |" for row in rows)


def _farewell(out: Path, seen: _Seen, columns: list[str], total: float) -> list[str]:
    accuracy = [
        (column, f"{plain.accuracy:.1%}", f"{strict.accuracy:.1%}") for column, (plain, strict) in seen.accuracy.items()
    ]
    chance = next(iter(seen.accuracy.values()))[0].chance
    nearest = [
        (f"{one['distance']:.4f}", one["id"], one["rna_type"], (one["description"] or "")[:50])
        for one in seen.neighbours
    ]
    return [
        "",
        f"rna_type by 3 nearest neighbours, leave-one-out on the sample (largest type: {chance:.1%})",
        table(accuracy, ("embedding", "accuracy", "without near copies"), [1, 2]),
        "",
        f"Nearest to {seen.query['id']} ({seen.query['description']})",
        table(nearest, ("distance", "id", "rna_type", "description"), [0]),
        "",
        f"Done in {total:.0f} s. Look at {out}/map.html and {out}/report.md. Then try:",
        f"  ribospace search {out}/collection --model {columns[0]} --query PTC5 -k 5",
        f"  ribospace map {out}/collection --model {BASELINE} --where \"rna_type = 'tRNA'\" --out tRNAs.html",
        f"  ribospace embed YOUR.fasta --model {out}/model --out vectors.parquet",
    ]
