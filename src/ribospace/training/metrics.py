"""How well a molecule is written again."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein


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
