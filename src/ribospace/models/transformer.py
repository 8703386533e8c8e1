"""Transformer blocks, today's or the first ones, with fused attention and a cache for decoding letter by letter.

Shapes: B molecules, L tokens, D width, H heads, E = D / H.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.models.dropout import dropout
from ribospace.models.feedforward import FeedForward

POSITIONS = ("rotary", "sinusoidal")
ACTIVATIONS = ("gelu", "relu", "swiglu")


@dataclass(frozen=True)
class BlockConfig:
    """What a block is made of.

    Attributes
    ----------
    width, heads, feedforward
        D, H and the hidden width of the feed-forward layers.
    dropout
        Share of the hidden feed-forward activations, and of what a block adds to its input, dropped in training.
        Attention weights are not dropped: that would leave the fused attention, which costs more than all else.
    rotary
        Longest wavelength over 2π by which positions turn queries and keys, tokens; 0: they were added to the input.
    locality
        With rotary positions, the bias that queries and keys begin with. Turned by their positions, equal vectors are
        the more alike the nearer they stand, so that attention leans to near tokens before it has learned anything:
        from there a decoder finds the letter to copy in a fraction of the steps (studies/recipe).
    activation
        Of the feed-forward layers.
    norm_first
        LayerNorm before a part (Xiong et al. 2020, arXiv 2002.04745), or behind the sum as in the first transformer.
    """

    width: int
    heads: int
    feedforward: int
    dropout: float = 0.0
    rotary: float = 100.0
    locality: float = 1.5
    activation: str = "gelu"
    norm_first: bool = True


def sinusoids(start: int, length: int, width: int, device: torch.device | None = None) -> Tensor:
    """(length, D) positions of Vaswani et al. 2017 (arXiv 1706.03762): sines in even columns, cosines in odd ones.

    Examples
    --------
    >>> sinusoids(0, 2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    position = torch.arange(start, start + length, device=device, dtype=torch.float32)[:, None]
    even = torch.arange(0, width, 2, device=device, dtype=torch.float32)
    angle = position * 10_000.0 ** (-even / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


class Rotary(nn.Module):
    """Rotary position embedding (Su et al. 2021, arXiv 2104.09864): turns queries and keys by their position.

    Parameters
    ----------
    width
        E, width of a head; even.
    base
        Frequencies fall from 1 towards 1 / base. The usual 10,000 leaves half of a narrow head's frequencies too low to
        tell the positions of a window of 205 nt apart.
    """

    frequency: Tensor

    def __init__(self, width: int, base: float = 100.0) -> None:
        super().__init__()
        self.register_buffer("frequency", base ** (-torch.arange(0, width, 2) / width), persistent=False)

    def forward(self, x: Tensor, start: int | Tensor = 0) -> Tensor:
        """Turn (B, H, L, E), whose first token stands at position `start`, or whose tokens stand at (L,) positions."""
        if isinstance(start, Tensor):
            position = start
        else:
            position = torch.arange(start, start + x.shape[2], device=x.device, dtype=torch.float32)
        angle = position[:, None] * self.frequency.float()  # (L, E/2)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        even, odd = x.chunk(2, dim=-1)
        return torch.cat([even * cos - odd * sin, even * sin + odd * cos], dim=-1)


@dataclass
class LayerCache:
    """What one decoder layer has seen: keys and values of `length` tokens, (B, H, room, E), and of the memory."""

    key: Tensor | None = None
    value: Tensor | None = None
    memory_key: Tensor | None = None
    memory_value: Tensor | None = None
    length: int = 0

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Put new keys and values behind the old ones and return all."""
        begin, self.length = self.length, self.length + key.shape[2]
        new = slice(begin, self.length)
        self.key, self.value = _with_room(self.key, key, begin), _with_room(self.value, value, begin)
        self.key[:, :, new], self.value[:, :, new] = key, value
        return self.key[:, :, : self.length], self.value[:, :, : self.length]

    def keep(self, rows: Tensor, memory: bool = True) -> None:
        """Keep only these molecules (or put them in this order); of the memory too, or not."""
        for name in ("key", "value"):
            tensor = getattr(self, name)
            setattr(self, name, None if tensor is None else tensor[:, :, : self.length][rows])
        for name in ("memory_key", "memory_value") if memory else ():
            tensor = getattr(self, name)
            setattr(self, name, None if tensor is None else tensor[rows])


def _with_room(old: Tensor | None, new: Tensor, begin: int) -> Tensor:
    """A tensor with room for `new` behind the `begin` tokens of `old`; twice what is needed where it must be made."""
    B, H, added, E = new.shape
    if old is not None and old.shape[2] >= begin + added:
        return old
    larger = new.new_zeros(B, H, max(64, 2 * (begin + added)), E)
    if old is not None:
        larger[:, :, :begin] = old[:, :, :begin]
    return larger


@dataclass
class Cache:
    """One LayerCache per decoder layer, and how many tokens are in them."""

    layers: list[LayerCache] = field(default_factory=list)
    length: int = 0

    def keep(self, rows: Tensor, memory: bool = True) -> None:
        """See `LayerCache.keep`."""
        for layer in self.layers:
            layer.keep(rows, memory)


class HeadsApart(NamedTuple):
    """What the heads of one layer of self-attention do, before they are merged.

    Attributes
    ----------
    weights
        (B, H, L, L) how much each token (row) looks at each (column).
    mixed
        (B, H, L, E) what each head says of each token; side by side they go through the layer's output product.
    """

    weights: Tensor
    mixed: Tensor


def heads_apart(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> HeadsApart:
    """Attend from (B, H, L, E) and keep what lies between; `mask` (B, 1, 1, L) is True where a key may be seen."""
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(dim=-1)
    return HeadsApart(weights, weights @ value)


class Attention(nn.Module):
    """Multi-head attention of a sequence over itself or over a memory."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.rotary = Rotary(width // self.heads, config.rotary) if config.rotary else None
        if self.rotary is not None and config.locality:
            self.lean(config.locality, torch.zeros(self.heads))

    @torch.no_grad()
    def lean(self, locality: float, offsets: Tensor) -> None:
        """Let each head lean to tokens that stand (H,) offsets behind the one that attends; before training."""
        assert self.rotary is not None
        width = len(self.query.bias)
        bias = torch.zeros(1, self.heads, 1, width // self.heads)
        bias[..., : width // self.heads // 2] = locality  # the cosine half of each head
        turned = torch.cat(
            [self.rotary(bias[:, head : head + 1], offsets[head : head + 1]) for head in range(self.heads)], 1
        )
        self.query.bias.copy_(turned.flatten())
        self.key_value.bias[:width].copy_(bias.flatten())

    def _split(self, x: Tensor) -> Tensor:
        B, L, D = x.shape
        return x.view(B, L, self.heads, D // self.heads).transpose(1, 2)  # (B, L, D) → (B, H, L, E)

    def project(self, x: Tensor, start: int | Tensor = 0) -> tuple[Tensor, Tensor]:
        """Keys, turned, and values of (B, L, D), each (B, H, L, E)."""
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self._turned(self._split(key), start), self._split(value)

    def _turned(self, x: Tensor, start: int | Tensor) -> Tensor:
        return self.rotary(x, start) if self.rotary is not None else x

    def attend(
        self,
        x: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        start: int | Tensor = 0,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attend from (B, L, D) at position `start`, or at (L,) positions; `mask` is True where a key may be seen."""
        query = self._turned(self._split(self.query(x)), start)
        if query.device.type == "cpu":  # there fused attention in bf16 is ten times slower than in fp32
            with torch.autocast("cpu", enabled=False):
                exact = torch.promote_types(query.dtype, torch.float32)
                three = query.to(exact), key.to(exact), value.to(exact)
                if query.shape[2] == 1 and not causal:
                    mixed = _of_one_query(*three, mask)
                else:
                    mixed = F.scaled_dot_product_attention(*three, attn_mask=mask, is_causal=causal)
                mixed = mixed.to(query.dtype)
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        return self.merge(mixed)

    def merge(self, mixed: Tensor) -> Tensor:
        """What (B, H, L, E) heads say, merged: (B, L, D)."""
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def apart(self, x: Tensor, mask: Tensor | None) -> HeadsApart:
        """What each head says of (B, L, D), in fp32 as it stands; `merge` makes `attend` of it."""
        return heads_apart(self._turned(self._split(self.query(x)), 0), *self.project(x), mask)


def _of_one_query(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """`scaled_dot_product_attention` of one token, in 0.6 (E = 8) to 0.8 (E = 16) of its time on processors."""
    return heads_apart(query, key, value, mask).mixed


class Residual(nn.Module):
    """Adds a part's answer to its input, with a LayerNorm before the part or behind the sum."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        self.norm, self.dropout, self.norm_first = nn.LayerNorm(config.width), config.dropout, config.norm_first

    def forward(self, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        """(B, L, D) → (B, L, D)."""
        answer = dropout(part(self.norm(x) if self.norm_first else x), self.dropout, self.training)
        return x + answer if self.norm_first else self.norm(x + answer)  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        self.attention, self.attention_sum = Attention(config), Residual(config)
        self.feedforward = FeedForward(config.width, config.feedforward, config.dropout, config.activation)
        self.feedforward_sum = Residual(config)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D) → (B, L, D); `mask` (B, 1, 1, L) is True at tokens, False at padding."""
        x = self.attention_sum(x, lambda y: self.attention.attend(y, *self.attention.project(y), mask=mask))
        return self.feedforward_sum(x, self.feedforward)  # type: ignore[no-any-return]

    def apart(self, x: Tensor, mask: Tensor | None) -> HeadsApart:
        """What each head says of the (B, L, D) that enter this layer."""
        return self.attention.apart(self.attention_sum.norm(x) if self.attention_sum.norm_first else x, mask)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention over the encoder's memory, feed-forward."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        self.self_attention, self.self_sum = Attention(config), Residual(config)
        self.cross_attention, self.cross_sum = Attention(config), Residual(config)
        self.feedforward = FeedForward(config.width, config.feedforward, config.dropout, config.activation)
        self.feedforward_sum = Residual(config)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor | None, cache: LayerCache | None = None, start: int = 0
    ) -> Tensor:
        """(B, L, D) at positions from `start` → (B, L, D); with a cache L is the new tokens only.

        A padding mask for `x` is not needed: a token sees only those before it, and padding stands at the end.
        """

        def look_back(y: Tensor) -> Tensor:
            key, value = self.self_attention.project(y, start)
            if cache is not None:
                key, value = cache.extend(key, value)
            return self.self_attention.attend(y, key, value, start=start, causal=y.shape[1] > 1)

        def look_across(y: Tensor) -> Tensor:
            return self.cross_attention.attend(y, *self._memory(memory, cache), start=start, mask=mask)

        x = self.self_sum(x, look_back)
        x = self.cross_sum(x, look_across)
        return self.feedforward_sum(x, self.feedforward)  # type: ignore[no-any-return]

    def _memory(self, memory: Tensor, cache: LayerCache | None) -> tuple[Tensor, Tensor]:
        if cache is not None and cache.memory_key is not None and cache.memory_value is not None:
            return cache.memory_key, cache.memory_value
        key, value = self.cross_attention.project(memory)
        if cache is not None:
            cache.memory_key, cache.memory_value = key, value = key.contiguous(), value.contiguous()
        return key, value
