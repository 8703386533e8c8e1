"""The interface of an encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import Sequences, Tokens
from ribospace.collection.embedding import EmbeddingInfo
from ribospace.errors import UserError


class Encoder(ABC):
    """Turns molecules into vectors, each from the molecule alone.

    Attributes
    ----------
    name
        What it is called, and by default its column in a collection.
    revision
        Changes when its vectors would: a hash of the weights, or the version of the method.
    pooling
        How token embeddings become one vector, or "none" where there are no tokens.
    width
        Numbers in a vector.
    location
        What to name to read it again, such as its folder, or "".
    piece
        Most molecules that it is given at once, so that progress shows and vectors are written in time.
    has_tokens
        Whether it embeds nucleotides, and not molecules alone.
    precision
        In which it multiplies on this machine: "fp32" or "bf16". Not part of the revision: vectors agree.
    layers, heads
        Of its attention, where heads can be asked one by one; 0 where they cannot.
    window
        Most nucleotides that are read at once, nt; 0 where there is no limit.
    """

    name: str
    revision: str
    pooling: str
    width: int
    location: str = ""
    piece: int = 16_384
    has_tokens: bool = False
    precision: str = "fp32"
    layers: int = 0
    heads: int = 0
    window: int = 0

    @property
    def column(self) -> str:
        """Name of its embedding column, unless the user chooses another."""
        name = self.name.replace(".", "_")
        return name if self.pooling in ("none", "mean") else f"{name}_{self.pooling}"

    def info(self, column: str | None = None) -> EmbeddingInfo:
        """What a column of its vectors says of itself."""
        return EmbeddingInfo(column or self.column, self.name, self.revision, self.pooling, self.width, self.location)

    @abstractmethod
    def encode(self, tokens: Tokens | Sequences) -> npt.NDArray[np.float32]:
        """Embed molecules.

        Parameters
        ----------
        tokens
            (n) molecules of any length, in any order: tokens, or sequences as `tokenize` takes them.

        Returns
        -------
        ndarray
            (n, width) float32; a row does not depend on the other rows.

        Raises
        ------
        UserError
            For a letter that is not RNA's, or a molecule without nucleotides where there is nothing to say of it.
        """

    def token_embeddings(self, tokens: Tokens) -> Iterator[npt.NDArray[np.float32]]:
        """Embed every nucleotide.

        Parameters
        ----------
        tokens
            (n) molecules of any length, in any order.

        Yields
        ------
        ndarray
            (nucleotides, width) float32 of each molecule, in the molecules' order, without special tokens.

        Raises
        ------
        UserError
            If the encoder embeds molecules alone.
        """
        raise UserError(
            f"{self.name} embeds molecules, not their nucleotides. Choose an encoder with tokens: ribospace encoders"
        )

    def head_outputs(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        """Ask every attention head what it says of molecules, before the heads of a layer are merged.

        Parameters
        ----------
        tokens
            (n) molecules of any length, in any order.

        Returns
        -------
        ndarray
            (n, layers, heads, E) float32, means over nucleotides; a row does not depend on the other rows.

        Raises
        ------
        UserError
            If the encoder has no attention heads that can be asked.
        """
        raise no_heads(self.name)

    def attention_maps(self, tokens: Tokens) -> Iterator[npt.NDArray[np.float32]]:
        """Ask every attention head which nucleotide looks at which.

        Parameters
        ----------
        tokens
            (n) molecules that each fit into the encoder's window.

        Yields
        ------
        ndarray
            (layers, heads, L, L) float32 of each molecule, in the molecules' order: how much nucleotide i (row) looks
            at j (column). What goes to special tokens is left out, so a row sums to 1 at most.

        Raises
        ------
        UserError
            If the encoder has no attention heads that can be asked, or a molecule is longer than its window.
        """
        raise no_heads(self.name)


def no_heads(name: str) -> UserError:
    """What is said where heads are asked for that are not there."""
    return UserError(
        f"{name} has no attention heads that can be asked one by one. Choose a trained autoencoder's folder, random "
        "or an RNA-FM: ribospace encoders"
    )
