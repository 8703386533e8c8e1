"""Trained models as encoders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ribospace.alphabet import Tokens
from ribospace.batching import cut_windows, pool_windows, token_budget_batches
from ribospace.encoders.base import Encoder
from ribospace.errors import UserError, nearest
from ribospace.models import checkpoint
from ribospace.models.autoencoder import POOLINGS
from ribospace.models.device import pick_device

TOKEN_BUDGET = 8192


class AutoencoderEncoder(Encoder):
    """The encoder half of a trained autoencoder, in fp32.

    A molecule longer than the model's window is cut into windows that overlap by a quarter; their vectors are averaged,
    weighted by length. Vectors are whitened by the training set (see `Autoencoder.embed`). Batches are made longest
    first, of like length, under a token budget.

    Parameters
    ----------
    source
        The model's folder, or a model that is read already.
    pooling
        "mean" over nucleotides (never START, END or padding), or the "first" token, START.
    """

    def __init__(self, source: Path | str | checkpoint.Checkpoint, pooling: str = "mean") -> None:
        if pooling not in POOLINGS:
            raise UserError(f"Unknown pooling {pooling!r}. {nearest(pooling, POOLINGS)}")
        found = source if isinstance(source, checkpoint.Checkpoint) else checkpoint.load(source)
        self.device = pick_device()
        self.model = found.model.to(self.device)
        self.name, self.revision, self.pooling = found.name, found.revision, pooling
        self.width, self.location = found.model.config.width, str(found.path.resolve())

    def encode(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        """(n) molecules → (n, width) float32; see `Encoder.encode`."""
        window = self.model.config.window
        windows, molecule = cut_windows(tokens, window, window // 4)
        vectors = np.empty((len(windows), self.width), dtype=np.float32)
        for rows in token_budget_batches(windows.lengths + 2, TOKEN_BUDGET):
            batch = torch.from_numpy(windows.padded(rows)).long().to(self.device)
            with torch.inference_mode():
                vectors[rows] = self.model.embed(batch, self.pooling).cpu().numpy()
        return pool_windows(vectors, windows.lengths, molecule, len(tokens))
