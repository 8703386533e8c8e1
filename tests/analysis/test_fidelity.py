"""What a reduction keeps: laws, brute force and a peer."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from ribospace.analysis.fidelity import distances, fidelity, sums
from ribospace.errors import UserError


@pytest.fixture(scope="module")
def spaces():
    generator = np.random.default_rng(1)
    x = generator.normal(size=(160, 10))
    return x, x[:, :2] + 0.1 * generator.normal(size=(160, 2))


def test_trustworthiness_and_continuity_equal_their_peer(spaces):
    x, y = spaces
    found = fidelity(x, y, ks=(5, 12, 30))
    assert found.trustworthiness == pytest.approx(trustworthiness(x, y, n_neighbors=12), abs=1e-9)
    assert found.continuity == pytest.approx(trustworthiness(y, x, n_neighbors=12), abs=1e-9)


def test_neighbours_kept_equal_brute_force(spaces):
    x, y = spaces
    near_x, near_y = (np.argsort(distances(one), axis=1)[:, 1:6] for one in (x, y))
    shared = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(near_x, near_y, strict=True)])
    assert fidelity(x, y, ks=(5,)).kept[5] == pytest.approx(shared)


def test_turned_moved_and_scaled_is_the_same(spaces):
    x, _ = spaces
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(10, 10)))
    found = fidelity(x, 3 * x @ turn)
    assert (found.trustworthiness, found.continuity, found.kept[15]) == (1, 1, 1)
    assert found.distances == pytest.approx(1)
    assert found.angle == pytest.approx(0, abs=1e-4)
    assert (found.sums_kept, found.sums_true) == (1, 1)
    moved = fidelity(x, x + 50)
    assert moved.kept[15] == 1
    assert (moved.sums_kept, moved.sums_true) == (1, 1)


def test_chance_is_what_the_docstring_says():
    generator = np.random.default_rng(3)
    found = fidelity(generator.normal(size=(300, 8)), generator.normal(size=(300, 3)), most=300)
    assert found.trustworthiness == pytest.approx(0.5, abs=0.05)
    assert found.kept[15] == pytest.approx(15 / 299, abs=0.02)
    assert found.distances == pytest.approx(0, abs=0.05)
    assert found.sums_kept == pytest.approx(0.01, abs=0.03)


def test_sums_outlive_a_linear_map_and_not_another_order():
    generator = np.random.default_rng(4)
    x = generator.normal(size=(40, 6))
    linear = sums(x, x @ generator.normal(size=(6, 6)))
    other = sums(x, generator.permutation(x))
    assert sums(x, x) == (1, 1)
    assert min(linear) > 0.2 > max(other)


def test_too_few_molecules_are_refused(spaces):
    x, y = spaces
    with pytest.raises(UserError, match="too few"):
        fidelity(x[:20], y[:20])
