"""A latent of fixed size: queries that read token embeddings, and a decoder that sees nothing but the latents.

After the querying transformer of BLIP-2 (Li et al. 2023, arXiv 2301.12597), as RNAdiffusion has it (arXiv 2409.09828).
Each of the K queries has a place on the molecule and leans to the tokens near it, each head to another offset, until
training says otherwise. The decoder unfolds each latent into a memory of as many tokens as there are from one place to
the next, so that to write a letter is to look near its place. Without either, K latents are not told apart, and the
decoder learns to write likely letters without looking.

Shapes: B molecules, L nucleotides, K latents of width D, W width of the reader.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.alphabet import VOCABULARY_SIZE
from ribospace.models.feedforward import FeedForward
from ribospace.models.sizes import require_sizes
from ribospace.models.transformer import (
    Attention,
    BlockConfig,
    Cache,
    DecoderLayer,
    EncoderLayer,
    LayerCache,
    Residual,
)

#: What the summary says of a molecule: the logarithm of its length, and the share of each 3-mer.
DESCRIPTION = 1 + 4**3


@dataclass(frozen=True)
class QFormerConfig:
    """Sizes of a Q-Former, its summary and its decoder.

    Attributes
    ----------
    queries, width
        K and D.
    reader_width, reader_heads, reader_layers
        W, the heads of the queries (each leans to another offset) and their blocks.
    decoder_width, heads, feedforward
        Width of the memory and of the decoder, its heads, hidden width of its feed-forward layers.
    mixers, decoder_layers
        Blocks that mix the unfolded memory, and blocks that write.
    window
        Most nucleotides that can be written, nt.
    noise
        Standard deviation of the Gaussian noise added to the latents in training, whose own is 1: near latents then
        mean near molecules.
    locality
        How strongly a query leans to its place before training; see `BlockConfig`.
    classes
        Types that the summary names; none: no such head.
    """

    queries: int = 16
    width: int = 40
    reader_width: int = 128
    reader_heads: int = 16
    reader_layers: int = 1
    decoder_width: int = 64
    heads: int = 4
    feedforward: int = 256
    mixers: int = 1
    decoder_layers: int = 1
    window: int = 205
    noise: float = 0.1
    locality: float = 3.0
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_sizes(self)
        sizes = (self.queries, self.width, self.reader_width, self.decoder_width, self.feedforward, self.window)
        if min(*sizes, self.reader_heads, self.heads, self.reader_layers, self.decoder_layers) < 1 or self.mixers < 0:
            raise ValueError("every size must be 1 or more, mixers 0 or more")
        for name, width, heads in (
            ("reader_width", self.reader_width, self.reader_heads),
            ("decoder_width", self.decoder_width, self.heads),
        ):
            if width % heads or width // heads % 2:
                raise ValueError(f"{name} {width} over {heads} heads must be an even share")
        if not (0 <= self.noise < float("inf") and 0 <= self.locality < float("inf")):
            raise ValueError(f"noise {self.noise} and locality {self.locality} must be finite, and 0 or more")
        object.__setattr__(self, "classes", tuple(self.classes))
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice")

    @property
    def stride(self) -> int:
        """Tokens from one query's place to the next: the window and END, over the queries."""
        return -(-(self.window + 1) // self.queries)

    @property
    def reader_block(self) -> BlockConfig:
        """What the queries' blocks are made of."""
        return BlockConfig(self.reader_width, self.reader_heads, 2 * self.reader_width)

    @property
    def decoder_block(self) -> BlockConfig:
        """What the decoder's blocks are made of."""
        return BlockConfig(self.decoder_width, self.heads, self.feedforward)


class QFormer(nn.Module):
    """Token embeddings of any length → K latents of width D.

    Each latent has mean 0 and variance 1 over its D numbers, so the latents' root mean square is 1 for every molecule.

    Parameters
    ----------
    config
        Sizes.
    input_width
        Of the token embeddings.

    Examples
    --------
    >>> former = QFormer(QFormerConfig(), input_width=8)
    >>> latents = former(torch.randn(2, 30, 8), torch.tensor([30, 7]))
    >>> latents.shape, round(latents.square().mean().item(), 2)
    (torch.Size([2, 16, 40]), 1.0)
    """

    places: Tensor  # (K,) where on the molecule each query stands, in tokens

    def __init__(self, config: QFormerConfig, input_width: int) -> None:
        super().__init__()
        self.width = config.width
        self.norm_in, self.into = nn.LayerNorm(input_width), nn.Linear(input_width, config.reader_width)
        self.end = nn.Parameter(torch.randn(config.reader_width))
        self.queries = nn.Parameter(torch.randn(config.queries, config.reader_width) * 0.1)
        self.readers = nn.ModuleList(QueryLayer(config) for _ in range(config.reader_layers))
        self.norm, self.to_latent = nn.LayerNorm(config.reader_width), nn.Linear(config.reader_width, config.width)
        places = torch.arange(config.queries) * float(config.stride) + (config.stride - 1) / 2
        self.register_buffer("places", places, persistent=False)

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Read molecules.

        Parameters
        ----------
        embedded
            (B, L, input width) of nucleotides; what stands behind a molecule's end means nothing.
        lengths
            (B,) nucleotides of each.

        Returns
        -------
        Tensor
            (B, K, D) fp32.
        """
        x = F.pad(self.into(self.norm_in(embedded)), (0, 0, 0, 1))
        position = torch.arange(x.shape[1], device=x.device)
        x = torch.where((position == lengths[:, None])[..., None], self.end.to(x.dtype), x)
        mask = (position <= lengths[:, None])[:, None, None, :]
        y = self.queries.expand(len(x), -1, -1)
        for layer in self.readers:
            y = layer(y, x, mask, self.places)
        return F.layer_norm(self.to_latent(self.norm(y)).float(), (self.width,))


class QueryLayer(nn.Module):
    """Queries look at the tokens, then at each other."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        block = config.reader_block
        self.cross_attention, self.cross_sum = Attention(block), Residual(block)
        half = (config.stride - 1) / 2
        self.cross_attention.lean(config.locality, torch.linspace(-half, half, config.reader_heads))
        self.self_attention, self.self_sum = Attention(block), Residual(block)
        self.feedforward = FeedForward(block.width, block.feedforward, block.dropout, block.activation)
        self.feedforward_sum = Residual(block)

    def forward(self, x: Tensor, tokens: Tensor, mask: Tensor, places: Tensor) -> Tensor:
        """(B, K, W) queries by (B, L, W) tokens → (B, K, W); `mask` (B, 1, 1, L) is True at tokens."""
        across, among = self.cross_attention, self.self_attention
        x = self.cross_sum(x, lambda y: across.attend(y, *across.project(tokens), start=places, mask=mask))
        x = self.self_sum(x, lambda y: among.attend(y, *among.project(y, places), start=places))
        return self.feedforward_sum(x, self.feedforward)  # type: ignore[no-any-return]


class Summary(nn.Module):
    """The latents → one vector of width D (mean 0 and variance 1 over its numbers), and what it says of the molecule.

    It is made of the latents alone, so that whoever has these has it; what trains it is to name the length and the
    share of each 3-mer, and the type where there are labels.
    """

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        flat, hidden, width = config.queries * config.width, config.feedforward, config.width
        self.layers = nn.Sequential(nn.Linear(flat, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.describer = nn.Linear(width, DESCRIPTION)
        self.classifier = nn.Linear(width, len(config.classes)) if config.classes else None

    def forward(self, latents: Tensor) -> Tensor:
        """(B, K, D) → (B, D)."""
        x = self.layers(latents.flatten(1)).float()
        return F.layer_norm(x, x.shape[1:])


class LatentDecoder(nn.Module):
    """Writes a molecule from its latents, letter by letter."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        width, self.stride = config.decoder_width, config.stride
        self.unfold = nn.Linear(config.width, config.stride * width)
        self.slots = nn.Parameter(torch.randn(config.stride, width) * 0.1)
        self.mixers = nn.ModuleList(EncoderLayer(config.decoder_block) for _ in range(config.mixers))
        self.memory_norm = nn.LayerNorm(width)
        self.embedding = nn.Embedding(VOCABULARY_SIZE, width)
        self.layers = nn.ModuleList(DecoderLayer(config.decoder_block) for _ in range(config.decoder_layers))
        self.norm, self.writer = nn.LayerNorm(width), nn.Linear(width, VOCABULARY_SIZE)

    def memory(self, latents: Tensor) -> Tensor:
        """(B, K, D) → (B, K · stride, decoder width): a slot for each letter that can be written."""
        x = (self.unfold(latents).unflatten(2, (self.stride, -1)) + self.slots).flatten(1, 2)
        for layer in self.mixers:
            x = layer(x, None)
        return self.memory_norm(x)  # type: ignore[no-any-return]

    def forward(self, written: Tensor, memory: Tensor, cache: Cache | None = None, last: bool = False) -> Tensor:
        """Logits of the next letter: (B, L) ids so far → (B, L, vocabulary); see `Autoencoder.decode`."""
        if cache is not None and not cache.layers:
            cache.layers = [LayerCache() for _ in self.layers]
        start = cache.length if cache is not None else 0
        x = self.embedding(written)
        for number, layer in enumerate(self.layers):
            x = layer(x, memory, None, cache.layers[number] if cache is not None else None, start)
        if cache is not None:
            cache.length += written.shape[1]
        return self.writer(self.norm(x[:, -1:] if last else x))  # type: ignore[no-any-return]
