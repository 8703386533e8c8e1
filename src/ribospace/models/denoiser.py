"""The denoiser: a transformer over K latents that takes noise away, told how much there is, which type, which length.

After the diffusion transformer (Peebles & Xie 2023, arXiv 2212.09748): what it is told becomes one vector, which scales
and shifts what every block normalises and gates what it adds; the gates begin at 0. It may also be shown what it made
of the molecule the step before (self-conditioning, Chen et al. 2023, arXiv 2208.04202).

Shapes: B molecules, K latents of width D, W width of the denoiser.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.models.dropout import dropout
from ribospace.models.feedforward import FeedForward
from ribospace.models.sizes import require_sizes
from ribospace.models.transformer import Attention, BlockConfig, sinusoids

PREDICTIONS = ("v_prediction", "epsilon")
NOISES = ("squaredcos_cap_v2", "linear", "scaled_linear")
#: What stands where a type is not said, or a length.
NO_TYPE, NO_LENGTH = -1, 0


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of a denoiser, and the noise that it takes away.

    Attributes
    ----------
    width, heads, layers, feedforward
        W, and of its blocks.
    dropout
        Share of the hidden feed-forward activations dropped in training.
    prediction
        What is predicted: "v_prediction" (Salimans & Ho 2022, arXiv 2202.00512) or "epsilon", the noise.
    times, noises
        Levels of noise, and how they rise from the first to the last (names as in diffusers).
    shown
        Whether it is shown what it predicted before (self-conditioning).
    """

    width: int = 192
    heads: int = 6
    layers: int = 8
    feedforward: int = 768
    dropout: float = 0.0
    prediction: str = "v_prediction"
    times: int = 1000
    noises: str = "squaredcos_cap_v2"
    shown: bool = True

    def __post_init__(self) -> None:
        require_sizes(self)
        if min(self.width, self.heads, self.layers, self.feedforward) < 1 or self.times < 2:
            raise ValueError("every size must be 1 or more, times 2 or more")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} over {self.heads} heads must be an even share")
        if self.prediction not in PREDICTIONS or self.noises not in NOISES:
            raise ValueError(f"prediction is one of {', '.join(PREDICTIONS)}, noises one of {', '.join(NOISES)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout {self.dropout} is not in [0, 1)")

    @property
    def block(self) -> BlockConfig:
        """What the blocks are made of."""
        return BlockConfig(self.width, self.heads, self.feedforward, self.dropout, rotary=0.0)


class Denoiser(nn.Module):
    """Noisy latents → what the config says is predicted.

    Parameters
    ----------
    config
        Sizes.
    latents, latent_width
        K and D.
    types
        How many types there are to be told.
    longest
        Longest molecule that there is to be told, nt.

    Examples
    --------
    >>> denoiser = Denoiser(DenoiserConfig(width=16, heads=2, layers=1, feedforward=16), 16, 40, types=3, longest=205)
    >>> said = torch.tensor([2, NO_TYPE]), torch.tensor([76, NO_LENGTH])
    >>> denoiser(torch.randn(2, 16, 40), torch.tensor([999, 0]), *said).shape
    torch.Size([2, 16, 40])
    """

    times: Tensor  # (times, W)
    lengths: Tensor  # (longest + 1, W)

    def __init__(self, config: DenoiserConfig, latents: int, latent_width: int, types: int, longest: int) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.into = nn.Linear(latent_width * (1 + config.shown), width)
        self.places = nn.Parameter(torch.randn(latents, width) * 0.1)
        self.register_buffer("times", sinusoids(0, config.times, width), persistent=False)
        self.register_buffer("lengths", sinusoids(0, longest + 1, width), persistent=False)
        self.of_time, self.of_length = _small(width), _small(width)
        self.no_length = nn.Parameter(torch.randn(width) * 0.1)
        self.of_type = nn.Embedding(types + 1, width)  # the last: not said
        nn.init.normal_(self.of_type.weight, std=0.5)
        self.layers = nn.ModuleList(ToldLayer(config.block) for _ in range(config.layers))
        self.told = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, latent_width)
        for layer in (self.told, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, noisy: Tensor, time: Tensor, types: Tensor, lengths: Tensor, shown: Tensor | None = None
    ) -> Tensor:
        """Predict.

        Parameters
        ----------
        noisy
            (B, K, D) latents with noise.
        time
            (B,) how much, from 0 (hardly any) to times - 1.
        types, lengths
            (B,) number of the type, or NO_TYPE; nt, or NO_LENGTH.
        shown
            (B, K, D) the clean latents as they were predicted before; None: nothing is shown.

        Returns
        -------
        Tensor
            (B, K, D).
        """
        if self.config.shown:
            noisy = torch.cat([noisy, torch.zeros_like(noisy) if shown is None else shown], dim=-1)
        x = self.into(noisy) + self.places
        of_length = self.of_length(self.lengths[lengths].to(x.dtype))
        said = torch.where((lengths != NO_LENGTH)[:, None], of_length, self.no_length)
        told = self.of_time(self.times[time].to(x.dtype)) + said + self.of_type.weight[types]
        told = F.silu(told)
        for layer in self.layers:
            x = layer(x, told)
        shift, scale = self.told(told)[:, None].chunk(2, dim=-1)
        return self.out(F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift)  # type: ignore[no-any-return]


class ToldLayer(nn.Module):
    """Self-attention and feed-forward, scaled, shifted and gated by what the denoiser is told."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.feedforward = FeedForward(config.width, config.feedforward, config.dropout, config.activation)
        self.told = nn.Linear(config.width, 6 * config.width)
        self.dropout = config.dropout
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(self.told.bias)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """(B, K, W), (B, W) → (B, K, W)."""
        first = self.told(told)[:, None].chunk(6, dim=-1)  # six of (B, 1, W)
        y = F.layer_norm(x, x.shape[-1:]) * (1 + first[0]) + first[1]
        x = x + first[2] * dropout(self.attention.attend(y, *self.attention.project(y)), self.dropout, self.training)
        y = F.layer_norm(x, x.shape[-1:]) * (1 + first[3]) + first[4]
        return x + first[5] * self.feedforward(y)  # type: ignore[no-any-return]


def _small(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
