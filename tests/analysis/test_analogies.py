"""Word arithmetic: a planted structure is found, shuffled labels are not, what went in does not come out."""

import numpy as np
import pytest

from ribospace.analysis.analogies import evaluate, nearest, unit
from ribospace.errors import UserError


def planted(noise, seed=0):
    generator = np.random.default_rng(seed)
    first, second = np.repeat(list("uvwxyz"), 18), np.tile(list("pqr"), 36)
    parts = {name: generator.normal(size=12) for name in "uvwxyzpqr"}
    vectors = [parts[a] + parts[b] for a, b in zip(first, second, strict=True)]
    return np.array(vectors) + noise * generator.normal(size=(len(first), 12)), first, second


def test_planted_analogies_come_true():
    found = evaluate(*planted(0.01), questions=300, shuffles=9)
    assert found.arithmetic[0] > 0.9
    assert found.groups == 18
    assert found.shuffled[0] < 0.2
    assert found.p[0] == pytest.approx(0.1)
    assert found.only_c[0] < 0.1  # the nearest to C are of its own labels


def test_noise_is_at_chance():
    vectors, first, second = planted(0.01)
    found = evaluate(np.random.default_rng(3).normal(size=vectors.shape), first, second, questions=600, shuffles=12)
    assert abs(found.arithmetic[2] - found.shuffled[2]) < 4 * found.spread[2] + 0.02


def test_near_copies_do_not_count():
    """Molecules of one pair of labels are copies of each other, but for one of each pair, which is another's copy."""
    vectors, first, second = planted(0.01)
    generator = np.random.default_rng(0)
    sequence = {pair: "".join(generator.choice(list("ACGU"), 30)) for pair in zip(first, second, strict=True)}
    own = [sequence[pair] for pair in zip(first, second, strict=True)]
    assert evaluate(vectors, first, second, own, questions=200, shuffles=0).arithmetic[0] > 0.9
    same = ["ACGUACGU"] * len(first)
    assert evaluate(vectors, first, second, same, questions=200, shuffles=0).arithmetic.tolist() == [0, 0, 0]


def test_nearest_is_brute_force_without_what_is_excluded():
    generator = np.random.default_rng(1)
    vectors, points = unit(generator.normal(size=(50, 6))), generator.normal(size=(7, 6))
    barred = [[row, row + 1] for row in range(7)]
    rows, far = nearest(vectors, points, barred, 10)
    distance = 1 - unit(points) @ vectors.T
    for row in range(7):
        order = [one for one in np.argsort(distance[row], kind="stable") if one not in barred[row]]
        assert rows[row].tolist() == order[:10]
        np.testing.assert_allclose(far[row], distance[row, order[:10]])
    rows, _ = nearest(vectors[:3], points[:1], [[0, 1]], 10)
    assert (rows >= 0).sum() == 1


def test_no_question():
    with pytest.raises(UserError, match="No analogy can be asked"):
        evaluate(np.eye(4), list("aabb"), list("pppp"))
