"""The command that folds molecules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from ribospace.cli.fold_drawings import MOST_OF_COLLECTION, Asked, asked_for, require_fitting
from ribospace.cli.fold_drawings import draw as drawn
from ribospace.cli.given import StripGaps, require_apart, sequences_of
from ribospace.cli.output import Json, progress_bar, say, write_rows
from ribospace.collection import Collection
from ribospace.collection.columns import add_columns, fragments, update_rows
from ribospace.collection.place import is_remote
from ribospace.errors import UserError
from ribospace.files import is_folder, require_ending, written_whole

COLUMNS = {"structure": pa.string(), "mfe": pa.float32()}
ENSEMBLE = {"ensemble": pa.float32(), "centroid": pa.string(), "diversity": pa.float32()}
AT_ONCE, SHOWN, LINE = 2000, 20, 100


def fold(
    what: Annotated[
        str,
        typer.Argument(metavar="SEQUENCE|FILE|COLLECTION", help="RNA; FASTA, .tsv, .csv, .parquet; a collection."),
    ],
    draw: Annotated[Path | None, typer.Option(help="A folder for drawings; of a collection, of at most 50.")] = None,
    drawing: Annotated[str, typer.Option(help="Some of layout,circle,arc,mountain.")] = "layout",
    form: Annotated[str, typer.Option("--format", help="Of the drawings: svg, png or both.")] = "svg",
    colour: Annotated[
        str,
        typer.Option(
            help="Of the bases: plain (by nucleotide), pairing (the probability of being paired), or a .tsv with the "
            "columns id, position (from 1) and value, such as conservation, attention or the part in a relation."
        ),
    ] = "plain",
    out: Annotated[Path | None, typer.Option("--out", help="A .tsv of the structures.")] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="Its energy, centroid and diversity, too.")] = False,
    where: Annotated[str, typer.Option(help="Of a collection, an SQL condition: which molecules.")] = "",
    strip_gaps: StripGaps = False,
    processes: Annotated[int, typer.Option(help="0: one for each core.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Fold molecules: structures of minimum free energy, by ViennaRNA.

    Letters other than A C G U are N and pair with nothing. Of a collection the structures are kept as the columns
    structure and mfe (kcal/mol), with --ensemble also ensemble (kcal/mol), centroid and diversity; what has them is
    not folded again, and after a kill the same command goes on.

    Drawings are ID.layout.svg and so on: bases and pairs in the plane; on a circle with chords; on a line with arcs,
    the ensemble's below; the mountain of MFE, centroid and ensemble, with the entropy of each place.
    """
    from ribospace.analysis.folding import LONGEST, fold_many, require_foldable

    if is_remote(what) or is_folder(what):
        if out is not None:
            raise UserError("--out is for a sequence or a file. Structures of a collection become its columns.")
        _fold_collection(what, where, processes, ensemble, asked_for(draw, drawing, form, colour), as_json)
        return
    if where:
        raise UserError("--where chooses molecules of a collection. Leave it out, or name a collection.")
    if out is not None:
        require_ending(out, (".tsv",))
        require_apart(what, out)
        require_apart(colour, out)
    asked = asked_for(draw, drawing, form, colour)
    ids, sequences, places = sequences_of(what, strip_gaps=strip_gaps)
    for place, sequence in zip(places, sequences, strict=True):
        require_foldable(sequence, place)
    require_fitting(asked, ids, sequences)
    with progress_bar("Folding") as progress:
        found = list(fold_many(sequences, ensemble, processes, progress, pairs=asked is not None and asked.pairs))
    rows: list[dict[str, Any]] = []
    for one, folded in zip(ids, found, strict=True):
        row = {"id": one, "sequence": folded.sequence, "structure": folded.structure, "mfe": round(folded.energy, 2)}
        if ensemble:
            row |= {"ensemble": round(folded.ensemble, 2), "centroid": folded.centroid}
            row |= {"diversity": round(folded.diversity, 2)}
        rows.append(row)
    lines = [line for row in rows[:SHOWN] for line in _lines(row)]
    if len(rows) > SHOWN:
        lines.append(f"{len(rows) - SHOWN:,} more are not shown: --out FILE.tsv has all")
    if out is not None:
        with written_whole(out) as beside:
            write_rows(beside, rows)
        lines.append(f"Wrote {len(rows):,} structures to {out}")
    if asked is not None:
        lines.append(drawn(asked, ids, found))
    say(as_json, {"molecules": rows, "longest": LONGEST}, *lines)


def _lines(row: dict[str, Any]) -> list[str]:
    lines = [f"{row['id']}, {len(row['sequence'])} nt, {row['mfe']:.2f} kcal/mol"]
    if "ensemble" in row:
        lines[0] += f", ensemble {row['ensemble']:.2f} kcal/mol, diversity {row['diversity']:.1f}"
    for start in range(0, len(row["sequence"]), LINE):
        lines += [f"  {row[name][start : start + LINE]}" for name in ("sequence", "structure")]
    return lines


def _fold_collection(uri: str, where: str, processes: int, ensemble: bool, asked: Asked | None, as_json: bool) -> None:
    from ribospace.analysis.structure import LONGEST, fold_many

    store = Collection.open(uri)
    columns = COLUMNS | ENSEMBLE if ensemble else COLUMNS
    whole = f"length <= {LONGEST}" + (f" AND ({where})" if where else "")
    ids, sequences = _to_draw(store, whole, asked)
    missing = f"{'ensemble' if ensemble else 'mfe'} IS NULL AND {whole}"
    with store.writing(), progress_bar("Folding") as progress:
        add_columns(store, [pa.field(name, kind) for name, kind in columns.items()])
        total, done = store.count(missing), 0
        for fragment, rows in fragments(store, ["sequence"], missing):
            for first in range(0, len(rows), AT_ONCE):
                part = rows.slice(first, AT_ONCE)
                found = list(fold_many(part["sequence"].to_pylist(), ensemble, processes))
                made = {name: [getattr(one, "energy" if name == "mfe" else name) for one in found] for name in columns}
                arrays = {name: pa.array(made[name], kind) for name, kind in columns.items()}
                update_rows(store, fragment, pa.table({"_rowid": part["_rowid"], **arrays}))
                done += len(part)
                progress(done, total)
    lines = []
    if asked is not None:
        lines.append(drawn(asked, ids, list(fold_many(sequences, processes=processes, pairs=asked.pairs))))
    left = store.count(f"mfe IS NULL AND length > {LONGEST}" + (f" AND ({where})" if where else ""))
    say(
        as_json,
        {"collection": uri, "folded": done, "too_long": left},
        f"Folded {done:,} molecules: the columns {', '.join(columns)} of {uri} (energies in kcal/mol)",
        *([f"{left:,} of more than {LONGEST:,} nt are left out"] if left else []),
        *lines,
    )


def _to_draw(store: Collection, where: str, asked: Asked | None) -> tuple[list[str], list[str]]:
    """Ids and sequences of what is to be drawn, refused where that is too much."""
    if asked is None:
        return [], []
    if (many := store.count(where)) > MOST_OF_COLLECTION:
        raise UserError(
            f"--draw would draw {many:,} molecules of {store.uri}, and draws {MOST_OF_COLLECTION} at most. "
            "Choose them with --where."
        )
    rows = store.table(["id", "sequence"], where)
    ids, sequences = rows["id"].to_pylist(), rows["sequence"].to_pylist()
    require_fitting(asked, ids, sequences)
    return ids, sequences
