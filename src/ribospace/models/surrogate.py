"""A surrogate: properties of a molecule read off its latents, smoothly, so that they have a slope to follow.

Shapes: B molecules, K latents of width D, V values, C classes, S slots for nucleotides (K times the stride).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ribospace.models.qformer import QFormerConfig
from ribospace.models.sizes import require_sizes
from ribospace.models.transformer import BlockConfig, EncoderLayer

#: What stands at a slot: a sign of dots and brackets, or no nucleotide.
SIGNS = ".() "
SPREAD = 32  # directions in which the natural spread of the signs' logarithms is kept
_WIDEST = 8.0  # of the logarithm of a variance, either way


@dataclass(frozen=True)
class SurrogateConfig:
    """What a surrogate reads and what it says.

    Attributes
    ----------
    latent
        Revision of the latent model's checkpoint whose latents are read.
    latents, width, window
        K and D; most nucleotides of a molecule.
    hidden, heads, layers
        Width of the blocks that mix the latents, their heads, their number.
    values, units
        Names of the properties that are numbers, and their units.
    classes
        Names of the types that are told apart; none: no such head.
    structure
        Whether dots and brackets are told.
    """

    latent: str = ""
    latents: int = 16
    width: int = 40
    window: int = 205
    hidden: int = 128
    heads: int = 4
    layers: int = 2
    values: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    structure: bool = False

    def __post_init__(self) -> None:
        require_sizes(self)
        for name in ("values", "units", "classes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if min(self.latents, self.width, self.window, self.hidden, self.heads, self.layers) < 1:
            raise ValueError("every size must be 1 or more")
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not divisible by heads {self.heads}")
        if len(self.units) != len(self.values):
            raise ValueError(f"{len(self.values)} values have {len(self.units)} units")
        if not (self.values or self.classes or self.structure):
            raise ValueError("there are neither values nor classes nor structure: nothing to learn")
        for names in (self.values, self.classes):
            if len(set(names)) < len(names):
                raise ValueError("a value or class is named twice")

    @property
    def stride(self) -> int:
        """Slots of a latent."""
        return QFormerConfig(queries=self.latents, window=self.window).stride

    @property
    def slots(self) -> int:
        """S, of which the first `window` can hold a nucleotide."""
        return self.latents * self.stride


@dataclass(frozen=True)
class Told:
    """What a surrogate says of B molecules; None for what it was not taught.

    Attributes
    ----------
    mean, deviation
        (B, V) expectation and standard deviation, in the values' units.
    classes
        (B, C) logarithms of the probabilities.
    signs
        (B, S, 4) logarithms of the probabilities of `SIGNS`.
    """

    mean: Tensor | None
    deviation: Tensor | None
    classes: Tensor | None
    signs: Tensor | None


class Surrogate(nn.Module):
    """K latents → values with their uncertainty, types, dots and brackets.

    Parameters
    ----------
    config
        Sizes and what is told.

    Examples
    --------
    >>> model = Surrogate(SurrogateConfig(values=("gc",), units=("share",), classes=("tRNA", "rRNA"), structure=True))
    >>> told = model(torch.randn(2, 16, 40))
    >>> told.mean.shape, told.classes.shape, told.signs.shape
    (torch.Size([2, 1]), torch.Size([2, 2]), torch.Size([2, 208, 4]))
    """

    center: Tensor  # (V,) mean of the training molecules, in the values' units
    scale: Tensor  # (V,) their standard deviation
    temperature: Tensor  # (V,) what the deviation is multiplied by, so that it is right on molecules held out
    class_temperature: Tensor  # () what the classes' logits are divided by, likewise
    class_natural: Tensor  # (2, C) mean and standard deviation of the classes' logarithms over natural molecules
    sign_center: Tensor  # (S, 4) mean of the signs' logarithms over natural molecules
    sign_spread: Tensor  # (SPREAD, S, 4) the main directions in which they spread, as long as one standard deviation

    def __init__(self, config: SurrogateConfig) -> None:
        super().__init__()
        self.config = config
        hidden, values, classes = config.hidden, len(config.values), len(config.classes)
        self.into = nn.Linear(config.width, hidden)
        self.places = nn.Parameter(torch.randn(config.latents, hidden) * 0.1)
        block = BlockConfig(hidden, config.heads, 2 * hidden, rotary=0.0)
        self.layers = nn.ModuleList(EncoderLayer(block) for _ in range(config.layers))
        self.norm = nn.LayerNorm(hidden)
        if values or classes:
            self.pool = nn.Sequential(nn.Linear(config.latents * hidden, hidden), nn.GELU())
        self.to_values = nn.Linear(hidden, 2 * values) if values else None
        self.to_classes = nn.Linear(hidden, classes) if classes else None
        self.to_signs = nn.Linear(hidden, config.stride * len(SIGNS)) if config.structure else None
        for name, size in (("center", (values,)), ("class_natural", (2, classes))):
            self.register_buffer(name, torch.zeros(size))
        for name in ("scale", "temperature"):
            self.register_buffer(name, torch.ones(values))
        self.register_buffer("class_temperature", torch.ones(()))
        slots = config.slots if config.structure else 0
        self.register_buffer("sign_center", torch.zeros(slots, len(SIGNS)))
        self.register_buffer("sign_spread", torch.zeros(SPREAD, slots, len(SIGNS)))

    def require_sound(self) -> None:
        """Refuse deviations or temperatures that are not above 0; a ValueError says so."""
        for part in (self.scale, self.temperature, self.class_temperature):
            if not bool((part > 0).all()):
                raise ValueError("a deviation or temperature of its surrogate is not above 0")

    def forward(self, latents: Tensor) -> Told:
        """(B, K, D) latents, each of mean 0 and variance 1 → what is told of the molecules."""
        x = self.into(latents) + self.places
        for layer in self.layers:
            x = layer(x, None)
        x = self.norm(x)
        mean = deviation = classes = signs = None
        pooled = self.pool(x.flatten(1)) if self.config.values or self.config.classes else x
        if self.to_values is not None:
            standard, spread = self.to_values(pooled).chunk(2, dim=-1)
            mean = self.center + self.scale * standard
            deviation = self.scale * self.temperature * (_WIDEST / 2 * torch.tanh(spread / _WIDEST)).exp()
        if self.to_classes is not None:
            classes = (self.to_classes(pooled) / self.class_temperature).log_softmax(dim=-1)
        if self.to_signs is not None:
            signs = self.to_signs(x).unflatten(-1, (self.config.stride, len(SIGNS))).flatten(1, 2).log_softmax(dim=-1)
        return Told(mean, deviation, classes, signs)
