"""The weights that ship with the package, found by their names."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

#: The encoder, the latent model that reads its token embeddings, and the generator over the latents of that.
ENCODER, LATENT, GENERATOR = "mini", "mini-latent", "mini-diffusion"
SHIPPED = (ENCODER, LATENT, GENERATOR)
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Shipped:
    """What is said of shipped weights, beside their card.

    Attributes
    ----------
    name
        How to name them.
    size
        Of their files, bytes.
    licence
        SPDX identifier.
    what, data
        What they do, and what they learned from: a sentence each.
    figures
        What was measured, by what it is called; docs/results.md has more.
    """

    name: str
    size: int
    licence: str
    what: str
    data: str
    figures: dict[str, str]


def shipped() -> list[Shipped]:
    """All weights that ship, in the order in which they build on each other.

    Examples
    --------
    >>> [one.name for one in shipped()]
    ['mini', 'mini-latent', 'mini-diffusion']
    """
    said = tomllib.loads((_folder() / "shipped.toml").read_text(encoding="utf-8"))
    there = [name for name in SHIPPED if (_folder() / name).is_dir()]
    return [Shipped(name, _size(_folder() / name), LICENCE, **said[name]) for name in there]


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.iterdir())


def place_of(model: Path | str) -> Path:
    """Where a model lies: a shipped one, where its name is given as a text, else at the path that was given.

    A name goes before a folder that is called so; such a folder is meant by `./mini`.

    Examples
    --------
    >>> place_of("mini").parts[-3:]
    ('data', 'models', 'mini')
    >>> place_of("models/mine").parts
    ('models', 'mine')
    """
    if isinstance(model, str) and model in SHIPPED:
        return _folder() / model
    return Path(model)


def location_of(folder: Path) -> str:
    """How to name a model so that it is found again: a shipped one by its name, on any machine, else its whole path.

    Examples
    --------
    >>> location_of(place_of("mini-latent"))
    'mini-latent'
    """
    return folder.name if folder.name in SHIPPED and folder.parent == _folder() else str(folder.resolve())


def _folder() -> Path:
    return Path(str(resources.files("ribospace"))) / "data" / "models"
