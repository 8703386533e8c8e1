"""RNA-FM as an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.alphabet import PAD, Tokens, tokenize
from ribospace.batching import token_budget_batches
from ribospace.encoders.network import NetworkEncoder, Rows
from ribospace.errors import UserError
from ribospace.models import rnafm_checkpoint
from ribospace.models.device import use_bf16
from ribospace.models.packed import TOKENS, PackedRnaFm
from ribospace.models.rnafm import RnaFm
from ribospace.models.transformer import HeadsApart
from ribospace.sources.sample import read_sample

DEVICE_TOKENS = 16_384  # of a padded batch away from the processor
TRUE_COSINE = 0.9995
PROBE_STEP, PROBE_LENGTH = 100, 200  # of the shipped sample's molecules, and nt
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
        "fp32", "bf16", or "auto": bf16 where the machine multiplies natively in it and, tried on some real molecules
        when the weights are read, its vectors point where those in fp32 do (`TRUE_COSINE`).
    """

    def __init__(
        self,
        source: Path | str | rnafm_checkpoint.RnaFmCheckpoint = rnafm_checkpoint.HUB_NAME,
        pooling: str = "mean",
        layer: int | None = None,
        precision: str = "auto",
    ) -> None:
        super().__init__(pooling)
        bf16 = use_bf16(precision, self.device)
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
        self.layers, self.heads = (config.layers if layer is None else layer), config.heads
        self._source = source
        self._take(found.model, bf16)
        if bf16 and precision == "auto" and not self._is_true(found.model):
            self._take(found.model, False)

    def _take(self, model: RnaFm, bf16: bool) -> None:
        self.bf16, self.precision = bf16, "bf16" if bf16 else "fp32"
        self.model = PackedRnaFm(model, bf16) if self.device.type == "cpu" else model.to(self.device)

    def _is_true(self, model: RnaFm) -> bool:
        """Whether what was taken gives the vectors of the model itself, but for rounding."""
        tokens = tokenize(next(iter(read_sample())).column("sequence")[::PROBE_STEP])
        tokens = tokens.take(np.flatnonzero(tokens.lengths <= PROBE_LENGTH))
        found, taken = self.encode(tokens), self.model
        self.model, self.bf16 = model.to(self.device), False
        true = self.encode(tokens)
        self.model, self.bf16 = taken, True
        return bool((cosines(found, true) >= TRUE_COSINE).all())

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

    def _heads_apart(self, windows: Tokens, rows: Rows) -> Iterator[HeadsApart]:
        padded = torch.from_numpy(windows.padded(rows)).long().to(self.device)
        return islice(self._plain.heads_apart(padded), self.layers)

    @cached_property
    def _plain(self) -> RnaFm:
        """The network in fp32 as it stands in its file, as heads that are packed cannot be asked; read when wanted."""
        if isinstance(self.model, RnaFm):
            return self.model
        source = self._source
        return (source if isinstance(source, rnafm_checkpoint.RnaFmCheckpoint) else rnafm_checkpoint.load(source)).model


def _packs(lengths: Rows) -> list[Rows]:
    """Rows of about `TOKENS` tokens, the longest first."""
    if not len(lengths):
        return []
    order = np.argsort(-lengths, kind="stable")
    pack = (np.cumsum(lengths[order]) - 1) // TOKENS
    return np.split(order, np.flatnonzero(np.diff(pack)) + 1)


def cosines(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n,) cosine of each row of (n, width) with the same row of another."""
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) / norms  # type: ignore[no-any-return]
