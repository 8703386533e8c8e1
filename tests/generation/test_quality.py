"""Measures against brute force, scipy and known values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.generation import quality

NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=40)


@given(NUMBERS, NUMBERS)
def test_kolmogorov_smirnov_is_scipys(one, other):
    from scipy.stats import ks_2samp

    assert quality.kolmogorov_smirnov(one, other) == pytest.approx(ks_2samp(one, other, method="asymp").statistic)


def test_jensen_shannon_and_kmers():
    from scipy.spatial.distance import jensenshannon

    one, other = (quality.kmer_shares(some, 3) for some in (["GGACUUCGGUCC", "AAACG"], ["ACGUACGU", "CC"]))
    assert one.sum() == pytest.approx(1)
    assert one[int("".join(str("ACGU".index(x)) for x in "GGA"), 4)] == pytest.approx(1 / 13)
    assert quality.jensen_shannon(one, other) == pytest.approx(jensenshannon(one, other, base=2) ** 2)
    assert quality.jensen_shannon(one, one) == 0
    apart = [quality.kmer_shares(some, 3) for some in (["AAAACCCC"], ["GGGGUUUU"])]
    assert quality.jensen_shannon(*apart) == pytest.approx(1)
    assert quality.kmer_shares(["AC"], 3).sum() == 0


@pytest.mark.parametrize(("n", "width"), [(200, 4), (20, 60)])
def test_frechet(n, width):
    from scipy.linalg import sqrtm

    generator = np.random.default_rng(n)
    one, other = generator.normal(size=(n, width)), 2 * generator.normal(size=(n + 5, width)) + 1
    assert quality.frechet(one, one) == pytest.approx(0, abs=1e-9)
    assert quality.frechet(one, one + 2) == pytest.approx(4 * width)
    covariances = np.cov(one.T), np.cov(other.T)
    root = sqrtm(covariances[0] @ covariances[1]).real
    apart = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    known = apart + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert quality.frechet(one, other) == pytest.approx(known, rel=1e-3)
    assert quality.frechet(other, one) == pytest.approx(quality.frechet(one, other))


def test_frechet_of_known_normals():
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(40_000, 2)), generator.normal(size=(40_000, 2)) * [3, 1] + [1, 0]
    assert quality.frechet(one, other) == pytest.approx(1 + (3 - 1) ** 2, abs=0.1)


def test_density_and_coverage_by_brute_force():
    generator = np.random.default_rng(0)
    natural, made, k = generator.normal(size=(30, 3)), generator.normal(size=(25, 3)) + 0.5, 5
    inside = np.zeros((30, 25), dtype=bool)
    for i, one in enumerate(natural):
        others = sorted(np.linalg.norm(one - other) for j, other in enumerate(natural) if j != i)
        inside[i] = [np.linalg.norm(one - other) < others[k - 1] for other in made]
    density, coverage = quality.density_coverage(natural, made, k)
    assert density == pytest.approx(inside.sum() / (k * 25))
    assert coverage == pytest.approx(sum(row.any() for row in inside) / 30)


def test_diversity_is_that_of_all_pairs_and_of_the_seed():
    from rapidfuzz.distance import Levenshtein

    some = ["GGAC", "GGACUU", "AAAA", "CG"]
    pairs = [Levenshtein.distance(a, b) / max(len(a), len(b)) for a in some for b in some if a is not b]
    assert quality.diversity(some, 20_000, 0) == pytest.approx(np.mean(pairs), abs=0.01)
    assert quality.diversity(some, 50, 3) == quality.diversity(some, 50, 3)


def test_z_score_without_variance():
    assert np.isnan(quality.z_score([1.0], np.array([[2.0, 2.0]])))
