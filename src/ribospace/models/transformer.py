"""Transformer blocks: pre-norm, rotary positions, fused attention, and a cache for decoding letter by letter.

Shapes: B molecules, L tokens, D width, H heads, E = D / H.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Rotary(nn.Module):
    """Rotary position embedding (Su et al. 2021, arXiv 2104.09864): turns queries and keys by their position.

    Parameters
    ----------
    width
        E, width of a head; even.
    """

    frequency: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequency", 10_000.0 ** (-torch.arange(0, width, 2) / width), persistent=False)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """Turn (B, H, L, E), whose first token stands at position `start`."""
        position = torch.arange(start, start + x.shape[2], device=x.device, dtype=torch.float32)
        angle = position[:, None] * self.frequency.float()  # (L, E/2)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        even, odd = x.chunk(2, dim=-1)
        return torch.cat([even * cos - odd * sin, even * sin + odd * cos], dim=-1)


@dataclass
class LayerCache:
    """Keys and values that one decoder layer has seen: (B, H, tokens so far, E) each, and the encoder's."""

    key: Tensor | None = None
    value: Tensor | None = None
    memory_key: Tensor | None = None
    memory_value: Tensor | None = None

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Put new keys and values behind the old ones and return all."""
        self.key = key if self.key is None else torch.cat([self.key, key], dim=2)
        self.value = value if self.value is None else torch.cat([self.value, value], dim=2)
        return self.key, self.value

    def keep(self, rows: Tensor) -> None:
        """Keep only these molecules, as others are finished."""
        for name in ("key", "value", "memory_key", "memory_value"):
            tensor = getattr(self, name)
            if tensor is not None:
                setattr(self, name, tensor[rows])


@dataclass
class Cache:
    """One LayerCache per decoder layer, and how many tokens are in them."""

    layers: list[LayerCache] = field(default_factory=list)
    length: int = 0


class Attention(nn.Module):
    """Multi-head attention of a sequence over itself or over a memory."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.rotary = Rotary(width // heads)

    def _split(self, x: Tensor) -> Tensor:
        B, L, D = x.shape
        return x.view(B, L, self.heads, D // self.heads).transpose(1, 2)  # (B, L, D) → (B, H, L, E)

    def project(self, x: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
        """Keys, turned, and values of (B, L, D), each (B, H, L, E)."""
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self.rotary(self._split(key), start), self._split(value)

    def attend(
        self, x: Tensor, key: Tensor, value: Tensor, *, start: int = 0, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Attend from (B, L, D) at position `start` to keys and values; `mask` is True where a key may be seen."""
        query = self.rotary(self._split(self.query(x)), start)
        dropout = self.dropout if self.training else 0.0
        if query.device.type == "cpu":  # there fused attention in bf16 is ten times slower than in fp32
            with torch.autocast("cpu", enabled=False):
                mixed = F.scaled_dot_product_attention(
                    query.float(), key.float(), value.float(), attn_mask=mask, dropout_p=dropout, is_causal=causal
                ).to(query.dtype)
        else:
            mixed = F.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=causal
            )
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class FeedForward(nn.Sequential):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width), nn.Dropout(dropout))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each behind a LayerNorm and added to its input."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width), Attention(width, heads, dropout)
        self.feedforward_norm, self.feedforward = nn.LayerNorm(width), FeedForward(width, hidden, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D) → (B, L, D); `mask` (B, 1, 1, L) is True at tokens, False at padding."""
        y = self.attention_norm(x)
        x = x + self.attention.attend(y, *self.attention.project(y), mask=mask)
        return x + self.feedforward(self.feedforward_norm(x))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """Causal self-attention, attention over the encoder's memory, feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_norm, self.self_attention = nn.LayerNorm(width), Attention(width, heads, dropout)
        self.cross_norm, self.cross_attention = nn.LayerNorm(width), Attention(width, heads, dropout)
        self.feedforward_norm, self.feedforward = nn.LayerNorm(width), FeedForward(width, hidden, dropout)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None, cache: LayerCache | None = None, start: int = 0
    ) -> Tensor:
        """(B, L, D) at positions from `start` → (B, L, D); with a cache L is the new tokens only.

        A padding mask for `x` is not needed: a token sees only those before it, and padding stands at the end.
        """
        y = self.self_norm(x)
        key, value = self.self_attention.project(y, start)
        if cache is not None:
            key, value = cache.extend(key, value)
        causal = x.shape[1] > 1
        x = x + self.self_attention.attend(y, key, value, start=start, causal=causal)
        if cache is None or cache.memory_key is None or cache.memory_value is None:
            memory_key, memory_value = self.cross_attention.project(memory)
            if cache is not None:
                cache.memory_key, cache.memory_value = memory_key, memory_value
        else:
            memory_key, memory_value = cache.memory_key, cache.memory_value
        x = x + self.cross_attention.attend(self.cross_norm(x), memory_key, memory_value, start=start, mask=mask)
        return x + self.feedforward(self.feedforward_norm(x))  # type: ignore[no-any-return]
