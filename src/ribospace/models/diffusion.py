"""A generator of molecules: a denoiser in the space of a latent model, and that model, which writes them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.models.denoiser import Denoiser, DenoiserConfig
from ribospace.models.latent import LatentAutoencoder
from ribospace.models.surrogate import Surrogate


@dataclass(frozen=True)
class DiffusionConfig:
    """What a generator is made of, beside its latent model.

    Attributes
    ----------
    latent
        Revision of the checkpoint that the latent model was read from; what steers the generator must be made for it.
    denoiser
        See there.
    types
        Names of the types that it is told.
    """

    latent: str = ""
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(self.types))


class LatentDiffusion(nn.Module):
    """Denoiser, latent model, and what is known of the natural molecules that it was trained on.

    The denoiser works on latents less their mean over the training molecules, divided by one number, so that their
    variance is 1.

    Parameters
    ----------
    config
        Sizes.
    latent
        Reads and writes molecules; stays as it is.
    surrogate
        Of the built-in rewards; None: without.
    """

    center: Tensor  # (K, D) mean of the latents
    scale: Tensor  # () root mean square of what is left
    counts: Tensor  # (types + 1, window + 1) training molecules of each type (the last: none said) and length

    def __init__(self, config: DiffusionConfig, latent: LatentAutoencoder, surrogate: Surrogate | None = None) -> None:
        super().__init__()
        self.config = config
        self.latent = latent.requires_grad_(False)
        self.surrogate: Surrogate | None = None
        self.give(surrogate)
        size, types = latent.config, len(config.types)
        self.denoiser = Denoiser(config.denoiser, size.queries, size.width, types, size.window)
        self.register_buffer("center", torch.zeros(size.queries, size.width))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("counts", torch.zeros(types + 1, size.window + 1))

    def give(self, surrogate: Surrogate | None) -> None:
        """Make a surrogate a part of the generator."""
        self.surrogate = surrogate.requires_grad_(False) if surrogate is not None else None

    def train(self, mode: bool = True) -> LatentDiffusion:
        """As `Module.train`; the latent model and the surrogate stay in evaluation mode."""
        super().train(mode)
        self.latent.eval()
        if self.surrogate is not None:
            self.surrogate.eval()
        return self

    def require_sound(self) -> None:
        """Refuse counts below 0, or a scale that is not above; a ValueError says which."""
        if not bool((self.counts >= 0).all()) or not bool(self.scale > 0):
            raise ValueError("its counts of molecules or its scale are below 0")
        if self.surrogate is not None:
            self.surrogate.require_sound()

    def standardised(self, latents: Tensor) -> Tensor:
        """(B, K, D) latents → as the denoiser has them."""
        return (latents - self.center) / self.scale

    def latents(self, x: Tensor) -> Tensor:
        """(B, K, D) as the denoiser has them → latents, each of mean 0 and variance 1, as the decoder knows them."""
        z = x * self.scale + self.center
        return F.layer_norm(z, z.shape[-1:])

    @torch.no_grad()
    def measure(self, latents: Tensor, types: Tensor, lengths: Tensor) -> None:
        """Take centre, scale and counts from the training molecules: (n, K, D), (n,) and (n,)."""
        self.center.copy_(latents.mean(dim=0))
        self.scale.copy_((latents - self.center).square().mean().sqrt())
        place = types % len(self.counts) * self.counts.shape[1] + lengths
        self.counts.copy_(torch.bincount(place, minlength=self.counts.numel()).view_as(self.counts))
