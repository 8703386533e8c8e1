"""The plain loop that training is measured against: PyTorch's own transformer as a first notebook writes it.

Every molecule is padded to 206 tokens, everything is fp32, attention is materialised, a batch is 64 molecules, and a
molecule is written again one letter at a time with the whole decoder run anew for every letter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ribospace.alphabet import END, PAD, START, VOCABULARY_SIZE
from ribospace.models.transformer import sinusoids

LENGTH, BATCH = 206, 64


class Reference(nn.Module):
    """nn.Transformer with 4 + 4 blocks of 8 heads, 2048 hidden, ReLU, dropout 0.1; learned embedding, own output."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY_SIZE, width)
        self.transformer = nn.Transformer(width, 8, 4, 4, 2048, 0.1, batch_first=True)
        self.out = nn.Linear(width, VOCABULARY_SIZE)
        self.width = width

    def embed(self, tokens: Tensor) -> Tensor:
        """(B, L) ids → (B, L, D)."""
        return self.embedding(tokens) * self.width**0.5 + sinusoids(0, tokens.shape[1], self.width)

    def forward(self, tokens: Tensor, written: Tensor) -> Tensor:
        """(B, L) ids, twice → (B, L, vocabulary) logits of the next letter."""
        causal = nn.Transformer.generate_square_subsequent_mask(written.shape[1])
        padding = tokens == PAD
        decoded = self.transformer(
            self.embed(tokens),
            self.embed(written),
            tgt_mask=causal,
            src_key_padding_mask=padding,
            tgt_key_padding_mask=written == PAD,
            memory_key_padding_mask=padding,
        )
        return self.out(decoded)  # type: ignore[no-any-return]


def padded(tokens: Tensor, length: int = LENGTH) -> Tensor:
    """(B, L) ids → (B, length)."""
    return nn.functional.pad(tokens, (0, length - tokens.shape[1]), value=PAD)


def train_step(model: Reference, optimizer: torch.optim.Optimizer, tokens: Tensor) -> float:
    """One step on (B, 206) ids."""
    logits = model(tokens, tokens[:, :-1])
    loss = nn.functional.cross_entropy(
        logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=PAD, label_smoothing=0.1
    )
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


@torch.no_grad()
def write_again(model: Reference, tokens: Tensor) -> Tensor:
    """(1, L) ids → (1, at most L) ids, the whole decoder run for every letter."""
    written = torch.full((1, 1), START)
    for _ in range(tokens.shape[1] - 1):
        letter = model(tokens, written)[:, -1].argmax(dim=-1, keepdim=True)
        written = torch.cat([written, letter], dim=1)
        if int(letter) == END:
            break
    return written[:, 1:]
