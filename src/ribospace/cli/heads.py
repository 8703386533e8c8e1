"""The command that looks at attention head by head: heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import typer

from ribospace.alphabet import tokenize
from ribospace.cli.heads_collection import heads_said, of_collection, short, write_results
from ribospace.cli.output import Json, require_own, say, table, write_rows
from ribospace.collection import Collection
from ribospace.collection.store import ids_in
from ribospace.encoders.base import Encoder, no_heads
from ribospace.encoders.registry import find_encoder
from ribospace.errors import UserError, nearest
from ribospace.files import versions, written_whole
from ribospace.models.shipped import ENCODER
from ribospace.records import clean

if TYPE_CHECKING:
    from ribospace.analysis.heads import HeadSpace

FILES = (
    "results.json", "profile.tsv", "profile.png", "seen.tsv", "seen.png", "following.tsv", "following.png", "map.png",
    "alike.tsv", "contrasts.tsv",
)  # fmt: skip
COLUMNS = ("rna_type", "isotype", "anticodon")

Model = Annotated[str, typer.Option("--model", help="mini, a trained autoencoder's folder, random, or an RNA-FM.")]


def heads(
    one: Annotated[str, typer.Argument(metavar="COLLECTION|A", help="A collection; or a molecule, with a second one.")],
    other: Annotated[str, typer.Argument(metavar="[B]", help="The molecule that A is compared with.")] = "",
    *,
    model: Model = ENCODER,
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables and figures.")],
    data: Annotated[
        str, typer.Option("--data", help="Of two molecules: the collection with their ids, and what is chance in it.")
    ] = "",
    like: Annotated[str, typer.Option(help="Of a collection: find what is like this molecule (id or sequence).")] = "",
    by: Annotated[str, typer.Option("--by", help="Heads for --like: LAYER.HEAD, or several: 1.2,3.1.")] = "",
    contrast: Annotated[str, typer.Option(help="Two heads, NEAR,FAR: pairs close in one, far in the other.")] = "",
    alignment: Annotated[
        Path | None, typer.Option(help="A Stockholm alignment with SS_cons, for attention beside its structure.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="More columns to ask heads for; may be repeated.")] = None,
    where: Annotated[str, typer.Option(help="An SQL condition: which molecules.")] = "",
    limit: Annotated[int, typer.Option(help="Most molecules, drawn at random.", min=3)] = 1000,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Compare two molecules head by head, or say what each attention head sees of a collection.

    A head gets a name where it tells a property better than chance, than composition and length, and than the median
    head, corrected for all heads; molecules asked are no near copies.
    """
    require_own(out, FILES, "model", "result of heads")
    _require_options(other, data, where, like, by, contrast, alignment, label)
    encoder = find_encoder(model)
    if not encoder.layers:
        raise no_heads(encoder.name)
    about = {
        "model": model, "encoder": encoder.name, "revision": encoder.revision, "layers": encoder.layers,
        "heads": encoder.heads, "where": where, "limit": limit, "seed": seed,
        "versions": versions("torch", "numpy"),
    }  # fmt: skip
    if other:
        molecules = _molecules(Collection.open(data), where, limit, seed, []) if data else _shipped(limit, seed)
        said, lines = _pair(out, encoder, (one, other), data, molecules, about, seed)
    else:
        store = Collection.open(one)
        asked = [*(name for name in COLUMNS if name in store.plain_columns), *(label or [])]
        molecules = _molecules(store, where, limit, seed, list(dict.fromkeys(asked)))
        about |= {"collection": store.uri, "molecules": len(molecules)}
        if like or contrast:
            said, lines = _found(out, encoder, store, molecules, about, like, by, contrast, seed)
        else:
            said, lines = of_collection(out, encoder, molecules, about, alignment, seed)
    say(as_json, said, *lines, f"Wrote the tables and figures to {out}")


def _require_options(
    other: str,
    data: str,
    where: str,
    like: str,
    by: str,
    contrast: str,
    alignment: Path | None,
    label: list[str] | None,
) -> None:
    """Refuse options that say nothing beside the others."""
    if other and (like or by or contrast or alignment or label):
        raise UserError("--like, --by, --contrast, --alignment and --label are of a collection, not of two molecules.")
    if other and where and not data:
        raise UserError("--where is of a collection: name one with --data.")
    if data and not other:
        raise UserError("--data is of two molecules, heads A B. Of a collection name the collection alone.")
    if bool(like) != bool(by):
        raise UserError("--like and --by go together: which molecule, and which heads, as in --like ID --by 1.2,3.1.")
    if (like or contrast) and (alignment or label):
        raise UserError("--like and --contrast ask for molecules, --alignment and --label for what heads see: choose.")


# ---------------------------------------------------------------- molecules


def _molecules(store: Collection, where: str, limit: int, seed: int, columns: Sequence[str]) -> pa.Table:
    """Distinct sequences, at most so many, drawn."""
    for name in columns:
        if name not in store.plain_columns:
            raise UserError(f"{store.uri} has no column {name!r}. {nearest(name, store.plain_columns)}")
    found = store.table(list(dict.fromkeys(["id", "sequence", *columns])), where or None)
    return _drawn(found, limit, seed)


def _shipped(limit: int, seed: int) -> pa.Table:
    from ribospace.sources.sample import read_sample

    return _drawn(pa.Table.from_batches(list(read_sample())).select(["id", "sequence"]), limit, seed)


def _drawn(found: pa.Table, limit: int, seed: int) -> pa.Table:
    first = np.unique(found["sequence"].to_numpy(zero_copy_only=False).astype(str), return_index=True)[1]
    kept = found.take(np.sort(first))
    if len(kept) > limit:
        kept = kept.take(np.sort(np.random.default_rng(seed).choice(len(kept), limit, replace=False)))
    if len(kept) < 3:
        raise UserError(f"Heads are compared beside other molecules, and here are {len(kept)}. Give three or more.")
    return kept


def _sequence(given: str, store: Collection | None) -> str:
    """A sequence, given or by its id."""
    if store is not None:
        found = store.table(["sequence"], ids_in([given]))["sequence"].to_pylist()
        if found:
            return str(found[0])
    try:
        return str(clean([given], names=[repr(given)])[0].as_py())
    except UserError as error:
        hint = f" {store.uri} has no molecule of this id." if store else " An id needs its collection: --data."
        raise UserError(f"{error}{hint}") from error


# ---------------------------------------------------------------- two molecules


def _pair(
    out: Path,
    encoder: Encoder,
    names: tuple[str, str],
    data: str,
    molecules: pa.Table,
    about: dict[str, Any],
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    from ribospace.analysis.heads import HeadSpace, profile, standing
    from ribospace.plots import profile_figure

    store = Collection.open(data) if data else None
    sequences = [_sequence(name, store) for name in names]
    space = HeadSpace.fit(heads_said(encoder, molecules))
    units = space.place(encoder.head_outputs(tokenize(sequences)))
    similarity = profile(units[0], units[1])
    p = standing(similarity, space.units, seed=seed)
    rows = [
        {"head": space.name(aspect), "cosine": round(float(similarity[aspect]), 6), "p": round(float(p[aspect]), 6)}
        for aspect in range(len(p))
    ]
    said = about | {
        "a": names[0], "b": names[1], "chance": data or "the shipped sample", "molecules": len(molecules),
        "profile": rows,
    }  # fmt: skip
    shape = (space.layers, space.heads)
    title = f"{short(names[0])} and {short(names[1])}, by {encoder.name}"
    with written_whole(out) as folder:
        folder.mkdir()
        write_rows(folder / "profile.tsv", rows)
        profile_figure(similarity.reshape(shape), p.reshape(shape), title).savefig(folder / "profile.png")
        write_results(folder, said)
    order = np.argsort(p, kind="stable")
    cells = [(rows[one]["head"], f"{similarity[one]:.3f}", f"{p[one]:.2g}") for one in order.tolist()[:10]]
    return said, [
        f"{title}: {int((p <= 0.05).sum())} of {len(p)} heads find them alike (p ≤ 0.05, each by itself), by chance "
        f"{0.05 * len(p):.1f}",
        table(cells, ("head", "cosine", "p"), [1, 2]),
        f"p: share of random pairs of {len(molecules):,} molecules ({said['chance']}) that are as alike or more",
    ]


# ---------------------------------------------------------------- molecules found by heads


def _found(
    out: Path,
    encoder: Encoder,
    store: Collection,
    molecules: pa.Table,
    about: dict[str, Any],
    like: str,
    by: str,
    contrast: str,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    from ribospace.analysis.heads import HeadSpace

    query = _sequence(like, store) if like else ""
    wanted = [_number(one, encoder) for one in by.split(",")] if by else []
    pair = _two(contrast, encoder) if contrast else None
    space = HeadSpace.fit(heads_said(encoder, molecules))
    said, lines = dict(about), []
    with written_whole(out) as folder:
        folder.mkdir()
        if like:
            units = space.place(encoder.head_outputs(tokenize([query])))[0]
            said["alike"] = _alike(space, units, wanted, molecules, query)
            write_rows(folder / "alike.tsv", said["alike"])
            nearest_rows = [(n, row["id"], row["similarity"]) for n, row in enumerate(said["alike"], 1)]
            lines += [f"Most like {short(like)} by head {by}", table(nearest_rows, ("", "id", "similarity"), [0, 2])]
        if pair:
            rows = _contrasts(space, pair, molecules, seed)
            said["contrasts"] = rows
            write_rows(folder / "contrasts.tsv", rows)
            cells = [(row["a"], row["b"], row["near"], row["far"], row["p"]) for row in rows]
            lines += [
                f"Close by the first head and far by the second of {contrast}, of {len(molecules):,} molecules",
                table(cells, ("a", "b", "near", "far", "p"), [2, 3, 4]),
                "p: of the best pair where the two heads have nothing to do with each other",
            ]
        write_results(folder, said)
    return said, lines


def _alike(
    space: HeadSpace, units: npt.NDArray[np.float32], aspects: list[int], molecules: pa.Table, query: str
) -> list[dict[str, Any]]:
    from ribospace.analysis.heads import search

    rows, similarity = search(space.units, units, aspects, 11)
    ids, sequences = molecules["id"].to_pylist(), molecules["sequence"].to_pylist()
    return [
        {"id": ids[row], "similarity": round(float(value), 6)}
        for row, value in zip(rows.tolist(), similarity, strict=True)
        if sequences[row] != query
    ][:10]


def _number(name: str, encoder: Encoder) -> int:
    from ribospace.analysis.heads import head_number

    return head_number(name, encoder.layers, encoder.heads)


def _two(contrast: str, encoder: Encoder) -> tuple[int, int]:
    named = contrast.split(",")
    if len(named) != 2:
        raise UserError(f"--contrast names two heads, as in 1.2,3.1, not {contrast!r}.")
    return _number(named[0], encoder), _number(named[1], encoder)


def _contrasts(space: HeadSpace, pair: tuple[int, int], molecules: pa.Table, seed: int) -> list[dict[str, Any]]:
    from ribospace.analysis.heads import contrasts

    ids = molecules["id"].to_pylist()
    return [
        {"a": ids[found.one], "b": ids[found.other]}
        | {key: round(value, 4) for key, value in asdict(found).items() if key not in ("one", "other")}
        for found in contrasts(space.units, *pair, seed=seed)
    ]
