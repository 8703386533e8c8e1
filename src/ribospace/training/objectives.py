"""What training makes small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ribospace.alphabet import END, FIRST_LETTER, MASK, PAD, START


def reconstruction_loss(logits: Tensor, tokens: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of each next token; padding never counts.

    Parameters
    ----------
    logits
        (B, L, vocabulary) as the decoder gives them for `tokens`.
    tokens
        (B, L) ids from START on.
    label_smoothing
        Share of the target spread over the vocabulary.

    Returns
    -------
    Tensor
        Mean over letters and END, in nats.
    """
    flat = logits[:, :-1].flatten(0, 1).float()
    return F.cross_entropy(flat, tokens[:, 1:].flatten(), ignore_index=PAD, label_smoothing=label_smoothing)


def masked(tokens: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
    """Spoil a share of the letters as BERT does: 80 % MASK, 10 % a random base, 10 % left as they are.

    Parameters
    ----------
    tokens
        (B, L) ids; special tokens stay.
    fraction
        Of the letters, 0 to 1.
    generator
        Seeded, so that a run can be made again.

    Returns
    -------
    Tensor
        (B, L) a spoiled copy.
    """
    letters = (tokens != START) & (tokens != END) & (tokens != PAD)
    fate = torch.rand(tokens.shape, generator=generator)
    bases = torch.randint(FIRST_LETTER, FIRST_LETTER + 4, tokens.shape, generator=generator)
    spoiled = torch.where(fate < 0.8 * fraction, MASK, torch.where(fate < 0.9 * fraction, bases, tokens))
    return torch.where(letters, spoiled, tokens)
