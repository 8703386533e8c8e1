import numpy as np
import pytest

from ribospace.analysis.attention import corrected, followed, following

PAIRS = [(2, 30), (3, 29), (4, 28), (10, 20)]


def maps(rng, strength, length=40):
    """Attention that looks at its partner, as much as `strength`, above noise."""
    found = rng.random((1, 1, length, length))
    for one, other in PAIRS:
        found[..., one, other] += strength
    return found / found.sum(axis=-1, keepdims=True)


def test_attention_on_pairs_has_the_highest_precision():
    one = followed(maps(np.random.default_rng(0), 50), PAIRS)
    assert one.precision[0, 0] == one.most == 4 / 40
    assert one.chance[0, 0] < 0.05


def test_probabilities_weigh_pairs():
    found = maps(np.random.default_rng(0), 50)
    sure = followed(found, PAIRS)
    halves = followed(found, [(*pair, 0.5) for pair in PAIRS])
    assert halves.precision[0, 0] == sure.precision[0, 0] / 2
    assert halves.chance[0, 0] == sure.chance[0, 0] / 2
    assert halves.most == sure.most / 2


def test_noise_has_the_precision_of_chance():
    rng = np.random.default_rng(1)
    found = following([followed(maps(rng, 0), PAIRS) for _ in range(200)])
    assert found.precision[0, 0] == pytest.approx(found.chance[0, 0], abs=0.003)
    assert found.p[0, 0] > 0.01


def test_a_head_that_leans_to_the_pairs_distances_follows_no_structure():
    length = 40
    place = np.arange(length)
    apart = np.abs(place[:, None] - place[None])
    leaning = np.isin(apart, [28, 26, 24, 10]).astype(float)[None, None] + 1e-3
    one = followed(leaning, PAIRS)
    uniform = len(PAIRS) / sum(length - n for n in range(4, length))
    assert one.chance[0, 0] > 3 * uniform
    assert one.precision[0, 0] <= 2 * one.chance[0, 0]


def test_following_is_found_and_corrected_for_heads():
    rng = np.random.default_rng(2)
    found = following([
        followed(np.concatenate([maps(rng, 0), maps(rng, 2), maps(rng, 0)], axis=1), PAIRS) for _ in range(60)
    ])  # fmt: skip
    assert found.p[0, 1] == 0.001
    assert (found.p[0, [0, 2]] > 0.01).all()


def test_correction_takes_off_rows_and_columns():
    rng = np.random.default_rng(3)
    both = rng.random((12, 12))
    assert np.abs(corrected(both) - corrected(both.T)).max() < 1e-12
    assert np.abs(corrected(both).sum(axis=1)).max() < 1e-9


def test_without_pairs_there_is_nothing_to_follow():
    assert followed(np.ones((1, 10, 10)), []) is None
    assert followed(np.ones((1, 10, 10)), [(2, 4)]) is None
    assert followed(np.ones((1, 3, 3)), [(0, 2)]) is None
