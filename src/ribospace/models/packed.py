"""RNA-FM on the processor, without padding: tokens of a batch lie end to end in one matrix.

Only attention sees molecules; those of one length are multiplied together. Weights are laid out for oneDNN once, which
fuses GELU into the product; where this PyTorch or processor has no such layout, products are plain.

With bf16 linear layers are in bf16, and attention where that is faster (within, its softmax is in fp32); the sum that
runs through the network and the norms stay in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.models.rnafm import EPS, Block, RnaFm, checked_layer

TOKENS = 1024  # of a batch; more gain nothing, and fall out of the processor's caches
TILE = 32  # tokens that bf16 attention fills up to, or its softmax takes twice as long


class PackedRnaFm:
    """An RNA-FM for inference on the processor.

    Parameters
    ----------
    model
        Whose weights; they are copied, and the model may be let go.
    bf16
        Multiply in bfloat16.

    Examples
    --------
    >>> from ribospace.models.rnafm import RnaFmConfig
    >>> from ribospace.alphabet import END, START
    >>> packed = PackedRnaFm(RnaFm(RnaFmConfig(layers=2, width=8, heads=2, feedforward=16)))
    >>> packed(torch.tensor([START, 9, END, START, 8, 7, END]), [3, 4]).shape
    torch.Size([7, 8])
    """

    def __init__(self, model: RnaFm, bf16: bool = False) -> None:
        self.config = model.config
        self.kind = torch.bfloat16 if bf16 else torch.float32
        self.embedding, self.norm = model.embedding, model.norm
        with torch.inference_mode():
            self.blocks = [_PackedBlock(block, self.kind) for block in model.blocks]

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, lengths: Sequence[int], layer: int | None = None) -> Tensor:
        """Embed molecules that lie end to end.

        Parameters
        ----------
        tokens
            (T,) int64 ids, each molecule with its START and END.
        lengths
            Tokens of each molecule, T in all; neighbours of one length are multiplied together.
        layer
            See `RnaFm.forward`.

        Returns
        -------
        Tensor
            (T, D) fp32.
        """
        layer = checked_layer(self.config, layer)
        runs = [(len(list(same)), length) for length, same in groupby(lengths)]
        sizes = [count * length for count, length in runs]
        x = torch.cat([
            self.embedding(part.view(count, length)).flatten(0, 1)
            for (count, length), part in zip(runs, torch.split(tokens, sizes), strict=True)
        ])  # fmt: skip
        for block in self.blocks[:layer]:
            block.add_to(x, runs, sizes)
        return self.norm(x) if layer == self.config.layers else x  # type: ignore[no-any-return]


class _PackedBlock:
    def __init__(self, block: Block, kind: torch.dtype) -> None:
        self.heads, self.kind = block.heads, kind
        self.attention_kind = kind if has_tiles() else torch.float32
        self.attention_norm, self.feedforward_norm = _norm(block.attention_norm), _norm(block.feedforward_norm)
        scale = (block.query.out_features // block.heads) ** -0.5
        weight = torch.cat([block.query.weight * scale, block.key.weight, block.value.weight])
        bias = torch.cat([block.query.bias * scale, block.key.bias, block.value.bias])
        self.query_key_value = PackedLinear(weight, bias, kind)
        self.out = PackedLinear(block.out.weight, block.out.bias, kind)
        self.up = PackedLinear(block.up.weight, block.up.bias, kind, gelu=True)
        self.down = PackedLinear(block.down.weight, block.down.bias, kind)

    def add_to(self, x: Tensor, runs: list[tuple[int, int]], sizes: list[int]) -> None:
        """Add the block's answer to (T, D) in place."""
        projected = self.query_key_value(self._normed(x, self.attention_norm)).to(self.attention_kind)  # (T, 3 D)
        mixed = torch.empty(x.shape, dtype=self.kind)
        places = torch.split(projected, sizes), torch.split(mixed, sizes)
        for (count, length), part, place in zip(runs, *places, strict=True):
            answer = _attend(part.view(count, length, 3, self.heads, -1))  # (count, H, L, E)
            place.view(count, length, self.heads, -1).copy_(answer.transpose(1, 2))
        x += self.out(mixed)
        x += self.down(self.up(self._normed(x, self.feedforward_norm)))

    def _normed(self, x: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *norm, EPS).to(self.kind)


def _norm(norm: nn.LayerNorm) -> tuple[Tensor, Tensor]:
    return norm.weight.detach(), norm.bias.detach()


def _attend(projected: Tensor) -> Tensor:
    """Mix values as queries and keys say.

    Parameters
    ----------
    projected
        (B, L, 3, H, E) scaled queries, keys and values of molecules of one length.

    Returns
    -------
    Tensor
        (B, H, L, E).
    """
    length = projected.shape[1]
    if projected.dtype == torch.bfloat16:
        projected = F.pad(projected, (0, 0, 0, 0, 0, 0, 0, -length % TILE))
    query, key, value = projected.permute(2, 0, 3, 1, 4)
    if projected.dtype == torch.bfloat16 or not 32 <= length <= 200:
        mask = None
        if query.shape[2] > length:
            mask = torch.zeros(1, 1, 1, query.shape[2], dtype=query.dtype)
            mask[..., length:] = -torch.inf
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)[:, :, :length]
    scores = query @ key.transpose(2, 3)  # faster than fused in fp32 while a head's map stays in the caches
    torch.softmax(scores, dim=-1, out=scores)
    return scores @ value


@cache
def has_tiles() -> bool:
    """Whether the processor multiplies bf16 tile by tile (AMX): there fused attention in bf16 is faster."""
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


class PackedLinear:
    """A linear layer, with GELU behind it if asked, whose weights are laid out for oneDNN where that is there.

    Parameters
    ----------
    weight, bias
        (out, in) and (out,).
    kind
        torch.float32 or torch.bfloat16.
    gelu
        Put the exact (erf) GELU behind it.
    """

    def __init__(self, weight: Tensor, bias: Tensor, kind: torch.dtype, gelu: bool = False) -> None:
        self.bias, self.gelu, self.prepacked = bias.detach().to(kind), gelu, can_prepack(kind)
        self.weight = weight.detach().to(kind)
        if self.prepacked:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight, TOKENS)

    def __call__(self, x: Tensor) -> Tensor:
        """(T, in) → (T, out)."""
        if self.prepacked:
            behind, how = ("gelu", "none") if self.gelu else ("none", "")
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, behind, [], how)
        x = F.linear(x, self.weight, self.bias)
        return F.gelu(x) if self.gelu else x


@cache
def can_prepack(kind: torch.dtype) -> bool:
    """Whether this PyTorch and processor multiply by prepacked weights: tried once on a small product."""
    x, weight, bias = torch.ones(4, 16, dtype=kind), torch.ones(8, 16, dtype=kind), torch.ones(8, dtype=kind)
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, TOKENS)
        found = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "gelu", [], "none")
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    return bool(torch.allclose(found.float(), torch.full((4, 8), 17.0)))
