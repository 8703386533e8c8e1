"""A fixed-size latent: queries that read an encoder's token embeddings, and a decoder that sees nothing but the latents.

Each of the K queries has a place on the molecule and leans to the tokens near it, each head to another offset, until
training says otherwise. The decoder unfolds each latent into a memory of as many tokens as there are from one place to
the next, so that to write a letter is to look near its place: what a decoder learns in minutes.

Shapes: B molecules, L tokens, K latents of width D, W width inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.alphabet import PAD, VOCABULARY_SIZE
from ribospace.models.decoding import beam_search, greedy
from ribospace.models.transformer import (
    Attention,
    BlockConfig,
    Cache,
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    LayerCache,
    Residual,
)


@dataclass(frozen=True)
class QFormerConfig:
    """Sizes of a Q-Former and its decoder.

    Attributes
    ----------
    input_width
        Of the token embeddings that are read.
    queries, width
        K and D.
    inner, heads, feedforward
        Width inside, its heads (they divide it), hidden width of the feed-forward layers.
    encoder_layers, decoder_layers
        Blocks of queries; blocks that mix the unfolded memory, and as many that write.
    window
        Most nucleotides that can be written, nt.
    noise
        Standard deviation of the Gaussian noise added to the latents in training, whose own is 1: near latents then
        mean near molecules.
    classes
        Types that the summary names; none: no such head.
    """

    input_width: int = 64
    queries: int = 16
    width: int = 40
    inner: int = 128
    heads: int = 16
    feedforward: int = 512
    encoder_layers: int = 2
    decoder_layers: int = 2
    window: int = 205
    noise: float = 0.1
    classes: tuple[str, ...] = ()
    locality: float = 3.0

    @property
    def block(self) -> BlockConfig:
        """What each block is made of."""
        return BlockConfig(self.inner, self.heads, self.feedforward, rotary=100.0, locality=1.5)

    @property
    def stride(self) -> int:
        """Tokens from one query's place to the next: the window and END, over the queries."""
        return -(-(self.window + 1) // self.queries)


class QueryLayer(nn.Module):
    """Queries look at the tokens, then at each other."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        block = config.block
        self.cross_attention, self.cross_sum = Attention(block), Residual(block)
        half = (config.stride - 1) / 2
        self.cross_attention.lean(config.locality, torch.linspace(-half, half, config.heads))
        self.self_attention, self.self_sum = Attention(block), Residual(block)
        self.feedforward, self.feedforward_sum = (
            FeedForward(config.inner, config.feedforward, 0.0, "gelu"),
            Residual(block),
        )

    def forward(self, x: Tensor, tokens: Tensor, mask: Tensor | None, places: Tensor) -> Tensor:
        x = self.cross_sum(
            x, lambda y: self.cross_attention.attend(y, *self.cross_attention.project(tokens), start=places, mask=mask)
        )
        x = self.self_sum(
            x, lambda y: self.self_attention.attend(y, *self.self_attention.project(y, places), start=places)
        )
        return self.feedforward_sum(x, self.feedforward)


class QFormer(nn.Module):
    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.config = config
        W, D, S = config.inner, config.width, config.stride
        self.norm_in, self.into = nn.LayerNorm(config.input_width), nn.Linear(config.input_width, W)
        self.end = nn.Parameter(torch.randn(W) * 0.1)
        self.queries = nn.Parameter(torch.randn(config.queries, W) * 0.1)
        self.readers = nn.ModuleList(QueryLayer(config) for _ in range(config.encoder_layers))
        self.reader_norm, self.to_latent = nn.LayerNorm(W), nn.Linear(W, D)
        self.unfold = nn.Linear(D, S * W)
        self.slots = nn.Parameter(torch.randn(S, W) * 0.1)
        self.mixers = nn.ModuleList(EncoderLayer(config.block) for _ in range(config.decoder_layers))
        self.mixer_norm = nn.LayerNorm(W)
        self.embedding = nn.Embedding(VOCABULARY_SIZE, W)
        self.decoder = nn.ModuleList(DecoderLayer(config.block) for _ in range(config.decoder_layers))
        self.decoder_norm, self.writer = nn.LayerNorm(W), nn.Linear(W, VOCABULARY_SIZE)
        places = torch.arange(config.queries) * float(S) + (S - 1) / 2
        self.register_buffer("places", places, persistent=False)

    def latents(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """(B, L, input width) embeddings of nucleotides, (B,) lengths → (B, K, D)."""
        x = self.into(self.norm_in(embedded))
        x = F.pad(x, (0, 0, 0, 1))
        position = torch.arange(x.shape[1], device=x.device)
        x = torch.where((position == lengths[:, None])[..., None], self.end.to(x.dtype), x)
        mask = (position <= lengths[:, None])[:, None, None, :]
        y = self.queries.expand(len(x), -1, -1)
        for layer in self.readers:
            y = layer(y, x, mask, self.places)
        return F.layer_norm(self.to_latent(self.reader_norm(y)).float(), (self.config.width,))

    def memory(self, latents: Tensor) -> Tensor:
        """(B, K, D) → (B, K × stride, W)."""
        B, K, _ = latents.shape
        x = self.unfold(latents).view(B, K, self.config.stride, -1) + self.slots
        x = x.flatten(1, 2)
        for layer in self.mixers:
            x = layer(x, None)
        return self.mixer_norm(x)

    def decode(self, written, memory, mask, cache=None, last=False):
        if cache is not None and not cache.layers:
            cache.layers = [LayerCache() for _ in self.decoder]
        start = cache.length if cache is not None else 0
        x = self.embedding(written)
        for number, layer in enumerate(self.decoder):
            x = layer(x, memory, mask, cache.layers[number] if cache is not None else None, start)
        if cache is not None:
            cache.length += written.shape[1]
        return self.writer(self.decoder_norm(x[:, -1:] if last else x))
