"""Judges of type that no generator has seen: a regression on k-mers, or a classifier that was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import tokenize
from ribospace.errors import UserError

LEAST, MOST = 20, 1000  # molecules of a type that are learned from


class Namer(Protocol):
    """Names the types of molecules.

    Attributes
    ----------
    classes
        The types that it knows.
    """

    classes: list[str]

    def name(self, sequences: Sequence[str]) -> list[str]:
        """(n,) the likeliest type of each molecule."""


class KmerNamer:
    """A multinomial logistic regression, balanced by type, on shares of 1- to 4-mers and the logarithm of the length.

    Parameters
    ----------
    sequences, types
        (n,) natural molecules; those of types with fewer than 20 are left out, at most 1,000 of a type are drawn.
    seed
        Of the draw.

    Raises
    ------
    UserError
        If there are not two types.
    """

    def __init__(self, sequences: Sequence[str], types: Sequence[str], seed: int = 0) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        names, label, many = np.unique(np.asarray(types, dtype=str), return_inverse=True, return_counts=True)
        kept = [number for number, name in enumerate(names.tolist()) if name and many[number] >= LEAST]
        if len(kept) < 2:
            raise UserError(
                f"A classifier needs two types with {LEAST} molecules each; there are {len(kept)}. Give --classifier."
            )
        generator = np.random.default_rng(seed)
        drawn = [generator.permutation(np.flatnonzero(label == number))[:MOST] for number in kept]
        rows = np.sort(np.concatenate(drawn))
        self.classes = [str(names[number]) for number in kept]
        regression = LogisticRegression(C=0.1, class_weight="balanced", max_iter=100)
        self.regression = make_pipeline(StandardScaler(), regression)
        self.regression.fit(_features([sequences[row] for row in rows]), names[label[rows]])

    def name(self, sequences: Sequence[str]) -> list[str]:
        """(n,) the likeliest type of each molecule."""
        if not len(sequences):
            return []
        return [str(one) for one in self.regression.predict(_features(sequences))]


def _features(sequences: Sequence[str]) -> npt.NDArray[np.float32]:
    from ribospace.encoders.kmer import KmerEncoder

    tokens = tokenize(sequences)
    shares = [KmerEncoder(k).encode(tokens) for k in range(1, 5)]
    return np.hstack([*shares, np.log(np.maximum(tokens.lengths, 1))[:, None]]).astype(np.float32)


class TrainedNamer:
    """A model with classes that `ribospace train` wrote; what is longer than its window is named by all its windows.

    Parameters
    ----------
    folder
        Of the model.

    Raises
    ------
    UserError
        If there is no model, or it tells no types apart.
    """

    def __init__(self, folder: Path | str) -> None:
        from ribospace.models import checkpoint
        from ribospace.models.autoencoder import Autoencoder

        found = checkpoint.load(folder)
        classes = getattr(found.model.config, "classes", ())
        if not isinstance(found.model, Autoencoder) or not classes:
            raise UserError(f"{folder} tells no types apart. Train a classifier: ribospace train classifier")
        self.model, self.revision, self.classes = found.model, found.revision, list(classes)

    def name(self, sequences: Sequence[str]) -> list[str]:
        """(n,) the likeliest type of each molecule."""
        import torch

        from ribospace.batching import cut_windows, pool_windows
        from ribospace.training.data import Examples
        from ribospace.training.objectives import NO_CLASS
        from ribospace.training.validation import batches_of

        window = self.model.config.window
        tokens, owner = cut_windows(tokenize(sequences), window, window // 4)
        shares = np.zeros((len(tokens), len(self.classes)), dtype=np.float32)
        with torch.inference_mode():
            for rows, batch in batches_of(self.model, Examples(tokens, np.full(len(tokens), NO_CLASS))):
                logits = self.model.classify(self.model.encode(batch.tokens), batch.tokens)
                shares[rows] = logits.float().softmax(dim=-1).cpu().numpy()
        pooled = pool_windows(shares, tokens.lengths, owner, len(sequences))
        return [self.classes[number] for number in pooled.argmax(axis=1).tolist()]
