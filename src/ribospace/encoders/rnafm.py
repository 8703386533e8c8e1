"""RNA-FM as an encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ribospace.alphabet import PAD, Tokens
from ribospace.batching import token_budget_batches
from ribospace.encoders.network import NetworkEncoder, Rows
from ribospace.errors import UserError
from ribospace.models import rnafm_checkpoint
from ribospace.models.device import use_bf16
from ribospace.models.packed import TOKENS, PackedRnaFm

DEVICE_TOKENS = 16_384  # of a padded batch away from the processor
PIECE_MOLECULES = 256  # given at once on a processor, which has them done in less than half a minute


class RnaFmEncoder(NetworkEncoder):
    """RNA-FM (Chen et al. 2022).

    It reads 1,022 nt at once; see `NetworkEncoder` for longer molecules.

    Parameters
    ----------
    source
        A checkpoint, or where one lies, see `models.rnafm_checkpoint.load`.
    pooling
        "mean" over nucleotides (never cls, eos or padding), or the "first" token, cls.
    layer
        Whose output: 0 what enters the first block, up to 12; the last, normed, by default.
    precision
        "fp32", "bf16", or "auto": bf16 where the machine multiplies natively in it.
    """

    def __init__(
        self,
        source: Path | str | rnafm_checkpoint.RnaFmCheckpoint = rnafm_checkpoint.HUB_NAME,
        pooling: str = "mean",
        layer: int | None = None,
        precision: str = "auto",
    ) -> None:
        super().__init__(pooling)
        self.bf16 = use_bf16(precision, self.device)
        found = source if isinstance(source, rnafm_checkpoint.RnaFmCheckpoint) else rnafm_checkpoint.load(source)
        config = found.model.config
        if layer is not None and not 0 <= layer <= config.layers:
            raise UserError(f"RNA-FM has no layer {layer}. Choose one of 0 to {config.layers}.")
        last = layer is None or layer == config.layers
        self.name = "rnafm" if last else f"rnafm_layer{layer}"
        self.revision, self.layer = found.revision, layer
        self.width, self.window = config.width, config.window
        self.location = found.location if last else f"{found.location}:{layer}"
        self.piece = PIECE_MOLECULES if self.device.type == "cpu" else 16 * PIECE_MOLECULES
        self.model = PackedRnaFm(found.model, self.bf16) if self.device.type == "cpu" else found.model.to(self.device)

    def _batches(self, lengths: Rows) -> list[Rows]:
        on_processor = isinstance(self.model, PackedRnaFm)
        return _packs(lengths + 2) if on_processor else token_budget_batches(lengths + 2, DEVICE_TOKENS)

    def _embedded(self, windows: Tokens, rows: Rows) -> list[Tensor]:
        sizes, padded = (windows.lengths[rows] + 2).tolist(), torch.from_numpy(windows.padded(rows)).long()
        if isinstance(self.model, PackedRnaFm):
            return list(torch.split(self.model(padded[padded != PAD], sizes, self.layer), sizes))
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            out = self.model(padded.to(self.device), self.layer).float()
        return [one[:size] for one, size in zip(out, sizes, strict=True)]


def _packs(lengths: Rows) -> list[Rows]:
    """Rows of about `TOKENS` tokens, the longest first."""
    if not len(lengths):
        return []
    order = np.argsort(-lengths, kind="stable")
    pack = (np.cumsum(lengths[order]) - 1) // TOKENS
    return np.split(order, np.flatnonzero(np.diff(pack)) + 1)
