"""Token embeddings: learned, or mixed with the properties of the nucleobases."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.alphabet import FIRST_LETTER, LETTERS, VOCABULARY_SIZE, nucleobase_properties


class TokenEmbedding(nn.Module):
    """One vector a token; letters may carry the eight properties of their base, special tokens never do.

    A letter's vector is (1 - f)·learned + f·properties: the properties are standardised over the four bases (an
    ambiguity code has the mean of its bases), repeated until they fill the width, and of the same scale as the learned
    part. START, END, PAD and MASK are learned whatever f is, so that they stay distinct at f = 1.

    Parameters
    ----------
    width
        D.
    fraction
        f, 0 (learned only) to 1 (properties only).

    Examples
    --------
    >>> TokenEmbedding(16, 0.5)(torch.tensor([[1, 9, 8, 2]])).shape
    torch.Size([1, 4, 16])
    """

    properties: Tensor  # (vocabulary, D)
    share: Tensor  # (vocabulary, 1) of the properties in a token's vector

    def __init__(self, width: int, fraction: float = 0.0) -> None:
        super().__init__()
        self.learned = nn.Embedding(VOCABULARY_SIZE, width)
        nn.init.normal_(self.learned.weight, std=width**-0.5)
        self.width, self.fraction = width, fraction
        self.register_buffer("properties", _properties(width), persistent=False)
        is_letter = (torch.arange(VOCABULARY_SIZE) >= FIRST_LETTER).float()[:, None]
        self.register_buffer("share", fraction * is_letter, persistent=False)

    @property
    def weight(self) -> Tensor:
        """(vocabulary, D) the vectors of all tokens."""
        if not self.fraction:
            return self.learned.weight
        return (1 - self.share) * self.learned.weight + self.share * self.properties

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) ids → (B, L, D), of about unit variance."""
        return F.embedding(tokens.int(), self.weight) * self.width**0.5


def _properties(width: int) -> Tensor:
    """(vocabulary, D) standardised properties, repeated over the width; zero for special tokens."""
    _, table = nucleobase_properties()
    bases = table[[LETTERS.index(base) for base in "ACGU"]]
    standard = (table - bases.mean(axis=0)) / bases.std(axis=0)
    full = np.zeros((VOCABULARY_SIZE, width))
    full[FIRST_LETTER : FIRST_LETTER + len(LETTERS)] = np.resize(standard.T, (width, len(LETTERS))).T
    return torch.from_numpy(full * width**-0.5).float()
