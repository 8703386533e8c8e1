"""Batches of molecules of like length under a token budget, and windows of molecules that are too long for a model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import Tokens, offsets_of

GROUP = 100  # batches; the more, the less padding, and the more alike in length are molecules of one batch


def token_budget_batches(
    lengths: npt.NDArray[np.int64], budget: int, generator: np.random.Generator | None = None
) -> list[npt.NDArray[np.int64]]:
    """Group molecules by length so that no batch, padded, exceeds the budget.

    Parameters
    ----------
    lengths
        (n,) tokens of each molecule.
    budget
        Most tokens in a padded batch; a longer molecule is a batch of its own.
    generator
        With it, the order is random: molecules are dealt to groups of about a hundred batches, of like length within a
        group; without, longest first.

    Returns
    -------
    list of ndarray
        Row numbers, int64; every row once.

    Examples
    --------
    >>> token_budget_batches(np.array([3, 9, 4]), 8)
    [array([1]), array([2, 0])]
    """
    if generator is None:
        return _filled(np.argsort(-lengths, kind="stable"), lengths, budget)
    order = generator.permutation(len(lengths))
    groups = np.array_split(order, max(1, round(int(lengths.sum()) / (budget * GROUP))))
    batches = [batch for rows in groups for batch in _filled(rows[np.argsort(-lengths[rows])], lengths, budget)]
    return [batches[number] for number in generator.permutation(len(batches))]


def _filled(order: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], budget: int) -> list[npt.NDArray[np.int64]]:
    """Batches of rows in this order, the longest first, as large as the budget allows."""
    batches, start = [], 0
    while start < len(order):
        rows = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def cut_windows(tokens: Tokens, window: int, overlap: int) -> tuple[Tokens, npt.NDArray[np.int64]]:
    """Cut molecules longer than a window into overlapping windows of that length, evenly laid; others stay whole.

    Parameters
    ----------
    tokens
        (n) molecules.
    window
        Most nucleotides in a window, nt.
    overlap
        Least nucleotides that neighbouring windows share, nt.

    Returns
    -------
    windows : Tokens
        (m) windows, m ≥ n, in the molecules' order.
    molecule : ndarray
        (m,) int64, which molecule a window is from.

    Examples
    --------
    >>> from ribospace.alphabet import detokenize, tokenize
    >>> windows, molecule = cut_windows(tokenize(["ACGUA", "GG"]), window=3, overlap=1)
    >>> detokenize(windows), molecule.tolist()
    (['ACG', 'GUA', 'GG'], [0, 0, 1])
    """
    lengths = tokens.lengths
    if not (lengths > window).any():
        return tokens, np.arange(len(tokens))
    counts = np.where(lengths > window, -(-(lengths - overlap) // (window - overlap)), 1)
    molecule = np.repeat(np.arange(len(tokens)), counts)
    number = np.arange(len(molecule)) - np.repeat(np.cumsum(counts) - counts, counts)
    room = np.maximum(lengths - window, 0)[molecule]
    starts = tokens.offsets[molecule] + room * number // np.maximum(counts[molecule] - 1, 1)
    cut = np.minimum(lengths[molecule], window)
    offsets = offsets_of(cut)
    index = np.repeat(starts - offsets[:-1], cut) + np.arange(offsets[-1])
    return Tokens(tokens.ids[index], offsets), molecule
