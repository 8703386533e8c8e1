"""Networks that were never trained: what an embedding has to beat to have learned anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ribospace.encoders.adapters import AutoencoderEncoder
from ribospace.encoders.base import Encoder
from ribospace.encoders.rnafm import RnaFmEncoder
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.checkpoint import Checkpoint
from ribospace.models.rnafm import RnaFm, RnaFmConfig
from ribospace.models.rnafm_checkpoint import RnaFmCheckpoint

Network = TypeVar("Network", bound=nn.Module)


def random_encoder(
    seed: int = 0,
    sizes: str = "default",
    pooling: str = "mean",
    config: AutoencoderConfig | RnaFmConfig | None = None,
) -> Encoder:
    """Make an encoder whose weights are drawn and never trained.

    Its revision is a hash of the weights, so another seed, other sizes or a PyTorch that draws otherwise are another
    revision. Vectors are not whitened, as there is no training set.

    Parameters
    ----------
    seed
        Of the weights; they are initialised as they are before training.
    sizes
        "default", those of a model that `train` makes, or "rnafm".
    pooling
        "mean" or "first".
    config
        Other sizes.

    Returns
    -------
    Encoder

    Examples
    --------
    >>> encoder = random_encoder(seed=7)
    >>> encoder.name, encoder.location, encoder.width
    ('random_7', 'random:7', 64)
    """
    if sizes == "rnafm" or isinstance(config, RnaFmConfig):
        chosen = config if isinstance(config, RnaFmConfig) else RnaFmConfig(head=False)
        network, revision = _drawn(lambda: RnaFm(chosen), seed)
        location = f"random:rnafm:{seed}"
        encoder: Encoder = RnaFmEncoder(RnaFmCheckpoint(network, revision, location), pooling)
        encoder.name = f"random_rnafm_{seed}"
        return encoder
    autoencoder, revision = _drawn(lambda: Autoencoder(config or AutoencoderConfig()), seed)
    encoder = AutoencoderEncoder(Checkpoint(autoencoder, f"random_{seed}", revision, Path(), {}), pooling)
    encoder.location = f"random:{seed}"
    return encoder


def _drawn(make: Callable[[], Network], seed: int) -> tuple[Network, str]:
    """A network with the seed's weights and their hash; PyTorch's own generator goes on as if nothing had been."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make().eval()
    digest = hashlib.sha256()
    for value in network.state_dict().values():
        digest.update(value.contiguous().numpy().data)
    return network, digest.hexdigest()[:12]
