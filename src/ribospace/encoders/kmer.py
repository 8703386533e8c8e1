"""Frequencies of k-mers: the baseline that every learned embedding has to beat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import VOCABULARY_SIZE, Sequences, Tokens, as_tokens, tokenize
from ribospace.encoders.base import Encoder
from ribospace.errors import UserError

_BASE_NUMBER = np.full(VOCABULARY_SIZE, -1, dtype=np.int64)
_BASE_NUMBER[tokenize(["ACGU"]).ids] = np.arange(4)


class KmerEncoder(Encoder):
    """Share of each k-mer over A C G U among a molecule's k-mers, in the order of the alphabet.

    A k-mer with an ambiguity code is not counted; a molecule without any k-mer is all zeros.

    Parameters
    ----------
    k
        1 to 8.

    Examples
    --------
    >>> KmerEncoder(1).encode(tokenize(["ACCN"])).round(2)
    array([[0.33, 0.67, 0.  , 0.  ]], dtype=float32)
    """

    def __init__(self, k: int) -> None:
        if not 1 <= k <= 8:
            raise UserError(f"k-mers of {k} are not offered: choose kmer1 to kmer8 (width 4 to 65,536).")
        self.k, self.width = k, 4**k
        self.name, self.revision, self.pooling = f"kmer{k}", "1", "none"

    def encode(self, tokens: Tokens | Sequences) -> npt.NDArray[np.float32]:
        """(n) molecules → (n, 4**k) float32; see `Encoder.encode`."""
        tokens = as_tokens(tokens)
        number = _BASE_NUMBER[tokens.ids]
        starts = max(0, len(number) - self.k + 1)
        code = np.zeros(starts, dtype=np.int64)
        whole = np.ones(starts, dtype=bool)
        for step in range(self.k):
            letter = number[step : step + starts]
            code = code * 4 + letter
            whole &= letter >= 0
        molecule = np.repeat(np.arange(len(tokens)), tokens.lengths)[:starts]
        whole &= np.arange(starts) + self.k <= tokens.offsets[1:][molecule]
        cells = len(tokens) * self.width
        counts = np.bincount(molecule[whole] * self.width + code[whole], minlength=cells).reshape(
            len(tokens), self.width
        )
        return (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)
