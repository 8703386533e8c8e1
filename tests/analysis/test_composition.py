"""A cluster against its background: Fisher's test, intervals, names."""

import numpy as np
import pytest
from scipy.stats import fisher_exact, kstest

from ribospace.analysis.composition import composition, isotypes, length_classes, wilson
from ribospace.errors import UserError


def test_counts_shares_and_tests():
    generator = np.random.default_rng(0)
    labels = generator.choice(["Gly", "Ala", "Val", ""], 400).tolist()
    inside = generator.random(400) < 0.3
    found = composition(labels, inside)
    known = np.array(labels) != ""
    assert found.unknown == ((~known & inside).sum(), (~known & ~inside).sum())
    assert found.cluster.sum() == (known & inside).sum()
    for row, name in enumerate(found.values):
        a, c = ((np.array(labels) == name) & side for side in (inside, ~inside))
        table = [[a.sum(), (known & inside).sum() - a.sum()], [c.sum(), (known & ~inside).sum() - c.sum()]]
        assert found.p[row] == pytest.approx(fisher_exact(table).pvalue)
        assert found.low[row] <= found.shares[row] <= found.high[row]
    assert (found.q >= found.p).all()


def test_shuffled_labels_give_uniform_p():
    """One value a shuffle, of many molecules, so that the test is nearly continuous."""
    chances = []
    for seed in range(120):
        generator = np.random.default_rng(seed)
        labels = generator.permutation(["a"] * 900 + ["b"] * 1100).tolist()
        chances.append(composition(labels, np.arange(2000) < 700, ["a"]).p[0])
    assert kstest(chances, "uniform").pvalue > 0.01


def test_wilson_covers():
    generator = np.random.default_rng(1)
    low, high = wilson(generator.binomial(60, 0.2, 4000), 60)
    assert 0.93 < ((low <= 0.2) & (high >= 0.2)).mean() < 0.975


def test_names():
    assert isotypes(["Ile2", "iMet", "SeC", "Sup", ""]) == ["Ile", "Met", "Sec", "OTHER", None]
    assert length_classes([0, 49, 50, 999, 1000]) == ["0-49", "0-49", "50-59", "500-999", "1000-"]


def test_no_background():
    with pytest.raises(UserError, match="no background"):
        composition(["a", "b"], np.array([True, True]))
