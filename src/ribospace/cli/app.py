"""The commands, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

import ribospace
from ribospace.cli import (
    analogy,
    assess,
    atlas,
    basis,
    bulk,
    compare,
    composition,
    data,
    demo,
    embed,
    explore,
    fetch,
    fold,
    generate,
    graph,
    heads,
    hygiene,
    judge,
    latent,
    learn,
    models,
    relations,
    serve,
    trajectory,
    triples,
    upkeep,
)

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


app.command(short_help="See it work, from RNAs to a map")(demo.demo)
app.command("import", short_help="Bring molecules into a collection")(data.import_)
app.command(short_help="Fetch molecules from RNAcentral")(fetch.fetch)
app.command("fetch-bulk", short_help="Fetch all of RNAcentral, or a part")(bulk.fetch_bulk)
app.command(short_help="Say what molecules are, with their papers")(fetch.describe)
app.command(short_help="Make molecules by rule")(data.synthesize)
app.command(short_help="Say what a collection holds")(data.info)
app.command(short_help="Make a collection fast to read and filter")(upkeep.optimize)
app.command(short_help="Write files for other programs")(data.export)
app.command(short_help="Keep each sequence once")(hygiene.dedupe)
app.command(short_help="Divide into train, validation, test")(hygiene.split)
app.command(short_help="Draw a balanced sample")(hygiene.sample)
app.add_typer(learn.train, name="train", short_help="Train a model")
app.command(short_help="Judge a trained model")(judge.evaluate)
app.command(short_help="List the weights that ship")(models.models)
app.command(short_help="Say what makes vectors")(embed.encoders)
app.command(short_help="Turn molecules into vectors")(embed.embed)
app.command(short_help="Find a molecule's nearest neighbours")(explore.search)
app.command(short_help="Write molecules from latents")(latent.decode)
app.command(short_help="Molecules to latents and back")(latent.roundtrip)
app.command(short_help="Write what lies between two molecules")(latent.interpolate)
app.command(short_help="Make molecules, steered by rewards")(generate.generate)
app.command(short_help="Judge generated molecules")(assess.assess)
app.command(short_help="Compare representations")(compare.compare)
app.command(short_help="Look at attention head by head")(heads.heads)
app.command(short_help="Say which neighbours mattered")(graph.attended)
app.command("compare-projections", short_help="Compare reductions")(compare.compare_projections)
app.command(short_help="Find RNA1 = ±RNA2 ±RNA3, beside chance")(relations.relations)
app.command(short_help="Say where given equations stand")(triples.triples)
app.command(short_help="Add molecules like words: A - B + C")(analogy.analogy)
app.command(short_help="See molecules from a basis of others")(basis.basis)
app.command(short_help="Follow molecules from a root")(trajectory.trajectory)
app.command(short_help="Say what a cluster is made of")(composition.composition)
app.command(short_help="Fold molecules")(fold.fold)
app.command("map", short_help="Draw molecules in 2 or 3 dimensions")(explore.map_)
app.command(short_help="Write a map as one file for a browser")(atlas.atlas)
app.command(short_help="Serve a collection to a browser")(serve.serve)
