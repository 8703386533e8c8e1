"""The command that lays molecules into a projection fitted on others: where vectors point, and how sure that is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from ribospace.cli.embed import Pool
from ribospace.cli.explore import Model
from ribospace.cli.given import one_of
from ribospace.cli.output import CollectionAt, Json, progress_bar, require_own, say, table, write_rows
from ribospace.collection import Collection, EmbeddingInfo
from ribospace.encoders.named import find_column
from ribospace.errors import UserError
from ribospace.files import versions, written_whole
from ribospace.models.shipped import ENCODER

if TYPE_CHECKING:
    from ribospace.analysis.basis import Seen

FILES = ("angles.tsv", "coordinates.tsv", "results.json", "arrows.png", "arrows.html")
MOST, SHOWN, MOST_SAID = 40, 40, 12


def basis(
    collection: CollectionAt,
    *,
    model: Model = ENCODER,
    fit: Annotated[str, typer.Option(help="An SQL condition: the basis, which the projection is fitted on.")],
    apply: Annotated[str, typer.Option(help="An SQL condition: the molecules that are looked at, 40 at most.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables and figures.")],
    method: Annotated[
        str, typer.Option(help="umap, pca, or qformer: the summary of a latent model, without a projection.")
    ] = "umap",
    dims: Annotated[int, typer.Option(help="2 or 3.", min=2, max=3)] = 3,
    seeds: Annotated[int, typer.Option(help="How often it is fitted, each time on other molecules of it.", min=2)] = 10,
    most_fit: Annotated[int, typer.Option(help="Molecules drawn from the basis for each fit.", min=20)] = 10_000,
    seed: Annotated[int, typer.Option(help="The first seed.", min=0)] = 0,
    pool: Pool = "",
    as_json: Json = False,
) -> None:
    """Look at molecules from a basis: angles and distances between their vectors, with their spread.

    The basis' mean is the origin. A verdict (⟂, ∥, =) is said only where it holds for every seed, and beside it how
    many of the basis' own pairs it holds for: what chance is.
    """
    from ribospace.analysis.basis import METHODS, see, sentences

    one_of("--method", method, METHODS)
    require_own(out, FILES, "verdicts", "report of a basis")
    store = Collection.open(collection)
    info = find_column(store, model, pool)
    if method == "qformer":
        _require_latent(info)
    names, looked = store.embedding(info.column, apply)
    if len(names) > MOST:
        raise UserError(f"--apply names {len(names):,} molecules; {MOST} can be told apart. Narrow the condition.")
    of_basis, vectors = store.embedding(info.column, fit)
    usable = _usable(looked, method)
    fitting, looked_at = vectors[_usable(vectors, method)], looked[usable]
    names = [name for name, fine in zip(names, usable, strict=True) if fine]
    both = len(set(names) & set(of_basis))
    with progress_bar(f"Fitting {method}", "seeds") as progress:
        seen = see(fitting, looked_at, method, dims, seeds, most_fit, seed, progress)
    full = seen if method == "qformer" else see(fitting, looked_at, "qformer", dims, seeds, most_fit, seed)
    said = {
        "collection": str(collection), "embedding": info.column, "encoder": info.encoder, "revision": info.revision,
        "fit": fit, "apply": apply, "method": method, "dims": dims, "seeds": seeds, "seed": seed,
        "basis_molecules": len(fitting), "fitted_on": seen.fitted, "applied": names, "in_both": both,
        "left_out": len(vectors) - len(fitting) + len(looked) - len(looked_at),
        "versions": versions("numpy", "scikit-learn", "umap-learn"), "command": " ".join(sys.argv[1:]),
    }  # fmt: skip
    answer = {"verdicts": sentences(names, seen), "verdicts_full": sentences(names, full), "chance": seen.chance,
              "chance_full": full.chance}  # fmt: skip
    rows = _pairs(names, seen, full)
    with written_whole(out) as folder:
        folder.mkdir()
        _write(folder, said, answer, rows, seen, fitting, looked_at)
    say(as_json, {**said, **answer, "pairs": rows, "out": str(out)}, *_lines(said, answer, rows, info, out))


def _require_latent(info: EmbeddingInfo) -> None:
    if info.pooling not in ("summary", "latents"):
        raise UserError(
            f"--method qformer looks at latents of a Q-Former; {info.column!r} holds none (pooling {info.pooling}). "
            "Train one: ribospace train latent, then ribospace embed."
        )


def _usable(vectors: npt.NDArray[np.float32], method: str) -> npt.NDArray[np.bool_]:
    fine = np.isfinite(vectors).all(axis=1)
    pointing = vectors.any(axis=1) | (method != "umap")  # UMAP goes by cosine
    return np.asarray(fine & pointing)


def _pairs(names: list[str], seen: Seen, full: Seen) -> list[dict[str, Any]]:
    from ribospace.analysis.basis import verdicts

    rows = []
    found, in_full = verdicts(seen), verdicts(full)
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            row: dict[str, Any] = {"a": names[i], "b": names[j]}
            for what, values in (
                ("angle", seen.angles), ("distance", seen.distances), ("full_angle", full.angles),
                ("full_distance", full.distances),
            ):  # fmt: skip
                each = values[:, i, j]
                row |= {what: round(float(each.mean()), 3), f"{what}_sd": round(float(each.std(ddof=1)), 3)}
                row |= {f"{what}_min": round(float(each.min()), 3), f"{what}_max": round(float(each.max()), 3)}
            rows.append({**row, "verdict": found[i][j], "full_verdict": in_full[i][j]})
    return rows


def _write(
    folder: Path,
    said: dict[str, Any],
    answer: dict[str, Any],
    rows: list[dict[str, Any]],
    seen: Seen,
    fitting: npt.NDArray[np.float32],
    looked: npt.NDArray[np.float32],
) -> None:
    from ribospace.analysis.basis import laid_over, see
    from ribospace.plots import basis_figure, basis_page

    names, method, dims = said["applied"], said["method"], said["dims"]
    drawn = seen
    if method == "qformer":  # forty numbers are drawn in the plane or space of most variance
        drawn = see(fitting, looked, "pca", dims, said["seeds"], said["fitted_on"], said["seed"])
    axes = {"umap": "UMAP", "pca": "PC", "qformer": "PC of the latents,"}[method]
    title = (
        f"{len(names)} molecules seen from {said['basis_molecules']:,} ({said['fit']})\n{method} of {said['embedding']}"
    )
    places = laid_over(drawn.places)
    basis_figure(places, names, drawn.basis, title, axes).savefig(folder / "arrows.png")
    if dims == 3:
        page = basis_page(places, names, drawn.basis, title.replace("\n", ", "), axes)
        (folder / "arrows.html").write_text(page, encoding="utf-8")
    coordinates = [
        {"seed": said["seed"] + n, "id": name, **dict(zip("xyz", np.round(place, 5).tolist(), strict=False))}
        for n, each in enumerate(drawn.places)
        for name, place in zip(names, each, strict=True)
    ]
    for file, table_rows in (("angles.tsv", rows), ("coordinates.tsv", coordinates)):
        write_rows(folder / file, table_rows, () if table_rows else ("a", "b"))
    (folder / "results.json").write_text(
        json.dumps({**said, **answer}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _grouped(verdicts: list[str]) -> str:
    """Sentences, the strongest kind first, at most so many."""
    order = sorted(verdicts, key=lambda one: (" all" not in one, " = " not in one, " ⟂ " not in one))
    more = f"; and {len(order) - MOST_SAID} more: results.json" if len(order) > MOST_SAID else ""
    return "; ".join(order[:MOST_SAID]) + more if order else "nothing holds"


def _lines(
    said: dict[str, Any], answer: dict[str, Any], rows: list[dict[str, Any]], info: EmbeddingInfo, out: Path
) -> list[str]:
    chance = ", ".join(f"{name} {share:.0%}" for name, share in answer["chance"].items())
    lines = [
        f"{len(said['applied'])} molecules seen from {said['basis_molecules']:,}, {said['method']} of {info.column}, "
        f"{said['seeds']} seeds of {said['fitted_on']:,} molecules each",
        "In every seed: " + _grouped(answer["verdicts"]),
        f"Of the basis' own pairs it holds, in one seed, for: {chance}",
    ]
    if said["method"] != "qformer":
        lines.append(
            "In the full space, without a projection: "
            + _grouped(answer["verdicts_full"])
            + f" (of the basis' own pairs ⟂ holds there for {answer['chance_full']['⟂']:.0%})"
        )
    if len(rows) <= SHOWN:
        shown = [
            (row["a"], row["b"], f"{row['angle']:.0f} ± {row['angle_sd']:.0f}",
             f"{row['distance']:.2f} ± {row['distance_sd']:.2f}", row["verdict"],
             f"{row['full_angle']:.0f} ± {row['full_angle_sd']:.0f}")
            for row in rows
        ]  # fmt: skip
        lines.append(table(shown, ("a", "b", "angle (°)", "distance", "", "in full (°)"), (2, 3, 5)))
    if said["in_both"]:
        lines.append(f"{said['in_both']} of the molecules looked at are in the basis, too")
    if said["left_out"]:
        lines.append(f"{said['left_out']:,} molecules are left out: their vectors are zero or not finite")
    return [*lines, f"Wrote angles, coordinates and arrows to {out}"]
