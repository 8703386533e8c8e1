"""What a surrogate is taught: a planted property is found and calibrated, what is missing is left out, chance is said."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ribospace.analysis.folding import fold
from ribospace.errors import UserError
from ribospace.generation.properties import (
    Targets,
    gc,
    lengths,
    mfe,
    natural_targets,
    pair_similarity,
    parts_by_cluster,
    signs_of,
)
from ribospace.generation.surrogates import FitConfig, _noised, fit, losses, tell
from ribospace.models.surrogate import SIGNS, Surrogate, SurrogateConfig

K, D, WINDOW = 4, 8, 11
SIZES = SurrogateConfig(latents=K, width=D, window=WINDOW, hidden=32, heads=2, layers=1, structure=True)
QUICK = FitConfig(steps=250, batch=64, learning_rate=3e-3, noise=0.2, looks=5)
UNEVEN = 0.5


def latents_of(count, seed=0):
    drawn = torch.randn(count, K, D, generator=torch.Generator().manual_seed(seed))
    return F.layer_norm(drawn, (D,)).numpy()


@pytest.fixture(scope="module")
def planted():
    """A linear property with noise of a known size, types and signs that follow from the latents."""
    latents, generator = latents_of(2400), np.random.default_rng(1)
    true = latents[:, 0, :4] @ [1.0, -1.0, 0.5, 2.0]
    values = np.column_stack([100 + 10 * (true + UNEVEN * generator.normal(size=2400)), 7 + true])
    values[::7, 1] = np.nan
    labels = (latents[:, 1, 0] > 0).astype(np.int64)
    labels[::5] = -1
    signs = np.full((2400, SIZES.slots), 3, dtype=np.int8)
    signs[:, :6] = np.where(latents[:, :2, :3] > 0, 0, 1).reshape(-1, 6)  # three slots a latent
    targets = Targets(values, ("noisy", "plain"), ("mm", ""), labels, ("no", "yes"), signs)
    parts = np.repeat([0, 1, 2], [1600, 400, 400])
    return latents, targets, parts, fit(latents, targets, parts, SIZES, QUICK, seed=2)


def test_a_planted_property_is_learned(planted):
    _, _, _, fitted = planted
    noisy, plain = fitted.figures["values"]["noisy"], fitted.figures["values"]["plain"]
    most = 1 - 0.25 / (0.25 + 6.25)  # what no one could explain is the noise
    assert most - 0.06 < noisy["r2"] < most + 0.02
    assert plain["r2"] > 0.95
    assert plain["spearman"] > 0.97
    assert plain["noised_r2"] < plain["r2"]
    assert abs(noisy["rmse"] / noisy["standard_deviation"] - (1 - noisy["r2"]) ** 0.5) < 1e-3
    assert plain["molecules"] == 400 - len(range(0, 2400, 7)) + len(range(0, 2000, 7))


def test_intervals_cover(planted):
    _, _, _, fitted = planted
    for one in fitted.figures["values"].values():
        assert abs(one["inside_50"] - 0.5) < 0.12
        assert abs(one["inside_90"] - 0.9) < 0.06
    assert fitted.surrogate(torch.from_numpy(latents_of(50, 9))).deviation[:, 0].mean().item() == pytest.approx(
        5, rel=0.3
    )


def test_types_and_structure_beat_chance(planted):
    _, _, _, fitted = planted
    types, structure = fitted.figures["types"], fitted.figures["structure"]
    assert types["accuracy"] > 0.9 > 0.65 > types["chance_accuracy"]
    assert types["macro_f1"] > 0.9 > 0.4 > types["chance_macro_f1"]
    assert structure["accuracy"] > 0.85 > 0.65 > structure["chance_accuracy"]
    assert structure["lengths_right"] == 1.0
    assert types["molecules"] == 320


def test_the_natural_spread_is_measured(planted):
    """Of types directly; of any target structure by the main directions alone."""
    latents, targets, parts, fitted = planted
    model = fitted.surrogate
    np.testing.assert_allclose(model.center, np.nanmean(targets.values[parts == 0], axis=0), rtol=1e-5)
    np.testing.assert_allclose(model.scale, np.nanstd(targets.values[parts == 0], axis=0), rtol=1e-5)
    told = tell(model, latents[parts == 0])
    torch.testing.assert_close(model.class_natural[1], told.classes.std(dim=0, correction=0))
    shares = torch.zeros(SIZES.slots, len(SIGNS))
    shares[torch.arange(6), torch.tensor([0, 1, 0, 1, 1, 0])] = 1 / 6
    direct = (told.signs * shares).sum(dim=(1, 2))
    torch.testing.assert_close((model.sign_center * shares).sum(), direct.mean(), atol=1e-4, rtol=1e-4)
    spread = (model.sign_spread * shares).sum(dim=(1, 2)).square().sum().sqrt()
    torch.testing.assert_close(spread, direct.std(correction=0), atol=1e-3, rtol=0.02)


def test_the_same_seed_gives_the_same_surrogate(planted):
    latents, targets, parts, _ = planted
    few = np.arange(1900, 2100)  # of all three parts
    how = FitConfig(steps=8, batch=16, looks=2)
    state = torch.random.get_rng_state()
    parts = np.repeat([0, 1, 2], [100, 50, 50])
    one, other, third = (
        fit(latents[few], targets.take(few), parts, SIZES, how, seed).surrogate.state_dict() for seed in (5, 5, 6)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["into.weight"], third["into.weight"])
    assert torch.equal(state, torch.random.get_rng_state())


def test_what_is_missing_has_no_slope():
    torch.manual_seed(0)
    model = Surrogate(SurrogateConfig(**{**vars(SIZES), "values": ("a",), "units": ("",), "classes": ("x", "y")}))
    nothing = torch.full((3, 1), float("nan")), torch.full((3,), -1), torch.full((3, SIZES.slots), -1)
    loss = losses(model, model(torch.randn(3, K, D)), *nothing)
    loss.backward()
    assert loss.item() == 0
    assert all(not one.grad.any() for one in model.parameters() if one.grad is not None)


def test_noise_leaves_latents_as_the_decoder_knows_them():
    noised = _noised(torch.from_numpy(latents_of(20)), 0.5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(noised.mean(dim=-1), torch.zeros(20, K), atol=1e-5, rtol=0)
    torch.testing.assert_close(noised.std(dim=-1, correction=0), torch.ones(20, K), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("values", "parts", "words"),
    [
        (np.ones((60, 1)), None, "'x' is 1 for every molecule to train on"),
        (np.arange(60.0)[:, None], [58, 1, 1], "1 molecules to validate by"),
        (np.r_[np.full(50, np.nan), np.arange(10.0)][:, None], None, "0 molecules of which 'x' is known to train on"),
    ],
)
def test_too_little_to_learn_from(values, parts, words):
    targets = Targets(values, ("x",), ("",), np.full(60, -1))
    parts = np.repeat([0, 1, 2], parts or [40, 10, 10])
    with pytest.raises(UserError, match=words):
        fit(latents_of(60), targets, parts, SIZES, QUICK)


def test_properties_are_what_they_are_called():
    sequences = ["GGGGAAAACCCC", "AUAUAUAUN", "GGGAAAUCC"]
    folded = [fold(one) for one in sequences]
    found = natural_targets(sequences, ["tRNA", None, "rRNA"], slots=16, processes=1)
    assert (found.names, found.units) == (("mfe", "gc", "length"), ("kcal/mol per nt", "share", "nt"))
    np.testing.assert_array_equal(found.values[:, 0], [one.energy / len(one.sequence) for one in folded])
    np.testing.assert_allclose(found.values[:, 1], [8 / 12, 0, 5 / 9])
    np.testing.assert_array_equal(found.values[:, 2], [12, 9, 9])
    assert found.classes == ("rRNA", "tRNA")
    assert found.labels.tolist() == [1, -1, 0]
    written = ["".join(SIGNS[sign] for sign in row).rstrip() for row in found.signs]
    assert written == [one.structure for one in folded]
    assert natural_targets(["ACGU"], ["tRNA"], slots=5).classes == ()
    for calculated, column in ((mfe, 0), (gc, 1), (lengths, 2)):
        again = calculated([*sequences, ""])
        np.testing.assert_array_equal(again[:-1], found.values[:, column])
        assert np.isnan(again[-1])


def test_without_viennarna_there_is_neither_energy_nor_structure(monkeypatch):
    monkeypatch.setattr("ribospace.generation.properties.installed", lambda: False)
    found = natural_targets(["ACGU", "GG"], ["a", "b"], slots=5)
    assert (found.names, found.signs) == (("gc", "length"), None)


def test_signs_and_similarity():
    assert signs_of(["((.))", ""], 6).tolist() == [[1, 1, 0, 2, 2, 3], [3] * 6]
    assert pair_similarity("((..))", "((..))") == pair_similarity("....", "....") == 1
    assert pair_similarity("((..))", "......") == 0
    assert pair_similarity("((...))", "((..))") == 0  # by place: the partners have moved


def test_near_copies_are_in_one_part():
    generator = np.random.default_rng(0)
    families = ["".join(generator.choice(list("ACGU"), 60)) for _ in range(60)]
    sequences = [one[:place] + "A" + one[place + 1 :] for one in families for place in (10, 30, 50)]
    parts = parts_by_cluster(sequences, seed=3).reshape(-1, 3)
    assert (parts == parts[:, :1]).all()
    assert np.bincount(parts[:, 0]).tolist() == [48, 6, 6]
