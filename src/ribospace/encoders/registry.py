"""Encoders by name, file, folder or repository; other packages add theirs by entry points."""

from __future__ import annotations

import importlib.util
import json
import re
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ribospace.encoders.base import Encoder
from ribospace.encoders.family import Family
from ribospace.errors import UserError, nearest
from ribospace.files import exists
from ribospace.models.shipped import ENCODER, GENERATOR, LATENT
from ribospace.net.hub import is_hub_name

if TYPE_CHECKING:
    from ribospace.models.latent import TokenSource

GROUP = "ribospace.encoders"
_asking: ContextVar[tuple[Path, ...]] = ContextVar("asking", default=())  # models whose own encoder is looked for
#: The encoders that ship with Ribospace, as entry points, but there without being installed.
BUILT_IN = tuple(
    EntryPoint(name, f"ribospace.encoders.families:{name.upper().replace('-', '_')}", GROUP)
    for name in (ENCODER, LATENT, "kmer", "structure", "random", "rnafm")
)
#: Those that are found by their place, never by name.
PLACED = tuple(
    EntryPoint(name, f"ribospace.encoders.families:{family}", GROUP)
    for name, family in (("multimolecule/NAME", "MULTIMOLECULE"), ("FOLDER", "TRAINED"))
)


def find_encoder(model: str, pooling: str = "") -> Encoder:
    """Find an encoder by its name, or by where it lies.

    Parameters
    ----------
    model
        `mini` or `mini-latent`, which ship; `kmer1` to `kmer8`; `structure`; `random`, `random:SEED`, `random:rnafm`;
        `rnafm`, or an RNA-FM elsewhere: a .pth, a .safetensors, their folder, or `multimolecule/rnafm@REVISION`;
        `multimolecule/NAME@REVISION` or a folder with another of multimolecule's models; each with `:N` behind for its
        layer N; a folder that a training wrote; or a name that another package has registered. A name goes before a
        folder that is called so.
    pooling
        "mean" or "first", for models with token embeddings; "summary" or "latents", for latent models. The first of the
        two by default.

    Returns
    -------
    Encoder

    Raises
    ------
    UserError
        For an unknown name (the nearest is offered), a place without a model, or a package that does not load.

    Examples
    --------
    >>> find_encoder("kmer3").width
    64
    """
    name, _, argument = model.partition(":")
    if match := re.fullmatch(r"kmer(\d+)", model):
        name, argument = "kmer", match[1]
    registered = [entry for entry in _entries() if entry.name == name]
    if registered and model != "kmer":
        found = _made(registered, argument, pooling)
        if found.pooling == "none" and pooling not in ("", "none", "mean"):
            raise UserError(f"{model} has no tokens to pool, so no pooling {pooling!r}. Leave --pool out.")
        return found
    if names_place(model):
        return _at_place(model, pooling)
    if model == GENERATOR:
        raise UserError(f"{model} makes no vectors, it writes molecules: ribospace generate --model {model}")
    known = (*(f"kmer{k}" for k in range(1, 9)), *(entry.name for entry in _entries() if entry.name != "kmer"))
    raise UserError(
        f"There is no model {model!r}: no encoder has this name, and no file or folder. {nearest(model, known)}"
    )


def encoder_below(source: TokenSource, folder: Path | str) -> Encoder:
    """Find the encoder that a model in a folder reads.

    Raises
    ------
    UserError
        As `find_encoder`; and where the model names itself, or one that reads it.
    """
    place = Path(folder).resolve()
    if place in _asking.get():
        raise UserError(f"The model in {folder} names itself as the encoder that it reads. Train it again.")
    token = _asking.set((*_asking.get(), place))
    try:
        return find_encoder(source.location or source.name)
    finally:
        _asking.reset(token)


def names_place(model: str) -> bool:
    """Whether a model is named by where it lies: a file, a folder or a repository on the hub, maybe with `:N` behind.

    Examples
    --------
    >>> names_place("multimolecule/rnafm@main:6"), names_place("kmer3")
    (True, False)
    """
    place, _ = _split_layer(model)
    return exists(place) or _is_on_hub(place)


@dataclass(frozen=True)
class Offer:
    """What is said of an encoder that can be named.

    Attributes
    ----------
    name
        How to name it.
    width, tokens, needs, about
        See `Family`.
    package
        Who offers it.
    usable
        Whether what it needs of Python's packages is installed, and it loads.
    """

    name: str
    width: str
    tokens: bool
    needs: str
    about: str
    package: str
    usable: bool


def offered() -> list[Offer]:
    """List the encoders that can be named, those of other packages last. None is made, no network is read."""
    return [_offer(entry) for entry in (*BUILT_IN, *PLACED, *_others())]


def _offer(entry: EntryPoint) -> Offer:
    package = _package(entry)
    try:
        family = _load(entry)
    except UserError as error:
        return Offer(entry.name, "", False, "", str(error), package, False)
    there = not family.module or importlib.util.find_spec(family.module) is not None
    name = family.usage or entry.name
    return Offer(name, family.width, family.tokens, family.needs, family.about, package, there)


def _entries() -> list[EntryPoint]:
    return [*BUILT_IN, *_others()]


def _others() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value.split(".")[0].split(":")[0]


def _load(entry: EntryPoint) -> Family:
    try:
        family = entry.load()
    except Exception as error:  # whatever another package does when it is imported
        raise _broken(entry, f"does not load ({_said(error)})") from error
    if not isinstance(family, Family):
        raise _broken(entry, f"is a {type(family).__name__}, not a ribospace.encoders.Family")
    return family


def _made(registered: list[EntryPoint], argument: str, pooling: str) -> Encoder:
    if len(registered) > 1:
        packages = " and ".join(_package(entry) for entry in registered)
        raise UserError(f"The encoder {registered[0].name!r} is offered by {packages}. Uninstall all but one.")
    entry = registered[0]
    make = _load(entry).make
    if entry in BUILT_IN:
        return make(argument, pooling)
    try:
        encoder: Any = make(argument, pooling or "mean")
    except UserError:
        raise
    except Exception as error:  # whatever another package does when it makes one
        raise _broken(entry, f"cannot be made ({_said(error)})") from error
    if not isinstance(encoder, Encoder):
        raise _broken(entry, f"made a {type(encoder).__name__}, not a ribospace.encoders.Encoder")
    return encoder


def _broken(entry: EntryPoint, how: str) -> UserError:
    return UserError(
        f"The encoder {entry.name!r} of the package {_package(entry)} {how}. Update or uninstall that package."
    )


def _said(error: BaseException) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _split_layer(model: str) -> tuple[str, int | None]:
    """A place, and the layer that is named behind it."""
    match = re.fullmatch(r"(.+):(\d{1,9})", model)
    return (match[1], int(match[2])) if match and not exists(model) else (model, None)


def _is_on_hub(place: str) -> bool:
    """Not every name of a repository's form: most are mistyped paths, and those should not go to the network."""
    return is_hub_name(place) and (place.startswith("multimolecule/") or _names_rnafm(place))


def _names_rnafm(place: str) -> bool:
    return "rnafm" in place.lower()


def _at_place(model: str, pooling: str) -> Encoder:
    place, layer = _split_layer(model)
    path = Path(place)
    kind = _kind(path) if exists(path) else "rnafm" if _names_rnafm(place) else "multimolecule"
    if kind == "rnafm":
        from ribospace.encoders.rnafm import RnaFmEncoder

        return RnaFmEncoder(place, pooling, layer)
    if kind == "multimolecule":
        from ribospace.encoders.multimolecule import MultimoleculeEncoder

        return MultimoleculeEncoder(place, pooling, layer)
    if layer is not None:
        raise UserError(f"{place} is no model of which a layer could be chosen. Leave ':{layer}' out.")
    folder = path if path.is_dir() else path.parent
    if kind == "latent":
        from ribospace.encoders.latent import LatentEncoder

        return LatentEncoder(folder, pooling)
    if kind == "graph":
        from ribospace.encoders.graph import GraphEncoder

        if pooling not in ("", "none", "mean"):
            raise UserError(f"{place} refines vectors of molecules: it has no pooling {pooling!r}. Leave it out.")
        return GraphEncoder(folder)
    from ribospace.encoders.adapters import AutoencoderEncoder

    return AutoencoderEncoder(folder, pooling)


def _kind(path: Path) -> str:
    """Whose model lies there: "rnafm", another of "multimolecule", or of `train`: "latent", "graph" or "trained"."""
    if path.is_file() and path.suffix not in (".pth", ".safetensors"):
        raise UserError(f"{path} is no model. Name a .pth or .safetensors, or a model's folder.")
    folder = path if path.is_dir() else path.parent
    if path.suffix == ".pth" or (path.is_dir() and (folder / "RNA-FM_pretrained.pth").exists()):
        return "rnafm"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return "rnafm" if path.is_file() else "trained"
    said = config if isinstance(config, dict) else {}
    if said.get("model_type") is None:
        return str(said["model"]) if said.get("model") in ("latent", "graph") else "trained"
    return "rnafm" if said["model_type"] == "rnafm" else "multimolecule"
