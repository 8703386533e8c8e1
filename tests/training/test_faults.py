"""What a fresh reader broke once, kept mended."""

import json
import signal

import numpy as np
import pytest
import torch

from ribospace.collection import Collection
from ribospace.config import from_mapping
from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.plots import MOST_NAMED, confusion_figure
from ribospace.records import record_batch
from ribospace.training import report
from ribospace.training.config import TrainConfig
from ribospace.training.loop import Trainer
from ribospace.training.objectives import ObjectiveConfig, Weighting
from ribospace.training.train import train

SIZES = {"width": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "feedforward": 32}


def rnas(count, seed=0):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list("ACGU"), int(generator.integers(20, 50)))) for _ in range(count)]


def collection(path, sequences, types=None):
    store = Collection.create(path)
    names = [f"m{number}" for number in range(len(sequences))]
    store.append([record_batch(names, sequences, {"rna_type": types or ["tRNA", "rRNA"] * (len(sequences) // 2)})])
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return collection(tmp_path_factory.mktemp("faults") / "c", rnas(200))


def config(**sections):
    optimizer = {"steps": 8, "token_budget": 600, "warmup": 0, "learning_rate": 3e-3, "precision": "fp32"}
    said = {"model": SIZES, **sections, "optimizer": {**optimizer, **sections.get("optimizer", {})}}
    return from_mapping(TrainConfig, said)


def test_the_best_of_masked_letters_is_that_of_masked_letters(store, tmp_path):
    settings = config(objective={"written": 0.0, "masked": 1.0}, optimizer={"steps": 30, "evaluate_every": 10})
    figures = train(store, tmp_path / "m", settings)["figures"]
    assert 0.5 < figures["best_loss"] < 3.5


@pytest.mark.parametrize("at", [3, 7])
def test_an_interrupt_waits_for_the_end_of_its_step(store, tmp_path, at, monkeypatch):
    """SIGINT between the weights' move and the counter's: the resumed training still equals the uninterrupted one."""
    train(store, tmp_path / "whole", config())
    settle = Weighting.settle
    moves = []

    def interrupted(self):
        settle(self)
        moves.append(0)
        if len(moves) == at:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Weighting, "settle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(store, tmp_path / "parts", config())
    monkeypatch.undo()
    assert len(moves) == at
    train(store, tmp_path / "parts", config())
    whole, parts = (checkpoint.load(tmp_path / name).model.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_what_is_trained_is_kept_when_what_follows_fails(store, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(OSError, match="space"):
        train(store, tmp_path / "m", config())
    monkeypatch.undo()
    steps = []
    train(store, tmp_path / "m", config(), lambda done, total, note="": steps.append(note))
    assert all(note.startswith("judging") for note in steps)  # no step is taken again


def test_other_labels_or_another_split_are_other_data(tmp_path):
    def stop(done, total, note=""):
        raise KeyboardInterrupt

    sequences = rnas(100)
    objective = {"written": 0.0, "classes": 1.0}
    first = collection(tmp_path / "a", sequences)
    with pytest.raises(KeyboardInterrupt):
        train(first, tmp_path / "m", config(objective=objective), stop)
    other = collection(tmp_path / "b", sequences, ["rRNA", "tRNA"] * 50)
    with pytest.raises(UserError, match="other data"):
        train(other, tmp_path / "m", config(objective=objective))
    same = collection(tmp_path / "elsewhere", sequences)
    train(same, tmp_path / "m", config(objective=objective))


def test_two_trainings_never_write_to_one_folder(store, tmp_path):
    def second(done, total, note=""):
        if done == 2:
            with pytest.raises(UserError, match="at work"):
                train(store, tmp_path / "m", config())

    train(store, tmp_path / "m", config(), second)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "m.training") == ["m"]


def test_a_folder_of_the_users_beside_the_model_stays(store, tmp_path):
    (tmp_path / "m.probe").mkdir()
    (tmp_path / "m.probe" / "mine.txt").write_text("mine")
    train(store, tmp_path / "m", config(optimizer={"steps": 1}))
    assert (tmp_path / "m.probe" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("weights", [(1.0, 0.1), (0.1, 1.0)])
def test_alpha_has_a_gradient_at_its_bounds_and_comes_back(weights):
    weighting = Weighting(ObjectiveConfig(written=weights[0], classes=weights[1], weighting="alpha"))
    optimizer = torch.optim.AdamW(weighting.parameters(), 0.05, weight_decay=0.0)
    for low, high in ((0.5, 2.0), (2.0, 0.5)):
        for _ in range(60):
            optimizer.zero_grad()
            weighting({"written": torch.tensor(low), "classes": torch.tensor(high)}).backward()
            optimizer.step()
            weighting.settle()
        assert float(weighting.alpha.detach()) == pytest.approx(0.9 if low < high else 0.1)


def test_more_pieces_may_be_asked_for_when_going_on(store, tmp_path, monkeypatch):
    def stop(done, total, note=""):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(store, tmp_path / "m", config(), stop)
    pieces = []
    step = Trainer._take_step
    monkeypatch.setattr(Trainer, "_take_step", lambda self: (pieces.append(self.pieces), step(self))[1])
    train(store, tmp_path / "m", config(optimizer={"accumulate": 3}))
    assert set(pieces) == {3}


def test_matrices_of_many_types_stay_small():
    counts = np.eye(700, dtype=np.int64)
    names = [f"family {number}" for number in range(700)]
    figure = confusion_figure(counts, names, "many")
    assert max(figure.get_size_inches()) < 25
    assert not figure.axes[0].texts
    assert report.confusion_pixels(counts, names).shape == (700, 700)
    assert (
        len(confusion_figure(counts[:MOST_NAMED, :MOST_NAMED], names[:MOST_NAMED], "few").axes[0].texts) == MOST_NAMED
    )


@pytest.mark.parametrize(
    "sections",
    [
        {"optimizer": {"weight_decay": -1.0}},
        {"optimizer": {"minutes": -1.0}},
        {"optimizer": {"clip": -1.0}},
        {"objective": {"written": float("nan")}},
        {"model": {"locality": float("inf")}},
        {"model": {"rotary_base": float("nan")}},
        {"seed": 10**30},
    ],
)
def test_numbers_that_mean_nothing_are_refused(sections):
    with pytest.raises(UserError):
        from_mapping(TrainConfig, json.loads(json.dumps(sections)))


def test_classes_that_no_molecule_has_are_refused(store, tmp_path):
    objective = {"written": 0.0, "classes": 1.0}
    with pytest.raises(UserError, match="foo"):
        train(store, tmp_path / "m", config(objective=objective, model={**SIZES, "classes": ["foo", "bar"]}))
