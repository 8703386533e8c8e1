"""How well molecules are written again, and their types told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from sklearn.metrics import f1_score


def character_error_rate(written: Sequence[str], true: Sequence[str]) -> float:
    """Edit distance over true length, summed over all molecules before dividing.

    Parameters
    ----------
    written, true
        (n,) sequences.

    Returns
    -------
    float
        0 for a perfect copy; 1 and more for nonsense.

    Examples
    --------
    >>> character_error_rate(["ACG", "GG"], ["ACGU", "GG"])
    0.16666666666666666
    """
    edits = sum(Levenshtein.distance(a, b) for a, b in zip(written, true, strict=True))
    return edits / max(1, sum(map(len, true)))


def f1_scores(true: npt.NDArray[np.int64], told: npt.NDArray[np.int64]) -> dict[str, float]:
    """Micro and macro F1; the macro mean is over the classes that occur in either.

    Examples
    --------
    >>> f1_scores(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]))["micro_f1"]
    0.75
    """
    return {"micro_f1": float(np.mean(true == told)), "macro_f1": float(f1_score(true, told, average="macro"))}
