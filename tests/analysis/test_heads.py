import numpy as np
import pytest

from ribospace.analysis.head_probes import probe_heads
from ribospace.analysis.heads import HeadSpace, contrasts, head_number, profile, search, standing
from ribospace.errors import UserError


@pytest.fixture(scope="module")
def said():
    return np.random.default_rng(0).normal(2.0, 1.0, size=(60, 2, 3, 5)).astype(np.float32)


def test_a_profile_is_the_cosine_of_each_head_without_its_mean(said):
    space = HeadSpace.fit(said)
    found = profile(space.units[3], space.units[7]).reshape(2, 3)
    centred = said - said.mean(axis=0)
    for layer, head in np.ndindex(2, 3):
        one, other = centred[3, layer, head], centred[7, layer, head]
        assert found[layer, head] == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-5)


def test_a_molecule_placed_anew_is_where_it_was(said):
    space = HeadSpace.fit(said)
    np.testing.assert_allclose(space.place(said[5:8]), space.units[5:8], atol=1e-6)


@pytest.mark.parametrize("aspects", [[0], [1, 4], [5, 0, 2]])
def test_search_equals_brute_force(said, aspects):
    space = HeadSpace.fit(said)
    rows, similarity = search(space.units, space.units[9], aspects, 10)
    every = [float(np.mean(profile(space.units[9], one)[aspects])) for one in space.units]
    expected = sorted(range(len(every)), key=lambda row: -every[row])[:10]
    assert rows.tolist() == expected
    assert rows[0] == 9
    np.testing.assert_allclose(similarity, np.array(every)[expected], atol=1e-5)


def test_equally_near_molecules_come_by_row():
    units = np.ones((5, 1, 1), dtype=np.float32)
    assert search(units, units[0], [0], 3)[0].tolist() == [0, 1, 2]


def test_more_neighbours_than_molecules_are_all(said):
    space = HeadSpace.fit(said)
    assert sorted(search(space.units, space.units[0], [0], 1000)[0].tolist()) == list(range(60))


def test_random_pairs_are_as_alike_as_random_pairs(said):
    space = HeadSpace.fit(said)
    p = np.array([standing(profile(space.units[n], space.units[n + 1]), space.units, 2000) for n in range(0, 58, 2)])
    assert 0.35 < p.mean() < 0.65
    assert (standing(np.ones(6, dtype=np.float32), space.units, 2000) < 0.001).all()


def test_a_pair_that_is_close_in_one_head_and_far_in_another_is_found():
    rng = np.random.default_rng(1)
    said = rng.normal(size=(80, 1, 2, 30)).astype(np.float32)
    said[11, 0, 0], said[11, 0, 1] = said[50, 0, 0], -said[50, 0, 1]
    space = HeadSpace.fit(said)
    best, second = contrasts(space.units, 0, 1, k=2)
    assert (best.one, best.other, best.p) == (11, 50, 0.01)
    assert second.p > 0.05
    assert best.near == pytest.approx(1, abs=0.01)
    assert best.far == pytest.approx(-1, abs=0.1)


def test_probes_name_heads_only_where_the_data_carry_it():
    rng = np.random.default_rng(2)
    said, control = rng.normal(size=(300, 6, 8)), rng.normal(size=(300, 4))
    hidden = said[:, 3, 0] + 0.3 * rng.normal(size=300)
    known = control[:, 0] + 0.1 * rng.normal(size=300)
    said[:, 1, 2] = control[:, 0]  # a head that says what the composition says
    label = np.where(said[:, 5, 1] > 0.7, "rare", "common")
    label[:20] = ""
    found = {
        one.name: one
        for one in probe_heads(
            said, {"hidden": hidden, "known": known, "label": label, "noise": rng.normal(size=300)}, control
        )
    }
    assert np.flatnonzero(found["hidden"].named()).tolist() == [3]
    assert found["hidden"].scores[3] > 0.8
    assert found["known"].p[1] <= 0.05
    assert not found["known"].named().any()
    assert np.flatnonzero(found["label"].named()).tolist() == [5]
    assert found["label"].molecules == 280
    assert not found["noise"].named().any()
    assert found["noise"].chance.max() < 0.05


def test_the_median_head_is_a_head_and_no_vote_of_all():
    """Five heads that err apart are together better than the best of them, which is better than each other one."""
    rng = np.random.default_rng(0)
    label = rng.choice([-1.0, 1.0], 800)
    right = rng.random((800, 5)) < [0.72, 0.73, 0.85, 0.71, 0.74]
    said = np.where(right, label[:, None], -label[:, None])[..., None] + rng.normal(0, 0.01, (800, 5, 1))
    (seen,) = probe_heads(said, {"label": np.where(label > 0, "a", "b")}, rng.normal(size=(800, 2)), permutations=99)
    assert (right.sum(axis=1) > 2).mean() > seen.scores.max()
    assert np.flatnonzero(seen.named()).tolist() == [2]


def test_chance_is_kept_over_many_heads():
    """Of properties that no head sees, one in twenty may seem seen by some head, not more."""
    rng = np.random.default_rng(3)
    said, control = rng.normal(size=(120, 30, 4)), rng.normal(size=(120, 2))
    properties = {str(n): rng.normal(size=120) for n in range(40)}
    seen = [(one.p <= 0.05).any() for one in probe_heads(said, properties, control, permutations=99)]
    assert sum(seen) <= 6


def test_what_cannot_be_asked_is_left_out():
    said = np.zeros((50, 1, 2))
    few = np.full(50, np.nan)
    few[:10] = 1
    labels = np.array([f"label{n}" for n in range(50)])
    assert probe_heads(said, {"same": np.ones(50), "few": few, "each its own": labels}, said[:, 0]) == []


def test_mistakes_are_said(said):
    space = HeadSpace.fit(said)
    with pytest.raises(UserError, match=r"There is no head '3\.1': name it LAYER\.HEAD, from 1\.1 to 2\.3"):
        head_number("3.1", 2, 3)
    for name in ("", "1", "1.0", "0.1", "1.4", "a.b", "1.²"):
        with pytest.raises(UserError, match="There is no head"):
            head_number(name, 2, 3)
    assert [space.name(head_number(one, 2, 3)) for one in ("1.1", "2.3")] == ["1.1", "2.3"]
    with pytest.raises(UserError, match="here are 1"):
        HeadSpace.fit(said[:1])
    with pytest.raises(UserError, match="Pairs of 3 to"):
        contrasts(space.units[:2], 0, 1)


def test_a_head_that_always_says_the_same_is_like_nothing():
    space = HeadSpace.fit(np.ones((10, 1, 1, 4), dtype=np.float32))
    assert not space.units.any()
    assert all(one.p > 0.05 for one in contrasts(space.units, 0, 0))
