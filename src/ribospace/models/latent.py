"""The latent autoencoder: token embeddings of an encoder, a Q-Former that reads them, a decoder that writes again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ribospace.alphabet import PAD
from ribospace.models.autoencoder import Autoencoder, Outputs
from ribospace.models.decoding import beam_search, greedy
from ribospace.models.qformer import LatentDecoder, QFormer, QFormerConfig, Summary
from ribospace.models.transformer import Cache

#: What is trained, judged and asked alike.
Model: TypeAlias = "Autoencoder | LatentAutoencoder"
#: How latents become one vector a molecule: the summary, or all of them one after the other.
LATENT_POOLINGS = ("summary", "latents")
#: (B, L) ids with START and END → (B, L - 2, width) embeddings of the nucleotides; those behind an end mean nothing.
ReadTokens = Callable[[Tensor], Tensor]


def between(one: Tensor, other: Tensor, steps: int) -> Tensor:
    """Latents on the way from (K, D) to (K, D), both ends among them: (steps, K, D).

    Straight, and then each latent again of mean 0 and variance 1, as the decoder knows them.

    Examples
    --------
    >>> between(torch.tensor([[1.0, -1.0]]), torch.tensor([[-1.0, 1.0]]), 2).tolist()
    [[[1.0, -1.0]], [[-1.0, 1.0]]]
    """
    share = torch.linspace(0, 1, steps, device=one.device)[:, None, None]
    mixed = (1 - share) * one + share * other
    mixed = mixed - mixed.mean(dim=-1, keepdim=True)
    return mixed / mixed.std(dim=-1, correction=0, keepdim=True).clamp(min=1e-6)


@dataclass(frozen=True)
class TokenSource:
    """The encoder whose token embeddings a latent model reads.

    Attributes
    ----------
    name, revision, location
        See `ribospace.encoders.Encoder`.
    width
        Numbers in a token's embedding.
    """

    name: str
    revision: str
    location: str
    width: int


class LatentAutoencoder(nn.Module):
    """Sequence → K latents of width D → sequence.

    It is trained, judged and asked as an `Autoencoder` is; `encode` gives latents in place of token embeddings.

    Parameters
    ----------
    config
        Sizes.
    source
        Whose token embeddings are read.
    encoder
        An autoencoder whose encoder is read, a part of this model; None: what `read_tokens` is set to, which is not.
    is_frozen
        Whether that encoder stays as it is in training.

    Examples
    --------
    >>> from ribospace.alphabet import END, START
    >>> from ribospace.models.autoencoder import AutoencoderConfig
    >>> encoder = Autoencoder(AutoencoderConfig(width=8, heads=2, feedforward=16))
    >>> model = LatentAutoencoder(QFormerConfig(), TokenSource("mine", "", "", 8), encoder)
    >>> tokens = torch.tensor([[START, 9, 8, END, PAD], [START, 9, 8, 9, END]])
    >>> model.encode(tokens).shape, model(tokens, tokens).written.shape
    (torch.Size([2, 16, 40]), torch.Size([2, 5, 22]))
    """

    poolings = LATENT_POOLINGS

    def __init__(
        self, config: QFormerConfig, source: TokenSource, encoder: Autoencoder | None = None, is_frozen: bool = True
    ) -> None:
        super().__init__()
        self.config, self.source = config, source
        self.former = QFormer(config, source.width)
        self.summary = Summary(config)
        self.decoder = LatentDecoder(config)
        self.encoder, self.is_frozen = encoder, is_frozen or encoder is None
        if encoder is not None and is_frozen:
            encoder.requires_grad_(False)
        self.read_tokens: ReadTokens | None = None

    def train(self, mode: bool = True) -> LatentAutoencoder:
        """As `Module.train`; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.encoder is not None and self.is_frozen:
            self.encoder.eval()
        return self

    def encode(self, tokens: Tensor) -> Tensor:
        """(B, L) ids, START … END and PAD behind → (B, K, D) latents."""
        return self.former(self._embedded(tokens), (tokens != PAD).sum(dim=1) - 2)  # type: ignore[no-any-return]

    def _embedded(self, tokens: Tensor) -> Tensor:
        if self.encoder is None:
            if self.read_tokens is None:
                raise ValueError("this latent model has no encoder yet: set read_tokens")
            return self.read_tokens(tokens)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            return self.encoder.encode(tokens)[:, 1:-1]

    def embed(self, tokens: Tensor, pooling: str) -> Tensor:
        """(B, L) ids → one vector a molecule: (B, D) the summary, or (B, K · D) the latents."""
        latents = self.encode(tokens)
        return self.summary(latents) if pooling == "summary" else latents.flatten(1)

    def classify(self, latents: Tensor, tokens: Tensor | None = None) -> Tensor:
        """(B, K, D) → (B, classes) logits."""
        if self.summary.classifier is None:
            raise ValueError("this latent model tells no types apart")
        return self.summary.classifier(self.summary(latents))  # type: ignore[no-any-return]

    def decode(
        self, written: Tensor, memory: Tensor, mask: Tensor | None, cache: Cache | None = None, last: bool = False
    ) -> Tensor:
        """Logits of the next letter from the unfolded latents; see `Autoencoder.decode`. Nothing of them is masked."""
        return self.decoder(written, memory, cache, last)  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor, written: Tensor) -> Outputs:
        """All parts at once, as `Autoencoder.forward`; in training noise is added to the latents."""
        latents = self.encode(tokens)
        if self.training and self.config.noise:
            latents = latents + self.config.noise * torch.randn_like(latents)
        summary = self.summary(latents)
        return Outputs(
            written=self.decode(written, self.decoder.memory(latents), None),
            classes=self.summary.classifier(summary) if self.summary.classifier is not None else None,
            described=self.summary.describer(summary),
        )

    @torch.inference_mode()
    def write(self, latents: Tensor, *, beams: int = 1, cached: bool = True) -> Tensor:
        """Write molecules.

        Parameters
        ----------
        latents
            (B, K, D).
        beams
            1: the likeliest letter, one after the other; more: beam search.
        cached
            Keep keys and values between letters (the same result, much faster).

        Returns
        -------
        Tensor
            (B, at most window + 1) ids behind START; what follows END is PAD.
        """
        memory, limit = self.decoder.memory(latents), self.config.window + 1
        if beams > 1:
            return beam_search(self, memory, None, limit, beams, cached)
        return greedy(self, memory, None, limit, cached)

    def reconstruct(self, tokens: Tensor, *, beams: int = 1, cached: bool = True) -> Tensor:
        """Write each molecule of (B, L) ids again without seeing it; see `write`."""
        with torch.inference_mode():
            return self.write(self.encode(tokens), beams=beams, cached=cached)
