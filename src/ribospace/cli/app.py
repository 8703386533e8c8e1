"""The commands, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

import ribospace
from ribospace.cli import data, demo, explore, learn

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="RNA molecules as points of a space where they can be compared, searched, added, followed and designed.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ribospace {ribospace.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Ribospace."""


app.command()(demo.demo)
app.command("import")(data.import_)
app.command()(data.synthesize)
app.command()(data.info)
app.command()(data.export)
app.add_typer(learn.train, name="train")
app.command()(learn.embed)
app.command()(explore.search)
app.command("map")(explore.map_)
