"""Rewards: what steers a generator, how a user asks for it, and how other packages add theirs.

A user writes `NAME[=TARGET][:WEIGHT]`, or a folder of `ribospace train reward` in place of the name: `mfe`, `gc=0.6`,
`gc:-1` (down), `type=tRNA:2`. Other packages offer theirs as a `RewardFamily` in the entry points' group
`ribospace.rewards`.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ribospace.analysis.folding import Folded
from ribospace.errors import UserError, nearest
from ribospace.files import exists, is_folder
from ribospace.models import checkpoint
from ribospace.models.device import pick_device
from ribospace.models.surrogate import Surrogate, Told

GROUP = "ribospace.rewards"
#: The rewards that ship with Ribospace, as entry points, but there without being installed.
BUILT_IN = tuple(
    EntryPoint(name, f"ribospace.generation.builtin:{name.upper()}", GROUP)
    for name in ("mfe", "gc", "length", "type", "structure")
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_GRAMMAR = "Write NAME, NAME=TARGET or NAME=TARGET:WEIGHT, such as mfe, gc=0.6 or type=tRNA:2"


@dataclass(frozen=True)
class Wish:
    """What a user asks for.

    Attributes
    ----------
    name
        Of a reward, or the folder of a learned one.
    target
        A number, a type or a structure, as it was written; "" for none.
    weight
        Of this reward among several, never 0. Without a target a negative weight turns the direction.
    """

    name: str
    target: str = ""
    weight: float = 1.0

    def __str__(self) -> str:
        said = f"{self.name}={self.target}" if self.target else self.name
        return said if self.weight == 1.0 else f"{said}:{self.weight!r}"


def parse(text: str, folders: bool = True) -> Wish:
    """Read `NAME[=TARGET][:WEIGHT]`; without `folders` no name is looked for on disk.

    Raises
    ------
    UserError
        If there is no name, an empty target, or a weight that is no number other than 0.

    Examples
    --------
    >>> parse("gc=0.6:2")
    Wish(name='gc', target='0.6', weight=2.0)
    >>> parse("gc:-1")
    Wish(name='gc', target='', weight=-1.0)
    """
    text = text.strip()

    def is_place(name: str) -> bool:
        return folders and is_folder(name)

    if is_place(text):
        return Wish(text)
    rest, colon, last = text.rpartition(":")
    if not colon or (not _NUMBER.fullmatch(last.strip()) and is_place(_before_target(text))):
        rest, last = text, "1"  # what stands behind the colon is a part of the folder's name
    if not _NUMBER.fullmatch(last.strip()):
        raise UserError(f"The weight {last!r} of the reward {text!r} is no number. {_GRAMMAR}.")
    weight = float(last)
    if weight == 0 or math.isinf(weight):
        raise UserError(
            f"The weight of the reward {text!r} is {weight:g}. Give a number other than 0, or leave it out."
        )
    if is_place(rest):
        return Wish(rest, "", weight)
    folder = _before_target(rest)
    name, equals, target = (folder, "=", rest[len(folder) + 1 :]) if is_place(folder) else rest.partition("=")
    name, target = name.strip(), target.strip()
    if not name or (equals and not target):
        raise UserError(f"The reward {text!r} has no {'target behind =' if name else 'name'}. {_GRAMMAR}.")
    return Wish(name, target, weight)


def _before_target(text: str) -> str:
    return text.rpartition("=")[0]


class Reward(ABC):
    """A property of molecules that a generator can be steered by.

    Parameters
    ----------
    wish
        Target and weight.
    name, unit
        Of the property; "" for a share or a logarithm.
    natural
        Mean and standard deviation over natural molecules.
    preferred
        1 where a positive weight pushes the property up, -1 where it pushes it down.
    target
        The number to come near to; None: as far as possible.
    """

    #: Of what `exact` gives, where that is another than the unit of what is predicted.
    exact_unit: str | None = None
    #: Of the checkpoint that it was read from; "" for what is a part of the generator.
    revision: str = ""

    def __init__(
        self,
        wish: Wish,
        name: str,
        unit: str,
        natural: tuple[float, float],
        preferred: int = 1,
        target: float | None = None,
    ) -> None:
        if target is not None and wish.weight < 0:
            raise UserError(f"The reward {str(wish)!r} has a target and a negative weight. Leave one of them out.")
        self.wish, self.name, self.unit, self.natural, self.target = wish, name, unit, natural, target
        self.direction = preferred if wish.weight > 0 else -preferred

    @property
    def weight(self) -> float:
        """Above 0; the direction is in `loss`."""
        return abs(self.wish.weight)

    @abstractmethod
    def predicted(self, latents: Tensor) -> Tensor:
        """(B, K, D) latents, each of mean 0 and variance 1 → (B,) the property in its unit, differentiable."""

    def loss(self, latents: Tensor) -> Tensor:
        """(B, K, D) → (B,) what is to become small, in natural standard deviations.

        The standardised property, negative where it is pushed up; with a target half its squared distance from there.
        """
        return self.standing(self.predicted(latents))

    def standing(self, predicted: Tensor) -> Tensor:
        """(B,) the property in its unit → (B,) the loss."""
        mean, deviation = self.natural
        if self.target is not None:
            return ((predicted - self.target) / deviation).square() / 2
        return -self.direction * (predicted - mean) / deviation

    def exact(
        self, sequences: Sequence[str], folded: Sequence[Folded | None] | None = None
    ) -> npt.NDArray[np.float64] | None:
        """(n,) the property computed from (n,) sequences, NaN for an empty one; None where it cannot be.

        `folded` are their structures, where whoever asks has them already.
        """
        return None


class SurrogateReward(Reward):
    """A reward that is read off what a surrogate tells."""

    surrogate: Surrogate

    @abstractmethod
    def read(self, told: Told) -> Tensor:
        """What is told of B molecules → (B,) the property in its unit."""

    def predicted(self, latents: Tensor) -> Tensor:
        """(B, K, D) → (B,)."""
        return self.read(self.surrogate(latents))


class Learned(SurrogateReward):
    """One value of a surrogate."""

    def __init__(self, wish: Wish, surrogate: Surrogate, value: str, preferred: int = 1) -> None:
        config, self.surrogate = surrogate.config, surrogate
        self.row = config.values.index(value)
        natural = (float(surrogate.center[self.row]), float(surrogate.scale[self.row]))
        target = _number(wish) if wish.target else None
        super().__init__(wish, value, config.units[self.row], natural, preferred, target)

    def read(self, told: Told) -> Tensor:
        """→ (B,) expectation of the value."""
        assert told.mean is not None
        return told.mean[:, self.row]

    def deviation(self, latents: Tensor) -> Tensor:
        """(B, K, D) → (B,) calibrated standard deviation of what is predicted, in the property's unit."""
        return self.surrogate(latents).deviation[:, self.row]


def _number(wish: Wish) -> float:
    if not _NUMBER.fullmatch(wish.target):
        raise UserError(f"The target {wish.target!r} of the reward {str(wish)!r} is no number, such as 0.5.")
    target = float(wish.target)
    if math.isinf(target):
        raise UserError(f"The target {wish.target!r} of the reward {str(wish)!r} is too large. Leave it out.")
    return target


@dataclass(frozen=True)
class RewardFamily:
    """What an entry point of the group `ribospace.rewards` is.

    Attributes
    ----------
    about
        One line on the property, with its unit.
    make
        The reward from a wish and the generator's own surrogate, None where it has none; a `UserError` where the wish
        cannot be met.
    """

    about: str
    make: Callable[[Wish, Surrogate | None], Reward]


def find_reward(
    text: str,
    surrogate: Surrogate | None = None,
    *,
    latent: str = "",
    shape: tuple[int, int] | None = None,
    folders: bool = True,
) -> Reward:
    """Make the reward that a user asks for.

    Parameters
    ----------
    text
        See `parse`; a registered name goes before a folder that is called so.
    surrogate
        Of the built-in properties, the generator's own.
    latent, shape
        Revision of the latent model that the rewards are to steer, and its (K, D); "" and None: any.
    folders
        Whether a learned reward may be named by its folder; else nothing of the text reaches the file system.

    Raises
    ------
    UserError
        For a name that is none (the nearest is named), a target that cannot be, a surrogate that was made for another
        latent model, or a package that does not load.
    """
    wish = parse(text, folders)
    entries = [entry for entry in registered() if entry.name == wish.name]
    if entries:
        if surrogate is not None:
            _require_same_latent(surrogate, "The surrogate of the built-in rewards", latent, shape)
        return _made(entries, wish, surrogate)
    if folders and is_folder(wish.name):
        found = checkpoint.load(wish.name, Surrogate)
        model = found.model.to(pick_device()).requires_grad_(False)
        _require_same_latent(model, f"The reward in {wish.name}", latent, shape)
        learned = Learned(wish, model, model.config.values[0])
        learned.revision = found.revision
        return learned
    if folders and ("/" in wish.name or exists(wish.name)):
        raise UserError(f"There is no folder of a reward at {wish.name}. `ribospace train reward` writes one.")
    known = [one.name for one in registered()]
    raise UserError(f"There is no reward {wish.name!r}{', and no folder' * folders}. {nearest(wish.name, known)}")


def weighted(rewards: Sequence[Reward]) -> Callable[[Tensor], Tensor]:
    """One loss of several rewards: (B, K, D) latents → (B,) the sum of their losses times their weights.

    A surrogate that several share is asked once.
    """
    surrogates = {id(one.surrogate): one.surrogate for one in rewards if isinstance(one, SurrogateReward)}

    def loss(latents: Tensor) -> Tensor:
        told = {key: surrogate(latents) for key, surrogate in surrogates.items()}
        total = latents.new_zeros(len(latents))
        for one in rewards:
            if isinstance(one, SurrogateReward):
                total = total + one.weight * one.standing(one.read(told[id(one.surrogate)]))
            else:
                total = total + one.weight * one.loss(latents)
        return total

    return loss


def registered() -> list[EntryPoint]:
    """The rewards that can be named, those of other packages last."""
    return [*BUILT_IN, *sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))]


def _require_same_latent(model: Surrogate, what: str, latent: str, shape: tuple[int, int] | None) -> None:
    config = model.config
    if shape is not None and (config.latents, config.width) != shape:
        raise UserError(
            f"{what} reads {config.latents} latents of {config.width} numbers, the generator has {shape[0]} of "
            f"{shape[1]}. Train it on the generator's latent model: ribospace train reward --latent DIR"
        )
    if latent and config.latent != latent:
        raise UserError(
            f"{what} was made for revision {config.latent} of a latent model, the generator has {latent}: latents of "
            "one mean nothing to the other. Train it on the generator's latent model: ribospace train reward "
            "--latent DIR"
        )


def _made(entries: list[EntryPoint], wish: Wish, surrogate: Surrogate | None) -> Reward:
    packages = [entry.dist.name if entry.dist is not None else entry.value.split(".")[0] for entry in entries]
    if len(entries) > 1:
        raise UserError(f"The reward {wish.name!r} is offered by {' and '.join(packages)}. Uninstall all but one.")
    broken = f"The reward {wish.name!r} of the package {packages[0]}"
    mend = "Update or uninstall that package."
    try:
        family = entries[0].load()
    except Exception as error:  # whatever another package does when it is imported
        raise UserError(f"{broken} does not load ({type(error).__name__}: {error}). {mend}") from error
    if not isinstance(family, RewardFamily):
        raise UserError(f"{broken} is a {type(family).__name__}, not a RewardFamily. {mend}")
    if entries[0] in BUILT_IN:
        return family.make(wish, surrogate)
    try:
        reward = family.make(wish, surrogate)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{broken} cannot be made ({type(error).__name__}: {error}). {mend}") from error
    if not isinstance(reward, Reward):
        raise UserError(f"{broken} makes a {type(reward).__name__}, not a Reward. {mend}")
    return reward
