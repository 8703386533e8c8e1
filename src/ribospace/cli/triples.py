"""The command that says where given equations stand, such as the talk's nine."""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from ribospace.alphabet import tokenize
from ribospace.cli.embed import Pool
from ribospace.cli.explore import Model
from ribospace.cli.given import StripGaps, require_apart
from ribospace.cli.output import Json, progress_bar, say, table, write_rows
from ribospace.cli.relation_report import equation
from ribospace.collection import Collection
from ribospace.encoders import find_encoder
from ribospace.encoders.named import find_column
from ribospace.errors import UserError, nearest
from ribospace.files import existing_file, require_ending, versions, written_whole
from ribospace.models.shipped import ENCODER
from ribospace.sources.fasta import read_fasta


def triples(
    *,
    model: Model = ENCODER,
    out: Annotated[Path, typer.Option("--out", help="The table: .tsv.")],
    file: Annotated[
        Path | None, typer.Option("--triples", help="A .tsv with columns a, b, c of ids. By default the talk's nine.")
    ] = None,
    molecules: Annotated[
        Path | None, typer.Option(help="FASTA of the molecules. By default the talk's twenty-five.")
    ] = None,
    among: Annotated[
        str, typer.Option(help="A collection with vectors of the model: how many of its sums are as good?")
    ] = "",
    centre: Annotated[
        bool, typer.Option("--centre", help="Take the mean of the molecules off first (with --among: of its vectors).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the sums that are drawn from --among.", min=0)] = 0,
    strip_gaps: StripGaps = False,
    pool: Pool = "",
    as_json: Json = False,
) -> None:
    """Say where given equations a ∥ b + c stand: their angles, and their ranks among all sums of two.

    By default the nine of the talk "RNA Sequence Analysis using Transformer Models", by any model.
    """
    from ribospace.analysis.standing import standing

    require_ending(out, (".tsv",))
    for given in (file, molecules):
        require_apart(given or "", out)
    asked = _triples(file)
    ids, sequences, texts = _molecules(molecules, strip_gaps)
    for one in asked:
        for name in "abc":
            if one[name] not in ids:
                raise UserError(f"{one[name]!r} of the triples is not among the molecules. {nearest(one[name], ids)}")
    encoder = find_encoder(model, pool)
    with progress_bar("Embedding", "molecules"):
        vectors = encoder.encode(tokenize(sequences)).astype(np.float64)
    elsewhere = _elsewhere(among, model, pool, encoder.revision) if among else None
    mean = (vectors if elsewhere is None else elsewhere).mean(axis=0)
    if centre:
        vectors, elsewhere = vectors - mean, None if elsewhere is None else elsewhere - mean
    if not vectors.any(axis=1).all():
        raise UserError(
            f"{model} gives a zero vector to one of the molecules: there is no angle. Choose another model."
        )
    place = {one: row for row, one in enumerate(ids)}
    rows = []
    for one in asked:
        a, b, c = (place[one[name]] for name in "abc")
        found = standing(vectors, a, b, c, elsewhere, seed)
        rows.append(
            {
                **{name: one[name] for name in "abc"},
                "reported": one.get("angle_degrees") or "",
                "angle": round(found.angle, 4),
                "best_equation": equation([one[name] for name in "abc"], list(found.signs)),
                "best_angle": round(found.best, 4),
                "rank": found.rank,
                "sums": found.sums,
                "share_elsewhere": "" if np.isnan(found.share) else round(found.share, 6),
                "description": texts[place[one["a"]]],
            }
        )
    said = {
        "model": model, "encoder": encoder.name, "revision": encoder.revision, "pooling": encoder.pooling,
        "among": among, "centre": centre, "seed": seed, "versions": versions("torch", "numpy"),
    }  # fmt: skip
    with written_whole(out) as beside:
        write_rows(beside, rows, about=said)
    shown = ["a", "b", "c", "reported", "angle", "best_angle", "rank", "sums", "share_elsewhere"]
    say(
        as_json,
        {**said, "triples": rows, "out": str(out)},
        f"a ∥ b + c by {encoder.name}: degrees, and ranks among all sums of two of {len(ids)} molecules",
        table([[row[name] for name in shown] for row in rows], shown, range(3, 9)),
        f"Wrote {out}",
    )


def _triples(file: Path | None) -> list[dict[str, str]]:
    if file is None:
        text = (resources.files("ribospace") / "data" / "talk_relations.tsv").read_text(encoding="utf-8")
    else:
        text = existing_file(file).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    if not rows or not set("abc") <= set(rows[0]):
        raise UserError(f"{file} has no rows with the columns a, b and c. Write them in its first line, by tabs.")
    for number, row in enumerate(rows, 2):
        if len({row[name] for name in "abc"}) < 3 or not all(row[name] for name in "abc"):
            raise UserError(f"{file}, line {number}: a, b and c must be three different ids. Mend the line.")
    return rows


def _molecules(file: Path | None, strip_gaps: bool) -> tuple[list[str], list[str], list[str]]:
    if file is None:
        with resources.as_file(resources.files("ribospace") / "data" / "talk_rnas.fasta") as path:
            batches = list(read_fasta(path))
    else:
        batches = list(read_fasta(existing_file(file), gaps="strip" if strip_gaps else "refuse"))
    columns = ([one for batch in batches for one in batch[name].to_pylist()] for name in ("id", "sequence"))
    ids, sequences = columns
    return ids, sequences, [text or "" for batch in batches for text in batch["description"].to_pylist()]


def _elsewhere(among: str, model: str, pool: str, revision: str) -> npt.NDArray[np.float64]:
    from ribospace.analysis.equations import usable

    store = Collection.open(among)
    info = find_column(store, model, pool)
    if info.revision != revision:
        raise UserError(f"The vectors {info.column!r} of {among} are of another revision of {model}. Renew them.")
    vectors = store.embedding(info.column)[1].astype(np.float64)
    vectors = vectors[usable(vectors)]
    if len(vectors) < 2:
        raise UserError(f"{among} has fewer than two vectors of {model}. Make them: ribospace embed {among}")
    return vectors
