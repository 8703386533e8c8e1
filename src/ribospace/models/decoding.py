"""Writing molecules letter by letter from what the encoder saw: greedily, or by beam search."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ribospace.alphabet import END, PAD, START
from ribospace.models.transformer import Cache

FINISHED = 0.25  # share of finished molecules from which on it pays to take them out of the batch


class Writer(Protocol):
    """What writes letters, see `Autoencoder.decode`."""

    def decode(
        self, written: Tensor, memory: Tensor, mask: Tensor | None, cache: Cache | None = None, last: bool = False
    ) -> Tensor:
        """Logits of the next letter."""


def greedy(model: Writer, memory: Tensor, mask: Tensor | None, limit: int, cached: bool = True) -> Tensor:
    """Write the likeliest letter, one after the other; molecules that are finished leave the batch.

    Parameters
    ----------
    model, memory, mask
        See `Autoencoder.decode`; (B, M, D) memory.
    limit
        Most letters.
    cached
        Keep keys and values between letters (the same result, much faster).

    Returns
    -------
    Tensor
        (B, limit) ids behind START; what follows END is PAD.
    """
    return greedy_among(model, memory, mask, limit, None, cached)[0]


def greedy_among(
    model: Writer, memory: Tensor, mask: Tensor | None, limit: int, allowed: Tensor | None, cached: bool = True
) -> tuple[Tensor, Tensor]:
    """As `greedy`, the likeliest of the letters that are allowed.

    Parameters
    ----------
    model, memory, mask, limit, cached
        See `greedy`.
    allowed
        (B, limit, vocabulary) bool, what may stand at each place; None: anything.

    Returns
    -------
    ids : Tensor
        (B, limit) behind START; what follows END is PAD.
    chances : Tensor
        (B, limit) natural logarithm of the probability, among all letters, of what was written; 0 behind END.
    """
    device = memory.device
    result = torch.full((len(memory), limit + 1), PAD, dtype=torch.long, device=device)
    result[:, 0] = START
    chances = torch.zeros((len(memory), limit), device=device)
    rows = torch.arange(len(memory), device=device)
    over = torch.zeros(len(memory), dtype=torch.bool, device=device)  # of the rows
    cache = Cache() if cached else None
    for step in range(limit):
        written = result[rows, step : step + 1] if cached else result[rows, : step + 1]
        logits = model.decode(written, memory, mask, cache, last=True)[:, 0].float().log_softmax(dim=-1)
        among = logits if allowed is None else logits.masked_fill(~allowed[rows, step], float("-inf"))
        letter = among.argmax(dim=-1)
        chances[rows, step] = logits.gather(1, letter[:, None])[:, 0].masked_fill(over, 0.0)
        result[rows, step + 1] = letter.masked_fill(over, PAD)
        over = over | (letter == END)
        finished = int(over.sum())
        if finished == len(rows):
            break
        if finished >= FINISHED * len(rows):
            rows, memory, mask = rows[~over], memory[~over], mask[~over] if mask is not None else None
            if cache is not None:
                cache.keep(~over)
            over = over[~over]
    return result[:, 1:], chances


def beam_search(
    model: Writer, memory: Tensor, mask: Tensor | None, limit: int, beams: int, cached: bool = True
) -> Tensor:
    """Keep the `beams` likeliest beginnings of each molecule, and give the likeliest whole one.

    Parameters
    ----------
    model, memory, mask, limit, cached
        See `greedy`.
    beams
        K; with 1 this is greedy writing.

    Returns
    -------
    Tensor
        (B, at most limit) ids behind START; what follows END is PAD.
    """
    B, K, device = len(memory), beams, memory.device
    memory = memory.repeat_interleave(K, dim=0)  # (B, M, D) → (B K, M, D)
    mask = mask.repeat_interleave(K, dim=0) if mask is not None else None
    result = torch.full((B * K, 1), START, dtype=torch.long, device=device)
    scores = torch.full((B, K), float("-inf"), device=device)
    scores[:, 0] = 0.0  # all beams begin alike: only one may branch
    cache = Cache() if cached else None
    first = torch.arange(B, device=device)[:, None] * K
    for _ in range(limit):
        done = (result[:, -1] == END) | (result[:, -1] == PAD)
        if done.all():
            break
        logits = model.decode(result[:, -1:] if cached else result, memory, mask, cache, last=True)[:, 0]
        chances = logits.float().log_softmax(dim=-1)
        chances[done] = float("-inf")
        chances[done, PAD] = 0.0
        total = (scores.view(-1, 1) + chances).view(B, -1)  # (B, K vocabulary)
        scores, best = total.topk(K, dim=-1)
        parent = (first + best // logits.shape[-1]).flatten()
        result = torch.cat([result[parent], (best % logits.shape[-1]).view(-1, 1)], dim=1)
        if cache is not None:
            cache.keep(parent, memory=False)  # beams of one molecule share its memory
    return result.view(B, K, -1)[torch.arange(B, device=device), scores.argmax(dim=-1), 1:]
