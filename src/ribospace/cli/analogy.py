"""The command for word arithmetic: A - B + C."""

from __future__ import annotations

import difflib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import typer

from ribospace.cli.embed import Pool
from ribospace.cli.explore import Model
from ribospace.cli.output import CollectionAt, Json, progress_bar, say, table
from ribospace.cli.relations import Molecules, load
from ribospace.collection import Collection
from ribospace.errors import UserError, nearest
from ribospace.files import versions, written_whole
from ribospace.models.shipped import ENCODER


def analogy(
    collection: CollectionAt,
    *,
    model: Model = ENCODER,
    expression: Annotated[
        list[str] | None,
        typer.Argument(help="A - B + C: ids, or COLUMN=VALUE for the mean of all such molecules.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many answers.", min=1)] = 10,
    evaluate: Annotated[
        str, typer.Option(help="Two columns, such as isotype,domain: ask many analogies, and say how many come true.")
    ] = "",
    where: Annotated[str, typer.Option(help="An SQL condition: which molecules.")] = "",
    questions: Annotated[int, typer.Option(help="Analogies that are drawn.", min=1)] = 2000,
    shuffles: Annotated[int, typer.Option(help="Deals of the labels, for the chance level.", min=0)] = 20,
    max_identity: Annotated[
        float, typer.Option(help="More alike than this to what went in, an answer does not count.", min=0, max=1)
    ] = 0.9,
    centre: Annotated[bool, typer.Option("--centre", help="Take the mean of all vectors off first.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="A .json to write what was found into.")] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
    pool: Pool = "",
    as_json: Json = False,
) -> None:
    """Add molecules like words, A - B + C, and find what is nearest; what went in is left out.

    Vectors are brought to length 1 and compared by cosine.
    """
    terms = " ".join(expression or []).split()
    if bool(terms) == bool(evaluate):
        raise UserError("Say what to add, such as A - B + C, or --evaluate two columns; one of them.")
    columns = [one.strip() for one in evaluate.split(",")] if evaluate else []
    if evaluate and len(columns) != 2:
        raise UserError(f"--evaluate {evaluate!r} names {len(columns)} columns; it takes two, such as isotype,domain.")
    store = Collection.open(collection)
    named = [one.partition("=")[0] for one in terms if "=" in one and not store.count(_is(one))]
    molecules = load(
        store, model, pool, "", "rna_type", [",".join([*columns, *named])] if columns or named else [], seed
    )
    if where or evaluate:
        rows = molecules.rows(store, where)
        molecules = Molecules(molecules.table.take(rows), molecules.vectors[rows], molecules.space, molecules.left_out)
    if not len(molecules.table):
        raise UserError(f"No molecule has a vector of {molecules.space} that can be added.")
    vectors = molecules.vectors - molecules.vectors.mean(axis=0) if centre else molecules.vectors
    about = {
        "collection": str(collection), "space": molecules.space, "molecules": len(molecules.table),
        "left_out": molecules.left_out, "centre": centre, "where": where, "versions": versions("numpy"),
        "command": " ".join(sys.argv[1:]),
    }  # fmt: skip
    if evaluate:
        about |= {"columns": columns, "shuffles": shuffles, "max_identity": max_identity, "seed": seed}
        answer, lines = _evaluated(molecules, vectors, columns, questions, shuffles, max_identity, seed)
    else:
        answer, lines = _answered(molecules, vectors, terms, k)
    if out is not None:
        with written_whole(out) as beside:
            beside.write_text(json.dumps({**about, **answer}, indent=1) + "\n", encoding="utf-8")
        lines.append(f"Wrote {out}")
    say(as_json, {**about, **answer}, *lines)


def _is(identifier: str) -> str:
    return "id = '" + identifier.replace("'", "''") + "'"


def parse(terms: list[str]) -> list[tuple[int, str]]:
    """Signs and names of an expression.

    Examples
    --------
    >>> parse(["A", "-", "B", "+", "isotype=Leu"])
    [(1, 'A'), (-1, 'B'), (1, 'isotype=Leu')]
    """
    signs = {"+": 1, "-": -1, "−": -1}
    if terms and terms[0] not in signs:
        terms = ["+", *terms]
    pairs = list(zip(terms[::2], terms[1::2], strict=False))
    if len(terms) % 2 or any(sign not in signs or name in signs for sign, name in pairs):
        raise UserError(f"{' '.join(terms)!r} is no sum: write A - B + C, with spaces around + and -.")
    return [(signs[sign], name) for sign, name in pairs]


def _answered(
    molecules: Molecules, vectors: npt.NDArray[np.float64], terms: list[str], k: int
) -> tuple[dict[str, Any], list[str]]:
    from ribospace.analysis.analogies import nearest as answers_of
    from ribospace.analysis.analogies import unit

    x = unit(vectors)
    ids = molecules.table["id"].to_pylist()
    place = {one: row for row, one in enumerate(ids)}
    total, inputs = np.zeros(x.shape[1]), []
    for sign, name in parse(terms):
        rows = [place[name]] if name in place else _group(molecules.table, name, ids)
        total += sign * x[rows].mean(axis=0)
        inputs += rows
    if np.linalg.norm(total) < 1e-12:
        raise UserError(f"{' '.join(terms)} is zero: nothing is near it. Take other molecules.")
    answers, far = answers_of(x, total[None], [inputs], k)
    found = molecules.table.take([row for row in answers[0].tolist() if row >= 0]).to_pylist()
    said = [
        {
            "rank": rank,
            "distance": round(distance, 6),
            **{n: one[n] for n in ("id", "rna_type", "length", "description")},
        }
        for rank, (one, distance) in enumerate(zip(found, far[0].tolist(), strict=False), 1)
    ]
    lines = [
        (one["rank"], f"{one['distance']:.4f}", one["id"], one["rna_type"] or "", one["length"],
         (one["description"] or "")[:60])
        for one in said
    ]  # fmt: skip
    title = f"Nearest to {' '.join(terms)} by {molecules.space}, what went in left out ({len(set(inputs)):,} molecules)"
    return (
        {"expression": " ".join(terms), "inputs": len(set(inputs)), "answers": said},
        [title, table(lines, ("", "distance", "id", "rna_type", "nt", "description"), [0, 1, 4])],
    )


def _group(molecules: pa.Table, name: str, ids: list[str]) -> list[int]:
    column, equals, value = name.partition("=")
    if not equals:
        close = difflib.get_close_matches(name, ids[:20_000], 3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "Check the id, or write COLUMN=VALUE."
        raise UserError(f"{name!r} is no molecule with a vector. {hint}")
    values = [str(one) for one in molecules[column].to_pylist()]
    rows = [row for row, one in enumerate(values) if one == value]
    if not rows:
        raise UserError(f"No molecule with a vector has {column} {value!r}. {nearest(value, sorted(set(values)))}")
    return rows


def _evaluated(
    molecules: Molecules,
    vectors: npt.NDArray[np.float64],
    columns: list[str],
    questions: int,
    shuffles: int,
    max_identity: float,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    from ribospace.analysis.analogies import RANKS, evaluate

    first, second = (molecules.table[name].to_pylist() for name in columns)
    known = np.array([bool(a) and bool(b) for a, b in zip(first, second, strict=True)])
    labels = [[str(one) for one, there in zip(values, known, strict=True) if there] for values in (first, second)]
    sequences = [one for one, there in zip(molecules.table["sequence"].to_pylist(), known, strict=True) if there]
    with progress_bar("Shuffled labels", "deals") as progress:
        found = evaluate(
            vectors[known],
            labels[0],
            labels[1],
            sequences,
            max_identity=max_identity,
            questions=questions,
            shuffles=shuffles,
            seed=seed,
            progress=progress,
        )
    rows = [
        ["A - B + C", *[f"{one:.1%}" for one in found.arithmetic]],
        ["C alone", *[f"{one:.1%}" for one in found.only_c]],
        ["A alone", *[f"{one:.1%}" for one in found.only_a]],
        ["shuffled labels", *[f"{m:.1%} ± {s:.1%}" for m, s in zip(found.shuffled, found.spread, strict=True)]],
        ["p, against shuffled", *[f"{one:.2g}" for one in found.p]],
    ]
    title = (
        f"{found.questions:,} analogies of {columns[0]} × {columns[1]} ({found.groups} pairs of labels, "
        f"{known.sum():,} molecules) by {molecules.space}: how often one of the first answers is what is wanted"
    )
    answer = {name: one.tolist() if isinstance(one, np.ndarray) else one for name, one in asdict(found).items()}
    header = ("", *[f"first {rank}" for rank in RANKS])
    return answer | {"ranks": RANKS, "labelled": int(known.sum())}, [title, table(rows, header, [1, 2, 3])]
