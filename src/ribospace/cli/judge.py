"""The command that judges a trained model: evaluate."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribospace.cli.output import Json, progress_bar, say, table
from ribospace.collection import Collection
from ribospace.collection.place import is_remote
from ribospace.errors import UserError
from ribospace.files import versions, written_whole

if TYPE_CHECKING:
    from ribospace.training.data import DataConfig
    from ribospace.training.evaluate import Evaluation

FILES = ("report.json", "by_length.csv", "per_class.csv", "confusion.csv", "confusion.png", "calibration.png")
SCORES = ("precision", "recall", "f1")


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder of a trained model, or one that ships.")],
    data: Annotated[str, typer.Option("--data", help="The collection to judge by.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the report: tables and figures.")],
    where: Annotated[str, typer.Option(help="An SQL condition: which molecules.")] = "",
    split: Annotated[
        str, typer.Option(help="Only this part of the column `split`: test, validation or train; all by default.")
    ] = "",
    column: Annotated[str, typer.Option(help="The column that `ribospace split` wrote.")] = "split",
    beams: Annotated[int, typer.Option(help="1: greedy writing; more: beam search.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Judge a model: character error rate (in all and by length), exact matches, F1, confusion, calibration.

    A model that was trained on the same molecules is judged on what it knows: use --split test.
    """
    from ribospace.encoders.latent import attached
    from ribospace.models import checkpoint
    from ribospace.models.device import pick_device
    from ribospace.models.latent import LatentAutoencoder
    from ribospace.training.data import DataConfig
    from ribospace.training.evaluate import evaluate as judge
    from ribospace.training.evaluate import molecules_of

    _require_own(out)
    found = checkpoint.load(model)
    if isinstance(found.model, LatentAutoencoder):
        attached(found.model, found.path)
    store = Collection.open(data)
    asked = DataConfig(
        where=where, split=column if split else "", label=_data(found.about).get("label", DataConfig.label)
    )
    molecules = molecules_of(store, found.model.config, asked, split)
    warnings = [one for one in (_known(found.about, asked, store.uri, split), molecules.warning) if one]
    for line in warnings:
        print(line, file=sys.stderr, flush=True)
    with written_whole(out) as folder:  # a place that cannot be written to is refused before the work
        with progress_bar("Judging", "windows") as progress:
            result = judge(found.model.to(pick_device()), molecules, beams, progress)
        said = {
            "model": str(model), "revision": found.revision, "collection": store.uri, "where": where, "split": split,
            "beams": beams, "versions": versions("torch"), "warnings": warnings, **asdict(result),
        }  # fmt: skip
        _write(folder, said, result, found.name)
    lines = [*_lines(result, split), *warnings, f"Wrote the report to {out}"]
    say(as_json, json.loads(json.dumps(said, default=_plain)), *lines)


def _require_own(out: Path) -> None:
    """Refuse a place that holds anything but a report."""
    if out.exists() and not (out.is_dir() and {file.name for file in out.iterdir()} <= set(FILES)):
        raise UserError(f"{out} exists and is no report. Choose a new folder for it.")


def _known(about: Mapping[str, Any], asked: DataConfig, uri: str, part: str) -> str:
    """A warning where the model may be judged by molecules that it was trained on."""
    there = about.get("data", {}).get("collection", "")
    same = there == uri or bool(there and not is_remote(uri) and Path(there).resolve() == Path(uri).resolve())
    kept_apart = part in ("validation", "test") and _data(about).get("split") == asked.split
    if not same or kept_apart:
        return ""
    return (
        f"The model was trained on molecules of {uri}: where these are among them, the figures are too good. "
        "A model trained with data.split can be judged by --split test"
    )


def _data(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section [data] of the model's training."""
    return about.get("training", {}).get("data", {})


def _lines(result: Evaluation, split: str) -> list[str]:
    of = f" of {split}" if split else ""
    lines = [f"Judged on {result.molecules:,} distinct molecules{of}, in {result.windows:,} windows"]
    if result.rewritten:
        rows = result.rewritten.by_length
        cells = [
            (f"{r['from']:.0f} to {r['to']:.0f}", f"{r['windows']:,}", f"{r['cer']:.2%}", f"{r['exact']:.1%}")
            for r in rows
        ]
        cells.append(("all", f"{result.windows:,}", f"{result.rewritten.cer:.2%}", f"{result.rewritten.exact:.1%}"))
        lines += ["", table(cells, ("length (nt)", "windows", "character errors", "exact"), [1, 2, 3])]
        if result.rewritten.forced is not None:
            lines.append(f"With the true letters before them {result.rewritten.forced:.2%} of the letters are wrong")
    if result.classified:
        c = result.classified
        types = [
            (r["label"], f"{r['molecules']:,}", *(f"{r[n]:.3f}" if r["molecules"] else "-" for n in SCORES))
            for r in c.per_class
        ]
        lines += ["", table(types, (result.label, "molecules", "precision", "recall", "F1"), [1, 2, 3, 4]), ""]
        lines.append(
            f"F1 {c.micro_f1:.4f} micro (the share told right), {c.macro_f1:.4f} macro (the mean of the classes that "
            f"occur); expected calibration error {c.calibration_error:.3f}"
        )
    return [*lines, ""]


def _write(folder: Path, said: dict[str, Any], result: Evaluation, name: str) -> None:
    """The report's files."""
    from ribospace.plots import calibration_figure, confusion_figure

    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(said, indent=1, default=_plain) + "\n", encoding="utf-8")
    if result.rewritten:
        _write_csv(folder / "by_length.csv", result.rewritten.by_length)
    if result.classified:
        names = [str(row["label"]) for row in result.classified.per_class]
        confusion = result.classified.confusion
        _write_csv(folder / "per_class.csv", result.classified.per_class)
        rows = [
            {"true": a, **dict(zip(names, row.tolist(), strict=True))} for a, row in zip(names, confusion, strict=True)
        ]
        _write_csv(folder / "confusion.csv", rows)
        title = f"{name} on {result.molecules - result.without_class:,} molecules"
        confusion_figure(confusion, names, title).savefig(folder / "confusion.png")
        bins, error = result.classified.calibration, result.classified.calibration_error
        calibration_figure(bins, error, title).savefig(folder / "calibration.png")


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
