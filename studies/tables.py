"""What a study found: one table as CSV and Markdown, and its figures, in studies/NAME/results."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ribospace.alphabet import tokenize
from ribospace.analysis.evaluation import linear_probe, neighbour_accuracy, silhouette
from ribospace.analysis.projection import Projection
from ribospace.collection import Collection
from ribospace.encoders import find_encoder
from ribospace.files import versions
from ribospace.plots import COLOURS, small_maps_figure

if TYPE_CHECKING:
    from studies.run import Run

Row = dict[str, Any]


def percent(value: float) -> str:
    return f"{value:.2%}".replace("%", " %")


#: Column: its title and how a value is written.
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "name": ("run", str),
    "width": ("width", str),
    "parameters": ("parameters", "{:,}".format),
    "steps": ("steps", "{:,}".format),
    "molecules": ("molecules read", "{:,}".format),
    "rate": ("molecules/s", "{:,.0f}".format),
    "minutes": ("minutes", "{:.1f}".format),
    "loss": ("best loss held out", "{:.4f}".format),
    "cer": ("CER, real", percent),
    "exact": ("exact, real", percent),
    "cer_sampled": ("CER, sampled", percent),
    "exact_sampled": ("exact, sampled", percent),
    "talk": ("the talk's CER", str),
    "micro_f1": ("micro-F1", "{:.4f}".format),
    "macro_f1": ("macro-F1", "{:.4f}".format),
    "calibration_error": ("calibration error", "{:.3f}".format),
    "neighbours": ("3 nearest", percent),
    "neighbours_mean": ("3 nearest, mean over classes", percent),
    "probe": ("linear probe", percent),
    "probe_mean": ("linear probe, mean over classes", percent),
    "silhouette": ("silhouette", "{:+.3f}".format),
}


def write_results(name: str, study: dict[str, Any], runs: Sequence[Run], data: Path) -> None:
    """Table and figures of a study."""
    out = Path(__file__).parent / name / "results"
    out.mkdir(parents=True, exist_ok=True)
    rows = [row_of(run) for run in runs]
    if study.get("space"):
        rows += judge_spaces(study, runs, rows, data, out)
    columns = [one for one in study["columns"] if any(one in row for row in rows)]
    with open(out / "table.csv", "w", newline="", encoding="utf-8") as sheet:
        writer = csv.DictWriter(sheet, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = [[COLUMNS[one][1](row[one]) if one in row else "" for one in columns] for row in rows]
    text = [[COLUMNS[one][0] for one in columns], ["---"] * len(columns), *lines]
    said = "\n".join("| " + " | ".join(line) + " |" for line in text)
    (out / "table.md").write_text(said + "\n", encoding="utf-8")
    report = {
        "title": study["title"],
        "versions": versions("torch", "accelerate"),
        "data": about(data, study),
        "rows": rows,
    }
    (out / "results.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for key in study.get("bars", []):
        bars(rows, key, study["title"]).savefig(out / f"{key}.png")
    best = study.get("confusion")
    for run in runs:
        if run.name == best:
            for file in ("confusion.png", "calibration.png", "per_class.csv"):
                shutil.copy(run.folder / study["judged"][0] / file, out / file)
    print(said)


def row_of(run: Run) -> Row:
    """What a run's files say."""
    config = json.loads((run.folder / "model" / "config.json").read_text(encoding="utf-8"))
    figures = config["figures"]
    row: Row = {
        "name": run.name,
        "width": config["config"]["width"],
        "parameters": figures["parameters"],
        "steps": figures["steps"],
        "molecules": round(figures["molecules_per_second"] * figures["seconds"]),
        "rate": figures["molecules_per_second"],
        "minutes": figures["seconds"] / 60,
    }
    if figures.get("best_loss") is not None:
        row["loss"] = figures["best_loss"]
    for part, ending in (("real", ""), ("nrc", ""), ("sampled", "_sampled")):
        report = run.folder / part / "report.json"
        if report.exists():
            said = json.loads(report.read_text(encoding="utf-8"))
            for group in ("rewritten", "classified"):
                numbers = {key: one for key, one in (said[group] or {}).items() if isinstance(one, float)}
                row |= {f"{key}{ending}": one for key, one in numbers.items()}
            row[f"judged{ending}"] = said["molecules"]
    if run.talk:
        row["talk"] = run.talk
    return row


def about(data: Path, study: dict[str, Any]) -> Row:
    """How many molecules of which kind were learned from and judged by."""
    store = Collection.open(data)
    found: Row = {"where": study.get("base", {}).get("data", {}).get("where", "")}
    for part in ("train", "validation", "test"):
        for kind, where in (("real", "source <> 'sampled'"), ("sampled", "source = 'sampled'")):
            found[f"{part}_{kind}"] = store.count(f"split = '{part}' AND {where}")
    return found


def judge_spaces(study: dict[str, Any], runs: Sequence[Run], rows: list[Row], data: Path, out: Path) -> list[Row]:
    """Judge the embeddings of the real molecules of the test part, and draw them; baselines get rows of their own."""
    where = "split = 'test' AND source <> 'sampled'"
    table = Collection.open(data).table(["sequence", "nrc_class", "split_cluster"], where)
    labels, clusters = table["nrc_class"].to_pylist(), [str(one) for one in table["split_cluster"].to_pylist()]
    tokens = tokenize(table["sequence"])
    baselines: list[Row] = [{"name": name} for name in study.get("baselines", [])]
    maps = []
    for row, model in [
        *zip(rows, [str(run.folder / "model") for run in runs], strict=True),
        *((row, row["name"]) for row in baselines),
    ]:
        vectors = find_encoder(model, "mean").encode(tokens)
        near, probe = neighbour_accuracy(vectors, labels), linear_probe(vectors, labels, clusters)
        row |= {"width": vectors.shape[1], "neighbours": near.accuracy, "neighbours_mean": near.mean_over_labels}
        row |= {"probe": probe.accuracy, "probe_mean": probe.mean_over_labels, "chance": near.chance}
        row["silhouette"] = silhouette(vectors, labels)
        maps.append((row["name"], Projection("umap").fit(vectors).coordinates))
    title = f"{len(labels):,} real RNAs of the test part, UMAP (cosine, 15 neighbours)"
    small_maps_figure(maps, labels, title, "nRC class").savefig(out / "umap.png")
    return baselines


def bars(rows: Sequence[Row], key: str, title: str) -> Figure:
    """One bar a run, its value written at its end; dots on a logarithmic axis where values are orders apart."""
    known = [row for row in rows if key in row]
    figure = Figure(figsize=(8.5, 0.42 * len(known) + 1.2), dpi=150, layout="constrained")
    panel = figure.add_subplot()
    places, values = np.arange(len(known)), [row[key] for row in known]
    if apart := min(values, default=0) > 0 and max(values) > 30 * min(values):
        panel.set_xscale("log")
        panel.plot(values, places, "o", color=COLOURS[0])
    else:
        panel.barh(places, values, color=COLOURS[0], height=0.65)
    panel.set_yticks(places, [row["name"] for row in known])
    panel.invert_yaxis()
    what, write = COLUMNS[key]
    for place, value in zip(places, values, strict=True):
        panel.annotate(
            write(value),
            (max(value, 0), place),
            (8 if apart else 4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    if write is percent:
        panel.xaxis.set_major_formatter(PercentFormatter(1))
    panel.margins(x=0.15)
    panel.set_xlabel(what)
    panel.set_title(title, loc="left", fontsize=11)
    panel.spines[["top", "right"]].set_visible(False)
    return figure
