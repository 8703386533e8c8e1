"""The vanilla autoencoder: an encoder reads a molecule, a decoder writes it again letter by letter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ribospace.alphabet import END, PAD, START, VOCABULARY_SIZE
from ribospace.models.transformer import Cache, DecoderLayer, EncoderLayer, LayerCache

#: How token embeddings become one vector a molecule.
POOLINGS = ("mean", "first")


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of an autoencoder; the only place where they are stated.

    Attributes
    ----------
    width
        D, numbers in a token's embedding, and so in the molecule's.
    heads
        Attention heads; `width / heads` must be an even whole number.
    encoder_layers, decoder_layers
        Blocks.
    feedforward
        Hidden width of the feed-forward layers.
    dropout
        Share of activations dropped in training.
    window
        Most nucleotides read at once, nt; longer molecules are cut into overlapping windows.
    """

    width: int = 64
    heads: int = 4
    encoder_layers: int = 3
    decoder_layers: int = 1
    feedforward: int = 256
    dropout: float = 0.0
    window: int = 205

    def __post_init__(self) -> None:
        if min(self.width, self.heads, self.encoder_layers, self.decoder_layers, self.feedforward, self.window) < 1:
            raise ValueError("every size must be 1 or more")
        if self.width % self.heads or self.width // self.heads % 2:
            raise ValueError(f"width {self.width} over {self.heads} heads is not an even whole number")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout {self.dropout} is not in [0, 1)")


class Autoencoder(nn.Module):
    """Encoder and decoder with one embedding table, which also turns the decoder's output into logits.

    Parameters
    ----------
    config
        Sizes.

    Examples
    --------
    >>> model = Autoencoder(AutoencoderConfig(width=8, heads=2, feedforward=16))
    >>> tokens = torch.tensor([[START, 9, 8, END, PAD]])
    >>> model(tokens, tokens).shape
    torch.Size([1, 5, 22])
    """

    center: Tensor  # (poolings, D) mean of the training set's pooled vectors
    whitening: Tensor  # (poolings, D, D) what makes their covariance the identity

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        sizes = (config.width, config.heads, config.feedforward, config.dropout)
        self.embedding = nn.Embedding(VOCABULARY_SIZE, config.width)
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(config.encoder_layers))
        self.encoder_norm = nn.LayerNorm(config.width)
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(config.decoder_layers))
        self.decoder_norm = nn.LayerNorm(config.width)
        self.bias = nn.Parameter(torch.zeros(VOCABULARY_SIZE))
        self.register_buffer("center", torch.zeros(len(POOLINGS), config.width))
        self.register_buffer("whitening", torch.eye(config.width).repeat(len(POOLINGS), 1, 1))
        nn.init.normal_(self.embedding.weight, std=config.width**-0.5)

    def encode(self, tokens: Tensor) -> Tensor:
        """(B, L) token ids, START … END and PAD behind → (B, L, D) token embeddings; those at PAD mean nothing."""
        mask = key_mask(tokens)
        x = self._embed(tokens)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x)  # type: ignore[no-any-return]

    def embed(self, tokens: Tensor, pooling: str) -> Tensor:
        """(B, L) ids → (B, D) one vector a molecule, whitened by the training set.

        Pooled transformer vectors share a large common part and a few directions that drown the others, so that by
        cosine all molecules look alike; without their mean and with equal variance in all directions they do not
        (Mu and Viswanath 2018, arXiv 1702.01417; Su et al. 2021, arXiv 2103.15316).
        """
        number = POOLINGS.index(pooling)
        vectors = pooled(self.encode(tokens), tokens, pooling)
        return (vectors - self.center[number]) @ self.whitening[number]

    def _embed(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens.int()) * self.config.width**0.5  # type: ignore[no-any-return]

    def decode(
        self, written: Tensor, memory: Tensor, mask: Tensor | None, cache: Cache | None = None, last: bool = False
    ) -> Tensor:
        """Logits of the next letter.

        Parameters
        ----------
        written
            (B, L) ids so far, from START on; with a cache, only those it has not seen.
        memory
            (B, M, D) the encoder's token embeddings.
        mask
            (B, 1, 1, M) True where memory is a token.
        cache
            Keys and values of earlier calls; changed in place.
        last
            Give the logits of the last position only.

        Returns
        -------
        Tensor
            (B, L, vocabulary), or (B, 1, vocabulary).
        """
        if cache is not None and not cache.layers:
            cache.layers = [LayerCache() for _ in self.decoder]
        start = cache.length if cache is not None else 0
        x = self._embed(written)
        for number, layer in enumerate(self.decoder):
            x = layer(x, memory, mask, cache.layers[number] if cache is not None else None, start)
        if cache is not None:
            cache.length += written.shape[1]
        x = self.decoder_norm(x[:, -1:] if last else x)
        return nn.functional.linear(x, self.embedding.weight, self.bias)

    def forward(self, tokens: Tensor, written: Tensor) -> Tensor:
        """Teacher forcing: (B, L) input ids and (B, L) ids as written → (B, L, vocabulary) logits of the next id."""
        return self.decode(written, self.encode(tokens), key_mask(tokens))

    @torch.inference_mode()
    def reconstruct(self, tokens: Tensor, *, cached: bool = True) -> Tensor:
        """Write each molecule again, greedily and without seeing it: the likeliest letter, one after the other.

        Parameters
        ----------
        tokens
            (B, L) ids with START, END and PAD.
        cached
            Keep keys and values between letters (the same result, much faster).

        Returns
        -------
        Tensor
            (B, at most 2 L) ids behind START; what follows END is PAD.
        """
        memory, mask = self.encode(tokens), key_mask(tokens)
        B, limit = len(tokens), 2 * tokens.shape[1]
        result = torch.full((B, limit + 1), PAD, dtype=torch.long, device=tokens.device)
        result[:, 0] = START
        rows = torch.arange(B, device=tokens.device)  # the molecules not finished yet
        cache = Cache() if cached else None
        for step in range(limit):
            written = result[rows, step : step + 1] if cached else result[rows, : step + 1]
            logits = self.decode(written, memory, mask, cache, last=True)[:, 0]
            letter = logits.argmax(dim=-1)
            result[rows, step + 1] = letter
            going = letter != END
            if not going.all():
                rows, memory = rows[going], memory[going]
                mask = mask[going] if mask is not None else None
                for layer in cache.layers if cache is not None else ():
                    layer.keep(going)
                if not len(rows):
                    break
        return result[:, 1:]


def pooled(embedded: Tensor, tokens: Tensor, pooling: str) -> Tensor:
    """Make (B, L, D) token embeddings of (B, L) ids one vector each: (B, D).

    "mean" is over nucleotides, never START, END or padding; "first" is START's.
    """
    if pooling == "first":
        return embedded[:, 0]
    position = torch.arange(tokens.shape[1], device=tokens.device)
    length = (tokens != PAD).sum(dim=1, keepdim=True) - 2
    nucleotide = ((position >= 1) & (position <= length)).to(embedded.dtype)
    return torch.einsum("bl,bld->bd", nucleotide, embedded) / length


def key_mask(tokens: Tensor) -> Tensor | None:
    """(B, L) ids → (B, 1, 1, L) True at tokens and False at padding, or None where nothing is padded."""
    there = tokens != PAD
    return None if bool(there.all()) else there[:, None, None, :]
