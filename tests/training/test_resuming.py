"""A training that is broken off, cut in pieces or spread over processes takes the same steps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ribospace.collection import Collection
from ribospace.config import from_mapping
from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.sources.sample import read_sample
from ribospace.training.config import TrainConfig
from ribospace.training.train import train

SETTINGS = {
    "data": {"where": "length < 100"},
    "model": {"width": 16, "heads": 2, "encoder_layers": 1, "feedforward": 32, "dropout": 0.1},
    "objective": {"written": 1.0, "letters": 0.5, "classes": 0.2, "weighting": "uncertainty"},
    "optimizer": {"steps": 14, "warmup": 3, "token_budget": 1024, "precision": "fp32", "evaluate_every": 4},
}


def config(**sections):
    return from_mapping(
        TrainConfig, {**SETTINGS, **{name: {**SETTINGS[name], **one} for name, one in sections.items()}}
    )


def weights(folder):
    return checkpoint.load(folder).model.state_dict()


@pytest.fixture
def store(tmp_path):
    store = Collection.create(tmp_path / "sample")
    store.append(read_sample())
    return store


def test_resumed_equals_uninterrupted_to_the_last_bit(store, tmp_path):
    whole = train(store, tmp_path / "whole", config())
    for at in (1, 5, 9):

        def stop(done, total, note="", at=at):
            if done == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(store, tmp_path / "parts", config(), stop)
        assert not checkpoint.is_model(tmp_path / "parts")
    parts = train(store, tmp_path / "parts", config())
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert parts["figures"]["last_loss"] == whole["figures"]["last_loss"]
    assert not (tmp_path / "parts.training" / "state.safetensors").exists()


def test_an_unfinished_training_is_not_mixed_with_another(store, tmp_path):
    def stop(done, total, note=""):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(store, tmp_path / "model", config(), stop)
    with pytest.raises(UserError, match="unfinished"):
        train(store, tmp_path / "model", config(model={"width": 32}))
    state = tmp_path / "model.training" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(UserError, match="damaged"):
        train(store, tmp_path / "model", config())


@pytest.mark.parametrize("pieces", [3, 500])
def test_a_step_in_pieces_is_the_same_step(store, tmp_path, pieces):
    plain = {"dropout": 0.0}
    whole = train(store, tmp_path / "whole", config(model=plain))["figures"]
    parts = train(store, tmp_path / "parts", config(model=plain, optimizer={"accumulate": pieces, "steps": 14}))[
        "figures"
    ]
    assert parts["last_loss"] == pytest.approx(whole["last_loss"], abs=2e-3)


def test_out_of_memory_is_answered_by_smaller_pieces(store, tmp_path, monkeypatch):
    from ribospace.training import loop

    asked = loop.Trainee.forward

    def forward(self, batch, terms, share):
        if len(batch.tokens) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return asked(self, batch, terms, share)

    whole = train(store, tmp_path / "whole", config(model={"dropout": 0.0}))["figures"]
    monkeypatch.setattr(loop.Trainee, "forward", forward)
    figures = train(store, tmp_path / "small", config(model={"dropout": 0.0}))["figures"]
    assert "pieces" in figures["said"][-1]
    assert figures["last_loss"] == pytest.approx(whole["last_loss"], abs=2e-3)


def test_patience_and_the_best(store, tmp_path):
    figures = train(
        store,
        tmp_path / "model",
        config(optimizer={"steps": 400, "evaluate_every": 2, "patience": 2, "learning_rate": 0.1}),
    )["figures"]
    assert figures["steps"] < 400
    assert "nothing better" in figures["stopped"]


PROGRAM = """
import json, sys
from ribospace.collection import Collection
from ribospace.config import from_mapping
from ribospace.training.config import TrainConfig
from ribospace.training import loop, train as whole
losses = []
step = loop.Trainer._take_step
def noted(self):
    step(self)
    losses.append(self.losses[-1])
loop.Trainer._take_step = noted
config = from_mapping(TrainConfig, json.loads(sys.argv[3]))
whole.train(Collection.open(sys.argv[1]), sys.argv[2], config)
import os
if os.environ.get("RANK", "0") == "0":
    world = int(os.environ.get("WORLD_SIZE", "1"))
    open(sys.argv[2] + ".losses", "w").write(json.dumps([world, losses]))
"""


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(store, tmp_path):
    """`accelerate launch` on two processes (gloo, CPU): the same loss curve as one process with the same steps."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    settings = json.dumps({**SETTINGS, "model": {**SETTINGS["model"], "dropout": 0.0}})
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",  # without it one process is begun, whatever --num_processes says; there is no GPU here
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
    ]
    two = [*launch, "--num_processes", "2", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"]
    for name, command in (("one", [sys.executable]), ("two", two)):
        done = subprocess.run(
            [*command, str(program), str(store.path), str(tmp_path / name), settings],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    worlds, (one, two) = zip(
        *(json.loads(Path(f"{tmp_path / name}.losses").read_text()) for name in ("one", "two")), strict=True
    )
    assert worlds == (1, 2)
    assert len(one) == len(two) == 14
    assert two == pytest.approx(one, abs=2e-3)
    assert one[-1] < one[0]
