"""The autoencoder family: encoder and, as far as the config says, decoder, letter head and classifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.alphabet import PAD, VOCABULARY_SIZE
from ribospace.models.decoding import beam_search, greedy
from ribospace.models.dropout import dropout
from ribospace.models.embedding import TokenEmbedding, WordEmbedding
from ribospace.models.sizes import require_sizes
from ribospace.models.transformer import (
    ACTIVATIONS,
    POSITIONS,
    BlockConfig,
    Cache,
    DecoderLayer,
    EncoderLayer,
    HeadsApart,
    LayerCache,
    sinusoids,
)

#: How token embeddings become one vector a molecule.
POOLINGS = ("mean", "first")
LONGEST_WORDS = 8  # nucleotides; their vectors are 4^8 already


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes and parts of a model; the only place where they are stated.

    Attributes
    ----------
    width
        D, numbers in a token's embedding, and so in the molecule's.
    heads
        Attention heads; they divide the width, and with rotary positions each gets an even share.
    encoder_layers, decoder_layers
        Blocks; without a decoder the model is encoder-only (BERT-like), or a classifier.
    feedforward
        Hidden width of the feed-forward layers.
    dropout
        Share of activations dropped in training.
    window
        Most nucleotides read at once, nt; longer molecules are cut into overlapping windows.
    positions
        "rotary" or "sinusoidal".
    rotary_base
        Of the rotary frequencies, see `Rotary`.
    locality
        How strongly attention leans to near tokens before training, with rotary positions; see `BlockConfig`.
    activation
        "gelu", "relu" or "swiglu".
    norm_first
        LayerNorm before each part, or behind it as in the first transformer.
    tied
        Whether letters are read off with the embedding's own vectors.
    nucleobase
        Share of the nucleobase properties in a letter's embedding, 0 to 1.
    words
        Nucleotides of the longest words whose vectors are added to the encoder's letters, 2 to 8; 0: none. See
        `WordEmbedding`.
    letter_head
        Whether the encoder alone also names every letter (BERT-like).
    classes
        Names of the types that a classifier tells apart; none: no classifier.
    classify_from
        Which vector of the molecule the classifier reads: "first" (START's) or "mean".
    """

    width: int = 64
    heads: int = 4
    encoder_layers: int = 3
    decoder_layers: int = 1
    feedforward: int = 256
    dropout: float = 0.0
    window: int = 205
    positions: str = "rotary"
    rotary_base: float = 100.0
    locality: float = 1.5
    activation: str = "gelu"
    norm_first: bool = True
    tied: bool = True
    nucleobase: float = 0.0
    words: int = 0
    letter_head: bool = False
    classes: tuple[str, ...] = ()
    classify_from: str = "first"

    def __post_init__(self) -> None:
        require_sizes(self)
        if (
            min(self.width, self.heads, self.encoder_layers, self.feedforward, self.window) < 1
            or self.decoder_layers < 0
        ):
            raise ValueError("every size must be 1 or more, decoder_layers 0 or more")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(f"width {self.width} over {self.heads} heads is odd, rotary positions need an even share")
        for name, known in (("positions", POSITIONS), ("activation", ACTIVATIONS), ("classify_from", POOLINGS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {', '.join(known)}")
        if not (1 < self.rotary_base < float("inf") and 0 <= self.locality < float("inf")):
            raise ValueError(f"rotary_base {self.rotary_base} must be above 1, locality {self.locality} 0 or more")
        if not 0 <= self.dropout < 1 or not 0 <= self.nucleobase <= 1:
            raise ValueError(f"dropout {self.dropout} must be in [0, 1), nucleobase {self.nucleobase} in [0, 1]")
        if self.words not in (0, *range(2, LONGEST_WORDS + 1)):
            raise ValueError(f"words {self.words} is neither 0 nor from 2 to {LONGEST_WORDS}")
        object.__setattr__(self, "classes", tuple(self.classes))
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice")

    @property
    def block(self) -> BlockConfig:
        """What each block is made of."""
        sizes = (self.width, self.heads, self.feedforward, self.dropout)
        rotary = self.rotary_base if self.positions == "rotary" else 0.0
        return BlockConfig(*sizes, rotary, self.locality, self.activation, self.norm_first)


@dataclass(frozen=True)
class Outputs:
    """Logits of a model's parts; None for a part that it does not have or was not asked for.

    Attributes
    ----------
    written
        (B, L, vocabulary) of the next letter, from the decoder.
    letters
        (B, L, vocabulary) of each letter, from the encoder alone.
    classes
        (B, classes).
    described
        (B, 65) what a summary says of the molecule, see `objectives.describe`.
    """

    written: Tensor | None = None
    letters: Tensor | None = None
    classes: Tensor | None = None
    described: Tensor | None = None


class Autoencoder(nn.Module):
    """An encoder, and what reads its token embeddings.

    Parameters
    ----------
    config
        Sizes and parts.

    Examples
    --------
    >>> from ribospace.alphabet import END, START
    >>> model = Autoencoder(AutoencoderConfig(width=8, heads=2, feedforward=16, classes=("tRNA", "rRNA")))
    >>> tokens = torch.tensor([[START, 9, 8, END, PAD]])
    >>> outputs = model(tokens, tokens)
    >>> outputs.written.shape, outputs.classes.shape
    (torch.Size([1, 5, 22]), torch.Size([1, 2]))
    """

    poolings = POOLINGS
    center: Tensor  # (poolings, D) mean of the training set's pooled vectors
    whitening: Tensor  # (poolings, D, D) what makes their covariance the identity

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        if not (config.decoder_layers or config.letter_head or config.classes):
            raise ValueError("the model has neither decoder_layers nor letter_head nor classes: nothing to learn")
        self.config = config
        self.embedding = TokenEmbedding(config.width, config.nucleobase)
        if config.words:
            self.words = WordEmbedding(config.width, config.words)
        self.encoder = nn.ModuleList(EncoderLayer(config.block) for _ in range(config.encoder_layers))
        self.encoder_norm = nn.LayerNorm(config.width)
        if config.decoder_layers:
            self.decoder = nn.ModuleList(DecoderLayer(config.block) for _ in range(config.decoder_layers))
            self.decoder_norm = nn.LayerNorm(config.width)
            self.writer = LetterHead(config)
        if config.letter_head:
            self.speller = LetterHead(config)
        if config.classes:
            self.classifier = nn.Linear(config.width, len(config.classes))
        self.register_buffer("center", torch.zeros(len(POOLINGS), config.width))
        self.register_buffer("whitening", torch.eye(config.width).repeat(len(POOLINGS), 1, 1))

    def encode(self, tokens: Tensor) -> Tensor:
        """(B, L) token ids, START … END and PAD behind → (B, L, D) token embeddings; those at PAD mean nothing."""
        mask, x = key_mask(tokens), self._read(tokens)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x)  # type: ignore[no-any-return]

    def heads_apart(self, tokens: Tensor) -> Iterator[HeadsApart]:
        """(B, L) ids → for each layer of the encoder what its heads do; what stands at PAD means nothing."""
        mask, x = key_mask(tokens), self._read(tokens)
        for layer in self.encoder:
            assert isinstance(layer, EncoderLayer)
            yield layer.apart(x, mask)
            x = layer(x, mask)

    def embed(self, tokens: Tensor, pooling: str) -> Tensor:
        """(B, L) ids → (B, D) one vector a molecule, whitened by the training set.

        Pooled transformer vectors share a large common part and a few directions that drown the others, so that by
        cosine all molecules look alike; without their mean and with equal variance in all directions they do not
        (Mu and Viswanath 2018, arXiv 1702.01417; Su et al. 2021, arXiv 2103.15316).
        """
        number = POOLINGS.index(pooling)
        vectors = pooled(self.encode(tokens), tokens, pooling)
        return (vectors - self.center[number]) @ self.whitening[number]

    def spell(self, encoded: Tensor) -> Tensor:
        """(B, L, D) token embeddings → (B, L, vocabulary) logits of each letter."""
        return self.speller(encoded, self.embedding.weight)  # type: ignore[no-any-return]

    def classify(self, encoded: Tensor, tokens: Tensor) -> Tensor:
        """(B, L, D) token embeddings of (B, L) ids → (B, classes) logits."""
        return self.classifier(pooled(encoded, tokens, self.config.classify_from))  # type: ignore[no-any-return]

    def _read(self, tokens: Tensor) -> Tensor:
        """What the encoder sees of (B, L) ids."""
        return self._embed(tokens) + self.words(tokens) if self.config.words else self._embed(tokens)

    def _embed(self, tokens: Tensor, start: int = 0) -> Tensor:
        x = self.embedding(tokens)
        if self.config.positions == "sinusoidal":
            x = x + sinusoids(start, tokens.shape[1], self.config.width, tokens.device)
        return dropout(x, self.config.dropout, self.training)

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
        x = self._embed(written, start)
        for number, layer in enumerate(self.decoder):
            x = layer(x, memory, mask, cache.layers[number] if cache is not None else None, start)
        if cache is not None:
            cache.length += written.shape[1]
        x = self.decoder_norm(x[:, -1:] if last else x)
        return self.writer(x, self.embedding.weight)  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor, written: Tensor) -> Outputs:
        """All parts at once, the encoder read once.

        Parameters
        ----------
        tokens
            (B, L) ids for the encoder; in training some are spoiled.
        written
            (B, L) ids that the decoder sees, each position's answer being the next (teacher forcing).
        """
        encoded = self.encode(tokens)
        return Outputs(
            written=self.decode(written, encoded, key_mask(tokens)) if self.config.decoder_layers else None,
            letters=self.spell(encoded) if self.config.letter_head else None,
            classes=self.classify(encoded, tokens) if self.config.classes else None,
        )

    @torch.inference_mode()
    def reconstruct(self, tokens: Tensor, *, beams: int = 1, cached: bool = True) -> Tensor:
        """Write each molecule again without seeing it.

        Parameters
        ----------
        tokens
            (B, L) ids with START, END and PAD.
        beams
            1: the likeliest letter, one after the other; more: beam search.
        cached
            Keep keys and values between letters (the same result, much faster).

        Returns
        -------
        Tensor
            (B, at most 9/8 L + 16) ids behind START; what follows END is PAD. A decoder that finds no END stops there.
        """
        memory, mask, limit = self.encode(tokens), key_mask(tokens), tokens.shape[1] + tokens.shape[1] // 8 + 16
        if beams > 1:
            return beam_search(self, memory, mask, limit, beams, cached)
        return greedy(self, memory, mask, limit, cached)


class LetterHead(nn.Module):
    """Logits of letters: by the embedding's own vectors (tied), or by weights of its own."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(VOCABULARY_SIZE))
        if not config.tied:
            self.weight = nn.Parameter(torch.randn(VOCABULARY_SIZE, config.width) * config.width**-0.5)
        self.tied = config.tied

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, L, D) → (B, L, vocabulary)."""
        return F.linear(x, embedding if self.tied else self.weight, self.bias)


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
