"""What encoders that are networks share: windows, batches the longest first, and smaller ones where memory runs out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.alphabet import Sequences, Tokens, as_tokens
from ribospace.batching import cut_windows, pool_windows, stitch_windows
from ribospace.encoders.base import Encoder, no_heads
from ribospace.errors import UserError, nearest
from ribospace.models.autoencoder import POOLINGS
from ribospace.models.device import is_out_of_memory, pick_device
from ribospace.models.transformer import HeadsApart

PIECE = 1 << 15  # nt whose token embeddings are held at once; a longer molecule is a piece of its own
Answer = TypeVar("Answer")
Rows = npt.NDArray[np.int64]


class NetworkEncoder(Encoder):
    """A network that embeds tokens, of which a molecule's vector is the mean, or the first.

    A molecule that is longer than the window is cut into windows that overlap by a quarter or more; their vectors are
    averaged, weighted by length, and their token embeddings stitched, overlaps averaged. Batches come longest first;
    one that does not fit into memory is halved, and with it all that are as large.

    Parameters
    ----------
    pooling
        "mean" over nucleotides (never a special token or padding), or the "first" token.

    Attributes
    ----------
    poolings
        Those that there are, the default first.
    window
        Most nucleotides that are read at once, nt.
    """

    poolings: ClassVar[tuple[str, ...]] = POOLINGS
    has_tokens = True

    def __init__(self, pooling: str) -> None:
        pooling = pooling or self.poolings[0]
        if pooling not in self.poolings:
            raise UserError(f"Unknown pooling {pooling!r}. {nearest(pooling, self.poolings)}")
        self.pooling, self.device = pooling, pick_device()

    @abstractmethod
    def _batches(self, lengths: Rows) -> list[Rows]:
        """Rows of the windows of these lengths, nt, that go together, the longest first."""

    @abstractmethod
    def _embedded(self, windows: Tokens, rows: Rows) -> list[Tensor]:
        """For each row (L + 2, width) fp32: a special token, the nucleotides, a special token."""

    def _pooled(self, windows: Tokens, rows: Rows) -> npt.NDArray[np.float32]:
        """For each row its vector: (n, width) float32."""
        inside = slice(1, -1) if self.pooling == "mean" else slice(0, 1)
        vectors = torch.stack([one[inside].mean(dim=0) for one in self._embedded(windows, rows)])
        return vectors.cpu().numpy()  # type: ignore[no-any-return]

    def encode(self, tokens: Tokens | Sequences) -> npt.NDArray[np.float32]:
        """(n) molecules → (n, width) float32; see `Encoder.encode`."""
        tokens = as_tokens(tokens)
        if not tokens.lengths.all():
            empty = int(tokens.lengths.argmin()) + 1
            raise UserError(f"Molecule {empty} has no nucleotides, and {self.name} nothing to read. Leave it out.")
        windows, molecule = cut_windows(tokens, self.window, self.window // 4)
        vectors = np.empty((len(windows), self.width), dtype=np.float32)
        for rows, found in self._in_batches(windows, self._pooled):
            vectors[rows] = found
        return pool_windows(vectors, windows.lengths, molecule, len(tokens))

    def token_embeddings(self, tokens: Tokens) -> Iterator[npt.NDArray[np.float32]]:
        """(n) molecules → n times (nucleotides, width) float32; see `Encoder.token_embeddings`."""
        if not self.has_tokens:
            super().token_embeddings(tokens)  # which refuses
        piece = (tokens.offsets[1:] - 1) // PIECE
        for number in np.unique(piece):
            part = tokens.take(np.flatnonzero(piece == number))
            windows, molecule = cut_windows(part, self.window, self.window // 4)
            embedded: list[npt.NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(windows)
            for rows, batch in self._in_batches(windows, self._embedded):
                for row, one in zip(rows, batch, strict=True):
                    embedded[row] = one[1:-1].cpu().numpy()
            ends = np.searchsorted(molecule, np.arange(len(part) + 1))
            for row, length in enumerate(part.lengths.tolist()):
                yield stitch_windows(embedded[ends[row] : ends[row + 1]], length)

    def head_outputs(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        """(n) molecules → (n, layers, heads, E) float32; see `Encoder.head_outputs`.

        Windows of long molecules are averaged, weighted by length.
        """
        if not self.layers:
            raise no_heads(self.name)
        windows, molecule = cut_windows(tokens, self.window, self.window // 4)
        width = self.width  # E of all heads of a layer
        said = np.empty((len(windows), self.layers * width), dtype=np.float32)
        for rows, found in self._in_batches(windows, self._said_by_heads):
            said[rows] = found
        pooled = pool_windows(said, windows.lengths, molecule, len(tokens))
        return pooled.reshape(len(tokens), self.layers, self.heads, width // self.heads)

    def attention_maps(self, tokens: Tokens) -> Iterator[npt.NDArray[np.float32]]:
        """(n) molecules → n times (layers, heads, L, L) float32; see `Encoder.attention_maps`."""
        if not self.layers:
            raise no_heads(self.name)
        if (tokens.lengths > self.window).any():
            row = int(tokens.lengths.argmax())
            raise UserError(
                f"Molecule {row + 1} has {tokens.lengths[row]:,} nt, and {self.name} reads {self.window} at once: "
                "nothing looks from one window at another. Cut it, or choose a model with a larger window."
            )
        for row in range(len(tokens)):
            with torch.inference_mode():
                layers = [one.weights[0, :, 1:-1, 1:-1] for one in self._heads_apart(tokens, np.array([row]))]
                yield torch.stack(layers).float().cpu().numpy()

    def _heads_apart(self, windows: Tokens, rows: Rows) -> Iterator[HeadsApart]:
        """For each layer what its heads do with these rows, (B, H, L + 2, …)."""
        raise no_heads(self.name)

    @torch.inference_mode()
    def _said_by_heads(self, windows: Tokens, rows: Rows) -> npt.NDArray[np.float32]:
        """(n, layers · heads · E) float32 of each row, means over its nucleotides."""
        length = torch.from_numpy(windows.lengths[rows]).to(self.device)[:, None]
        position = torch.arange(int(windows.lengths[rows].max()) + 2, device=self.device)
        share = ((position >= 1) & (position <= length)).float() / length  # (B, L + 2)
        layers = [torch.einsum("bl,bhle->bhe", share, one.mixed.float()) for one in self._heads_apart(windows, rows)]
        return torch.stack(layers, dim=1).flatten(1).cpu().numpy()  # type: ignore[no-any-return]

    def _in_batches(self, windows: Tokens, work: Callable[[Tokens, Rows], Answer]) -> Iterator[tuple[Rows, Answer]]:
        """Do the work on batches, in halves where it does not fit into memory; each batch's rows and its answer."""
        waiting = self._batches(windows.lengths)[::-1]
        most = np.inf  # tokens of a padded batch that are known to fit
        while waiting:
            rows = waiting.pop()
            longest = int(windows.lengths[rows].max())
            if len(rows) > 1 and len(rows) * longest > most:
                waiting += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
                continue
            try:
                answer = work(windows, rows)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(rows) == 1:
                    raise UserError(
                        f"{self.name} does not fit into the memory of this machine's {self.device.type} with a single "
                        f"stretch of {longest} nt. Close other programs, or use a machine with more memory."
                    ) from error
                most = len(rows) * longest // 2
                waiting.append(rows)
                continue
            yield rows, answer
