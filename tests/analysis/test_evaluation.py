"""Accuracy by neighbours, against a reference that is too simple to be wrong."""

from collections import Counter

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from ribospace.analysis.evaluation import near_copies, neighbour_accuracy
from ribospace.errors import UserError


def reference(vectors, labels, k, excluded):
    right = []
    for row, vector in enumerate(vectors):
        cosine = vectors @ vector / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vector)
        others = [int(o) for o in np.argsort(-cosine, kind="stable") if o != row and not excluded[row, o]][:k]
        votes = Counter(labels[other] for other in others)
        tied = [name for name, count in votes.items() if count == max(votes.values())] if votes else []
        first = next((labels[other] for other in others if labels[other] in tied), None)
        right.append(first == labels[row])
    return np.mean(right)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("share_excluded", [0.0, 0.3])
def test_equals_the_reference(k, share_excluded):
    generator = np.random.default_rng(k)
    vectors = generator.normal(size=(80, 6)).astype(np.float32)
    labels = generator.choice(["a", "b", "c"], 80).tolist()
    excluded = np.triu(generator.random((80, 80)) < share_excluded, 1)
    excluded |= excluded.T
    found = neighbour_accuracy(vectors, labels, k, excluded)
    assert found.accuracy == pytest.approx(reference(vectors, labels, k, excluded))


def test_chance_and_mean_over_labels():
    vectors = np.eye(10, dtype=np.float32) + 1
    vectors[:8] += 5 * np.eye(10, dtype=np.float32)[0]
    found = neighbour_accuracy(vectors, ["big"] * 8 + ["small"] * 2, k=1)
    assert (found.chance, found.molecules, found.labels) == (0.8, 10, 2)
    assert found.mean_over_labels == pytest.approx((1 + 2 * (found.accuracy - 0.8) / 0.4) / 2)


def test_nobody_may_vote():
    everyone = np.ones((5, 5), dtype=bool)
    assert neighbour_accuracy(np.eye(5, dtype=np.float32), list("aaaaa"), 1, everyone).accuracy == 0


def test_too_few():
    with pytest.raises(UserError, match="too few"):
        neighbour_accuracy(np.eye(3, dtype=np.float32), ["a", "b", "c"], k=3)


def test_near_copies_equal_edit_distance():
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGU"), n)) for n in generator.integers(5, 30, 20)]
    sequences += [sequences[0][:-1], sequences[3] + "A"]
    found = near_copies(sequences, 0.8)
    for i, a in enumerate(sequences):
        for j, b in enumerate(sequences):
            assert found[i, j] == (1 - Levenshtein.distance(a, b) / max(len(a), len(b)) >= 0.8)
