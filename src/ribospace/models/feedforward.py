"""Feed-forward layers; the wide ReLU ones of the first transformers with their dropout at a fraction of its usual cost.

In a layer of width 64 and hidden width 2048 the processor spends most of its time not on products but on moving
activations: ReLU, dropout's random numbers and its mask each read and write a tensor 32 times as large as the input.
`_ReLUFeedForward` does them on pieces that stay in the processor's cache, and as integers, which torch vectorises where
it does not vectorise masks: the bits of a float are an integer of the same sign. For the way back it keeps only what is
left: where that is above zero says both what ReLU let through and what dropout kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.models.dropout import Dropper, dropout

PIECE = 1024  # tokens; at a hidden width of 2048 in bf16, 4 MB
_BITS = {torch.float32: torch.int32, torch.bfloat16: torch.int16, torch.float16: torch.int16}


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
        if self.activation == "relu" and x.device.type == "cpu" and torch.is_grad_enabled():
            return self._relu_in_pieces(x, self.dropout if self.training else 0.0)
        hidden = self.first(x)
        if self.activation == "swiglu":
            gate, value = hidden.chunk(2, dim=-1)
            hidden = F.silu(gate) * value
        else:
            hidden = F.relu(hidden, inplace=True) if self.activation == "relu" else F.gelu(hidden)
        return self.second(dropout(hidden, self.dropout, self.training))  # type: ignore[no-any-return]

    def _relu_in_pieces(self, x: Tensor, share: float) -> Tensor:
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        weights = (self.first.weight, self.first.bias, self.second.weight, self.second.bias)
        with torch.autocast("cpu", enabled=False):
            flat = x.reshape(-1, x.shape[-1]).to(kind)
            out = _ReLUFeedForward.apply(flat, *(one.to(kind) for one in weights), share)  # type: ignore[no-untyped-call]
        return out.view(x.shape)  # type: ignore[no-any-return]


class _ReLUFeedForward(torch.autograd.Function):
    """(T, D) → (T, D): relu(x W₁ᵀ + b₁), dropped out, times W₂ᵀ + b₂.

    The first bias is one more column of W₁, and 31 of zeros follow: products of other widths are slower.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, share: float) -> Tensor:  # type: ignore[override]
        x1 = F.pad(x, (0, 32))  # (T, D + 32)
        x1[:, x.shape[1]] = 1
        into, out_of = F.pad(torch.cat([w1, b1[:, None]], dim=1), (0, 31)).t(), w2.t()
        hidden, out = x.new_empty(len(x), len(w1)), torch.empty_like(x)
        dropper = Dropper(share)
        for start in range(0, len(x), PIECE):
            piece = slice(start, start + PIECE)
            h = hidden[piece]
            torch.mm(x1[piece], into, out=h)
            bits = h.view(_BITS[h.dtype])
            bits.clamp_min_(0)
            if share:
                bits.mul_(dropper.kept(h.numel()).view_as(h).to(bits.dtype))
            torch.mm(h, out_of, out=out[piece])
        out.mul_(dropper.scale).add_(b2)
        ctx.save_for_backward(x1, w1, w2, hidden)
        ctx.scale = dropper.scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x1, w1, w2, hidden = ctx.saved_tensors
        grad = grad.contiguous()
        scaled = grad * ctx.scale
        into_x = torch.empty_like(grad)
        into_w1, into_w2 = torch.zeros(len(w1), x1.shape[1]), torch.zeros(w2.shape)  # fp32: sums over pieces
        room, passes = hidden.new_empty(PIECE, len(w1)), torch.empty(PIECE, len(w1), dtype=_BITS[hidden.dtype])
        for start in range(0, len(x1), PIECE):
            piece = slice(start, start + PIECE)
            h, g = hidden[piece], scaled[piece]
            into_w2 += g.t() @ h
            into_h = torch.mm(g, w2, out=room[: len(h)])
            bits = into_h.view(_BITS[h.dtype])
            bits.mul_(torch.clamp(h.view(bits.dtype), max=1, out=passes[: len(h)]))
            into_w1 += into_h.t() @ x1[piece]
            torch.mm(into_h, w1, out=into_x[piece])
        into_b2 = grad.sum(dim=0, dtype=torch.float32).to(w2.dtype)
        width, into_w1 = w1.shape[1], into_w1.to(w1.dtype)
        return into_x, into_w1[:, :width], into_w1[:, width], into_w2.to(w2.dtype), into_b2, None
