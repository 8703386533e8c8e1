"""The command that makes molecules: generate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer

from ribospace.cli.output import Json, progress_bar, say, warn, write_rows
from ribospace.cli.output import table as aligned
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import require_ending, versions, written_whole
from ribospace.generation import GUIDANCE
from ribospace.models.shipped import GENERATOR

if TYPE_CHECKING:
    from ribospace.generation.generate import Generator
    from ribospace.generation.run import Natural
    from ribospace.generation.sampling import Sampling

SHOWN = 5


def generate(
    *,
    model: Annotated[
        str, typer.Option("--model", help="mini-diffusion, or a folder that `ribospace train diffusion` wrote.")
    ] = GENERATOR,
    out: Annotated[Path, typer.Option("--out", help="The molecules: .fasta. Beside it come .tsv and .json.")],
    count: Annotated[int, typer.Option("-n", help="How many molecules.", min=1)] = 100,
    rna_type: Annotated[
        list[str] | None, typer.Option("--rna-type", help="Of the molecules; more than once for several.")
    ] = None,
    length: Annotated[str, typer.Option(help="Shortest and longest, nt: 70:80, or 76.")] = "",
    reward: Annotated[
        list[str] | None,
        typer.Option(
            help="What to steer to: NAME[=TARGET][:WEIGHT], such as mfe, gc=0.6, length=75, type=tRNA:0.5, "
            "structure=(((...))). More than once for several."
        ),
    ] = None,
    reward_model: Annotated[
        list[str] | None,
        typer.Option(help="A folder that `ribospace train reward` wrote, [=TARGET][:WEIGHT] behind it."),
    ] = None,
    strength: Annotated[float, typer.Option(help="How strongly the rewards steer.", min=0.0, max=100.0)] = 1.0,
    template: Annotated[
        str, typer.Option(help="A C G U where a base is fixed, N where it is free, or other IUPAC codes.")
    ] = "",
    start: Annotated[str, typer.Option(help="RNA to vary.")] = "",
    noise: Annotated[float, typer.Option(help="With --start: how far from it, above 0 to 1.", max=1.0)] = 0.5,
    guidance: Annotated[
        float,
        typer.Option(help="How loudly type and length are said; 1: as in training, 0: not at all.", min=0.0, max=100.0),
    ] = GUIDANCE,
    sampler: Annotated[str, typer.Option(help="dpm-solver++, ddim or ddpm.")] = "dpm-solver++",
    steps: Annotated[int, typer.Option(help="Of the sampler; 0: its own number.", min=0)] = 0,
    against: Annotated[
        str, typer.Option(help="The collection to look for nearest molecules in; by default that of the training.")
    ] = "",
    batch: Annotated[int, typer.Option(help="Molecules sampled at a time.", min=1)] = 128,
    seed: Annotated[int, typer.Option(help="The same seed gives the same molecules.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Make molecules that did not exist: from noise, steered by rewards, under a template, or around a given RNA.

    The table has what was asked and what came: length, decoder's confidence, structure and minimum free energy
    (kcal/mol), likeliest type, each reward by its surrogate (NAME_predicted) and, where it can be computed, as it is,
    the nearest molecule of the collection and the edits to it. Interrupted or killed, the same command goes on.
    """
    from ribospace.generation.generate import Generator
    from ribospace.generation.run import Run, generate_table, parts_in
    from ribospace.generation.template import length_range

    require_ending(out, (".fasta", ".fa"))
    _require_own(out)
    generator = Generator(model)
    rewards = [generator.reward(one) for one in [*(reward or []), *(reward_model or [])]]
    lengths = length_range(length, generator.window) if length else (0, 0)
    how = _how(generator, sampler, steps, guidance, strength if rewards else 0.0)
    request = generator.request(rna_type or [], lengths, template, start, noise, rewards, how)
    run = Run(request, count, seed, rewards, _natural(generator, against), batch)
    said = {"model": str(generator.path), **run.said(generator), "versions": versions("torch", "diffusers")}
    with parts_in(out.parent / f"{out.stem}.generating") as parts:
        with progress_bar("Generating") as progress:
            found = generate_table(generator, run, parts, progress, warn)
        _write(out, found, said)
    figures = _figures(found)
    say(as_json, {"written": len(found), "file": str(out), **figures}, *_lines(found, figures, out))


def _require_own(out: Path) -> None:
    """Refuse to write over a table or a .json beside the FASTA that is not of an earlier run."""
    there = [path for path in (out.with_suffix(".tsv"), out.with_suffix(".json")) if path.exists()]
    try:
        mine = not there or "request" in json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        mine = False
    if not mine:
        raise UserError(
            f"{there[0]}, which would come beside {out.name}, is there and of no earlier run. Choose another --out."
        )


def _how(generator: Generator, sampler: str, steps: int, guidance: float, strength: float) -> Sampling:
    from ribospace.generation.sampling import Sampling
    from ribospace.generation.schedule import scheduler

    scheduler(generator.model.config.denoiser, sampler, steps)  # refuses what cannot be
    return Sampling(sampler, steps, guidance, strength)


def _natural(generator: Generator, against: str) -> Natural | None:
    """Molecules to look for the nearest among: those named, or those trained on where they are still there."""
    from ribospace.generation.run import Natural
    from ribospace.models.shipped import GENERATOR, place_of

    if not against:
        trained_on = str(generator.about.get("data", {}).get("collection", ""))
        try:
            store = Collection.open(trained_on)
        except UserError:
            if generator.path != place_of(GENERATOR):
                warn(f"The collection trained on, {trained_on}, is not there.")
            warn("Natural molecules to look for the nearest among: --against COLLECTION")
            return None
    else:
        store = Collection.open(against)
    table = store.table(["id", "sequence"], f"length <= {2 * generator.window}")
    if not len(table):
        raise UserError(f"{store.uri} has no molecule of at most {2 * generator.window} nt. Name another --against.")
    return Natural(table["id"].to_pylist(), table["sequence"].to_pylist(), store.uri)


def _write(out: Path, found: pa.Table, said: dict[str, Any]) -> None:
    """The request first: what a broken-off command leaves can then be told from a file of the user's."""
    rows = found.to_pylist()
    with written_whole(out.with_suffix(".json")) as beside:
        beside.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    with written_whole(out.with_suffix(".tsv")) as beside:
        write_rows(beside, rows, found.column_names)
    with written_whole(out) as beside, open(beside, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            kind = f" rna_type={row['rna_type']}" if row["rna_type"] else ""
            file.write(f">{row['id']}{kind}\n{row['sequence']}\n")


def _figures(found: pa.Table) -> dict[str, float]:
    """Means of what is known of all molecules."""
    names = [name for name in found.column_names if pa.types.is_floating(found.schema.field(name).type)]
    names += ["length", *(["edits_to_nearest"] if "edits_to_nearest" in found.column_names else [])]
    means = {name: pc.mean(found[name]).as_py() for name in names}
    distinct = pc.count_distinct(found["sequence"]).as_py()
    return {"distinct": distinct, **{f"mean_{name}": round(one, 4) for name, one in means.items() if one is not None}}


def _lines(found: pa.Table, figures: dict[str, float], out: Path) -> list[str]:
    means = [[name.removeprefix("mean_"), f"{value:,.4g}"] for name, value in figures.items() if name != "distinct"]
    lines = [line for row in found.slice(0, SHOWN).to_pylist() for line in _shown(row)]
    if len(found) > SHOWN:
        lines.append(f"{len(found) - SHOWN:,} more are not shown")
    return [
        *lines,
        "",
        aligned(means, ["Means", ""], right=[1]),
        f"{figures['distinct']:,} of {len(found):,} are distinct",
        f"Wrote {out}, and beside it {out.with_suffix('.tsv').name} and {out.with_suffix('.json').name}",
    ]


def _shown(row: dict[str, Any]) -> list[str]:
    about = f"{row['id']}, {row['length']} nt" + (f", {row['rna_type']}" if row["rna_type"] else "")
    about += f", {row['mfe']:.1f} kcal/mol" if row["mfe"] is not None else ""
    return [about, f"  {row['sequence']}", *([f"  {row['structure']}"] if row["structure"] else [])]
