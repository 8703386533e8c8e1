"""Commands that write molecules from latents: decode, roundtrip, interpolate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import typer

from ribospace.alphabet import tokenize
from ribospace.cli.given import StripGaps, sequences_of
from ribospace.cli.output import Json, progress_bar, say
from ribospace.collection import Collection
from ribospace.collection.place import is_remote
from ribospace.errors import UserError
from ribospace.files import exists, ids_path, require_ending, written_whole
from ribospace.models.shipped import LATENT, place_of
from ribospace.records import clean

if TYPE_CHECKING:
    from ribospace.encoders.latent import LatentEncoder

LINE = 80
BATCH = 512

LatentModel = Annotated[
    str, typer.Option("--model", help="mini-latent, or a folder that `ribospace train latent` wrote.")
]
Beams = Annotated[int, typer.Option(help="1: greedy writing; more: beam search.", min=1)]


def decode(
    what: Annotated[
        str, typer.Argument(metavar="COLLECTION|FILE", help="With latents (embed --pool latents); or a .npy of them.")
    ],
    *,
    model: LatentModel = LATENT,
    out: Annotated[Path, typer.Option("--out", help="The molecules: .fasta.")],
    where: Annotated[str, typer.Option(help="An SQL condition: which molecules.")] = "",
    beams: Beams = 1,
    as_json: Json = False,
) -> None:
    """Write molecules from their latents.

    A .npy holds (n, 640) or (n, 16, 40) numbers; ids are read from the .ids.txt beside it, or are 1, 2, 3 …
    """
    require_ending(out, (".fasta", ".fa"))
    encoder = _latent_encoder(model, "latents")
    is_file = not is_remote(what) and Path(what).is_file()
    if not is_file and not is_remote(what) and not exists(what):
        raise UserError(f"There is no file and no collection at {what}. Check the path.")
    batches, total, left = _from_file(Path(what)) if is_file else _from_collection(what, model, where, encoder)
    done = empty = 0
    with (
        written_whole(out) as beside,
        open(beside, "w", encoding="utf-8", newline="\n") as file,
        progress_bar("Writing") as progress,
    ):
        for ids, latents in batches:
            for one, sequence in zip(ids, encoder.write(latents, beams), strict=True):
                if sequence:
                    file.write(f">{one}\n{sequence}\n")
                empty += not sequence
            done += len(ids)
            progress(done, total)
    said = f"Left out {left:,} longer than {encoder.window} nt, whose windows were averaged" if left else ""
    say(
        as_json,
        {"written": done - empty, "empty": empty, "left_out": left, "file": str(out)},
        *([said] if said else []),
        *([f"Left out {empty:,} that were written without a letter: no latents of molecules, likely"] if empty else []),
        f"Wrote {done - empty:,} molecules to {out}",
    )


def roundtrip(
    what: Annotated[str, typer.Argument(metavar="SEQUENCE|FILE", help="RNA; or FASTA, .tsv, .csv or .parquet.")],
    model: LatentModel = LATENT,
    show: Annotated[int, typer.Option(help="So many molecules are shown letter by letter.", min=0)] = 5,
    beams: Beams = 1,
    strip_gaps: StripGaps = False,
    as_json: Json = False,
) -> None:
    """Molecules to latents and back: each beside what was written, with the errors marked."""
    from ribospace.training.metrics import character_error_rate
    from ribospace.training.report import aligned

    encoder = _latent_encoder(model, "latents")
    ids, true, places = sequences_of(what, strip_gaps=strip_gaps)
    for place, sequence in zip(places, true, strict=True):
        if len(sequence) > encoder.window:
            raise UserError(
                f"{place} has {len(sequence):,} nt; {encoder.name} was trained to write at most {encoder.window}. "
                "Cut it, leave it out, or train a latent model with a larger model.window."
            )
    written = encoder.write(encoder.latents(tokenize(true)), beams)
    shown, lines = min(show, len(true)), []
    for one, before, after in zip(ids[:shown], true, written, strict=False):
        both = aligned(before, after)
        lines.append(f"{one}, {len(before)} nt, errors: {both[2].count('^')}")
        for start in range(0, len(both[0]), LINE):
            parts = zip(("molecule ", "written  ", "         "), both, strict=True)
            lines += [f"{name}{part[start : start + LINE]}".rstrip() for name, part in parts]
        lines.append("")
    exact = sum(one == other for one, other in zip(true, written, strict=True))
    rate = character_error_rate(written, true)
    lines.append(f"Character error rate {rate:.2%} (edits over letters), {exact:,} of {len(true):,} without an error")
    if len(true) > shown:
        lines.append(f"{len(true) - shown:,} more are not shown: --show {len(true)}")
    answer = [{"id": one, "true": a, "written": b} for one, a, b in zip(ids, true, written, strict=True)]
    say(as_json, {"cer": rate, "exact": exact, "molecules": answer}, *lines)


def interpolate(
    first: Annotated[str, typer.Argument(metavar="A", help="RNA, or with --data a molecule's id.")],
    second: Annotated[str, typer.Argument(metavar="B", help="RNA, or with --data a molecule's id.")],
    model: LatentModel = LATENT,
    steps: Annotated[int, typer.Option(help="Molecules written, both ends among them.", min=2, max=1000)] = 9,
    data: Annotated[str, typer.Option("--data", help="The collection that has the ids.")] = "",
    beams: Beams = 1,
    as_json: Json = False,
) -> None:
    """Write what lies between two molecules: each step with its structure, its type and the edits to both ends.

    Structures are ViennaRNA's (pip install 'ribospace[structure]'); types are those that the model was taught.
    """
    import torch
    from rapidfuzz.distance import Levenshtein

    from ribospace.models.latent import between

    encoder = _latent_encoder(model, "latents")
    ends = [_one(given, data) for given in (first, second)]
    latents = torch.from_numpy(encoder.latents(tokenize(ends)))
    path = between(latents[0], latents[1], steps).numpy()
    types, rows = encoder.types(path), []
    for number, sequence in enumerate(encoder.write(path, beams)):
        structure, energy = _folded(sequence)
        rows.append(
            {
                "share": number / (steps - 1),
                "sequence": sequence,
                "structure": structure,
                "mfe": energy,
                "type": types[number][0] if types else None,
                "probability": types[number][1] if types else None,
                "edits_to_a": Levenshtein.distance(sequence, ends[0]),
                "edits_to_b": Levenshtein.distance(sequence, ends[1]),
            }
        )
    say(as_json, {"a": ends[0], "b": ends[1], "steps": rows}, *(line for row in rows for line in _step_lines(row)))


def _step_lines(row: dict[str, Any]) -> list[str]:
    about = [f"{len(row['sequence'])} nt", f"{row['edits_to_a']} edits to A, {row['edits_to_b']} to B"]
    about += [f"{row['type']} ({row['probability']:.0%})"] if row["type"] else []
    about += [f"{row['mfe']:.1f} kcal/mol"] if row["mfe"] is not None else []
    lines = [f"{row['share']:4.0%} of the way: {', '.join(about)}"]
    for start in range(0, len(row["sequence"]), LINE):
        lines.append(f"  {row['sequence'][start : start + LINE]}")
        lines += [f"  {row['structure'][start : start + LINE]}"] if row["structure"] else []
    return [*lines, ""]


def _folded(sequence: str) -> tuple[str, float | None]:
    """Structure of minimum free energy and its energy, kcal/mol, where ViennaRNA is installed."""
    try:
        import RNA
    except ImportError:
        return "", None
    structure, energy = RNA.fold(sequence) if sequence else ("", 0.0)
    return structure, round(float(energy), 2)


def _latent_encoder(model: str, pooling: str) -> LatentEncoder:
    from ribospace.encoders.latent import LatentEncoder

    if not exists(place_of(model)):
        raise UserError(f"There is no model at {model}. Name a folder that `ribospace train latent` wrote.")
    return LatentEncoder(model, pooling)


def _one(given: str, data: str) -> str:
    """A sequence, given or by its id."""
    from ribospace.collection.store import ids_in

    if data:
        found = Collection.open(data).table(["sequence"], ids_in([given]))["sequence"].to_pylist()
        if found:
            return str(found[0])
    elsewhere = f" {data} has no molecule of this id." if data else ""
    try:
        return str(clean([given], names=[repr(given)])[0].as_py())
    except UserError as error:
        raise UserError(f"{error}{elsewhere}") from error


def _from_file(path: Path) -> tuple[Iterator[tuple[list[str], npt.NDArray[np.float32]]], int, int]:
    require_ending(path, (".npy",))
    try:
        latents = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path} is no array of numbers: {error}. Name a .npy of latents.") from error
    if latents.ndim < 2 or latents.dtype.kind != "f":
        raise UserError(f"{path} holds {latents.dtype} of the shape {latents.shape}, no latents of molecules.")
    names = ids_path(path)
    ids = names.read_text("utf-8").splitlines() if names.exists() else [str(one + 1) for one in range(len(latents))]
    if len(ids) != len(latents):
        raise UserError(f"{names} has {len(ids):,} ids, {path} {len(latents):,} rows. Export both again.")
    starts = range(0, len(latents), BATCH)
    return ((ids[one : one + BATCH], np.asarray(latents[one : one + BATCH])) for one in starts), len(latents), 0


def _from_collection(
    what: str, model: str, where: str, encoder: LatentEncoder
) -> tuple[Iterator[tuple[list[str], npt.NDArray[np.float32]]], int, int]:
    from ribospace.collection.store import vectors_of
    from ribospace.encoders.named import find_column

    store = Collection.open(what)
    column = find_column(store, model, "latents")
    if column.revision != encoder.revision:
        raise UserError(
            f"The latents {column.column!r} of {what} were made by revision {column.revision}, the model in {model} is "
            f"{encoder.revision}. Renew them: ribospace embed {what} --model {model} --pool latents --overwrite"
        )
    asked = f"`{column.column}` IS NOT NULL" + (f" AND ({where})" if where else "")
    short = f"{asked} AND length <= {encoder.window}"
    total = store.count(short)

    def batches() -> Iterator[tuple[list[str], npt.NDArray[np.float32]]]:
        for batch in store.read(["id", column.column], short, batch_rows=BATCH):
            yield (
                batch.column("id").to_pylist(),
                vectors_of(pa.chunked_array([batch.column(column.column)]), column.width),
            )

    return batches(), total, store.count(asked) - total
