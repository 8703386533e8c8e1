"""What the search for additive relations writes: tables, figures, a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet

from ribospace.analysis.chance import Chance, Model
from ribospace.analysis.equations import GREATEST, Question, Relations, drawn, judged
from ribospace.analysis.limits import identities
from ribospace.collection import Collection
from ribospace.collection.about import About, recall
from ribospace.sources.rnacentral import URS

if TYPE_CHECKING:
    from ribospace.cli.relations import Molecules
    from ribospace.plots import Card, Drawn, Structure

MEASURES = {"residual": "|a ± b ± c|", "relative": "|a ± b ± c| / √(|a|² + |b|² + |c|²)", "angle": "angle (°)"}
NULLS = {
    "rotate": "vectors turned at random within their type",
    "shuffle": "vectors dealt out anew among the molecules",
    "gauss": "a normal distribution of the same mean and covariance",
}
LEVEL = 0.05
FILES = (
    *("relations.parquet", "relations.tsv", "report.html", "results.json"),
    *("counts.png", "arrows_2d.png", "arrows_3d.png"),
)
SHOWN, CARDS, DRAWN = 50, 10, 6  # equations in the page's table, with a card, as arrows


@dataclass(frozen=True)
class Report:
    """All that there is to be said."""

    store: Collection
    molecules: Molecules
    asked: Question
    found: Relations
    chance: Chance
    model: Model
    about: dict[str, Any]


def write(folder: Path, report: Report) -> tuple[list[str], dict[str, Any]]:
    """Write everything into a folder; give what to say of it, for a person and as data."""
    from ribospace import plots

    folder.mkdir()
    table = relation_table(report)
    pa.parquet.write_table(table, folder / "relations.parquet")
    _write_tsv(table, folder / "relations.tsv")
    lines = list(_lines(report))
    figures = _figures(report)
    for name, (_, figure) in figures.items():
        figure.savefig(folder / f"{name}.png")
    longer = _longer(report, folder) if report.about["terms"] > 2 else ()
    title = f"Additive relations in {report.about['space']} of {Path(report.store.uri).name}"
    page = plots.relation_page(
        title,
        [*lines, *longer],
        dict(figures.values()),
        _best_cells(table),
        _enrichment_cells(report.chance),
        _involved_cells(report),
        list(_cards(report, table)),
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
    level = report.chance
    answer = {
        "equations": len(report.found),
        "looked_at": level.looked_at,
        "null_mean": float(level.counts.mean()) if len(level.counts) else None,
        "null_counts": level.counts.tolist(),
        "p_count": level.p_count,
        "significant": int((level.q <= LEVEL).sum()) if len(level.counts) else None,
        "enrichment": {name: asdict(one) for name, one in level.enrichment.items()},
    }
    whole = {**report.about, "command": " ".join(sys.argv[1:]), **answer}
    (folder / "results.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return [*lines, *longer], answer


def _write_tsv(table: pa.Table, path: Path) -> None:
    frame = pl.DataFrame(pl.from_arrow(table))
    frame.write_csv(path, separator="\t", float_precision=None)


def equation(ids: list[str], signs: list[int]) -> str:
    """A line such as "a ≈ b − c"."""
    first, *others = zip(signs, ids[1:], strict=True)
    start = f"{'−' if first[0] < 0 else ''}{first[1]}"
    return f"{ids[0]} ≈ {start}" + "".join(f" {'−' if sign < 0 else '+'} {one}" for sign, one in others)


def link(identifier: str) -> str:
    """The page of a molecule at RNAcentral; empty where the id is not one of its."""
    return f"https://rnacentral.org/rna/{identifier}" if URS.match(identifier) else ""


def relation_table(report: Report) -> pa.Table:
    """One row an equation, with its chance level and what its molecules are."""
    found, level, molecules = report.found, report.chance, report.molecules.table
    ids = molecules["id"]
    rows = {"a": found.a, "b": found.b, "c": found.c}
    columns: dict[str, Any] = {"rank": np.arange(1, len(found) + 1)}
    columns |= {"a": ids.take(found.a), "sign_b": found.sign_b, "b": ids.take(found.b)}
    columns |= {"sign_c": found.sign_c, "c": ids.take(found.c)}
    columns |= {"residual": found.residual, "relative": found.relative, "angle": found.angle}
    if len(level.counts):
        columns |= {"p": level.p, "expected": level.expected, "p_best": level.p_best, "q": level.q}
    sequences = molecules["sequence"].to_pylist()
    for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
        columns[f"identity_{one}{other}"] = identities(sequences, rows[one], rows[other])
    for name in molecules.column_names:
        if name not in ("id", "sequence"):
            columns |= {f"{one}_{name}": molecules[name].take(rows[one]) for one in rows}
    columns |= {f"{one}_link": [link(i.as_py()) for i in ids.take(rows[one])] for one in rows}
    return pa.table(columns)


def _lines(report: Report) -> Iterator[str]:
    from ribospace.cli.relations import question_size

    found, level, about = report.found, report.chance, report.about
    many = len(level.counts)
    if many:
        sure = int((level.q <= LEVEL).sum())
        null = f"{level.counts.mean():,.1f} (95 % {np.percentile(level.counts, 2.5):,.0f} to "
        null += f"{np.percentile(level.counts, 97.5):,.0f})"
        more = "more than" if level.p_count <= LEVEL else "no more than"
        more = f"{more} chance alone would give" if 1 / (1 + many) <= LEVEL else "too few draws to tell from chance"
        yield (
            f"{len(found):,} equations, {more}: {null} as good as the last of them "
            f"(p {level.p_count:.3g}). {sure:,} have q ≤ {LEVEL}."
        )
        yield f"Chance: {NULLS[about['null']]}, {many} draws; q over all {level.looked_at:,} equations looked at."
        if (least := min(1.0, len(report.asked.targets) / many)) > LEVEL:
            yield (
                f"With {len(report.asked.targets):,} targets and {many} draws a single equation cannot have a q below "
                f"{least:.2g}: fewer targets or more draws (--permutations) tell more."
            )
    else:
        yield f"{len(found):,} equations; no chance level was asked for, so nothing can be concluded from them."
    limit = f"at most {about['within']:g}" if about["within"] is not None else f"the best {about['best']:,}"
    yield f"{about['space']}: {question_size(report.asked)}; {MEASURES[about['measure']]}, {limit}."
    if about["approximate"]:
        yield f"An approximate search: it found {about['recall']:.1%} of the equations of a twentieth of the molecules."
    yield _at_random(report)
    if about["max_identity"] < 1:
        yield f"Equations of molecules more than {about['max_identity']:.0%} alike are trivial, and were dropped."
    yield "Of equal sequences the first is taken."
    if about["left_out"]:
        yield "Left out: " + ", ".join(f"{many:,} molecules {why}" for why, many in about["left_out"].items()) + "."
    if report.asked.vectors.shape[1] == 2:
        yield (
            "In two dimensions nearly any point is near some sum of two others: "
            "an equation by itself means nothing, only its chance level does."
        )


def _at_random(report: Report) -> str:
    """What any three molecules give: where all vectors point one way, a small angle says little."""
    asked = report.asked
    a, b, c = drawn(asked, 5000)
    every = judged(asked, a, b, c, GREATEST[asked.measure])
    triples, place = np.unique(np.stack([every.a, every.b, every.c]), axis=1, return_inverse=True)
    best = np.full(triples.shape[1], np.inf)
    np.minimum.at(best, place, every.by(asked.measure))
    if not len(best):
        return "No three molecules, of some thousands drawn at random, may stand in an equation: the labels leave none."
    unit = "°" if asked.angular else ""
    return (
        f"Of {len(best):,} triples drawn at random, with their best signs, half come within "
        f"{np.median(best):.3g}{unit}, one in a hundred within {np.percentile(best, 1):.3g}{unit}."
    )


def _figures(report: Report) -> dict[str, tuple[str, Any]]:
    from ribospace import plots

    found, level, about = report.found, report.chance, report.about
    if not len(found):
        return {}
    title = f"{about['space']}: {len(found):,} equations"
    values = found.by(report.asked.measure)
    counts = plots.counts_figure(
        level.steps, values, level.curve, title, MEASURES[about["measure"]], NULLS[about["null"]]
    )
    figures = {"counts": ("Equations found, beside what chance gives", counts)}
    panels = list(_drawn(report))
    best = "the best equation of each of the best targets"
    for dims in (2, 3):
        if report.asked.vectors.shape[1] >= dims:
            arrows = plots.arrows_figure(panels, f"{about['space']}: {best}", dims)
            figures[f"arrows_{dims}d"] = (f"Arrows from the origin, {dims}-D: {best}", arrows)
    return figures


def _drawn(report: Report) -> Iterator[Drawn]:
    from ribospace.plots import Drawn

    ids = report.molecules.table["id"]
    seen: set[int] = set()
    found = report.found
    for row in range(len(found)):
        if int(found.a[row]) in seen:
            continue
        seen.add(int(found.a[row]))
        three = [int(one[row]) for one in (found.a, found.b, found.c)]
        signs = (int(found.sign_b[row]), int(found.sign_c[row]))
        names = [_cut(ids[one].as_py(), 24) for one in three]
        title = (
            f"a  {names[0]}\nb  {names[1]}\nc  {names[2]}\n{found.angle[row]:.2f}°, relative {found.relative[row]:.3g}"
        )
        yield Drawn(title, report.asked.vectors[three], signs)
        if len(seen) == DRAWN:
            return


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _best_cells(table: pa.Table) -> tuple[list[str], list[list[str]]]:
    header = ["", "equation", "residual", "relative", "angle", "types"]
    chances = [name for name in ("expected", "p", "p_best", "q") if name in table.column_names]
    rows = []
    for row in table.slice(0, SHOWN).to_pylist():
        line = equation([row["a"], row["b"], row["c"]], [row["sign_b"], row["sign_c"]])
        kinds = ", ".join(str(row[f"{one}_rna_type"] or "not known") for one in "abc")
        cells = [str(row["rank"]), line, f"{row['residual']:.4g}", f"{row['relative']:.4f}", f"{row['angle']:.2f}°"]
        rows.append([*cells, kinds, *[f"{row[name]:.3g}" for name in chances]])
    return [*header, *chances], rows


def _enrichment_cells(level: Chance) -> tuple[list[str], list[list[str]]]:
    header = ["all three the same", "found", "null, on average", "odds ratio", "p"]
    rows = [
        [
            name,
            f"{one.same:,} of {one.known:,}",
            f"{one.null_same:,.1f} of {one.null_known:,.1f}",
            f"{one.odds_ratio:.2f}",
            f"{one.p:.3g}",
        ]
        for name, one in level.enrichment.items()
        if one.known and len(level.counts)
    ]
    return header, rows


def _involved_cells(report: Report) -> tuple[list[str], list[list[str]]]:
    found, table = report.found, report.molecules.table
    rows, many = np.unique(np.concatenate([found.a, found.b, found.c]), return_counts=True)
    order = np.argsort(-many, kind="stable")[:15]
    header = ["molecule", "equations", "type", "nt", "description", "RNAcentral"]
    cells = []
    for place in order:
        one = table.slice(int(rows[place]), 1).to_pylist()[0]
        cells.append([
            one["id"], f"{many[place]:,}", one["rna_type"] or "", f"{one['length']:,}",
            _cut(one["description"] or "", 70), link(one["id"]),
        ])  # fmt: skip
    return header, cells


def _cards(report: Report, table: pa.Table) -> Iterator[Card]:
    from ribospace.analysis.alignment import LONGEST, align
    from ribospace.plots import Card

    shown = table.slice(0, CARDS).to_pylist()
    papers = recall(report.store, sorted({row[one] for row in shown for one in "abc"}))
    for place, row in enumerate(shown):
        three = [int(one[place]) for one in (report.found.a, report.found.b, report.found.c)]
        molecules = [report.molecules.table.slice(one, 1).to_pylist()[0] for one in three]
        sequences = [one["sequence"] for one in molecules]
        title = f"{row['rank']}. " + equation([row["a"], row["b"], row["c"]], [row["sign_b"], row["sign_c"]])
        lines = [f"Angle {row['angle']:.2f}°, residual {row['residual']:.4g}, relative {row['relative']:.4f}"]
        if "q" in row:
            lines[0] += f"; {row['expected']:.3g} as good expected of this target, p {row['p']:.2g}, q {row['q']:.2g}"
        lines.append(
            "Identity: "
            + ", ".join(f"{a}-{b} {row[f'identity_{a}{b}']:.0%}" for a, b in (("a", "b"), ("a", "c"), ("b", "c")))
        )
        cells = _molecule_cells(molecules, papers)
        if max(len(one) for one in sequences) > LONGEST:
            yield Card(title, [*lines, "Too long to align."], cells)
            continue
        aligned = align(sequences)
        structures = [
            one
            for one in (_structure(m, r, aligned.conserved) for m, r in zip(molecules, aligned.rows, strict=True))
            if one
        ]
        yield Card(title, lines, cells, [one["id"] for one in molecules], aligned.rows, aligned.conserved, structures)


def _molecule_cells(molecules: list[dict[str, Any]], papers: dict[str, About]) -> tuple[list[str], list[list[str]]]:
    header = ["", "id", "type", "nt", "species", "description", "RNAcentral", "publications"]
    rows = []
    for letter, one in zip("abc", molecules, strict=True):
        about = papers.get(one["id"])
        said = "; ".join(str(paper["title"] or paper["doi"] or "") for paper in about.publications[:2]) if about else ""
        rows.append([
            letter, one["id"], one["rna_type"] or "", f"{one['length']:,}", one.get("species") or "",
            one["description"] or "", link(one["id"]), said,
        ])  # fmt: skip
    return header, rows


def _structure(molecule: dict[str, Any], row: str, conserved: tuple[bool, ...]) -> Structure | None:
    from ribospace.analysis.structure import fold, installed, layout
    from ribospace.plots import MOST_DRAWN, Structure

    if molecule["length"] > MOST_DRAWN or not installed():
        return None
    folded = fold(molecule["sequence"])
    marked = [same for letter, same in zip(row, conserved, strict=True) if letter != "-"]
    return Structure(molecule["id"], folded.energy, folded.sequence, layout(folded.structure), folded.pairs(), marked)


def _longer(report: Report, folder: Path) -> list[str]:
    """Extend the best equations, and write them beside; a line on them."""
    from ribospace.analysis.longer import chance_of_sums, extend
    from ribospace.cli.output import progress_bar

    terms, asked, ids = report.about["terms"], report.asked, report.molecules.table["id"].to_pylist()
    sums = extend(asked, report.found, terms)
    permutations = report.about["permutations"]
    with progress_bar(f"Chance of {terms} terms", "draws") as progress:
        level = chance_of_sums(
            asked, sums, len(report.found), report.model, permutations, report.about["seed"], progress
        )
    table = pa.table(
        {
            "a": [ids[row] for row in sums.a],
            "equation": [
                equation([ids[a], *[ids[row] for row in members]], signs)
                for a, members, signs in zip(sums.a.tolist(), sums.members.tolist(), sums.signs.tolist(), strict=True)
            ],
            "residual": sums.residual,
            "relative": sums.relative,
            "angle": sums.angle,
            "expected": level.expected,
            "p_best": level.p_best,
        }
    )
    _write_tsv(table, folder / f"relations_{terms}.tsv")
    best = f"; the least chance of a target's best is {level.p_best.min():.3g}" if permutations and len(sums) else ""
    return [f"{len(sums):,} equations of {terms} terms, by extending the best of two{best}: relations_{terms}.tsv."]
