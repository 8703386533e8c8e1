"""Representations held against labels, sequences and structures: known answers, brute force, chance."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from ribospace.analysis.comparison import (
    Interval,
    _scores,
    average_precision,
    chance_of,
    leiden,
    measure,
    truth_of,
)
from ribospace.errors import UserError


def molecules(n=80, seed=0, length=40):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list("ACGU"), length)) for _ in range(n)]


def labelled(n=80, seed=0):
    """Four labels, and vectors that know them, next to those that do not."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(list("abcd"), n)
    centers = generator.normal(size=(4, 6))
    knowing = centers[np.searchsorted(list("abcd"), labels)] + 0.1 * generator.normal(size=(n, 6))
    return labels.tolist(), knowing.astype(np.float32), generator.normal(size=(n, 6)).astype(np.float32)


def test_what_knows_the_labels_and_what_does_not():
    labels, knowing, ignorant = labelled()
    truth = truth_of(molecules(), labels, None)
    best, none, chance = measure(knowing, truth), measure(ignorant, truth), chance_of(truth)
    assert best.neighbours == best.neighbours_apart == best.probe.value == best.retrieval == 1
    assert best.ari > 0.9
    assert best.silhouette > 0.5
    assert abs(none.neighbours - 0.25) < 0.15
    assert abs(none.ari) < 0.1
    assert abs(none.retrieval - chance.retrieval) < 0.1
    assert abs(none.edits) < 0.1
    assert none.probe.low <= none.probe.value <= none.probe.high


def test_retrieval_is_scikit_learns_average_precision():
    labels, _, ignorant = labelled(40, 1)
    similarity = ignorant @ ignorant.T
    known, expected = np.array(labels), []
    for row in range(40):
        others = np.arange(40) != row
        expected.append(average_precision_score(known[others] == known[row], similarity[row][others]))
    np.testing.assert_allclose(average_precision(similarity, known), np.mean(expected), rtol=1e-6)


def test_a_label_that_is_alone_asks_for_nothing():
    similarity = np.eye(3, dtype=np.float32)
    similarity[0, 1] = similarity[1, 0] = 0.5
    assert average_precision(similarity, np.array(["a", "a", "b"])) == 1


def test_scores_are_scikit_learns():
    generator = np.random.default_rng(0)
    true, told = generator.integers(0, 4, 60), generator.integers(0, 4, 60)
    accuracy, macro = _scores(true, told, np.ones(60), 4)
    assert accuracy == pytest.approx((true == told).mean())
    assert macro == pytest.approx(f1_score(true, told, average="macro"))
    weights = generator.integers(0, 3, 60).astype(float)
    rows = np.repeat(np.arange(60), weights.astype(int))
    again = _scores(true[rows], told[rows], np.ones(len(rows)), 4)
    assert _scores(true, told, weights, 4) == pytest.approx(again)


def test_intervals_are_wider_where_molecules_hang_together():
    labels, knowing, _ = labelled(160, 3)
    vectors = knowing + np.random.default_rng(0).normal(size=knowing.shape).astype(np.float32)
    sequences = molecules(160)
    alone = measure(vectors, truth_of(sequences, labels, [str(one) for one in range(160)]))
    together = measure(vectors, truth_of(sequences, labels, [f"{label}{one % 2}" for one, label in enumerate(labels)]))
    width = [one.probe.high - one.probe.low for one in (alone, together)]
    assert 0 < width[0] < width[1]
    assert isinstance(alone.macro_f1, Interval)


def test_clusters_may_not_vote_for_themselves():
    """Pairs of near copies name each other; without them nothing is known."""
    generator = np.random.default_rng(0)
    halves = molecules(40)
    sequences = [one for half in halves for one in (half, half[:-1] + "A")]
    vectors = np.repeat(generator.normal(size=(40, 8)), 2, axis=0).astype(np.float32)
    labels = np.repeat(generator.choice(["a", "b"], 40), 2).tolist()
    truth = truth_of(sequences, labels, None)
    assert len(np.unique(truth.clusters)) == 40
    found = measure(vectors, truth)
    assert found.neighbours_apart < 0.75 < found.retrieval + 0.5


def test_distances_of_sequences_and_structures():
    pytest.importorskip("RNA", reason="ViennaRNA is not installed: pip install 'ribospace[structure]'")
    hairpins = ["G" * n + "AAAA" + "C" * n for n in range(6, 18)]
    sequences = hairpins + molecules(20, length=30)
    labels = ["hairpin"] * 12 + ["other"] * 20
    truth = truth_of(sequences, labels, None)
    assert truth.structures is not None
    lengths = np.array([[len(one), 0] for one in sequences], dtype=np.float32)
    folded = np.array([[one.count("G") == one.count("C"), 1] for one in sequences], dtype=np.float32) + lengths * 1e-3
    found = measure(folded, truth)
    assert found.structures is not None
    assert found.structures > 0.3


def test_leiden_finds_what_is_apart_and_the_same_each_time():
    generator = np.random.default_rng(0)
    centers = np.repeat(np.eye(3), 30, axis=0)
    vectors = (centers + 0.05 * generator.normal(size=(90, 3))).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = leiden(unit @ unit.T, seed=3)
    assert len({tuple(set(found[start : start + 30].tolist())) for start in (0, 30, 60)}) == 3
    np.testing.assert_array_equal(found, leiden(unit @ unit.T, seed=3))


def test_what_cannot_be_compared():
    with pytest.raises(UserError, match="5 molecules are too few"):
        truth_of(molecules(5), list("abcde"), None)
    with pytest.raises(UserError, match="nothing to tell apart: all molecules have the label 'a'"):
        truth_of(molecules(30), ["a"] * 30, None)
    truth = truth_of(molecules(30), ["a", "b"] * 15, None)
    with pytest.raises(UserError, match="NaN"):
        measure(np.full((30, 2), np.nan, dtype=np.float32), truth)


def test_one_seed_one_result():
    labels, knowing, _ = labelled()
    truth = truth_of(molecules(), labels, None, seed=4)
    assert measure(knowing, truth, seed=1) == measure(knowing, truth_of(molecules(), labels, None, seed=4), seed=1)
