"""Additive equations: all of them, none twice, and what chance gives."""

import numpy as np
import pytest
from scipy.stats import kstest

from ribospace.analysis import joins, relations
from ribospace.analysis.chance import NULLS, benjamini_hochberg, chance, null_model
from ribospace.analysis.equations import SIGNS, angles, looked_at, question, usable
from ribospace.analysis.limits import keeping
from ribospace.analysis.longer import chance_of_sums, extend
from ribospace.analysis.relations import find, find_approximately
from ribospace.analysis.standing import standing
from ribospace.errors import UserError


def key(a, b, c, sign_b, sign_c, angular):
    """What makes an equation the same: in the exact form also a sign flip of all, and which of the three is alone."""
    if angular:
        return a, frozenset([(b, sign_b), (c, sign_c)])
    signed = [(a, 1), (b, -sign_b), (c, -sign_c)]
    return frozenset([frozenset(signed), frozenset((one, -sign) for one, sign in signed)])


def brute_force(asked):
    """Every equation and its value, by forming all sums."""
    x, values = asked.vectors, {}
    for a in asked.targets.tolist():
        for b in asked.left.tolist():
            for c in asked.right.tolist():
                rows = [np.array([one]) for one in (a, b, c)]
                if len({a, b, c}) < 3 or (asked.keep is not None and not asked.keep(*rows)[0]):
                    continue
                for sign_b, sign_c in SIGNS:
                    total = sign_b * x[b] + sign_c * x[c]
                    residual = np.linalg.norm(x[a] - total)
                    scale = np.sqrt((x[[a, b, c]] ** 2).sum())
                    by = {"residual": residual, "relative": residual / scale}
                    value = by[asked.measure] if asked.measure in by else angles(x[[a]], total[None])[0]
                    values[key(a, b, c, sign_b, sign_c, asked.angular)] = value
    return values


def as_dict(asked, found):
    columns = (found.a, found.b, found.c, found.sign_b, found.sign_c)
    rows = zip(*(one.tolist() for one in columns), strict=True)
    return {key(*row, asked.angular): value for row, value in zip(rows, found.by(asked.measure), strict=True)}


def some_question(seed, monkeypatch):
    """A small random question: any form, sets that overlap or not, blocks of a few vectors."""
    generator = np.random.default_rng(seed)
    monkeypatch.setattr(joins, "BLOCK", int(generator.choice([3, 8, 512])))
    n, width = int(generator.integers(5, 22)), int(generator.choice([2, 3, 4, 9, 40]))
    vectors = generator.normal(size=(n, width)) + generator.choice([0, 1.5])
    sets = [None if generator.random() < 0.5 else generator.choice(n, max(3, n // 2), replace=False) for _ in range(3)]
    measure = str(generator.choice(["residual", "relative", "angle"]))
    keep = (lambda a, b, c: (a + b + c) % 3 != 0) if generator.random() < 0.4 else None
    widest = {"residual": 1.5 * np.sqrt(width), "relative": 1.0, "angle": 100.0}[measure]
    limit = {"best": int(generator.integers(1, 40))} if generator.random() < 0.5 else {}
    within = {} if limit else {"within": float(generator.random() * widest)}
    return question(vectors, *sets, measure=measure, keep=keep, **limit, **within)


@pytest.mark.parametrize("seed", range(40))
def test_all_sums_give_the_same(seed, monkeypatch):
    asked = some_question(seed, monkeypatch)
    true, found = brute_force(asked), as_dict(asked, find(asked))
    if asked.keep is None:
        assert looked_at(asked).sum() == len(true)
    within = {one: value for one, value in true.items() if value <= asked.within}
    if asked.best is None:
        assert found.keys() == within.keys()
    else:
        assert len(found) == min(asked.best, len(within))
        np.testing.assert_allclose(sorted(found.values()), sorted(within.values())[: asked.best], atol=1e-12)
    for one, value in found.items():
        assert value == pytest.approx(true[one], abs=1e-9)


@pytest.mark.parametrize("width", [2, 3, 4, 10, 40, 160, 640])
@pytest.mark.parametrize("measure", ["residual", "relative", "angle"])
def test_planted_equations_are_found(width, measure):
    generator = np.random.default_rng(width)
    vectors = generator.normal(size=(3000, width))
    planted = generator.choice(3000, (5, 3), replace=False)
    signs = generator.choice([-1, 1], (5, 2))
    for (a, b, c), (sign_b, sign_c) in zip(planted, signs, strict=True):
        vectors[a] = sign_b * vectors[b] + sign_c * vectors[c]
    asked = question(vectors, planted[:, 0], measure=measure, best=40 if width > 3 else 2000)
    found = as_dict(asked, find(asked))
    for (a, b, c), (sign_b, sign_c) in zip(planted.tolist(), signs.tolist(), strict=True):
        assert found[key(a, b, c, sign_b, sign_c, asked.angular)] < 1e-5


def test_the_sorted_best_come_first_and_equal_ones_by_their_rows():
    vectors = np.array([[1.0, 0], [0, 1], [1, 1], [2, 2], [3, 3]])
    found = find(question(vectors, measure="residual", best=4))
    assert found.residual.tolist() == sorted(found.residual.tolist())
    again = find(question(vectors, measure="residual", best=4))
    assert [one.tolist() for one in (found.a, found.b, found.c)] == [
        one.tolist() for one in (again.a, again.b, again.c)
    ]


def test_points_that_coincide_are_no_trouble():
    vectors = np.repeat(np.random.default_rng(0).normal(size=(10, 2)), 30, axis=0)
    found = find(question(vectors, [0], measure="residual", best=50))
    assert len(found) == 50


def test_approximate_says_its_recall():
    vectors = np.random.default_rng(1).normal(size=(6000, 12))
    asked = question(vectors, [0, 1], measure="angle", best=300)
    found, recall, share = find_approximately(asked)
    true = find(asked)
    assert recall >= 0.95
    assert share < 1
    assert (found.angle <= true.angle.max()).mean() >= 0.9


@pytest.mark.parametrize("measure", ["residual", "angle"])
def test_the_recall_of_the_whole_answer_is_one(measure):
    """Also where targets, left and right are one set, so that an equation may be written in three ways."""
    vectors = np.random.default_rng(1).normal(size=(60, 5))
    asked = question(vectors, measure=measure, best=400)
    found = find(asked)
    assert relations._recall(asked, found, 0) == 1
    assert relations._recall(asked, found.take(slice(None, None, 2)), 0) < 0.8


def test_too_many_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(relations, "MOST", 500)
    vectors = np.random.default_rng(0).normal(size=(60, 5))
    with pytest.raises(UserError, match=r"About .* equations are within the tolerance"):
        find(question(vectors, measure="angle", within=60))


def test_what_cannot_be_asked():
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    with pytest.raises(UserError, match="needs three molecules"):
        question(vectors[:2], best=3)
    with pytest.raises(UserError, match="needs three molecules"):
        question(vectors, [0], [1], [0], best=3)
    with pytest.raises(UserError, match="Name a tolerance"):
        question(vectors)
    with pytest.raises(UserError, match="several widths"):
        question([[1.0, 2.0], [1.0]], best=1)
    with pytest.raises(UserError, match="zero, or holds NaN"):
        question(np.vstack([vectors, np.zeros(4)]), best=1)
    with pytest.raises(UserError, match="long, which single precision"):
        question(1e25 * vectors, best=1)
    assert usable(np.vstack([vectors, np.full(4, np.nan)])).tolist() == [True] * 6 + [False]


# ---------------------------------------------------------------- chance


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize(("measure", "many", "width"), [("relative", 24, 5), ("angle", 24, 5), ("angle", 40, 30)])
def test_without_structure_p_values_are_uniform(null, measure, many, width):
    """Also where molecules are hardly more than dimensions."""
    chances = []
    for seed in range(30):
        vectors = np.random.default_rng(seed).normal(size=(many, width)) * np.linspace(3, 0.5, width)
        asked = question(vectors, [0], measure=measure, best=3)
        types = ["a", "b"] * (many // 2) if many > 30 else ["a"] * many
        said = chance(asked, find(asked), null_model(null, vectors, types), 29, seed=seed)
        chances.append(said.p_best[0])
    assert kstest(chances, "uniform").pvalue > 0.01


def test_a_planted_equation_survives_and_others_do_not():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(80, 20))
    vectors[0] = vectors[1] - vectors[2]
    asked = question(vectors, [0], best=20)
    for null in NULLS:
        said = chance(asked, find(asked), null_model(null, vectors, ["a", "b"] * 40), 60)
        assert said.q[0] < 0.05
        assert said.expected[0] < 0.1
        assert said.p_best[0] == pytest.approx(1 / 61)


def test_counts_of_the_null_are_those_of_its_own_search():
    """Brute force: the pooled p of an equation is its rank in the null's own equations."""
    vectors = np.random.default_rng(3).normal(size=(15, 4))
    asked = question(vectors, [0, 1], measure="residual", within=2.0)
    found, model = find(asked), null_model("gauss", vectors, [None] * 15)
    said = chance(asked, found, model, 5, seed=9)
    draws = [np.random.default_rng(one) for one in np.random.SeedSequence(9).spawn(5)]
    nulls = [find(question(model(one), [0, 1], measure="residual", within=2.0)) for one in draws]
    assert said.counts.tolist() == [len(one) for one in nulls]
    for row in range(len(found)):
        as_good = sum(int(((one.a == found.a[row]) & (one.residual <= found.residual[row])).sum()) for one in nulls)
        assert said.expected[row] == as_good / 5
        many = looked_at(asked)[int(found.a[row])]
        assert said.p[row] == pytest.approx((1 + as_good) / (1 + 5 * many))


@pytest.mark.parametrize("null", ["rotate", "gauss"])
def test_a_null_keeps_mean_and_covariance(null):
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(4000, 3)) @ generator.normal(size=(3, 3)) + [5, 0, 0]
    drawn = null_model(null, vectors, ["a"] * 4000)(np.random.default_rng(1))
    np.testing.assert_allclose(drawn.mean(axis=0), vectors.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(vectors.T), atol=1e-9)
    assert not np.allclose(drawn, vectors)


def test_rotation_stays_within_a_type():
    vectors = np.vstack(
        [np.random.default_rng(0).normal(size=(20, 3)), np.random.default_rng(1).normal(size=(20, 3)) + 50]
    )
    drawn = null_model("rotate", vectors, ["a"] * 20 + ["b"] * 20)(np.random.default_rng(0))
    assert drawn[:20].max() < 25 < drawn[20:].min()


def test_enrichment_sees_what_was_planted():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(60, 30))
    labels = ["x"] * 30 + ["y"] * 30
    for row in range(0, 12, 3):  # equations within x
        vectors[row] = vectors[row + 1] + vectors[row + 2]
    asked = question(vectors, within=0.5)
    said = chance(asked, find(asked), null_model("gauss", vectors, labels), 40, labels={"half": labels})
    found = as_dict(asked, find(asked))
    assert all(key(row, row + 1, row + 2, 1, 1, False) in found for row in range(0, 12, 3))
    half = said.enrichment["half"]
    assert half.same >= 4
    assert half.odds_ratio > 1
    assert half.p < 0.1


def test_benjamini_hochberg_of_all_equals_scipys():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(0).random(50) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p, 50), false_discovery_control(p))


# ---------------------------------------------------------------- longer equations, limits, given ones


def test_longer_equations_are_found_and_have_a_chance():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(60, 25))
    vectors[3] = vectors[10] - vectors[11] - vectors[12] + vectors[13]
    asked = question(vectors, [3], best=200)
    found = find(asked)
    best = extend(asked, found, 4)
    assert best.members[0].tolist() == [10, 11, 12, 13]
    assert best.signs[0].tolist() == [1, -1, -1, 1]
    assert best.residual[0] < 1e-9
    total = (best.signs[:, :, None] * vectors[best.members]).sum(axis=1)
    np.testing.assert_allclose(best.angle, angles(vectors[best.a], total))
    assert len(np.unique(np.column_stack([best.a, best.members, best.signs]), axis=0)) == len(best)
    said = chance_of_sums(asked, best, len(found), null_model("gauss", vectors, [None] * 60), 19)
    assert said.p_best[0] == 0.05
    assert said.expected[0] == 0


def test_limits():
    keep = keeping(None, 1.0, {"type": ["a", "a", "a", "b", None]}, {"species": ["x", "y", "z", "x", "x"]})
    a, b, c = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]]).T
    assert keep(a, b, c).tolist() == [True, False, False]
    assert keeping() is None
    near = keeping(["ACGUACGUAC", "ACGUACGUAC", "GGGGGGGG", "UUUUUUUU"], 0.9)
    rows = np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([2, 3, 3])
    assert near(*rows).tolist() == [False, True, True]
    assert near(*rows).tolist() == [False, True, True]  # also from what is known


def test_standing_counts_all_sums():
    vectors = np.random.default_rng(2).normal(size=(9, 3))
    found = standing(vectors, 4, 1, 7, vectors)
    true = brute_force(question(vectors, [4], measure="angle", within=180.0))
    own = min(true[key(4, 1, 7, *signs, True)] for signs in SIGNS)
    assert found.best == pytest.approx(own)
    assert found.rank == 1 + sum(value < own - 1e-9 for value in true.values())
    assert found.sums == len(true)
    assert 0 <= found.share <= 1


def test_near_copies_are_found_as_by_comparing_all():
    from ribospace.analysis.limits import identities

    generator = np.random.default_rng(0)
    letters = np.array(list("ACGU"))
    sequences = []
    for _ in range(12):
        one = generator.choice(letters, generator.integers(1, 60))
        for edits in range(5):
            two = one.copy()
            two[generator.integers(len(two), size=edits)] = generator.choice(list("ACGUN"), edits)
            sequences.append("".join(np.delete(two, generator.integers(len(two), size=edits // 2))) or "A")
    keep = keeping(sequences, 0.85)
    a, b, c = generator.integers(len(sequences), size=(3, 3000))
    pairs = [identities(sequences, *pair) for pair in ((a, b), (a, c), (b, c))]
    assert keep(a, b, c).tolist() == (np.max(pairs, axis=0) <= 0.85).tolist()


@pytest.mark.parametrize("width", [2, 3, 5, 40])
@pytest.mark.parametrize(
    ("measure", "within"), [("residual", 0.0), ("residual", 1e-16), ("angle", 0.0), ("relative", 0.0)]
)
def test_exact_equations_are_found_without_a_tolerance(width, measure, within):
    """Whole numbers add up without rounding, though not in every order: what is within is what all sums give."""
    generator = np.random.default_rng(width)
    vectors = generator.integers(-20, 20, size=(60, width)).astype(float)
    vectors[:20] = vectors[20:40] - vectors[40:]
    vectors = vectors[vectors.any(axis=1)]
    asked = question(vectors, np.arange(6), measure=measure, within=within)
    true = {one for one, value in brute_force(asked).items() if value <= within}
    assert as_dict(asked, find(asked)).keys() == true
    assert true or measure == "angle"


def test_a_label_that_few_share_is_streamed(monkeypatch):
    monkeypatch.setattr(relations, "PAIRS", 500)
    vectors = np.random.default_rng(0).normal(size=(80, 2))
    keep = keeping(same={"kind": [row % 8 for row in range(80)]})
    asked = question(vectors, [0, 1], measure="residual", best=30, keep=keep)
    true = sorted(brute_force(asked).values())[:30]
    np.testing.assert_allclose(find(asked).residual, true, atol=1e-12)
