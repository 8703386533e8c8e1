"""Rewards: their slopes are those of finite differences, they mean what was written, what cannot be is refused."""

import contextlib
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from ribospace.analysis.folding import fold
from ribospace.errors import UserError
from ribospace.generation import rewards
from ribospace.generation.rewards import Learned, Reward, RewardFamily, Wish, find_reward, parse, weighted
from ribospace.models import checkpoint
from ribospace.models.surrogate import Surrogate, SurrogateConfig

K, D, WINDOW = 4, 8, 14
HAIRPIN = "((((....))))"
SEQUENCES = ["GGGGAAAACCCC", "AUAUAUAU", "", "GGGAAAUCCN"]


@pytest.fixture(scope="module")
def surrogate():
    """Random, in float64, with a natural spread of its own."""
    torch.manual_seed(0)
    config = SurrogateConfig(
        "r1",
        K,
        D,
        WINDOW,
        16,
        2,
        2,
        ("mfe", "gc", "length"),
        ("kcal/mol per nt", "share", "nt"),
        ("rRNA", "tRNA"),
        True,
    )
    model = Surrogate(config).double().eval().requires_grad_(False)
    model.center.copy_(torch.tensor([-0.3, 0.5, 90.0]))
    model.scale.copy_(torch.tensor([0.1, 0.08, 40.0]))
    model.class_natural.copy_(torch.tensor([[-2.0, -1.0], [3.0, 0.5]]))
    model.sign_center.fill_(-1.2)
    model.sign_spread.normal_()
    return model


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(1)
    model = Surrogate(SurrogateConfig("r1", K, D, WINDOW, 16, 2, 1, ("loading",), ("ribosomes",)))
    checkpoint.save(model, tmp_path / "mrl", "mrl", {})
    return str(tmp_path / "mrl")


def differences(loss, x, step=1e-6):
    """The slope by finite differences, number by number."""
    found = torch.zeros_like(x)
    for place in np.ndindex(*x.shape):
        ahead, behind = x.clone(), x.clone()
        ahead[place] += step
        behind[place] -= step
        found[place] = (loss(ahead) - loss(behind)).sum() / (2 * step)
    return found


ALL = ["mfe", "mfe:-2", "gc", "gc=0.6", "gc:-1", "length=75:0.5", "type=tRNA", "type=rRNA:-1", f"structure={HAIRPIN}:2"]


@pytest.mark.parametrize("text", ALL)
def test_slopes_are_those_of_finite_differences(surrogate, text):
    """Through the normalisation, as a sampler takes them."""
    reward = find_reward(text, surrogate)
    x = torch.randn(2, K, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)

    def loss(x):
        return reward.loss(F.layer_norm(x, (D,)))

    (slope,) = torch.autograd.grad(loss(x).sum(), x)
    assert slope.abs().max() > 1e-4
    torch.testing.assert_close(slope, differences(loss, x.detach()), atol=1e-8, rtol=1e-6)


def test_the_slope_of_a_learned_one(folder):
    reward = find_reward(f"{folder}:3")
    reward.surrogate.double()
    x = torch.randn(1, K, D, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(weighted([reward])(x).sum(), x)
    torch.testing.assert_close(slope, differences(weighted([reward]), x.detach()), atol=1e-8, rtol=1e-6)
    assert isinstance(reward, Learned)
    assert (reward.name, reward.unit, reward.weight, reward.exact(SEQUENCES)) == ("loading", "ribosomes", 3, None)
    assert (reward.deviation(x) > 0).all()


def test_losses_are_in_natural_standard_deviations(surrogate):
    latents = torch.randn(5, K, D, dtype=torch.float64)
    told = surrogate(latents)
    standard = (told.mean - surrogate.center) / surrogate.scale
    expected = {
        "mfe": standard[:, 0], "mfe:-3": -standard[:, 0], "gc": -standard[:, 1], "gc:-1": standard[:, 1],
        "gc=0.58": (standard[:, 1] - 1) ** 2 / 2, "length=50": (standard[:, 2] + 1) ** 2 / 2,
        "type=tRNA": -(told.classes[:, 1] + 1) / 0.5, "type=rRNA:-2": (told.classes[:, 0] + 2) / 3,
    }  # fmt: skip
    for text, loss in expected.items():
        torch.testing.assert_close(find_reward(text, surrogate).loss(latents), loss, atol=1e-6, rtol=1e-6)
    several = [find_reward(text, surrogate) for text in ("mfe:-3", "gc", "gc=0.58:0.5")]
    total = 3 * expected["mfe:-3"] + expected["gc"] + 0.5 * expected["gc=0.58"]
    torch.testing.assert_close(weighted(several)(latents), total, atol=1e-6, rtol=1e-6)
    assert weighted([])(latents).tolist() == [0.0] * 5


def test_a_surrogate_that_rewards_share_is_asked_once(surrogate):
    latents, asked = torch.randn(2, K, D, dtype=torch.float64), []
    several = [find_reward(text, surrogate) for text in ("mfe", "gc=0.6", "type=tRNA:2", "structure=(...)")]
    expected = sum(one.weight * one.loss(latents) for one in several) + 3 * Bright(Wish("b"), "b", "", (0, 1)).loss(
        latents
    )
    hook = surrogate.register_forward_hook(lambda *_: asked.append(1))
    total = weighted([*several, Bright(Wish("b", "", 3), "b", "", (0, 1))])(latents)
    hook.remove()
    torch.testing.assert_close(total, expected)
    assert len(asked) == 1


def test_a_structure_is_likely_where_its_signs_are(surrogate):
    latents = torch.randn(3, K, D, dtype=torch.float64)
    signs = surrogate(latents).signs.numpy()
    own = [np.mean([one[place, ".()".index(sign)] for place, sign in enumerate(HAIRPIN)]) for one in signs]
    behind = signs[:, len(HAIRPIN) :, 3].mean(axis=1)
    reward = find_reward(f"structure={HAIRPIN}", surrogate)
    np.testing.assert_allclose(reward.predicted(latents), own + behind, rtol=1e-6)
    assert reward.natural[0] == pytest.approx(-2.4, rel=1e-5)


def test_exact_properties_are_computed_from_the_sequence(surrogate):
    found = {text: find_reward(text, surrogate).exact(SEQUENCES) for text in ("mfe", "gc", "length", "type=tRNA")}
    energies = [fold(one).energy / len(one) if one else np.nan for one in SEQUENCES]
    np.testing.assert_array_equal(found["mfe"], energies)
    np.testing.assert_allclose(found["gc"], [8 / 12, 0, np.nan, 5 / 9])
    np.testing.assert_array_equal(found["length"], [12, 8, np.nan, 10])
    assert found["type=tRNA"] is None
    reward = find_reward(f"structure={HAIRPIN}", surrogate)
    np.testing.assert_array_equal(reward.exact(SEQUENCES[:3]), [1, 0, np.nan])
    assert reward.exact_unit == "F1 of base pairs"


def test_without_viennarna_nothing_is_folded(surrogate, monkeypatch):
    monkeypatch.setattr("ribospace.generation.builtin.installed", lambda: False)
    assert find_reward("mfe", surrogate).exact(SEQUENCES) is None
    assert find_reward("structure=(...)", surrogate).exact(SEQUENCES) is None
    assert find_reward("gc", surrogate).exact(SEQUENCES) is not None


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,12}", fullmatch=True)
targets = st.one_of(st.just(""), names, st.text("(.)", min_size=1), st.floats(-1e6, 1e6).map(repr))
weights = st.one_of(st.just(1.0), st.floats(1e-6, 1e6), st.floats(-1e6, -1e-6))


@given(names, targets, weights)
def test_what_is_written_is_read(name, target, weight):
    wish = Wish(name, target, weight)
    assert parse(str(wish)) == wish


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(UserError):
        assert parse(text).name


@pytest.mark.parametrize("name", ["mrl", "a:2", "a=b", "a=b:3"])
def test_a_folder_may_be_called_anything(tmp_path, name):
    place = tmp_path / name
    place.mkdir()
    for target, weight in (("", 1.0), ("5.5", 1.0), ("", -2.0), ("-5", 3.0)):
        wish = Wish(str(place), target, weight)
        assert parse(str(wish)) == wish


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no name"),
        ("=3", "no name"),
        ("gc=", "no target behind ="),
        ("gc:", "weight '' .* is no number"),
        ("gc:much", "weight 'much' .* is no number"),
        ("gc:nan", "weight 'nan' .* is no number"),
        ("gc:0", "is 0. Give a number other than 0"),
        ("gc:1e999", "is inf"),
        ("gc=high", "target 'high' .* is no number"),
        ("gc=1e999", "too large"),
        ("gc=60", "not possible: it is from 0 to 1"),
        ("length=-3", "not possible: it is 1 at least"),
        ("mfe=3", "it is 0 at most"),
        ("gc=0.5:-1", "a target and a negative weight"),
        ("mfee", "no reward 'mfee', and no folder. Did you mean mfe"),
        ("no/such/folder", "no folder of a reward at no/such/folder"),
        ("type", "needs the name of one"),
        ("type=tRAN", "never saw the type 'tRAN'. Did you mean tRNA"),
        ("structure", "needs one in dots and brackets"),
        ("structure=((..)", "without its partner"),
        ("structure=)(", "without its partner"),
        ("structure=((x))", "has a 'x'"),
        ("structure=" + "." * 15, "15 places, the latent model writes at most 14"),
    ],
)
def test_wishes_that_cannot_be_met(surrogate, text, words):
    with pytest.raises(UserError, match=words):
        find_reward(text, surrogate)


def test_what_does_not_belong_together(surrogate, folder):
    same = {"latent": "r1", "shape": (K, D)}
    assert find_reward("gc", surrogate, **same).name == "gc"
    assert find_reward(folder, None, **same).name == "loading"
    for text in ("gc", folder):
        with pytest.raises(UserError, match="was made for revision r1 of a latent model, the generator has r2"):
            find_reward(text, surrogate, latent="r2")
        with pytest.raises(UserError, match="reads 4 latents of 8 numbers, the generator has 16 of 40"):
            find_reward(text, surrogate, latent="r1", shape=(16, 40))
    with pytest.raises(UserError, match="no surrogate of the built-in rewards, which 'gc' needs"):
        find_reward("gc")


def test_a_surrogate_that_was_taught_less():
    few = Surrogate(SurrogateConfig("", K, D, WINDOW, 16, 2, 1, ("gc",), ("share",)))
    for text, words in (("mfe", "not taught mfe"), ("type=tRNA", "knows no types"), ("structure=.", "no structures")):
        with pytest.raises(UserError, match=words):
            find_reward(text, few)


class Bright(Reward):
    def predicted(self, latents):
        return latents[:, 0, 0]


def _fails(wish, surrogate):
    raise RuntimeError("no licence")


bright = RewardFamily("brightness", lambda wish, surrogate: Bright(wish, "bright", "cd", (0.0, 2.0)))
plain = RewardFamily("nothing", lambda wish, surrogate: 3)
failing = RewardFamily("fails", _fails)
nothing = 5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("plain", "makes a int, not a Reward"),
        ("failing", "cannot be made .RuntimeError: no licence"),
        ("nothing", "is a int, not a RewardFamily"),
        ("missing", "does not load .AttributeError"),
    ],
)
def test_rewards_of_other_packages(monkeypatch, value, words):
    def others(*entries):
        found = [EntryPoint(name, f"their_rewards:{value}", rewards.GROUP) for name, value in entries]
        monkeypatch.setattr(rewards, "entry_points", lambda group: found)

    monkeypatch.setitem(sys.modules, "their_rewards", sys.modules[__name__])
    others(("bright", "bright"), ("odd", value))
    reward = find_reward("bright:-1")
    assert reward.loss(torch.full((1, K, D), 3.0)).tolist() == [1.5]
    with pytest.raises(UserError, match=words):
        find_reward("odd")
    others(("gc", "bright"))
    with pytest.raises(UserError, match="offered by ribospace and their_rewards"):
        find_reward("gc")
