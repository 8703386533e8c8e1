"""The command that trains a graph: train graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ribospace.cli.output import Json, progress_bar, say, warn
from ribospace.collection import Collection
from ribospace.config import from_mapping, laid_over, read_toml, with_overrides
from ribospace.errors import UserError
from ribospace.files import exists
from ribospace.models.shipped import ENCODER


def graph(
    data: Annotated[str, typer.Option("--data", help="The collection whose molecules are joined.")],
    *,
    model: Annotated[
        str, typer.Option("--model", help="Whose vectors are refined: an encoder's name or folder.")
    ] = ENCODER,
    out: Annotated[Path, typer.Option("--out", help="Folder of the model.")],
    preset: Annotated[str, typer.Option(help="Where the config starts from.")] = "graph",
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file with the sections [data], [graph], [objective] and [optimizer]."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the config, such as graph.edges=both.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Join molecules that are alike, and refine an encoder's vectors by the neighbours, without labels.

    The result is an encoder like any other: a new molecule is attached to the graph and refined, nothing is trained
    again. With --set graph.refine=mean it is the plain mean over neighbours, which learns nothing: the control. With
    --set objective.classes=1 and objective.labelled=0.1 a tenth of the labels (data.label) are shown.
    """
    from ribospace.encoders import find_encoder
    from ribospace.training.config import read_preset
    from ribospace.training.graph import GraphTrainConfig, train_graph

    if exists(model) and out.resolve() == Path(model).resolve():
        raise UserError(f"--out {out} is the encoder that is refined: it would be lost. Choose another --out.")
    said = laid_over(read_preset(preset), read_toml(config) if config else {})
    where = " and ".join([*([str(config)] if config else []), *(["--set"] if settings else [])]) or "the settings"
    chosen = from_mapping(GraphTrainConfig, with_overrides(said, settings or []), where)
    with progress_bar("Training", "steps") as progress:
        answer = train_graph(Collection.open(data), find_encoder(model), out, chosen, progress, warn)
    figures = answer["figures"]
    links = []
    if "link_auc" in figures:
        links = [
            f"Links held out told from others: area {figures['link_auc']:.3f}, before refining "
            f"{figures['link_auc_before']:.3f} ({figures['links_held_out']:,} links; chance 0.5)"
        ]
    say(
        as_json,
        {"model": str(out), "data": answer["data"], "figures": figures},
        f"Joined {figures['nodes']:,} molecules by {figures['edges']:,} edges in {figures['pieces']:,} pieces, "
        f"{figures['isolated']:,} without a neighbour",
        f"Trained for {figures['steps']:,} steps in {figures['seconds']:,.1f} s",
        *links,
        f"Wrote the model and its card to {out}",
    )
