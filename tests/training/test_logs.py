"""What TensorBoard is told: the figures that training gives, once a step, and samples whose errors are marked."""

import io
import itertools
import sys
import time

import numpy as np
import pytest
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rapidfuzz.distance import Levenshtein
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ribospace.alphabet import detokenize, tokenize
from ribospace.collection import Collection
from ribospace.config import from_mapping
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder
from ribospace.sources.sample import read_sample
from ribospace.training.config import TrainConfig
from ribospace.training.data import Examples, training_data
from ribospace.training.logs import Logs
from ribospace.training.loop import Trainer
from ribospace.training.report import GAP, MOST_JUDGED, aligned, confusion_pixels, sample_lines, some_of
from ribospace.training.train import set_whitening, train
from ribospace.training.validation import Judged, judge, scores, vectors_of

SETTINGS = {
    "data": {"where": "length < 80", "held_out": 0.4},
    "model": {"width": 8, "heads": 2, "encoder_layers": 1, "feedforward": 8},
    "objective": {"written": 1.0, "classes": 0.2, "weighting": "uncertainty"},
    "optimizer": {"steps": 6, "warmup": 2, "token_budget": 512, "precision": "fp32", "evaluate_every": 2},
}
JUDGED = {"cer", "micro_f1", "macro_f1"}


def config(**sections):
    return from_mapping(
        TrainConfig, {**SETTINGS, **{name: {**SETTINGS[name], **one} for name, one in sections.items()}}
    )


@pytest.fixture
def store(tmp_path):
    store = Collection.create(tmp_path / "sample")
    store.append(read_sample())
    return store


def read(folder):
    everything = {"scalars": 0, "tensors": 0, "images": 0}
    return EventAccumulator(str(folder / "logs"), everything).Reload()


def scalars(events, name):
    return {one.step: one.value for one in events.Scalars(name)}


def texts(events, name):
    tensors = events.Tensors(f"{name}/text_summary")
    return {one.step: one.tensor_proto.string_val[0].decode() for one in tensors}


def pixels_of(summary):
    return np.asarray(Image.open(io.BytesIO(summary.encoded_image_string)).convert("L"))


def stop_at(step):
    def progress(done, total, note=""):
        if done == step:
            raise KeyboardInterrupt

    return progress


def test_steps_and_looks_are_logged(store, tmp_path):
    train(store, tmp_path / "model", config(model={"dropout": 0.1}))
    events = read(tmp_path / "model.training")
    tags = events.Tags()
    weights = {f"weight/{name}" for name in ("written", "classes")}
    steps = {"loss", "loss/written", "loss/classes", "rate", "gradient", *weights}
    looks = {f"validation/{name}" for name in ("written", "classes", *JUDGED)}
    assert steps | looks <= set(tags["scalars"])
    assert {len(events.Scalars(name)) for name in steps} == {6}
    assert {tuple(scalars(events, name)) for name in looks} == {(2, 4, 6)}
    settings = config().optimizer
    assert scalars(events, "rate") == pytest.approx({step + 1: settings.rate(step) for step in range(6)})
    assert "validation/confusion" in tags["images"]
    assert list(texts(events, "validation/samples")) == list(texts(events, "validation/confusion_counts")) == [2, 4, 6]


def test_a_look_is_what_the_model_does_on_the_same_few(store, tmp_path, monkeypatch):
    monkeypatch.setattr("ribospace.training.loop.MOST_JUDGED", 7)
    run = config(optimizer={"steps": 2})  # one look, and the model of it is the best
    train(store, tmp_path / "model", run)
    events = read(tmp_path / "model.training")
    model = checkpoint.load(tmp_path / "model").model.eval()
    data = training_data(store, run.data, run.model.window, run.seed, model.config.classes)
    few = some_of(data.validation, 7, run.seed)
    assert len(few) == 7 < len(data.validation)
    judged = judge(model, few)
    found = {name: scalars(events, f"validation/{name}")[2] for name in JUDGED}
    assert found == pytest.approx(scores(judged))
    said = texts(events, "validation/samples")[2]
    shown = [judged.true[row] for row in (0, 2, 4, 6)]
    assert [line.split()[1] for line in said.splitlines() if line.startswith("    true")] == shown


def finished(store, folder, run):
    """As `train` does, so that the end of a training is seen by itself."""
    classes = tuple(sorted({one for one in store.table(["rna_type"])["rna_type"].to_pylist() if one}))
    run = run.with_parts(classes if run.objective.classes else ())
    data = training_data(store, run.data, run.model.window, run.seed, run.model.classes)
    trainer = Trainer(Accelerator(cpu=True), Autoencoder(run.model), data, run, folder)
    trainer.run()
    set_whitening(trainer.model.eval(), data.training)
    judged = judge(trainer.model, data.validation)
    trainer.log_end(judged)
    trainer.logs.close()
    return trainer, judged


def test_the_end_shows_all_molecules_held_out_and_their_vectors(store, tmp_path):
    trainer, judged = finished(store, tmp_path, config(optimizer={"evaluate_every": 0}))
    events, held = read(tmp_path), trainer.data.validation
    assert len(judged.true) == len(held)
    assert {name: scalars(events, f"end/{name}")[6] for name in JUDGED} == pytest.approx(scores(judged))
    told = judged.probabilities.argmax(axis=1)
    counts = np.zeros((len(trainer.model.config.classes),) * 2, dtype=int)
    np.add.at(counts, (judged.labels, told), 1)
    drawn = confusion_pixels(counts, trainer.model.config.classes)
    assert (pixels_of(events.Images("end/confusion")[0]) == drawn).all()
    table = texts(events, "end/confusion_counts")[6].splitlines()[1:]
    assert [[int(one) for one in line.split()[2:]] for line in table] == counts.tolist()
    folder = tmp_path / "logs" / "00006" / "end"
    assert np.loadtxt(folder / "tensors.tsv") == pytest.approx(vectors_of(trainer.model, held), abs=1e-6)
    rows = [line.split("\t") for line in (folder / "metadata.tsv").read_text().splitlines()]
    assert rows[0] == ["label", "length"]
    names = [trainer.model.config.classes[label] for label in held.labels]
    assert rows[1:] == [[name, str(n)] for name, n in zip(names, held.tokens.lengths, strict=True)]
    assert 'tensor_path: "00006/end/tensors.tsv"' in (tmp_path / "logs" / "projector_config.pbtxt").read_text()


def test_without_held_out_molecules_the_projector_gets_those_of_training(store, tmp_path):
    run = config(data={"held_out": 0.0}, objective={"classes": 0.0})
    trainer, _ = finished(store, tmp_path, run)
    rows = (tmp_path / "logs" / "00006" / "end" / "metadata.tsv").read_text().splitlines()
    assert len(rows) == 1 + len(trainer.data.training)
    assert rows[1].startswith("not known\t")
    assert not any(name.startswith(("end", "validation")) for name in read(tmp_path).Tags()["scalars"])


def test_a_resumed_training_logs_every_step_once_and_what_an_uninterrupted_one_logs(store, tmp_path):
    train(store, tmp_path / "whole", config())
    for at in (3, 4):  # 4: behind the step, before its look
        time.sleep(1.1)  # event files are read in the order of their names, which tell seconds
        with pytest.raises(KeyboardInterrupt):
            train(store, tmp_path / "parts", config(), stop_at(at))
        assert len(read(tmp_path / "parts.training").Scalars("loss")) == at  # nothing waits in memory
    time.sleep(1.1)
    train(store, tmp_path / "parts", config())
    whole, parts = read(tmp_path / "whole.training"), read(tmp_path / "parts.training")
    assert len(parts.Scalars("loss")) == 6
    assert len(parts.Scalars("validation/cer")) == 3
    for name in whole.Tags()["scalars"]:
        assert scalars(parts, name) == scalars(whole, name)


@pytest.mark.parametrize(("saved", "kept"), [(0, {1: 3.0}), (1, {1: 1.0, 2: 3.0})])
def test_steps_logged_behind_the_last_state_are_forgotten(tmp_path, saved, kept):
    killed = Logs(tmp_path / "logs", 0)
    for step in (1, 2, 3):
        killed.numbers({"loss": float(step)}, step)
    killed.close()
    time.sleep(1.1)
    logs = Logs(tmp_path / "logs", saved)
    logs.numbers({"loss": 3.0}, saved + 1)
    logs.close()
    assert scalars(read(tmp_path), "loss") == kept


def test_training_without_tensorboard_logs_and_judges_nothing(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # then its import fails
    judged = []
    monkeypatch.setattr("ribospace.training.loop.judge", lambda *things: judged.append(things))
    answer = train(store, tmp_path / "model", config())
    assert answer["figures"]["steps"] == 6
    assert checkpoint.is_model(tmp_path / "model")
    assert judged == []
    assert not list(tmp_path.rglob("*tfevents*"))


def test_logs_that_are_not_kept_take_everything(tmp_path):
    logs = Logs(None)
    assert not logs.are_kept
    logs.numbers({"loss": 1.0}, 1)
    logs.text("text", ["line"], 1)
    logs.image("image", np.zeros((2, 2), dtype=np.uint8), 1)
    logs.vectors("vectors", np.zeros((1, 2), dtype=np.float32), {"label": ["tRNA"]}, 1)
    logs.flush()
    logs.close()


def test_vectors_of_an_earlier_training_are_replaced_without_a_word(tmp_path, capsys):
    for value in (0.0, 1.0):
        logs = Logs(tmp_path)
        logs.vectors("end", np.full((2, 3), value, dtype=np.float32), {"label": ["a\tb", "c"], "length": [1, 2]}, 6)
        logs.close()
    assert (np.loadtxt(tmp_path / "00006" / "end" / "tensors.tsv") == 1).all()
    assert (tmp_path / "00006" / "end" / "metadata.tsv").read_text() == "label\tlength\na b\t1\nc\t2\n"
    assert capsys.readouterr().out == ""


def test_a_cell_is_as_dark_as_its_share_of_the_true_type():
    counts = np.array([[3, 1, 0], [0, 0, 0], [0, 2, 2]])
    pixels = confusion_pixels(counts, ("tRNA", "rRNA", "sRNA"))
    side = 400 // 3
    centers = pixels[-3 * side :, -3 * side :][side // 2 :: side, side // 2 :: side]
    assert centers.tolist() == [[64, 191, 255], [255, 255, 255], [255, 128, 128]]
    assert (pixels[:, : -3 * side] < 128).any()  # the names


SEQUENCES = st.text("ACGU", max_size=30)


@given(SEQUENCES, SEQUENCES)
def test_marks_are_the_edits(true, written):
    above, below, marks = aligned(true, written)
    assert len(above) == len(below) == len(marks)
    assert (above.replace(GAP, ""), below.replace(GAP, "")) == (true, written)
    assert marks.count("^") == Levenshtein.distance(true, written)
    assert all((mark == "^") == (a != b) for a, b, mark in zip(above, below, marks, strict=True))


@given(st.lists(st.tuples(st.text("ACGU", min_size=1, max_size=200), st.text("ACGU", max_size=200)), min_size=1))
def test_samples_hold_whole_molecules_in_short_lines(pairs):
    true, written = map(list, zip(*pairs, strict=True))
    lines = sample_lines(Judged(true, written, np.full(len(true), -1)), ())
    assert max(map(len, lines)) <= 9 + 80
    heads = [place for place, line in enumerate(lines) if line.startswith("not known")]
    assert len(heads) == min(4, len(true))
    for start, end in itertools.pairwise([*heads, len(lines)]):
        head, *rows, _ = lines[start:end]
        one, other, marks = ("".join(row[9:] for row in rows[first::3]) for first in range(3))
        pair = one.replace(GAP, ""), other.replace(GAP, "")
        assert pair in pairs
        assert head == f"not known, {len(pair[0])} nt, errors: {Levenshtein.distance(*pair)}"
        assert marks.count("^") == Levenshtein.distance(*pair)


@given(st.integers(0, 500), st.integers(0, 3))
def test_the_few_are_always_the_same(n, seed):
    examples = Examples(tokenize(["A" * (1 + row % 7) for row in range(n)]), np.arange(n))
    few, again = (some_of(examples, MOST_JUDGED, seed) for _ in range(2))
    assert len(few) == min(n, MOST_JUDGED)
    assert (few.labels == again.labels).all()
    assert (np.diff(few.labels) > 0).all()
    assert detokenize(few.tokens) == ["A" * (1 + row % 7) for row in few.labels]
