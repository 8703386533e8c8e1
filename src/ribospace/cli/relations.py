"""The command that looks for additive relations: RNA1 = ±RNA2 ±RNA3, with what chance alone would give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import typer

from ribospace.cli.embed import Pool
from ribospace.cli.explore import Model
from ribospace.cli.given import one_of
from ribospace.cli.output import CollectionAt, Json, progress_bar, require_own, say
from ribospace.collection import Collection
from ribospace.collection.store import vectors_of
from ribospace.encoders.named import find_column
from ribospace.errors import UserError, nearest
from ribospace.files import versions, written_whole
from ribospace.models.shipped import ENCODER

if TYPE_CHECKING:
    from ribospace.analysis.equations import Keep, Measure, Question

FORMS, BEST = ("exact", "angular"), 1000
READ = ("id", "sequence", "length", "rna_type", "description", "species", "isotype", "domain")


@dataclass(frozen=True)
class Molecules:
    """Molecules that may stand in equations, and their vectors.

    Attributes
    ----------
    table
        Their columns, n rows.
    vectors
        (n, width) float64, one each, usable.
    space
        What they are of: an embedding, or a projection of one.
    left_out
        How many molecules, by reason.
    """

    table: pa.Table
    vectors: npt.NDArray[np.float64]
    space: str
    left_out: dict[str, int]

    def rows(self, store: Collection, where: str) -> npt.NDArray[np.int64]:
        """Rows of the molecules that a condition holds for, of equal sequences the first; all where it is empty."""
        rows = np.arange(len(self.table))
        if where:
            ids = store.table(["id"], where)["id"]
            rows = np.flatnonzero(pc.is_in(self.table["id"], ids).to_numpy(zero_copy_only=False))
        sequences = self.table["sequence"].take(rows).combine_chunks().dictionary_encode().indices
        first = np.unique(sequences.to_numpy(), return_index=True)[1]
        return rows[np.sort(first)]


def relations(
    collection: CollectionAt,
    *,
    model: Model = ENCODER,
    out: Annotated[Path, typer.Option("--out", help="Folder of the report.")],
    projection: Annotated[str, typer.Option(help="Look in a projection: umap2, umap3, pca2, pca3, tsne2.")] = "",
    form: Annotated[str, typer.Option(help="exact: a = b + c; angular: a has the direction of b + c.")] = "exact",
    targets: Annotated[str, typer.Option(help="An SQL condition: which molecules are a. By default all.")] = "",
    most_targets: Annotated[int, typer.Option(help="So many of them at most, drawn at random; 0: all.", min=0)] = 10,
    base: Annotated[str, typer.Option(help="An SQL condition: which molecules are b and c. By default all.")] = "",
    second: Annotated[str, typer.Option(help="An SQL condition: which molecules are c, if others than b.")] = "",
    tolerance: Annotated[float | None, typer.Option(help="Exact: greatest |a ± b ± c|.")] = None,
    relative: Annotated[
        float | None, typer.Option(help="Exact: the same over √(|a|² + |b|² + |c|²), which is 1 for unrelated ones.")
    ] = None,
    max_angle: Annotated[float | None, typer.Option(help="Angular: greatest angle, degrees.")] = None,
    best: Annotated[int | None, typer.Option(help="So many at most; 1000 where no limit is said.", min=1)] = None,
    terms: Annotated[
        int, typer.Option(help="Molecules on the right; above 2 the best are extended.", min=2, max=20)
    ] = 2,
    centre: Annotated[
        bool, typer.Option("--centre", help="Take the mean of all vectors off first: an origin that is the data's own.")
    ] = False,
    normalise: Annotated[bool, typer.Option("--normalise", help="Bring vectors to length 1 first.")] = False,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Find most of them, faster; the recall is measured and said.")
    ] = False,
    null: Annotated[str, typer.Option(help="rotate, shuffle or gauss: what chance is.")] = "rotate",
    permutations: Annotated[int, typer.Option(help="Draws of the null model; 0: no chance level.", min=0)] = 200,
    types: Annotated[str, typer.Option(help="The column of types, within which vectors are rotated.")] = "rna_type",
    same: Annotated[str, typer.Option(help="Columns that must be the same in all three: a,b.")] = "",
    different: Annotated[str, typer.Option(help="Columns that must differ between all three.")] = "",
    max_identity: Annotated[
        float, typer.Option(help="Equations of molecules more alike than this are trivial, and dropped.", min=0, max=1)
    ] = 0.9,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
    pool: Pool = "",
    as_json: Json = False,
) -> None:
    """Find additive relations between molecules, each with its chance level.

    Writes relations.parquet and .tsv, report.html, figures, and results.json with what was asked.
    """
    from ribospace.analysis.chance import NULLS, chance, null_model
    from ribospace.analysis.equations import question
    from ribospace.analysis.relations import find, find_approximately
    from ribospace.cli.relation_report import FILES, Report, write

    one_of("--form", form, FORMS)
    one_of("--null", null, NULLS)
    measure, within = _limit(form, tolerance, relative, max_angle)
    best = BEST if best is None and within is None else best
    longer = [f"relations_{many}.tsv" for many in range(3, 21)]
    require_own(out, [*FILES, *longer], "null", "report of relations")
    store = Collection.open(collection)
    molecules = load(store, model, pool, projection, types, [one for one in (same, different) if one], seed)
    sets = [molecules.rows(store, one) for one in (targets, base)]
    if most_targets and len(sets[0]) > most_targets:
        sets[0] = np.sort(np.random.default_rng(seed).choice(sets[0], most_targets, replace=False))
    for name, one in zip(("--targets", "--base"), sets, strict=True):
        if not len(one):
            raise UserError(f"{name} names no molecule with a vector of {molecules.space}. Widen the condition.")
    asked = question(
        molecules.vectors - molecules.vectors.mean(axis=0) if centre else molecules.vectors,
        sets[0],
        sets[1],
        molecules.rows(store, second) if second else None,
        measure=measure,
        within=np.inf if within is None else within,
        best=best,
        normalise=normalise,
        keep=_keep(molecules, same, different, max_identity),
    )
    with written_whole(out) as folder:
        with progress_bar("Searching", "targets") as progress:
            recall, share = 1.0, 1.0
            if approximate:
                found, recall, share = find_approximately(asked, progress=progress, seed=seed)
            else:
                found = find(asked, progress)
        labels = {name: molecules.table[name].to_pylist() for name in _labels(molecules.table)}
        model_of_chance = null_model(null, asked.vectors, molecules.table[types].to_pylist(), normalise)
        with progress_bar("Chance", "draws") as progress:
            level = chance(asked, found, model_of_chance, permutations, seed, labels, progress, share)
        said = {
            "collection": str(collection), "space": molecules.space, "form": form, "measure": measure,
            "within": within, "best": best, "terms": terms, "centre": centre, "normalise": normalise,
            "approximate": approximate, "recall": recall, "null": null, "types": types, "permutations": permutations,
            "targets": targets, "most_targets": most_targets, "base": base, "second": second, "same": same,
            "different": different, "max_identity": max_identity, "seed": seed, "molecules": len(molecules.table),
            "target_molecules": len(asked.targets), "left_out": molecules.left_out,
            "versions": versions("numpy", "scipy", "numba", "umap-learn", "biotite", "viennarna"),
        }  # fmt: skip
        report = Report(store, molecules, asked, found, level, model_of_chance, said)
        lines, answer = write(folder, report)
    say(as_json, {**said, **answer, "out": str(out)}, *lines, f"Wrote the report to {out}")


def load(
    store: Collection, model: str, pool: str, projection: str, types: str, labels: list[str], seed: int
) -> Molecules:
    """Read molecules and vectors; what cannot be added is counted and left out."""
    from ribospace.analysis.equations import usable

    info = find_column(store, model, pool)
    wanted = [types, *[name for text in labels for name in names_in(text)]]
    for name in wanted:
        if name not in store.plain_columns:
            raise UserError(f"{store.uri} has no column {name!r}. {nearest(name, store.plain_columns)}")
    columns = list(dict.fromkeys([*[name for name in READ if name in store.plain_columns], *wanted]))
    table = store.table([*columns, info.column], f"`{info.column}` IS NOT NULL")
    vectors = vectors_of(table[info.column], info.width).astype(np.float64)
    table = table.select(columns)
    fine = usable(vectors)
    finite = np.isfinite(vectors).all(axis=1)
    reasons = {
        "without a vector": len(store) - len(table),
        "with NaN or infinity": int((~finite).sum()),
        "with a zero vector": int((finite & ~fine).sum()),
    }
    table, vectors, space = table.filter(pa.array(fine)), vectors[fine], info.column
    if projection:
        vectors = _projected(vectors, projection, seed)
        space = f"{projection} of {info.column}"
    return Molecules(table, vectors, space, {why: many for why, many in reasons.items() if many})


def _projected(vectors: npt.NDArray[np.float64], projection: str, seed: int) -> npt.NDArray[np.float64]:
    from ribospace.analysis.projection import Projection

    named = re.fullmatch("(umap|pca|tsne)([23])", projection)
    if not named:
        raise UserError(f"--projection {projection!r} is none: umap2, umap3, pca2, pca3, tsne2 or tsne3.")
    with progress_bar(f"Fitting {projection}"):
        fitted = Projection(named[1], int(named[2]), seed).fit(vectors.astype(np.float32))
    return fitted.coordinates.astype(np.float64)


def _limit(
    form: str, tolerance: float | None, relative: float | None, max_angle: float | None
) -> tuple[Measure, float | None]:
    given = {"--tolerance": tolerance, "--relative": relative, "--max-angle": max_angle}
    fitting = ("--max-angle",) if form == "angular" else ("--tolerance", "--relative")
    said = [name for name, value in given.items() if value is not None]
    for name in said:
        if name not in fitting:
            raise UserError(f"{name} is no limit of the {form} form. Use {' or '.join(fitting)}, or --best.")
    if len(said) > 1:
        raise UserError("--tolerance and --relative are two limits of one thing. Use one of them.")
    if form == "angular":
        return "angle", max_angle
    return ("residual", tolerance) if tolerance is not None else ("relative", relative)


def _keep(molecules: Molecules, same: str, different: str, max_identity: float) -> Keep | None:
    from ribospace.analysis.limits import keeping

    columns = [{name: molecules.table[name].to_pylist() for name in names_in(text)} for text in (same, different)]
    return keeping(molecules.table["sequence"].to_pylist(), max_identity, *columns)


def names_in(text: str) -> list[str]:
    """Names of a list such as "a, b"."""
    return [one.strip() for one in text.split(",") if one.strip()]


def _labels(table: pa.Table) -> list[str]:
    return [name for name in ("rna_type", "isotype", "species", "domain") if name in table.column_names]


def question_size(asked: Question) -> str:
    """How many molecules stand where."""
    sides = f"{len(asked.left):,} as b and c"
    if asked.left is not asked.right:
        sides = f"{len(asked.left):,} as b, {len(asked.right):,} as c"
    return f"{len(asked.targets):,} targets, {sides}"
