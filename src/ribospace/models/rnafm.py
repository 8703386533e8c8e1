"""RNA-FM (Chen et al. 2022, arXiv 2204.00300): a pre-norm transformer encoder trained on 23 million non-coding RNAs.

Shapes: B molecules, L tokens with cls and eos, D width, H heads, E = D / H. Inference on the processor is several times
faster in `packed.py`, with the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.alphabet import END, FIRST_LETTER, LETTERS, MASK, PAD, START, VOCABULARY_SIZE
from ribospace.models.sizes import require_sizes
from ribospace.models.transformer import HeadsApart, heads_apart

#: RNA-FM's own tokens; a token's place is its id. Gap and nulls are never written by us.
RNAFM_VOCABULARY = (
    *("<cls>", "<pad>", "<eos>", "<unk>"),
    *"ACGURYKMSWBDHVN-",
    *("<null_1>", "<null_2>", "<null_3>", "<null_4>", "<mask>"),
)
_ID = {token: number for number, token in enumerate(RNAFM_VOCABULARY)}
EPS = 1e-5  # of every LayerNorm
FIRST_POSITION = 2  # row of the first token in the table of positions
TRAINED_MASKED = 0.15 * 0.8  # share of tokens that were replaced by the mask in training


@dataclass(frozen=True)
class RnaFmConfig:
    """Sizes of an RNA-FM; those of the published one by default.

    Attributes
    ----------
    layers, width, heads, feedforward
        Blocks, D, H and the hidden width of the feed-forward layers.
    positions
        Rows of the table of positions, of which the first two belong to no token.
    token_dropout
        Whether token embeddings are scaled by the share that was not masked in training, as in ESM-1b.
    head
        Whether the language model's head, which names letters, is there.
    """

    layers: int = 12
    width: int = 640
    heads: int = 20
    feedforward: int = 5120
    positions: int = 1026
    token_dropout: bool = False
    head: bool = True

    def __post_init__(self) -> None:
        require_sizes(self)
        if min(self.layers, self.width, self.heads, self.feedforward) < 1:
            raise ValueError("layers, width, heads and feedforward must be 1 or more")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        if self.window < 1:
            raise ValueError(f"positions {self.positions} leave no room for a nucleotide: 5 or more are needed")

    @property
    def window(self) -> int:
        """Most nucleotides that are read at once, nt."""
        return self.positions - FIRST_POSITION - 2


class RnaFm(nn.Module):
    """The network: (B, L) token ids → (B, L, D) token embeddings.

    Parameters
    ----------
    config
        Sizes.

    Examples
    --------
    >>> from ribospace.alphabet import tokenize
    >>> model = RnaFm(RnaFmConfig(layers=2, width=8, heads=2, feedforward=16))
    >>> tokens = torch.from_numpy(tokenize(["ACGU", "GG"]).padded()).long()
    >>> model(tokens).shape, model.attention(tokens).shape
    (torch.Size([2, 6, 8]), torch.Size([2, 2, 2, 6, 6]))
    """

    def __init__(self, config: RnaFmConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, EPS)
        self.head = LetterHead(config) if config.head else None

    def forward(self, tokens: Tensor, layer: int | None = None) -> Tensor:
        """Embed molecules.

        Parameters
        ----------
        tokens
            (B, L) this project's ids: START … END, and PAD behind.
        layer
            Whose output: 0 what enters the first block, up to `layers`, the last (by default), which is normed.

        Returns
        -------
        Tensor
            (B, L, D) for cls, nucleotides, eos; what stands at PAD means nothing.
        """
        layer = checked_layer(self.config, layer)
        there = tokens != PAD
        mask = None if bool(there.all()) else there[:, None, None, :]  # (B, 1, 1, L)
        x = self.embedding(tokens)
        for block in self.blocks[:layer]:
            x = block(x, mask)
        return self.norm(x) if layer == self.config.layers else x

    @property
    def blocks(self) -> list[Block]:
        """The layers, as what they are."""
        return [block for block in self.layers if isinstance(block, Block)]

    def attention(self, tokens: Tensor) -> Tensor:
        """(B, L) ids → (B, layers, H, L, L) how much each token (row) looks at each (column); 0 at PAD.

        It holds all maps at once: 4 · layers · H · L² bytes a molecule.
        """
        there = tokens != PAD
        both = (there[:, :, None] & there[:, None, :])[:, None]  # (B, 1, L, L)
        return torch.stack([layer.weights * both for layer in self.heads_apart(tokens)], dim=1)

    def heads_apart(self, tokens: Tensor) -> Iterator[HeadsApart]:
        """(B, L) ids → for each layer what its heads do; what stands at PAD means nothing."""
        mask, x = (tokens != PAD)[:, None, None, :], self.embedding(tokens)
        for block in self.blocks:
            yield heads_apart(*block.project(x), mask)
            x = block(x, mask)

    def logits(self, tokens: Tensor) -> Tensor:
        """(B, L) ids → (B, L, 25) logits of each token, in the order of `RNAFM_VOCABULARY`.

        Raises
        ------
        ValueError
            If the model was read without its head.
        """
        if self.head is None:
            raise ValueError("this RNA-FM has no head: its checkpoint had none")
        return self.head(self(tokens), self.embedding.tokens.weight)  # type: ignore[no-any-return]


class Embedding(nn.Module):
    """Letters and positions, summed and normed."""

    rnafm_id: Tensor  # (VOCABULARY_SIZE,) RNA-FM's id for each of ours

    def __init__(self, config: RnaFmConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(len(RNAFM_VOCABULARY), config.width)
        self.positions = nn.Embedding(config.positions, config.width)
        self.norm = nn.LayerNorm(config.width, EPS)
        self.token_dropout = config.token_dropout
        self.register_buffer("rnafm_id", rnafm_ids(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) this project's ids → (B, L, D)."""
        if tokens.shape[1] > self.positions.num_embeddings - FIRST_POSITION:
            raise ValueError(f"{tokens.shape[1]} tokens are more than the model has positions for: cut into windows")
        ids = self.rnafm_id[tokens]
        x = self.tokens(ids)
        if self.token_dropout:
            masked = ids == _ID["<mask>"]
            share = masked.sum(dim=1) / (ids != _ID["<pad>"]).sum(dim=1)
            x = x.masked_fill(masked[..., None], 0) * ((1 - TRAINED_MASKED) / (1 - share))[:, None, None]
        position = torch.arange(FIRST_POSITION, FIRST_POSITION + tokens.shape[1], device=tokens.device)
        return self.norm(x + self.positions(position))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Self-attention and feed-forward, each on the normed input and added to it."""

    def __init__(self, config: RnaFmConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.attention_norm = nn.LayerNorm(width, EPS)
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.feedforward_norm = nn.LayerNorm(width, EPS)
        self.up, self.down = nn.Linear(width, config.feedforward), nn.Linear(config.feedforward, width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, D) → queries, keys and values, each (B, H, L, E)."""
        x = self.attention_norm(x)
        query, key, value = (
            part(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        return query, key, value

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D) → (B, L, D); `mask` (B, 1, 1, L) is True at tokens."""
        mixed = F.scaled_dot_product_attention(*self.project(x), attn_mask=mask)  # (B, H, L, E)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.feedforward_norm(x))))  # type: ignore[no-any-return]


class LetterHead(nn.Module):
    """Names the token at each place, by the letters' own embeddings."""

    def __init__(self, config: RnaFmConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, EPS)
        self.bias = nn.Parameter(torch.zeros(len(RNAFM_VOCABULARY)))

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """(B, L, D) by (25, D) → (B, L, 25)."""
        return F.linear(self.norm(F.gelu(self.dense(x))), tokens, self.bias)


def checked_layer(config: RnaFmConfig, layer: int | None) -> int:
    """The layer's number, the last by default; refuses one that is not there."""
    layer = config.layers if layer is None else layer
    if not 0 <= layer <= config.layers:
        raise ValueError(f"there is no layer {layer}: this RNA-FM has 0 to {config.layers}")
    return layer


def rnafm_ids() -> Tensor:
    """(VOCABULARY_SIZE,) int64: for each id of this project the one that RNA-FM gives to the same letter, or `<unk>`.

    Examples
    --------
    >>> from ribospace.alphabet import tokenize
    >>> [RNAFM_VOCABULARY[one] for one in rnafm_ids()[tokenize(["tNX"]).ids.tolist()]]
    ['U', 'N', '<unk>']
    """
    ids = torch.full((VOCABULARY_SIZE,), _ID["<unk>"])
    for ours, token in ((START, "<cls>"), (END, "<eos>"), (PAD, "<pad>"), (MASK, "<mask>")):
        ids[ours] = _ID[token]
    for number, letter in enumerate(LETTERS, FIRST_LETTER):
        ids[number] = _ID.get(letter, _ID["<unk>"])
    return ids
