"""An unfinished training on disk: all that its next step depends on. No pickle, so plain tensors and JSON."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ribospace.errors import UserError
from ribospace.files import cannot_write, one_at_a_time, remove_empty, written_whole

STATE = "state.safetensors"


def unfinished(out: Path) -> Path:
    """Folder of the unfinished training of a model."""
    return out.parent / f"{out.name}.training"


def forget(out: Path) -> None:
    """Take the state away when the model is written; logs stay."""
    (unfinished(out) / STATE).unlink(missing_ok=True)


@contextlib.contextmanager
def alone(folder: Path, main: bool = True) -> Iterator[None]:
    """Hold the folder of an unfinished training, so that no other training writes there; take it away if empty.

    Raises
    ------
    UserError
        If another training holds it.
    """
    if not main:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    taken = f"Another training is at work in {folder}. Wait for it, or choose another --out."
    with one_at_a_time(folder / "lock", folder, taken):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # where open files cannot be removed
                (folder / "lock").unlink()  # while it is held: who waits for it finds it gone, and makes a new one
    remove_empty([folder])


def write_state(
    folder: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Mapping[str, Tensor],
    said: Mapping[str, Any],
) -> None:
    """Write weights, the optimiser's moments and what else is said, whole or not at all.

    Parameters
    ----------
    folder
        Of the training; made where there is none.
    module, optimizer
        The optimiser holds the module's parameters, in their order.
    best
        The best weights so far; may be empty.
    said
        Anything JSON takes: step, losses, config.
    """
    tensors = {f"weights.{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    moments = optimizer.state_dict()["state"]
    tensors |= {f"moments.{place}.{name}": value for place, one in moments.items() for name, value in one.items()}
    with written_whole(folder / STATE) as beside:
        plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        safetensors.torch.save_file(plain, beside, {"said": json.dumps(said)})


def read_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `write_state` wrote; None where there is nothing.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, "pt") as file:
            said = json.loads((file.metadata() or {})["said"])
            return {key: file.get_tensor(key) for key in file.keys()}, said  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}. Remove it to train from the start.") from error


def read_own_state(folder: Path, config: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `write_state` wrote, if it said that `config`.

    Raises
    ------
    UserError
        If the file is damaged, or the training was begun with another config or other data.
    """
    found = read_state(folder)
    if found is not None and found[1].get("config") != config:
        raise UserError(
            f"{folder} holds an unfinished training with another config or other data. Finish it with the "
            "command it was begun with, remove that folder, or choose another --out."
        )
    return found


def restore(tensors: Mapping[str, Tensor], module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Put weights and moments back where they were, and give the best weights."""
    module.load_state_dict(_under("weights.", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("moments.", tensors).items():
        place, name = key.split(".", 1)
        moments.setdefault(int(place), {})[name] = value
    state = optimizer.state_dict()
    optimizer.load_state_dict({**state, "state": moments})
    return _under("best.", tensors)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
