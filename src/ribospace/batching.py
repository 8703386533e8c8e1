"""Batches of molecules of like length under a token budget, and windows of molecules that are too long for a model."""

from __future__ import annotations

from collections.abc import Sequence

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
    starts = tokens.offsets[molecule] + _starts(room, number, counts[molecule])
    cut = np.minimum(lengths[molecule], window)
    offsets = offsets_of(cut)
    index = np.repeat(starts - offsets[:-1], cut) + np.arange(offsets[-1])
    return Tokens(tokens.ids[index], offsets), molecule


def stitch_windows(parts: Sequence[npt.NDArray[np.float32]], length: int) -> npt.NDArray[np.float32]:
    """Put the token embeddings of a molecule's windows together again; where windows overlap, theirs are averaged.

    Parameters
    ----------
    parts
        (window, D) of each window that `cut_windows` made of the molecule, in order.
    length
        Of the molecule, nt.

    Returns
    -------
    ndarray
        (length, D) float32.

    Examples
    --------
    >>> stitch_windows([np.float32([[1], [2], [3]]), np.float32([[5], [6], [7]])], length=5).ravel().tolist()
    [1.0, 2.0, 4.0, 6.0, 7.0]
    """
    if len(parts) == 1:
        return parts[0]
    window, width = parts[0].shape
    sums, times = np.zeros((length, width), dtype=np.float32), np.zeros((length, 1), dtype=np.float32)
    for start, part in zip(_starts(length - window, np.arange(len(parts)), len(parts)), parts, strict=True):
        sums[start : start + window] += part
        times[start : start + window] += 1
    return sums / times


def _starts(
    room: npt.NDArray[np.int64] | int, number: npt.NDArray[np.int64], counts: npt.NDArray[np.int64] | int
) -> npt.NDArray[np.int64]:
    """Where in a molecule its windows begin, evenly laid over the room that one of them leaves."""
    return room * number // np.maximum(np.asarray(counts) - 1, 1)


def pool_windows(
    vectors: npt.NDArray[np.float32],
    lengths: npt.NDArray[np.int64],
    molecule: npt.NDArray[np.int64],
    molecules: int,
) -> npt.NDArray[np.float32]:
    """Average windows' vectors by molecule, weighted by length.

    Parameters
    ----------
    vectors
        (m, D) of the windows that `cut_windows` made.
    lengths
        (m,) of the windows, nt.
    molecule
        (m,) which molecule a window is from.
    molecules
        n.

    Returns
    -------
    ndarray
        (n, D) float32.

    Examples
    --------
    >>> pool_windows(np.float32([[1], [4], [7]]), np.array([1, 2, 9]), np.array([0, 0, 1]), 2).ravel().tolist()
    [3.0, 7.0]
    """
    if len(vectors) == molecules:
        return vectors
    sums = np.zeros((molecules, vectors.shape[1]))
    np.add.at(sums, molecule, vectors * lengths[:, None].astype(np.float64))
    return (sums / np.bincount(molecule, lengths)[:, None]).astype(np.float32)
