"""A model on disk: `model.safetensors`, `config.json` and a model card in one folder. No pickle is ever read."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, overload, runtime_checkable

import safetensors
import safetensors.torch
import torch
from torch import nn

from ribospace.errors import UserError
from ribospace.files import cannot_write, sha256, versions, written_whole
from ribospace.models.autoencoder import Autoencoder
from ribospace.models.kinds import KINDS, Kind, kind_of
from ribospace.models.latent import LatentAutoencoder, Model
from ribospace.models.shipped import place_of

#: 2 added positions, activation, norm_first, tied, nucleobase, letter_head and classes, and renamed the weights.
FORMAT = 2
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
DIGEST = "weights_sha256"  # config.json's key
Network = TypeVar("Network", bound=nn.Module, covariant=True)
Wanted = TypeVar("Wanted", bound=nn.Module)


@runtime_checkable
class Checked(Protocol):
    """A network that can tell whether what it holds beside weights is possible."""

    def require_sound(self) -> None:
        """Raise a ValueError if it is not."""


@dataclass(frozen=True)
class Checkpoint(Generic[Network]):
    """A model read from disk.

    Attributes
    ----------
    model
        In evaluation mode, on the processor, fp32.
    name
        What it is called where several are compared.
    revision
        First 12 digits of the SHA-256 of its weights and config.
    path
        Its folder.
    about
        What else config.json says: data, seed, versions, figures.
    """

    model: Network
    name: str
    revision: str
    path: Path
    about: dict[str, Any]


def save(model: nn.Module, folder: Path | str, name: str, about: dict[str, Any], card: str = "") -> None:
    """Write a model to a folder, whole or not at all.

    Parameters
    ----------
    model
        Its weights are stored in fp32, whole numbers as they are.
    folder
        Where to; a model that is there is replaced.
    name
        What to call it.
    about
        Data, split, seed, figures: anything that JSON takes.
    card
        The model card in Markdown; none by default.
    """
    kind = kind_of(model)
    said = {
        "format": FORMAT,
        "model": kind.name,
        "name": name,
        "config": _config_of(model),
        **kind.parts(model),
        "versions": versions("torch"),
        **about,
    }
    require_place(folder)
    tensors = {
        key: (value.float() if value.is_floating_point() else value).detach().cpu().contiguous()
        for key, value in model.state_dict().items()
    }
    with written_whole(Path(folder)) as beside:
        beside.mkdir()
        safetensors.torch.save_file(tensors, beside / WEIGHTS, {"config": json.dumps(said["config"])})
        said[DIGEST] = sha256(beside / WEIGHTS)
        (beside / CONFIG).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        shutil.copymode(beside / CONFIG, beside / WEIGHTS)  # safetensors lets the owner alone read what it writes
        if card:
            (beside / CARD).write_text(card, encoding="utf-8")


@overload
def load(folder: Path | str) -> Checkpoint[Model]: ...
@overload
def load(folder: Path | str, network: type[Wanted]) -> Checkpoint[Wanted]: ...
def load(folder: Path | str, network: type[nn.Module] | None = None) -> Checkpoint[Any]:
    """Read a model from a folder, or one that ships.

    Parameters
    ----------
    folder
        What `save` wrote; or the name of shipped weights, as a text (see `models.shipped`).
    network
        The class of the network that is asked for; by default one that embeds molecules.

    Raises
    ------
    UserError
        If the folder holds no model, one of another kind or format, its files are damaged, its config and weights
        disagree (the names are given), or the weights are not those that were written with the config.
    """
    folder = place_of(folder)
    said = _read_config(folder)
    kind = _wanted(folder, said, (network,) if network else (Autoencoder, LatentAutoencoder))
    tensors, made_with = _read_weights(folder)
    try:
        with torch.device("meta"):
            model = kind.make(said, str(folder / CONFIG))
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"No network has the sizes in {folder / CONFIG}: {reason}. Copy it again.") from error
    if made_with is not None:
        _require_same_config(folder, json.loads(json.dumps(_config_of(model))), made_with)
    _require_same_shapes(folder, {key: tuple(value.shape) for key, value in model.state_dict().items()}, tensors)
    _require_sound(folder, said, model, tensors)
    model = kind.make(said, str(folder / CONFIG))
    model.load_state_dict(tensors)
    if isinstance(model, Checked):
        try:
            model.require_sound()
        except ValueError as error:
            raise UserError(f"The model in {folder} is damaged: {error}. Copy it again.") from error
    named = ("format", "model", "name", "config", DIGEST, *kind.parts(model))
    about = {key: value for key, value in said.items() if key not in named}
    revision = sha256(folder / WEIGHTS, folder / CONFIG)[:12]
    return Checkpoint(model.eval(), str(said.get("name", folder.name)), revision, folder, about)


def _wanted(folder: Path, said: dict[str, Any], networks: tuple[type[nn.Module], ...]) -> Kind:
    """The kind that a config names, if it is one of those asked for."""
    kind = KINDS[said["model"]]
    if kind.network not in networks:
        asked = " or ".join(one.what for one in KINDS.values() if one.network in networks)
        raise UserError(f"{folder} holds {kind.what}, not {asked}. Name a folder with such a one.")
    return kind


def _config_of(model: nn.Module) -> dict[str, Any]:
    return dataclasses.asdict(model.config)  # type: ignore[call-overload]


def require_place(folder: Path | str) -> None:
    """Refuse a folder to save to that cannot be written, or that holds anything but a model."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file. Choose a folder for the model.")
    if folder.is_dir() and any(folder.iterdir()) and not is_model(folder):
        raise UserError(f"{folder} holds something other than a model, which would be lost. Choose another folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(dir=folder.parent)).rmdir()
    except OSError as error:
        raise cannot_write(folder, error) from error


def is_model(folder: Path | str) -> bool:
    """Whether a folder holds a model and nothing else; its card may be missing."""
    folder = Path(folder)
    return folder.is_dir() and {file.name for file in folder.iterdir()} - {CARD} == {CONFIG, WEIGHTS}


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{folder} holds no model: it has no readable {CONFIG}. Name a folder that train wrote."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{folder / CONFIG} is not JSON: {error}. Copy it again.") from error
    if not isinstance(said, dict) or not isinstance(said.get("format"), int):
        raise UserError(f"{folder / CONFIG} is not the config of a Ribospace model. Name a folder that train wrote.")
    _require_format(folder, said)
    if not isinstance(said.get("model"), str) or said["model"] not in KINDS or not isinstance(said.get("config"), dict):
        raise UserError(f"{folder / CONFIG} is not the config of a Ribospace model. Copy it again.")
    return said


def _require_format(folder: Path, said: dict[str, Any]) -> None:
    if said["format"] == FORMAT:
        return
    what = f"The model in {folder} has format {said['format']}, this Ribospace reads {FORMAT}"
    if said["format"] > FORMAT:
        raise UserError(f"{what}. Update Ribospace.")
    made_by = said.get("versions")
    version = f" ({made_by['ribospace']})" if isinstance(made_by, dict) and made_by.get("ribospace") else ""
    raise UserError(f"{what}. Train it again, or use it with the Ribospace that wrote it{version}.")


def _read_weights(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    """The tensors, and the config that they were made with, where they say it."""
    try:
        with safetensors.safe_open(folder / WEIGHTS, "pt") as file:
            made_with = json.loads((file.metadata() or {}).get("config", "null"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"{folder} has no {WEIGHTS}. Train it again, or copy the whole folder.") from error
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise UserError(f"{folder / WEIGHTS} is damaged: {error}. Copy it again.") from error
    return tensors, made_with if made_with is None or isinstance(made_with, dict) else {}


def _require_same_config(folder: Path, says: dict[str, Any], made_with: dict[str, Any]) -> None:
    wrong = [
        f"{key} is {value}, the weights were made with {made_with.get(key)}"
        for key, value in says.items()
        if made_with.get(key) != value
    ]
    if wrong:
        raise UserError(f"{folder / CONFIG} does not fit its weights: {'; '.join(wrong)}. Undo the change.")


def _require_same_shapes(folder: Path, expected: dict[str, tuple[int, ...]], tensors: dict[str, torch.Tensor]) -> None:
    wrong = differences(expected, {key: tuple(value.shape) for key, value in tensors.items()})
    if wrong:
        raise UserError(f"The weights in {folder} do not fit its {CONFIG}: {wrong}. Undo the change.")


def _require_sound(folder: Path, said: dict[str, Any], model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Refuse weights that are no numbers, of another type, or not those that were written: a copy may lose a bit."""
    for key, wanted in model.state_dict().items():
        found = tensors[key]
        if found.is_floating_point() != wanted.is_floating_point() or found.is_complex():
            raise UserError(f"{folder / WEIGHTS} is damaged: {key} holds {found.dtype}. Copy it again.")
        if found.is_floating_point() and not bool(found.float().isfinite().all()):
            raise UserError(f"{folder / WEIGHTS} is damaged: {key} holds NaN or infinity. Copy it again.")
    if DIGEST in said and said[DIGEST] != sha256(folder / WEIGHTS):
        raise UserError(f"{folder / WEIGHTS} is not the file that was written with its {CONFIG}. Copy both again.")


def differences(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    """Say in what the names and shapes of weights differ from those that a config asks for; the first three.

    Examples
    --------
    >>> differences({"a": (2,), "b": (1,)}, {"a": (3,), "c": (1,)})
    'b missing; c unexpected; a is (3,), the config says (2,)'
    """
    wrong = [f"{key} missing" for key in expected if key not in found]
    wrong += [f"{key} unexpected" for key in found if key not in expected]
    wrong += [
        f"{key} is {found[key]}, the config says {expected[key]}"
        for key in expected
        if key in found and found[key] != expected[key]
    ]
    return "; ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
