"""Whether refining vectors by a graph helps: python -m studies.graphs --source FOLDER [--model FOLDER ...].

nRC's molecules of 13 classes, real ones, are put into clusters at 80 % identity and divided by clusters. The graph is
made of the training part alone, and trained without labels; the test part is attached to it and judged. Beside each
encoder's own vectors and the refined ones stand the plain mean over the same neighbours, which learns nothing, and a
graph that was shown a tenth of the training molecules' classes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import polars as pl

from ribospace.collection import Collection
from ribospace.plots import comparison_figure
from studies.data import real, ribospace

GRAPHS = {
    "mean": ["graph.refine=mean"],
    "refined": [],
    "mean-both": ["graph.refine=mean", "graph.edges=both"],
    "refined-both": ["graph.edges=both"],
    "few-labels": ["objective.classes=1.0", "objective.labelled=0.1"],
}
SHOWN = {
    "neighbours_apart": "5-NN, clusters apart",
    "probe": "probe",
    "ari": "Leiden, ARI",
    "retrieval": "retrieval, mAP",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/graphs"), help="folder of all that is made")
    parser.add_argument("--model", action="append", default=[], help="an encoder; kmer4 by default; may be repeated")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data, began = arguments.to / "molecules", time.perf_counter()
    if not data.exists():
        prepare(arguments.source, data)
    models = []
    for encoder in arguments.model or ["kmer4"]:
        name = Path(encoder).name
        models.append(encoder)
        for graph, settings in GRAPHS.items():
            out = arguments.to / f"{name}-{graph}"
            if not out.exists():
                common = ["data.split=split", "data.label=nrc_class", f"optimizer.steps={arguments.steps}"]
                options = [word for one in [*common, f"seed={arguments.seed}", *settings] for word in ("--set", one)]
                ribospace("train", "graph", "--data", data, "--model", encoder, "--out", out, *options)
            models.append(str(out))
    ribospace(
        "compare", data, "--models", ",".join(models), "--label", "nrc_class", "--where", "split = 'test'",
        "--clusters", "split_cluster", "--seed", arguments.seed, "--out", arguments.to / "compared",
    )  # fmt: skip
    draw(arguments.to)
    links(arguments.to, time.perf_counter() - began)


def draw(folder: Path) -> None:
    """The four figures that matter here, as graphs.png."""
    found = json.loads((folder / "compared" / "results.json").read_text(encoding="utf-8"))
    rows, chance = found["rows"], found["chance"]
    figures = {head: [row[key] for row in rows] for key, head in SHOWN.items()}
    figures["probe"] = [one["value"] for one in figures["probe"]]
    intervals = {"probe": [(row["probe"]["low"], row["probe"]["high"]) for row in rows]}
    by_chance = {"5-NN, clusters apart": chance["accuracy"], "probe": chance["accuracy"], "Leiden, ARI": 0.0}
    by_chance["retrieval, mAP"] = chance["retrieval"]
    title = f"{found['molecules']:,} molecules, {found['label']} ({len(found['labels'])} labels), attached to a graph"
    names = [row["representation"] for row in rows]
    comparison_figure(names, figures, intervals, by_chance, title).savefig(folder / "graphs.png")


def prepare(source: Path, data: Path) -> None:
    """The collection, each sequence once, divided by clusters."""
    data.parent.mkdir(parents=True, exist_ok=True)
    table = real(source).filter(pl.col("source") == "nRC").unique("sequence", keep="first", maintain_order=True)
    table.write_parquet(data.parent / "molecules.parquet")
    ribospace("import", data.parent / "molecules.parquet", "--to", data)
    ribospace("split", data, "--identity", 0.8, "--ratios", "7:1:2", "--engine", "sketch")
    parts = Collection.open(str(data)).table(["split"])["split"].to_pylist()
    print({part: parts.count(part) for part in sorted(set(parts))})


def links(folder: Path, seconds: float) -> None:
    """How well each graph tells links that were held out, as a table."""
    print("| graph | edges | pieces | isolated | links: area | before |\n|---|---|---|---|---|---|")
    for path in sorted(folder.glob("*/config.json")):
        figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
        cells = [figures[key] for key in ("edges", "pieces", "isolated", "link_auc", "link_auc_before")]
        print(f"| {path.parent.name} | {' | '.join(str(cell) for cell in cells)} |")
    print(f"{seconds / 60:.1f} minutes")


if __name__ == "__main__":
    main()
