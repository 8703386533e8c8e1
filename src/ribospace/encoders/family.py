"""What a package says of an encoder that it offers; light to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ribospace.encoders.base import Encoder


@dataclass(frozen=True)
class Family:
    """A kind of encoders, to be registered as an entry point of the group `ribospace.encoders`.

    The entry point's name is what a user names, alone or as `name:argument`.

    Attributes
    ----------
    make
        Makes an encoder from the argument ("" where there is none) and the pooling ("mean" or "first"). What is heavy
        is imported here, not before.
    about
        What it is, in a line.
    width
        Numbers in a vector, as a text.
    tokens
        Whether it has an embedding for each nucleotide, so that a pooling can be chosen.
    needs
        What else has to be there, such as "ribospace[structure]" or weights; "" if nothing.
    module
        What Python imports of that; "" if nothing.
    usage
        How it is named, if not by the entry point's name alone.

    Examples
    --------
    >>> from ribospace.encoders.kmer import KmerEncoder
    >>> Family(lambda argument, pooling: KmerEncoder(2), "Pairs of letters", "16").make("", "mean").width
    16
    """

    make: Callable[[str, str], Encoder]
    about: str
    width: str
    tokens: bool = False
    needs: str = ""
    module: str = ""
    usage: str = ""
