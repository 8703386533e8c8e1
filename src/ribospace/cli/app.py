"""The commands, gathered; what a command needs is imported when it is called."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import ribospace
from ribospace.extras import missing


@dataclass(frozen=True)
class Command:
    """Where a command is written, as module:function in this folder, what it does, and the extra it asks for."""

    place: str
    about: str
    extra: str = ""


COMMANDS = {
    "demo": Command("demo:demo", "See it work, from RNAs to a map", "full"),
    "import": Command("data:import_", "Bring molecules into a collection", "collection"),
    "fetch": Command("fetch:fetch", "Fetch molecules from RNAcentral", "rnacentral"),
    "fetch-bulk": Command("bulk:fetch_bulk", "Fetch all of RNAcentral, or a part", "rnacentral"),
    "describe": Command("fetch:describe", "Say what molecules are, with their papers", "rnacentral"),
    "synthesize": Command("data:synthesize", "Make molecules by rule", "collection"),
    "info": Command("data:info", "Say what a collection holds", "collection"),
    "optimize": Command("upkeep:optimize", "Make a collection fast to read and filter", "collection"),
    "export": Command("data:export", "Write files for other programs", "collection"),
    "dedupe": Command("hygiene:dedupe", "Keep each sequence once", "collection"),
    "split": Command("hygiene:split", "Divide into train, validation, test", "collection"),
    "sample": Command("hygiene:sample", "Draw a balanced sample", "collection"),
    "train": Command("learn:train", "Train a model", "train"),
    "evaluate": Command("judge:evaluate", "Judge a trained model", "train"),
    "models": Command("models:models", "List the weights that ship"),
    "encoders": Command("embed:encoders", "Say what makes vectors"),
    "embed": Command("embed:embed", "Turn molecules into vectors"),
    "search": Command("explore:search", "Find a molecule's nearest neighbours", "collection"),
    "decode": Command("latent:decode", "Write molecules from latents", "generate"),
    "roundtrip": Command("latent:roundtrip", "Molecules to latents and back", "generate"),
    "interpolate": Command("latent:interpolate", "Write what lies between two molecules", "generate"),
    "generate": Command("generate:generate", "Make molecules, steered by rewards", "generate"),
    "assess": Command("assess:assess", "Judge generated molecules", "generate"),
    "compare": Command("compare:compare", "Compare representations", "analysis"),
    "heads": Command("heads:heads", "Look at attention head by head", "analysis"),
    "attended": Command("graph:attended", "Say which neighbours mattered", "graph"),
    "compare-projections": Command("compare:compare_projections", "Compare reductions", "analysis"),
    "relations": Command("relations:relations", "Find RNA1 = ±RNA2 ±RNA3, beside chance", "analysis"),
    "triples": Command("triples:triples", "Say where given equations stand", "analysis"),
    "analogy": Command("analogy:analogy", "Add molecules like words: A - B + C", "analysis"),
    "basis": Command("basis:basis", "See molecules from a basis of others", "analysis"),
    "trajectory": Command("trajectory:trajectory", "Follow molecules from a root", "analysis"),
    "composition": Command("composition:composition", "Say what a cluster is made of", "analysis"),
    "fold": Command("fold:fold", "Fold molecules", "structure"),
    "map": Command("explore:map_", "Draw molecules in 2 or 3 dimensions", "maps"),
    "atlas": Command("atlas:atlas", "Write a map as one file for a browser", "maps"),
    "serve": Command("serve:serve", "Serve a collection to a browser", "web"),
}


class Commands(TyperGroup):
    """The group: help and completion list commands by name alone, `resolve_command` gives the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, with its parameters."""
        name, _, rest = super().resolve_command(ctx, args)
        ctx.invoked_subcommand = name
        return name, command(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Call the command; a package that it needs and does not find is a user's mistake."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            name = str(ctx.invoked_subcommand)
            said = missing(error, f"`ribospace {name}`", COMMANDS[name].extra)
            if said is None:
                raise
            raise said from error


def command(name: str) -> Any:
    """A command as Typer makes it of its function, with its parameters.

    Examples
    --------
    >>> [one.name for one in command("encoders").params]
    ['as_json']
    """
    module, _, function = COMMANDS[name].place.partition(":")
    called = getattr(importlib.import_module(f"ribospace.cli.{module}"), function)
    if isinstance(called, typer.Typer):
        return typer.main.get_command(called)
    alone = _typer()
    alone.command(name, short_help=COMMANDS[name].about)(called)
    return typer.main.get_command(alone)


def _typer(**options: Any) -> typer.Typer:
    return typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, **{"add_completion": False, **options})


app = _typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
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


def _later() -> None:
    """Stand for a command until it is called."""


for _name, _command in COMMANDS.items():
    app.command(_name, short_help=_command.about)(_later)
