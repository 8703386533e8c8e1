"""The command that judges a trained model: evaluate."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribospace.cli.output import Json, say, table
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import versions, written_whole

if TYPE_CHECKING:
    from ribospace.training.evaluate import Evaluation


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained model.")],
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
    from ribospace.models import checkpoint
    from ribospace.training.evaluate import evaluate as judge

    own = out.is_dir() and ((out / "report.json").exists() or not any(out.iterdir()))
    if out.exists() and not own:
        raise UserError(f"{out} exists and is no report. Choose a new folder for it.")
    found = checkpoint.load(model)
    store = Collection.open(data)
    result = judge(found.model, store, where=where, split=column if split else "", part=split, beams=beams)
    said = {
        "model": str(model), "revision": found.revision, "collection": store.uri, "where": where, "split": split,
        "beams": beams, "versions": versions("torch"), **asdict(result),
    }  # fmt: skip
    _write(out, said, result, found.name)
    say(as_json, json.loads(json.dumps(said, default=_plain)), *_lines(result), f"Wrote the report to {out}")


def _lines(result: Evaluation) -> list[str]:
    lines = [f"Judged on {result.molecules:,} distinct molecules in {result.windows:,} windows"]
    if result.rewritten:
        rows = result.rewritten.by_length
        cells = [
            (f"{r['from']:.0f} to {r['to']:.0f}", f"{r['molecules']:,}", f"{r['cer']:.2%}", f"{r['exact']:.1%}")
            for r in rows
        ]
        cells.append(("all", f"{result.windows:,}", f"{result.rewritten.cer:.2%}", f"{result.rewritten.exact:.1%}"))
        lines += ["", table(cells, ("nt", "windows", "character errors", "exact"), [1, 2, 3])]
    if result.classified:
        c = result.classified
        types = [
            (r["rna_type"], f"{r['molecules']:,}", f"{r['precision']:.3f}", f"{r['recall']:.3f}", f"{r['f1']:.3f}")
            for r in c.per_class
        ]
        lines += ["", table(types, ("rna_type", "molecules", "precision", "recall", "F1"), [1, 2, 3, 4]), ""]
        lines.append(
            f"F1 {c.micro_f1:.4f} micro, {c.macro_f1:.4f} macro; expected calibration error {c.calibration_error:.3f}"
        )
    if result.without_class and result.classified:
        names = f" ({', '.join(result.unknown_types)})" if result.unknown_types else ""
        lines.append(
            f"{result.without_class:,} molecules are of no type that the model knows{names}: not counted above"
        )
    return lines


def _write(out: Path, said: dict[str, Any], result: Evaluation, name: str) -> None:
    """The report's folder, whole or not at all."""
    from ribospace.plots import calibration_figure, confusion_figure

    with written_whole(out) as folder:
        folder.mkdir()
        (folder / "report.json").write_text(json.dumps(said, indent=1, default=_plain) + "\n", encoding="utf-8")
        if result.rewritten:
            _write_csv(folder / "by_length.csv", result.rewritten.by_length)
        if result.classified:
            names = [str(row["rna_type"]) for row in result.classified.per_class]
            confusion = result.classified.confusion
            _write_csv(folder / "per_class.csv", result.classified.per_class)
            rows = [
                {"true": a, **dict(zip(names, row.tolist(), strict=True))}
                for a, row in zip(names, confusion, strict=True)
            ]
            _write_csv(folder / "confusion.csv", rows)
            title = f"{name} on {result.molecules - result.without_class:,} molecules"
            confusion_figure(confusion, names, title).savefig(folder / "confusion.png")
            bins, error = result.classified.calibration, result.classified.calibration_error
            calibration_figure(bins, error, title).savefig(folder / "calibration.png")


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
