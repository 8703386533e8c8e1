"""The built-in rewards: free energy, GC content, length, type and structure, by a generator's own surrogate."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.analysis.folding import Folded, installed
from ribospace.errors import UserError, nearest
from ribospace.generation.properties import (
    UNITS,
    folded_where_there,
    gc,
    lengths,
    mfe,
    pair_similarity,
    signs_of,
)
from ribospace.generation.rewards import Learned, Reward, RewardFamily, SurrogateReward, Wish
from ribospace.models.surrogate import SIGNS, Surrogate, Told

Floats = npt.NDArray[np.float64]
_COUNTED: dict[str, Callable[[Sequence[str]], Floats]] = {"gc": gc, "length": lengths}


class Value(Learned):
    """Free energy per nucleotide, GC content or length: a value of the surrogate, exact by the sequence."""

    def exact(self, sequences: Sequence[str], folded: Sequence[Folded | None] | None = None) -> Floats | None:
        """(n,) by ViennaRNA or by counting; None for mfe without ViennaRNA."""
        if self.name in _COUNTED:
            return _COUNTED[self.name](sequences)
        return mfe(sequences, folded) if installed() else None


class TypeReward(SurrogateReward):
    """Logarithm of the probability of one type."""

    def __init__(self, wish: Wish, surrogate: Surrogate) -> None:
        classes = surrogate.config.classes
        if wish.target not in classes:
            never = f"never saw the type {wish.target!r}" if classes else "knows no types"
            raise UserError(f"The surrogate of the built-in rewards {never}. {nearest(wish.target, classes)}")
        self.surrogate, self.row = surrogate, classes.index(wish.target)
        mean, deviation = surrogate.class_natural[:, self.row].tolist()
        super().__init__(wish, f"type {wish.target}", "nats", (mean, deviation))

    def read(self, told: Told) -> Tensor:
        """→ (B,) logarithm of the type's probability."""
        assert told.classes is not None
        return told.classes[:, self.row]


class StructureReward(SurrogateReward):
    """How likely the signs of a target structure are: mean logarithm at its places, and of nothing behind its end.

    Exact is another quantity: the share (F1) of base pairs that the structure of minimum free energy has in common with
    the target.
    """

    exact_unit = "F1 of base pairs"

    def __init__(self, wish: Wish, surrogate: Surrogate) -> None:
        config, target = surrogate.config, wish.target
        _require_structure(target, config.window)
        self.surrogate, self.structure = surrogate, target
        is_target = torch.nn.functional.one_hot(
            torch.from_numpy(signs_of([target], config.slots)[0]).long(), len(SIGNS)
        )
        share = torch.full((config.slots, 1), 1 / (config.slots - len(target)), dtype=torch.float64)
        share[: len(target)] = 1 / len(target)
        self.shares = (is_target * share).to(surrogate.sign_center)  # (S, 4)
        mean = float((surrogate.sign_center * self.shares).sum())
        spread = (surrogate.sign_spread * self.shares).sum(dim=(1, 2)).square().sum().sqrt()
        super().__init__(wish, "structure", "nats", (mean, max(float(spread), 1e-3)))

    def read(self, told: Told) -> Tensor:
        """→ (B,) mean logarithm of the target's signs, and of nothing behind its end."""
        assert told.signs is not None
        return (told.signs * self.shares).sum(dim=(1, 2))

    def exact(self, sequences: Sequence[str], folded: Sequence[Folded | None] | None = None) -> Floats | None:
        """(n,) similarity of the structure of minimum free energy to the target; None without ViennaRNA."""
        if not installed():
            return None
        folded = folded or folded_where_there(sequences)
        return np.array([pair_similarity(one.structure, self.structure) if one else np.nan for one in folded])


def _require_structure(target: str, window: int) -> None:
    if odd := set(target) - set("(.)"):
        raise UserError(f"The structure {target!r} has a {min(odd)!r}. Write it in dots and brackets: ( . )")
    if len(target) > window:
        raise UserError(f"The structure has {len(target)} places, the latent model writes at most {window} nt.")
    left = target
    while (shorter := re.sub(r"\(\.*\)", "", left)) != left:
        left = shorter
    if "(" in left or ")" in left:
        raise UserError(f"The structure {target!r} has a bracket without its partner. Close or remove it.")


def _value(name: str, preferred: int) -> Callable[[Wish, Surrogate | None], Reward]:
    def make(wish: Wish, surrogate: Surrogate | None) -> Reward:
        known = _known(wish, surrogate)
        if name not in known.config.values:
            raise UserError(
                f"The surrogate of the built-in rewards was not taught {name}: ViennaRNA was not installed."
            )
        made = Value(wish, known, name, preferred)
        low, high = {"gc": (0.0, 1.0), "length": (1.0, math.inf), "mfe": (-math.inf, 0.0)}[name]
        if made.target is not None and not low <= made.target <= high:
            can = {"gc": "is from 0 to 1", "length": "is 1 at least", "mfe": "is 0 at most"}[name]
            raise UserError(f"The target {made.target:g} of the reward {name} is not possible: it {can} ({made.unit}).")
        return made

    return make


def _type(wish: Wish, surrogate: Surrogate | None) -> Reward:
    if not wish.target:
        raise UserError("The reward 'type' needs the name of one, such as type=tRNA.")
    return TypeReward(wish, _known(wish, surrogate))


def _structure(wish: Wish, surrogate: Surrogate | None) -> Reward:
    if not wish.target:
        raise UserError("The reward 'structure' needs one in dots and brackets, such as 'structure=((((...))))'.")
    known = _known(wish, surrogate)
    if not known.config.structure:
        raise UserError("The surrogate of the built-in rewards was taught no structures: ViennaRNA was not installed.")
    return StructureReward(wish, known)


def _known(wish: Wish, surrogate: Surrogate | None) -> Surrogate:
    if surrogate is None:
        raise UserError(
            f"The generator has no surrogate of the built-in rewards, which {wish.name!r} needs. Train it again, or "
            "name the folder of a learned reward."
        )
    return surrogate


MFE = RewardFamily(f"minimum free energy, {UNITS['mfe']}; towards more stable molecules", _value("mfe", -1))
GC = RewardFamily("share of G and C", _value("gc", 1))
LENGTH = RewardFamily("length, nt", _value("length", 1))
TYPE = RewardFamily("type=NAME: logarithm of the probability of a type", _type)
STRUCTURE = RewardFamily("structure=DOTBRACKET: how likely the signs of a structure are", _structure)
