"""Token embeddings: learned, or mixed with the properties of the nucleobases; and what short words add to them."""

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


class WordEmbedding(nn.Module):
    """What the words around each letter add to its vector: the sum of a learned vector for every word.

    The words of 2, 3, … nucleotides about a letter are those that begin ⌊(k - 1) / 2⌋ letters before it. A word that
    reaches over an end of the molecule, or holds a mask or an ambiguity code, adds nothing. So a motif is at hand in
    the first layer, and need not be put together by attention.

    Parameters
    ----------
    width
        D.
    longest
        Nucleotides of the longest words, 2 or more.

    Examples
    --------
    >>> WordEmbedding(16, longest=4)(torch.tensor([[1, 9, 8, 6, 2]])).shape
    torch.Size([1, 5, 16])
    """

    base_of: Tensor  # (vocabulary,) 0 to 3, or below what any word makes up for

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.width, self.longest = width, longest
        self.nothing = sum(4**length for length in self.lengths)
        self.vectors = nn.Parameter(torch.randn(self.nothing, width) * 0.3 * width**-0.5)
        base_of = torch.full((VOCABULARY_SIZE,), -(4**longest))
        base_of[FIRST_LETTER : FIRST_LETTER + 4] = torch.arange(4)
        self.register_buffer("base_of", base_of, persistent=False)

    @property
    def lengths(self) -> range:
        """Of the words, in nucleotides."""
        return range(2, self.longest + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) ids → (B, L, D)."""
        numbers = self._numbers(tokens).flatten(0, 1)
        nothing = self.vectors.new_zeros(1, self.width)
        table = torch.cat([self.vectors, nothing])
        summed = F.embedding_bag(numbers, table, mode="sum", padding_idx=self.nothing)
        return summed.view(*tokens.shape, self.width) * self.width**0.5

    def _numbers(self, tokens: Tensor) -> Tensor:
        """(B, L) ids → (B, L, lengths) the row of each word in the table, or `nothing`."""
        before, numbers, first = (self.longest - 1) // 2, [], 0
        bases = F.pad(self.base_of[tokens], (before, self.longest), value=int(self.base_of[0]))
        for length in self.lengths:
            start = before - (length - 1) // 2
            letters = bases.unfold(1, length, 1)[:, start : start + tokens.shape[1]]
            number = (letters * self.base_of.new_tensor([4**place for place in reversed(range(length))])).sum(dim=2)
            numbers.append(torch.where(number >= 0, number + first, self.nothing))
            first += 4**length
        return torch.stack(numbers, dim=2)


def _properties(width: int) -> Tensor:
    """(vocabulary, D) standardised properties, repeated over the width; zero for special tokens."""
    _, table = nucleobase_properties()
    bases = table[[LETTERS.index(base) for base in "ACGU"]]
    standard = (table - bases.mean(axis=0)) / bases.std(axis=0)
    full = np.zeros((VOCABULARY_SIZE, width))
    full[FIRST_LETTER : FIRST_LETTER + len(LETTERS)] = np.resize(standard.T, (width, len(LETTERS))).T
    return torch.from_numpy(full * width**-0.5).float()
