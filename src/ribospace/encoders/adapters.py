"""Trained models as encoders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.alphabet import Tokens
from ribospace.batching import token_budget_batches
from ribospace.encoders.network import NetworkEncoder, Rows
from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder
from ribospace.models.latent import Model
from ribospace.models.shipped import location_of
from ribospace.models.transformer import HeadsApart

TOKEN_BUDGET = 8192


class AutoencoderEncoder(NetworkEncoder):
    """The encoder half of a trained autoencoder, in fp32.

    Vectors are whitened by the training set (see `Autoencoder.embed`), token embeddings are as the network has them.
    Batches are of like length, under a token budget.

    Parameters
    ----------
    source
        The model's folder, the name of one that ships, or a model that is read already.
    pooling
        "mean" over nucleotides (never START, END or padding), or the "first" token, START.
    """

    def __init__(self, source: Path | str | checkpoint.Checkpoint[Model], pooling: str = "mean") -> None:
        super().__init__(pooling)
        found = source if isinstance(source, checkpoint.Checkpoint) else checkpoint.load(source)
        if not isinstance(found.model, Autoencoder):
            raise UserError(f"{found.path} is a latent model, whose poolings are summary and latents, not {pooling}.")
        self.model = found.model.to(self.device)
        self.name, self.revision = found.name, found.revision
        self.width, self.window = found.model.config.width, found.model.config.window
        self.layers, self.heads = found.model.config.encoder_layers, found.model.config.heads
        self.location = location_of(found.path)

    def _batches(self, lengths: Rows) -> list[Rows]:
        return token_budget_batches(lengths + 2, TOKEN_BUDGET)

    @torch.inference_mode()
    def _pooled(self, windows: Tokens, rows: Rows) -> npt.NDArray[np.float32]:
        return self.model.embed(self._padded(windows, rows), self.pooling).cpu().numpy()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def _embedded(self, windows: Tokens, rows: Rows) -> list[Tensor]:
        out = self.model.encode(self._padded(windows, rows))
        return [one[: length + 2] for one, length in zip(out, windows.lengths[rows].tolist(), strict=True)]

    def _heads_apart(self, windows: Tokens, rows: Rows) -> Iterator[HeadsApart]:
        return self.model.heads_apart(self._padded(windows, rows))

    def _padded(self, windows: Tokens, rows: Rows) -> Tensor:
        return torch.from_numpy(windows.padded(rows)).long().to(self.device)
