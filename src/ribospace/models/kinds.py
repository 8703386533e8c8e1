"""The kinds of network that a checkpoint holds: what its config.json says of each, and the network made from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ribospace.config import from_mapping
from ribospace.errors import UserError
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.diffusion import DiffusionConfig, LatentDiffusion
from ribospace.models.graph import GraphConfig, GraphRefiner, GraphSizes
from ribospace.models.latent import LatentAutoencoder, TokenSource
from ribospace.models.qformer import QFormerConfig
from ribospace.models.surrogate import Surrogate, SurrogateConfig


@dataclass(frozen=True)
class Kind:
    """One kind of network.

    Attributes
    ----------
    name
        What config.json calls it.
    network
        Its class; it has a dataclass `config`.
    what
        What it is to a user, and which command writes it.
    parts
        What else config.json says of a network, beside its config.
    make
        The network from config.json, its weights as they are before training; the second is the file's name.
    """

    name: str
    network: type[nn.Module]
    what: str
    parts: Callable[[Any], dict[str, Any]]
    make: Callable[[dict[str, Any], str], nn.Module]


def kind_of(model: nn.Module) -> Kind:
    """The kind of a network."""
    return next(kind for kind in KINDS.values() if type(model) is kind.network)


def _encoder_of(model: LatentAutoencoder) -> dict[str, Any]:
    """Whose token embeddings a latent model reads; with a config, the weights are there."""
    inside = model.encoder
    parts = {} if inside is None else {"config": dataclasses.asdict(inside.config), "frozen": model.is_frozen}
    return {"encoder": {**dataclasses.asdict(model.source), **parts}}


def _autoencoder(said: dict[str, Any], where: str) -> Autoencoder:
    return Autoencoder(from_mapping(AutoencoderConfig, said["config"], where))


def _latent(said: dict[str, Any], where: str) -> LatentAutoencoder:
    part = f"{where}, section encoder"
    encoder = dict(_section(said, "encoder", part))
    inside, is_frozen = encoder.pop("config", None), bool(encoder.pop("frozen", True))
    return LatentAutoencoder(
        from_mapping(QFormerConfig, said["config"], where),
        from_mapping(TokenSource, encoder, part),
        None if inside is None else Autoencoder(from_mapping(AutoencoderConfig, inside, part)),
        is_frozen,
    )


def _latent_of(model: LatentDiffusion) -> dict[str, Any]:
    """The latent model within a generator, and the surrogate."""
    surrogate = {} if model.surrogate is None else {"surrogate": dataclasses.asdict(model.surrogate.config)}
    return {
        "latent_model": {"config": dataclasses.asdict(model.latent.config), **_encoder_of(model.latent)},
        **surrogate,
    }


def _diffusion(said: dict[str, Any], where: str) -> LatentDiffusion:
    part = f"{where}, section latent_model"
    inside = _latent({"config": {}, **_section(said, "latent_model", part)}, part)
    config, part = said.get("surrogate"), f"{where}, section surrogate"
    surrogate = None if config is None else Surrogate(from_mapping(SurrogateConfig, config, part))
    return LatentDiffusion(from_mapping(DiffusionConfig, said["config"], where), inside, surrogate)


def _surrogate(said: dict[str, Any], where: str) -> Surrogate:
    return Surrogate(from_mapping(SurrogateConfig, said["config"], where))


def _graph_of(model: GraphRefiner) -> dict[str, Any]:
    """Whose vectors a graph refines, and how large it is."""
    return {"encoder": dataclasses.asdict(model.source), "graph": dataclasses.asdict(model.sizes)}


def _graph(said: dict[str, Any], where: str) -> GraphRefiner:
    return GraphRefiner(
        from_mapping(GraphConfig, said["config"], where),
        from_mapping(TokenSource, said.get("encoder") or {}, f"{where}, section encoder"),
        from_mapping(GraphSizes, said.get("graph") or {}, f"{where}, section graph"),
    )


def _section(said: dict[str, Any], name: str, where: str) -> Mapping[str, Any]:
    found = said.get(name) or {}
    if not isinstance(found, Mapping):
        raise UserError(f"{where} is no section of keys and values. Copy the model again.")
    return found


KINDS = {
    kind.name: kind
    for kind in (
        Kind("autoencoder", Autoencoder, "a model of `ribospace train autoencoder`", lambda _: {}, _autoencoder),
        Kind("latent", LatentAutoencoder, "a model of `ribospace train latent`", _encoder_of, _latent),
        Kind("diffusion", LatentDiffusion, "a generator of `ribospace train diffusion`", _latent_of, _diffusion),
        Kind("graph", GraphRefiner, "a graph of `ribospace train graph`", _graph_of, _graph),
        Kind("reward", Surrogate, "a reward of `ribospace train reward`", lambda _: {}, _surrogate),
    )
}
