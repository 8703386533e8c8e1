"""RNA-FM as an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.alphabet import PAD, Tokens
from ribospace.batching import cut_windows, pool_windows, stitch_windows, token_budget_batches
from ribospace.encoders.base import Encoder
from ribospace.errors import UserError, nearest
from ribospace.models import rnafm_checkpoint
from ribospace.models.autoencoder import POOLINGS
from ribospace.models.device import pick_device, use_bf16
from ribospace.models.packed import TOKENS, PackedRnaFm

DEVICE_TOKENS = 16_384  # of a padded batch away from the processor
PIECE_MOLECULES = 256  # given at once on a processor, which has them done in less than half a minute
PIECE = 1 << 15  # nt whose token embeddings are held at once; a longer molecule is a piece of its own


class RnaFmEncoder(Encoder):
    """RNA-FM (Chen et al. 2022).

    A molecule of more than 1,022 nt is cut into windows of that length that overlap by a quarter; their vectors are
    averaged, weighted by length, and their token embeddings stitched, overlaps averaged.

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
        if pooling not in POOLINGS:
            raise UserError(f"Unknown pooling {pooling!r}. {nearest(pooling, POOLINGS)}")
        self.device = pick_device()
        self.bf16 = use_bf16(precision, self.device)
        found = source if isinstance(source, rnafm_checkpoint.RnaFmCheckpoint) else rnafm_checkpoint.load(source)
        config = found.model.config
        if layer is not None and not 0 <= layer <= config.layers:
            raise UserError(f"RNA-FM has no layer {layer}. Choose one of 0 to {config.layers}.")
        last = layer is None or layer == config.layers
        self.name = "rnafm" if last else f"rnafm_layer{layer}"
        self.revision, self.pooling, self.layer = found.revision, pooling, layer
        self.width, self.window = config.width, config.window
        self.location = found.location if last else f"{found.location}:{layer}"
        self.piece = PIECE_MOLECULES if self.device.type == "cpu" else 16 * PIECE_MOLECULES
        self.model = PackedRnaFm(found.model, self.bf16) if self.device.type == "cpu" else found.model.to(self.device)

    def encode(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        """(n) molecules → (n, width) float32; see `Encoder.encode`."""
        windows, molecule = cut_windows(tokens, self.window, self.window // 4)
        vectors = np.empty((len(windows), self.width), dtype=np.float32)
        inside = slice(1, -1) if self.pooling == "mean" else slice(0, 1)
        for rows, embedded in self._embedded(windows):
            vectors[rows] = torch.stack([one[inside].mean(dim=0) for one in embedded]).cpu().numpy()
        return pool_windows(vectors, windows.lengths, molecule, len(tokens))

    def token_embeddings(self, tokens: Tokens) -> Iterator[npt.NDArray[np.float32]]:
        """Embed every nucleotide.

        Parameters
        ----------
        tokens
            (n) molecules of any length, in any order.

        Yields
        ------
        ndarray
            (nucleotides, width) float32 of each molecule, in the molecules' order.
        """
        piece = (tokens.offsets[1:] - 1) // PIECE
        for number in np.unique(piece):
            part = tokens.take(np.flatnonzero(piece == number))
            windows, molecule = cut_windows(part, self.window, self.window // 4)
            embedded: list[npt.NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(windows)
            for rows, batch in self._embedded(windows):
                for row, one in zip(rows, batch, strict=True):
                    embedded[row] = one[1:-1].cpu().numpy()
            ends = np.searchsorted(molecule, np.arange(len(part) + 1))
            for row, length in enumerate(part.lengths.tolist()):
                yield stitch_windows(embedded[ends[row] : ends[row + 1]], length)

    def _embedded(self, windows: Tokens) -> Iterator[tuple[npt.NDArray[np.int64], list[Tensor]]]:
        """Batches of row numbers, and for each row (its tokens with cls and eos, D) fp32; the longest first."""
        lengths = windows.lengths + 2
        on_processor = isinstance(self.model, PackedRnaFm)
        for rows in _packs(lengths) if on_processor else token_budget_batches(lengths, DEVICE_TOKENS):
            sizes, padded = lengths[rows].tolist(), torch.from_numpy(windows.padded(rows)).long()
            if isinstance(self.model, PackedRnaFm):
                packed = self.model(padded[padded != PAD], sizes, self.layer)
                yield rows, list(torch.split(packed, sizes))
            else:
                with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                    out = self.model(padded.to(self.device), self.layer).float()
                yield rows, [one[:size] for one, size in zip(out, sizes, strict=True)]


def _packs(lengths: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Rows of about `TOKENS` tokens, the longest first."""
    if not len(lengths):
        return []
    order = np.argsort(-lengths, kind="stable")
    pack = (np.cumsum(lengths[order]) - 1) // TOKENS
    return np.split(order, np.flatnonzero(np.diff(pack)) + 1)
