"""The command that judges generated molecules: assess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ribospace.cli.output import Json, progress_bar, require_own, say, table, write_rows
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import existing_file, versions, written_whole

if TYPE_CHECKING:
    from ribospace.generation.assessment import Assessment
    from ribospace.generation.molecules import Natural
    from ribospace.generation.naming import Namer

FILES = ("results.json", "table.tsv", "report.html", "distributions.png", "kmers.png")
MOST_TYPES = 8  # that are printed
TITLES = {
    "length": "length, nt",
    "gc": "share of G and C",
    "mfe": "minimum free energy, kcal/mol per nt",
    "nearest": "edits to the nearest training molecule, over length",
}


def assess(
    generated: Annotated[Path, typer.Argument(metavar="GENERATED", help="FASTA of the molecules to judge.")],
    against: Annotated[str, typer.Option("--against", help="The collection of natural molecules.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the report: tables, page, figures.")],
    split: Annotated[
        str, typer.Option(help="The column that says train and test; by default `split`, where there is one.")
    ] = "",
    where: Annotated[str, typer.Option(help="An SQL condition: which natural molecules.")] = "",
    model: Annotated[str, typer.Option("--model", help="The encoder of the space: name, file or folder.")] = "kmer3",
    classifier: Annotated[
        str, typer.Option(help="A folder that `ribospace train classifier` wrote; by default a regression on k-mers.")
    ] = "",
    rna_type: Annotated[
        str, typer.Option("--rna-type", help="The type that was asked, where neither header nor .tsv says it.")
    ] = "",
    cm: Annotated[
        Path | None, typer.Option("--cm", help="Covariance model of tRNA: Infernal's .cm, or an alignment (.sto).")
    ] = None,
    most: Annotated[int, typer.Option(help="Most molecules of a set; more are drawn from.", min=20)] = 1000,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Judge generated molecules beside random, shuffled and held-out natural ones: how new, how varied, how natural.

    Held-out natural molecules are the best that can be expected, random and shuffled ones what is had for nothing.
    """
    from ribospace.encoders import find_encoder
    from ribospace.generation import cloverleaf
    from ribospace.generation.assessment import Judges
    from ribospace.generation.assessment import assess as judge
    from ribospace.generation.molecules import read_generated, read_natural

    require_own(out, FILES, "figures", "assessment")
    existing_file(generated)
    if cm is not None:
        cloverleaf.require(cm)
    store, encoder = Collection.open(against), find_encoder(model)
    molecules = read_generated(generated, rna_type)
    natural = read_natural(store, split, where, seed)
    if not len(natural.training) + len(natural.held_out):
        raise UserError(f"{store.uri} has no molecules{f' where {where}' if where else ''}: nothing to judge by.")
    namer, said_of_namer = _namer(store, natural, split, where, classifier, seed)
    with written_whole(out) as folder:  # a place that cannot be written to is refused before the work
        found = judge(molecules, natural, Judges(encoder, namer, cm), most, seed, progress_bar)
        said = {
            "generated": str(generated), "against": store.uri, "split": split, "where": where, "seed": seed,
            "given": len(molecules), "training": len(natural.training), "held_out": len(natural.held_out),
            "molecules": found.molecules, "encoder": encoder.name, "revision": encoder.revision,
            "classifier": said_of_namer, "cm": "" if cm is None else str(cm), "notes": found.notes,
            "figures": found.figures,
            "types": {
                kind: {name: {"molecules": many, "named": share} for name, (many, share) in sets.items()}
                for kind, sets in found.types.items()
            },
            "versions": versions("numpy", "scipy", "scikit-learn", "rapidfuzz", "viennarna"),
        }  # fmt: skip
        _write(folder, said, found, generated.name)
    lines = _lines(said, found)
    say(as_json, {**said, "out": str(out)}, *lines, f"Wrote the report to {out}")


def _namer(
    store: Collection, natural: Natural, split: str, where: str, classifier: str, seed: int
) -> tuple[Namer | None, str]:
    """Who names types, and what is said of it."""
    from ribospace.generation.molecules import read_natural
    from ribospace.generation.naming import KmerNamer, TrainedNamer

    if classifier:
        trained = TrainedNamer(classifier)
        return trained, f"{classifier} ({trained.revision})"
    training, of = natural.training, "the training molecules"
    if where and len({one for one in training.types if one}) < 2:
        training, of = read_natural(store, split, "", seed).training, "the training molecules of all types"
    try:
        with progress_bar("Learning types"):
            namer = KmerNamer(training.sequences, training.types, seed)
    except UserError as error:
        return None, f"none: {error}"
    return namer, f"logistic regression on shares of 1- to 4-mers and length, balanced, fitted on {of}"


def _write(folder: Path, said: dict[str, Any], found: Assessment, name: str) -> None:
    from ribospace.generation.assessment import GENERATED, HELD_OUT, MEASURES, SETS, TRAINING
    from ribospace.plots import assessment_page, distributions_figure, kmer_figure

    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    rows = [{"figure": key, **found.figures[key]} for key in MEASURES]
    rows += [
        {"figure": f"named {kind}", **{each: found.types[kind].get(each, (0, None))[1] for each in SETS}}
        for kind in found.types
    ]
    write_rows(folder / "table.tsv", rows, about={"molecules": found.molecules, "seed": said["seed"]})
    title = f"{name}: {found.molecules:,} molecules of each set"
    values = {what: {each: found.values[what][each] for each in SETS} for what in TITLES if what in found.values}
    figures = {
        "Distributions": distributions_figure(values, TITLES, title),
        "k-mers": kmer_figure(found.kmers, (TRAINING, HELD_OUT, GENERATED), title),
    }
    for file, figure in zip(("distributions.png", "kmers.png"), figures.values(), strict=True):
        figure.savefig(folder / file)
    meanings = {one.title: one.meaning for one in MEASURES.values()}
    cells = [
        [row[0], meanings.get(row[0], "the classifier names it so, of those of which it was asked"), *row[1:]]
        for row in _cells(found)
    ]
    page = assessment_page(title, _about(said), ("figure", "what it says", *SETS), cells, figures)
    (folder / "report.html").write_text(page, encoding="utf-8")


def _cells(found: Assessment) -> list[list[str]]:
    """The table as text: a row for each figure that could be told, then one for each type."""
    from ribospace.generation.assessment import MEASURES, SETS

    def text(value: float | None, share: bool) -> str:
        return "-" if value is None else f"{value:.1%}" if share else f"{value:.4g}"

    rows = [
        [measure.title, *(text(found.figures[key][name], measure.share) for name in SETS)]
        for key, measure in MEASURES.items()
        if any(value is not None for value in found.figures[key].values())
    ]
    for kind, sets in found.types.items():
        rows.append([f"{kind} named so", *(text(sets[name][1] if name in sets else None, True) for name in SETS)])
    return rows


def _about(said: dict[str, Any]) -> list[str]:
    n = said["molecules"]
    return [
        f"{n:,} of {said['given']:,} molecules of {said['generated']} beside as many held-out of {said['against']}, "
        "these shuffled (di-nucleotides kept), and random ones of their lengths",
        f"Compared with {n:,} of {said['training']:,} training molecules; the nearest is looked for among all of them",
        f"Space: {said['encoder']}. Types: {said['classifier']}",
        *said["notes"],
    ]


def _lines(said: dict[str, Any], found: Assessment) -> list[str]:
    from ribospace.generation.assessment import SETS

    cells = _cells(found)
    untold = cells[len(cells) - len(found.types) + MOST_TYPES :] if len(found.types) > MOST_TYPES else []
    shown = table(cells[: len(cells) - len(untold)], ("", *SETS), range(1, len(SETS) + 1))
    more = [f"  and {len(untold)} rarer types: table.tsv"] if untold else []
    return [*_about(said), "", shown, *more, ""]
