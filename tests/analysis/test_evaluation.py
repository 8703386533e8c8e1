"""Accuracy by neighbours, against a reference that is too simple to be wrong."""

from collections import Counter

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from ribospace.analysis.evaluation import linear_probe, near_copies, neighbour_accuracy, probe, silhouette
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


def test_a_probe_tells_what_is_linear_and_chance_what_is_not():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(300, 6)).astype(np.float32)
    told = linear_probe(vectors, np.where(vectors[:, 2] > 0, "a", "b"))
    assert told.accuracy > 0.9
    guessed = linear_probe(vectors, generator.permutation(["a"] * 150 + ["b"] * 150))
    assert 0.35 < guessed.accuracy < 0.65
    assert guessed.chance == 0.5


def test_a_kernel_tells_a_disc_from_the_ring_about_it_and_a_line_does_not():
    points = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    labels = np.where(np.linalg.norm(points, axis=1) < 1.2, "disc", "ring")
    line, kernel = (np.mean(probe(points, labels, kind=kind) == labels) for kind in ("linear", "kernel"))
    assert kernel > 0.95
    assert line < 0.7


def test_a_probe_never_learns_from_a_near_copy_of_what_it_names():
    """Pairs of equal vectors with labels at random: told by the copy, unless the pair is one group."""
    generator = np.random.default_rng(1)
    vectors = np.repeat(generator.normal(size=(60, 200)), 2, axis=0).astype(np.float32)
    labels = np.repeat(generator.permutation(["a"] * 30 + ["b"] * 30), 2)
    assert linear_probe(vectors, labels).accuracy > 0.8
    assert linear_probe(vectors, labels, [str(row // 2) for row in range(120)]).accuracy < 0.7


def test_a_probe_of_one_label_or_too_few_molecules_is_refused():
    vectors = np.zeros((10, 2), dtype=np.float32)
    for few, labels in ((vectors, ["a"] * 10), (vectors[:3], ["a", "b", "a"])):
        with pytest.raises(UserError, match="two labels"):
            linear_probe(few, labels)


def test_silhouette_equals_its_formula():
    generator = np.random.default_rng(2)
    vectors, labels = generator.normal(size=(30, 4)).astype(np.float32), np.array(list("ab" * 15))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = 1 - unit @ unit.T
    scores = []
    for row in range(30):
        same = (labels == labels[row]) & (np.arange(30) != row)
        inside, outside = distance[row, same].mean(), distance[row, labels != labels[row]].mean()
        scores.append((outside - inside) / max(inside, outside))
    assert silhouette(vectors, labels) == pytest.approx(np.mean(scores), abs=1e-5)
