"""The demo: shipped molecules and shipped weights to a map, relations, a trajectory, new molecules and an atlas."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import time
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from ribospace.analysis.evaluation import LabelAccuracy, near_copies, neighbour_accuracy
from ribospace.cli.output import Json, say, table
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import versions, written_whole
from ribospace.models.shipped import ENCODER, GENERATOR
from ribospace.sources.ribosome import read_ribosome
from ribospace.sources.sample import read_sample

BASELINES = ("kmer4", "kmer3")
REAL = "source NOT LIKE 'construct%'"
TRNAS = "rna_type = 'tRNA'"
QUERY = f"{TRNAS} AND isotype = 'Phe' AND species LIKE 'Escherichia%'"
NEIGHBOURS = 5


@dataclasses.dataclass(frozen=True)
class Step:
    """What the demo runs: a command as a user would type it, without `ribospace`."""

    title: str
    words: tuple[str, ...]

    @property
    def line(self) -> str:
        """The command, to be copied."""
        return " ".join(["ribospace", *(f'"{one}"' if set(" ='") & set(one) else one for one in self.words)])

    def run(self) -> dict[str, Any]:
        """Its answer."""
        from ribospace.cli.app import app

        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            app([*self.words, "--json"], standalone_mode=False)
        return dict(json.loads(said.getvalue()))


def steps(out: Path, query: str) -> dict[str, Step]:
    """The commands of the demo, by what they are called in its report; `query` is a molecule's id."""
    store = str(out / "collection")
    trnas = ("--targets", TRNAS, "--base", TRNAS)
    return {
        "embedded": Step(f"embed them with {ENCODER}, 64 numbers each", ("embed", store, "--model", ENCODER)),
        "page": Step(
            "draw the map, and keep it",
            ("map", store, "--method", "tsne", "--store", "--out", str(out / "map.html")),
        ),
        "neighbours": Step("find the neighbours of a tRNA", ("search", store, "--query", query, "-k", str(NEIGHBOURS))),
        "relations": Step(
            "find RNA1 = ±RNA2 ±RNA3 among tRNAs, beside chance",
            ("relations", store, *trnas, "--best", "100", "--permutations", "20", "--out", str(out / "relations")),
        ),
        "trajectory": Step(
            "follow the tRNAs from one of them",
            ("trajectory", store, "--where", TRNAS, "--label", "isotype", "--root", query, "--runs", "2",
             "--out", str(out / "trajectory")),
        ),
        "generated": Step(
            "write five tRNAs that did not exist",
            ("generate", "--model", GENERATOR, "-n", "5", "--rna-type", "tRNA", "--against", store,
             "--out", str(out / "five_tRNAs.fasta")),
        ),
        "atlas": Step("write the atlas as one file", ("atlas", store, "--out", str(out / "atlas.html"))),
    }  # fmt: skip


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("demo"),
    as_json: Json = False,
) -> None:
    """See it work: real RNAs to vectors, a map, relations, a trajectory, new molecules and an atlas.

    Takes the molecules and the weights that ship with Ribospace; nothing is trained and nothing is fetched.
    """
    _require_own(out)
    began, seconds, found = time.perf_counter(), dict[str, float](), dict[str, dict[str, Any]]()
    if not as_json:
        print(f"Ribospace demo, written to {out}/")
    store = Collection.open_or_create(out / "collection")
    for batches in (read_sample(), read_ribosome()):
        store.append(batches, duplicates="keep-first")
    query = store.table(where=QUERY, limit=1).to_pylist()[0]
    _note(seconds, "import the sample of real RNAs, and the PTC set", began, as_json)
    todo = steps(out, query["id"])
    for name, step in todo.items():
        start = time.perf_counter()
        found[name] = step.run()
        _note(seconds, step.title, start, as_json)
    start = time.perf_counter()
    Step("", ("map", str(out / "collection"), "--method", "tsne", "--out", str(out / "map.png"))).run()
    accuracy, types, copies = _judged(store)
    _note(seconds, "draw it once more for print, judge by the sample's types", start, as_json)
    total = time.perf_counter() - began
    with written_whole(out / "report.md") as beside:
        beside.write_text(
            _report(store, query, todo, found, (accuracy, types, copies), seconds, total), encoding="utf-8"
        )
    answer = {
        "out": str(out), "molecules": len(store), "seconds": round(total, 1),
        "accuracy": {name: dataclasses.asdict(plain) for name, (plain, _) in accuracy.items()},
        "neighbours": [one["id"] for one in found["neighbours"]["neighbours"]],
        "p_relations": found["relations"]["p_count"], "generated": found["generated"]["written"],
    }  # fmt: skip
    say(as_json, answer, *_farewell(out, query, found, accuracy, total))


def _note(seconds: dict[str, float], what: str, began: float, as_json: bool) -> None:
    seconds[what] = round(time.perf_counter() - began, 1)
    if not as_json:
        print(f"  {what:<58}{seconds[what]:6.1f} s", flush=True)


def _require_own(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "collection").is_dir())):
        raise UserError(f"{out} exists and was not made by the demo. Choose another place: ribospace demo --out FOLDER")


def _judged(store: Collection) -> tuple[dict[str, tuple[LabelAccuracy, LabelAccuracy]], list[str], int]:
    """Leave-one-out accuracy of the type on the distinct sequences of the sample, as they are and without near copies.

    Of the encoder and of k-mers; with the types, and how many molecules have a near copy.
    """
    from ribospace.alphabet import tokenize
    from ribospace.encoders import find_encoder

    records = store.table(["md5", "sequence", "rna_type"], REAL)
    _, first = np.unique(records["md5"].to_numpy(zero_copy_only=False), return_index=True)
    distinct = records.take(pa.array(np.sort(first)))
    types, sequences = distinct["rna_type"].to_pylist(), distinct["sequence"].to_pylist()
    copies = near_copies(sequences)
    accuracy = {}
    for model in (ENCODER, *BASELINES):
        vectors = find_encoder(model).encode(tokenize(sequences))
        accuracy[model] = neighbour_accuracy(vectors, types), neighbour_accuracy(vectors, types, excluded=copies)
    return accuracy, types, int((copies.sum(axis=1) > 1).sum())


def _report(
    store: Collection,
    query: dict[str, Any],
    todo: dict[str, Step],
    found: dict[str, dict[str, Any]],
    judged: tuple[dict[str, tuple[LabelAccuracy, LabelAccuracy]], list[str], int],
    seconds: dict[str, float],
    total: float,
) -> str:
    accuracy, types, copies = judged
    names, counts = np.unique(types, return_counts=True)
    spread = sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda one: -one[1])
    generated = Path(found["generated"]["file"]).read_text(encoding="utf-8").strip()
    return _template().format(
        molecules=len(store),
        real=store.count(REAL),
        distinct=len(types),
        types=", ".join(f"{name} {count}" for name, count in spread),
        chance=next(iter(accuracy.values()))[0].chance,
        near_copies=copies,
        accuracy=_rows((model, *_shares(both)) for model, both in accuracy.items()),
        query=query,
        neighbours=_rows(
            (number, f"{one['distance']:.4f}", one["id"], one["rna_type"], one["length"], one["description"])
            for number, one in enumerate(found["neighbours"]["neighbours"], 1)
        ),
        relations=found["relations"],
        trajectory=found["trajectory"],
        generated=generated,
        commands="\n".join(step.line for step in todo.values()),
        seconds=_rows(seconds.items()),
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


def _farewell(
    out: Path,
    query: dict[str, Any],
    found: dict[str, dict[str, Any]],
    accuracy: dict[str, tuple[LabelAccuracy, LabelAccuracy]],
    total: float,
) -> list[str]:
    shares = [(name, f"{plain.accuracy:.1%}", f"{apart.accuracy:.1%}") for name, (plain, apart) in accuracy.items()]
    chance = next(iter(accuracy.values()))[0].chance
    nearest = [
        (f"{one['distance']:.4f}", one["id"], one["rna_type"], (one["description"] or "")[:50])
        for one in found["neighbours"]["neighbours"]
    ]
    relations = found["relations"]
    return [
        "",
        f"rna_type by 3 nearest neighbours, leave-one-out on the sample (largest type: {chance:.1%})",
        table(shares, ("embedding", "accuracy", "without near copies"), [1, 2]),
        "",
        f"Nearest to {query['id']} ({query['description']})",
        table(nearest, ("distance", "id", "rna_type", "description"), [0]),
        "",
        f"Relations among tRNAs: {relations['equations']:,} found; chance gives {relations['null_mean']:,.0f} as good "
        f"(p = {relations['p_count']:.2g})",
        "",
        f"Done in {total:.0f} s. Look at {out}/atlas.html, {out}/map.html and {out}/report.md. Then try:",
        f"  ribospace search {out}/collection --query PTC5 -k 5",
        "  ribospace map YOUR.fasta --out map.html",
        "  ribospace embed YOUR.fasta --out vectors.parquet",
    ]
