"""Feed-forward layers; the wide ReLU ones of the first transformers with their dropout at a fraction of its usual cost.

In a layer of width 64 and hidden width 2048 the processor spends most of its time not on products but on moving
activations: ReLU, dropout's random numbers and its mask each read and write a tensor 32 times as large as the input.
`_ReLUFeedForward` does them in place on pieces that stay in the processor's cache, and keeps for the way back only
what is left: where it is above zero says both what ReLU let through and what dropout kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PIECE = 512  # tokens; at a hidden width of 2048 in bf16, 2 MB


class FeedForward(nn.Module):
    """Two linear layers with a non-linearity between them, or three for SwiGLU (Shazeer 2020, arXiv 2002.05202).

    Parameters
    ----------
    width, hidden
        D, and the width between the layers.
    dropout
        Share of the hidden activations dropped in training.
    activation
        "gelu", "relu" or "swiglu".
    """

    def __init__(self, width: int, hidden: int, dropout: float, activation: str) -> None:
        super().__init__()
        self.activation, self.dropout = activation, dropout
        self.first = nn.Linear(width, 2 * hidden if activation == "swiglu" else hidden)
        self.second = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) → (B, L, D)."""
        dropout = self.dropout if self.training else 0.0
        if self.activation == "relu" and x.device.type == "cpu" and torch.is_grad_enabled():
            return self._relu_in_pieces(x, dropout)
        hidden = self.first(x)
        if self.activation == "swiglu":
            gate, value = hidden.chunk(2, dim=-1)
            hidden = F.silu(gate) * value
        else:
            hidden = F.relu(hidden) if self.activation == "relu" else F.gelu(hidden)
        return self.second(F.dropout(hidden, dropout, self.training))  # type: ignore[no-any-return]

    def _relu_in_pieces(self, x: Tensor, dropout: float) -> Tensor:
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        weights = (self.first.weight, self.first.bias, self.second.weight, self.second.bias)
        with torch.autocast("cpu", enabled=False):
            flat = x.reshape(-1, x.shape[-1]).to(kind)
            out = _ReLUFeedForward.apply(flat, *(one.to(kind) for one in weights), dropout)  # type: ignore[no-untyped-call]
        return out.view(x.shape)  # type: ignore[no-any-return]


class _ReLUFeedForward(torch.autograd.Function):
    """(T, D) → (T, D): relu(x W₁ᵀ + b₁), dropped out, times W₂ᵀ + b₂."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, dropout: float) -> Tensor:  # type: ignore[override]
        hidden = torch.empty(len(x), len(w1), dtype=x.dtype)
        out = torch.empty_like(x)
        scale = 1.0
        if dropout:
            threshold = round(256 * dropout)
            scale = 256 / (256 - threshold)
        for start in range(0, len(x), PIECE):
            piece = slice(start, start + PIECE)
            h = hidden[piece]
            torch.addmm(b1, x[piece], w1.t(), out=h)
            h.relu_()
            if dropout:
                h.masked_fill_(_random_bytes(h.numel()).view_as(h) < threshold, 0)
            torch.mm(h, w2.t(), out=out[piece])
        out.mul_(scale).add_(b2)
        ctx.save_for_backward(x, w1, w2, hidden)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, w1, w2, hidden = ctx.saved_tensors
        grad = grad.contiguous()
        scaled = grad * ctx.scale
        into_x = torch.empty_like(x)
        into_w1, into_w2 = torch.zeros_like(w1, dtype=torch.float32), torch.zeros_like(w2, dtype=torch.float32)
        into_b1 = torch.zeros(len(w1), dtype=torch.float32)
        for start in range(0, len(x), PIECE):
            piece = slice(start, start + PIECE)
            h, g = hidden[piece], scaled[piece]
            into_w2 += g.t() @ h
            into_h = g @ w2
            into_h.masked_fill_(h <= 0, 0)
            into_w1 += into_h.t() @ x[piece]
            into_b1 += into_h.sum(dim=0, dtype=torch.float32)
            torch.mm(into_h, w1, out=into_x[piece])
        into_b2 = grad.sum(dim=0, dtype=torch.float32).to(w2.dtype)
        return into_x, into_w1.to(w1.dtype), into_b1.to(w1.dtype), into_w2.to(w2.dtype), into_b2, None


def _random_bytes(count: int) -> Tensor:
    """(count,) uint8 of torch's generator: eight to a draw, in place of a floating-point number each."""
    return torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None).view(torch.uint8)[:count]
