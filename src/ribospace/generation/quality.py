"""Measures of a set of molecules, alone or beside another: sequences or arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from ribospace.alphabet import tokenize

Floats = npt.NDArray[np.float64]


def is_valid(sequence: str) -> bool:
    """Whether a molecule has nucleotides, and none but A C G U.

    Examples
    --------
    >>> is_valid("GAC"), is_valid(""), is_valid("GAN")
    (True, False, False)
    """
    return bool(sequence) and set(sequence) <= set("ACGU")


def uniqueness(sequences: Sequence[str]) -> float:
    """Different sequences over molecules.

    Examples
    --------
    >>> uniqueness(["GAC", "GAC", "AU", "C"])
    0.75
    """
    return len(set(sequences)) / len(sequences)


def diversity(sequences: Sequence[str], pairs: int, seed: int) -> float:
    """Mean of edit distance over longer length, of pairs drawn at random (with replacement, no molecule with itself).

    Parameters
    ----------
    sequences
        (n,) two at least.
    pairs, seed
        How many pairs, and of the draw.

    Examples
    --------
    >>> diversity(["GGGG", "CCCC"], 10, 0)
    1.0
    """
    generator = np.random.default_rng(seed)
    one = generator.integers(len(sequences), size=pairs)
    other = (one + generator.integers(1, len(sequences), size=pairs)) % len(sequences)
    return float(
        np.mean([Levenshtein.normalized_distance(sequences[a], sequences[b]) for a, b in zip(one, other, strict=True)])
    )


def kolmogorov_smirnov(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Largest difference between two samples' cumulative shares, 0 to 1: the Kolmogorov-Smirnov statistic.

    Parameters
    ----------
    one, other
        (n,) and (m,) numbers.

    Examples
    --------
    >>> kolmogorov_smirnov([1, 2, 3, 4], [1, 2, 3, 9])
    0.25
    """
    first, second = np.sort(np.asarray(one, dtype=np.float64)), np.sort(np.asarray(other, dtype=np.float64))
    both = np.concatenate([first, second])
    shares = [np.searchsorted(each, both, side="right") / len(each) for each in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def kmer_shares(sequences: Sequence[str], k: int) -> Floats:
    """(4**k,) share of each k-mer among those of all molecules, in the order of the alphabet A C G U.

    Examples
    --------
    >>> kmer_shares(["AC", "CC"], 1).tolist()
    [0.25, 0.75, 0.0, 0.0]
    """
    from ribospace.encoders.kmer import KmerEncoder

    counts = np.maximum(np.array([len(one) for one in sequences]) - k + 1, 0)
    found = KmerEncoder(k).encode(tokenize(sequences)).astype(np.float64).T @ counts
    return np.asarray(found / max(found.sum(), 1e-300), dtype=np.float64)


def jensen_shannon(one: Floats, other: Floats) -> float:
    """Jensen-Shannon divergence of two distributions in bits, 0 (the same) to 1 (nothing in common) (Lin 1991).

    Parameters
    ----------
    one, other
        (n,) shares that sum to 1.

    Examples
    --------
    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    middle = (one + other) / 2
    sums = [np.sum(each[each > 0] * np.log2(each[each > 0] / middle[each > 0])) for each in (one, other)]
    return max(0.0, float(sums[0] + sums[1]) / 2)


def gc_content(sequences: Sequence[str]) -> Floats:
    """(n,) share of G and C.

    Examples
    --------
    >>> gc_content(["GGAU"]).tolist()
    [0.5]
    """
    return np.array([(one.count("G") + one.count("C")) / len(one) for one in sequences], dtype=np.float64)


def frechet(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    """Fréchet distance of two samples as if they were normal: |m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½).

    Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X; used so by Heusel et al. 2017, arXiv 1706.08500. The last
    trace is the sum of the singular values of S1^½ S2^½, or with fewer molecules than dimensions of X1 X2ᵀ (centred,
    over n - 1), so that covariances without full rank do no harm. Two samples of one distribution are above 0, about in
    proportion to 1/n.

    Parameters
    ----------
    one, other
        (n, width) and (m, width) vectors, two of each at least.

    Examples
    --------
    >>> vectors = np.array([[0.0], [2.0]])
    >>> frechet(vectors, vectors + 3)
    9.0
    """
    first, second = one.astype(np.float64), other.astype(np.float64)
    apart = float(((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum())
    first, second = (each - each.mean(axis=0) for each in (first, second))
    first, second = (each / np.sqrt(len(each) - 1) for each in (first, second))
    traces = float((first**2).sum() + (second**2).sum())
    if min(len(first), len(second)) < first.shape[1]:
        product = first @ second.T
    else:
        product = _root(first.T @ first) @ _root(second.T @ second)
    shared = float(np.linalg.svd(product, compute_uv=False).sum())
    return max(0.0, apart + traces - 2 * shared)


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T, dtype=np.float64)


def density_coverage(
    natural: npt.NDArray[np.floating], made: npt.NDArray[np.floating], k: int = 5
) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020, arXiv 2002.09797), as the authors' code counts them.

    Around each natural molecule lies a ball that reaches to its k-th nearest other natural one. Density is how many
    balls a made molecule is in, over k: above 1 where these crowd together. Coverage is the share of balls with one in.

    Parameters
    ----------
    natural, made
        (n, width) and (m, width) vectors; more than k natural ones.
    k
        Neighbours.

    Examples
    --------
    >>> line = np.arange(20.0)[:, None]
    >>> density_coverage(line, line[:10] + 0.1, k=1)
    (2.0, 0.55)
    """
    from scipy.spatial.distance import cdist

    first, second = natural.astype(np.float64), made.astype(np.float64)
    radii = np.sort(cdist(first, first), axis=1)[:, k]  # the first is the molecule itself
    inside = cdist(first, second) < radii[:, None]
    return float(inside.sum() / (k * len(second))), float(inside.any(axis=1).mean())


def z_score(values: npt.ArrayLike, controls: Floats) -> float:
    """Mean of (value - mean of its controls) / their standard deviation; NaN where no controls differ.

    Parameters
    ----------
    values
        (n,).
    controls
        (n, k) of each; a row without variance is left out.

    Examples
    --------
    >>> z_score([3.0, 7.0], np.array([[0.0, 2.0], [7.0, 7.0]]))
    1.414213562373095
    """
    spread = controls.std(axis=1, ddof=1)
    varied = spread > 1e-9
    if not varied.any():
        return float("nan")
    scores = (np.asarray(values, dtype=np.float64) - controls.mean(axis=1))[varied] / spread[varied]
    return float(scores.mean())
