"""The command that writes an atlas as one file: atlas."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from ribospace.cli.output import CollectionAt, Json, progress_bar, say
from ribospace.collection import Collection


def atlas(
    collection: CollectionAt,
    out: Annotated[Path, typer.Option("--out", help="The file, ending in .html.")],
    projection: Annotated[
        list[str] | None,
        typer.Option(help="A stored map, see `ribospace map --store`; may come again. By default all."),
    ] = None,
    where: Annotated[str | None, typer.Option(help="An SQL condition; at most 50,000 molecules fit.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The embedding that says what is near; by default the first map's.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Nearest molecules of each.", min=1, max=50)] = 10,
    as_json: Json = False,
) -> None:
    """Write the atlas as one file that opens in any browser, without a server and without a network.

    What needs a server (a pasted sequence, folding, relations, generation) is not in it.
    """
    from ribospace.web.atlas import write_atlas

    with progress_bar("Writing the atlas") as progress:
        done = write_atlas(Collection.open(collection), out, projection or [], where, model, k, progress)
    held = f"{done.molecules:,} molecules, {', '.join(done.projections)}, neighbours by {done.embedding}"
    fitted = f"No map was stored, so {done.fitted} was fitted for the file; keep one by ribospace map … --store"
    say(
        as_json,
        {"collection": collection, "file": str(out), **dataclasses.asdict(done)},
        f"Wrote {out}: {held}; {done.bytes / 1e6:,.1f} MB",
        *([fitted] if done.fitted else []),
    )
