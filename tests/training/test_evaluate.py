"""Judging: by hand on small arrays, beside scikit-learn, and on a tiny model."""

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from ribospace.alphabet import detokenize
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.records import record_batch
from ribospace.training.data import DataConfig
from ribospace.training.evaluate import calibration, classified, evaluate, molecules_of, of_molecules, rewritten
from ribospace.training.validation import Judged, judge

CLASSES = ("rRNA", "sRNA", "tRNA")
SMALL = {"width": 8, "heads": 2, "encoder_layers": 1, "feedforward": 8, "window": 20}


def tiny(**parts):
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig(**{**SMALL, **parts})).eval()


@pytest.fixture
def store(tmp_path):
    """Forty molecules of 5 to 44 nt: tRNA, rRNA, a type that no model knows, and none; two fifths are for test."""
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGU"), length)) for length in range(5, 45)]
    types = ["tRNA", "rRNA", "vaultRNA", None] * 10
    parts = {"split": ["train", "train", "test", "test", "validation"] * 8, "family": ["a", "b"] * 20}
    store = Collection.create(tmp_path / "c")
    store.append([record_batch([f"m{n}" for n in range(40)], sequences, {"rna_type": types, **parts})])
    return store


def judged_as(probabilities, labels):
    return Judged([], [], np.array(labels), np.array(probabilities, dtype=np.float32))


def test_f1_precision_recall_and_confusion_are_scikit_learns():
    generator = np.random.default_rng(1)
    chances, labels = generator.dirichlet([1, 1, 1], 200), generator.integers(-1, 3, 200)
    found = classified(judged_as(chances, labels), CLASSES)
    known = labels >= 0
    true, told = labels[known], chances.argmax(axis=1)[known]
    assert found.micro_f1 == pytest.approx(f1_score(true, told, average="micro"))
    assert found.macro_f1 == pytest.approx(f1_score(true, told, average="macro"))
    assert found.confusion.tolist() == confusion_matrix(true, told).tolist()
    for name, score in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert [row[name] for row in found.per_class] == pytest.approx(score(true, told, average=None).tolist())
    assert [row["molecules"] for row in found.per_class] == np.bincount(true).tolist()


def test_small_scores_by_hand():
    found = classified(judged_as([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.2, 0.8, 0], [0, 1, 0]], [0, 1, 1, -1]), CLASSES)
    assert found.micro_f1 == pytest.approx(2 / 3)
    assert found.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert [row["label"] for row in found.per_class] == list(CLASSES)
    assert found.per_class[1] == {
        "label": "sRNA",
        "molecules": 2,
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
    }
    assert found.per_class[2]["f1"] == 0
    assert found.macro_f1 == pytest.approx(2 / 3)  # of the two classes that occur
    assert found.calibration_error == pytest.approx((0.1 + 0.6 + 0.2) / 3, abs=1e-6)


def test_calibration_counts_every_molecule_in_its_bin():
    rows = calibration(np.float32([0.95, 1.0, 0.91, 0.15, 0.5]), np.array([True, True, False, False, True]))
    assert [(row["from"], row["to"], row["molecules"]) for row in rows] == [(0.1, 0.2, 1), (0.5, 0.6, 1), (0.9, 1.0, 3)]
    assert rows[-1]["said"] == pytest.approx((0.95 + 1 + 0.91) / 3)
    assert [row["right"] for row in rows] == pytest.approx([0, 1, 2 / 3])


def test_windows_are_averaged_by_length():
    windows = Judged(["AAAA", "AA", "A"], [], np.array([0, 0, 1]), np.float32([[1, 0], [0.4, 0.6], [0.3, 0.7]]))
    means = of_molecules(windows, np.array([0, 0, 1]), np.array([0, -1]))
    assert means.probabilities.tolist() == [pytest.approx([0.8, 0.2]), pytest.approx([0.3, 0.7])]
    assert means.labels.tolist() == [0, -1]


def test_errors_by_length_by_hand():
    found = rewritten(Judged(["ACGU", "GG", "A" * 300], ["ACGU", "GC", "A" * 299], np.full(3, -1)))
    assert found.cer == pytest.approx(2 / 306)
    assert found.exact == pytest.approx(1 / 3)
    assert found.by_length == [
        {"from": 0, "to": 24, "windows": 2, "cer": pytest.approx(1 / 6), "exact": 0.5},
        {"from": 206, "to": 300, "windows": 1, "cer": pytest.approx(1 / 300), "exact": 0.0},
    ]


def test_labels_that_the_model_does_not_know_are_found_before_it_works(store):
    config = tiny(classes=CLASSES).config
    found = molecules_of(store, config, DataConfig())
    assert (len(found), found.without_class, found.unknown) == (40, 20, ["vaultRNA"])
    assert "20 of 40 molecules have no rna_type that the model knows" in found.warning
    assert "vaultRNA" in found.warning
    assert (found.labels >= 0).sum() == 20
    assert (found.windows.labels == found.labels[found.owner]).all()
    assert molecules_of(store, config, DataConfig("rna_type = 'tRNA'")).warning == ""
    family = molecules_of(store, tiny(classes=("b", "c")).config, DataConfig(label="family"))
    assert (family.label, family.unknown, family.without_class) == ("family", ["a"], 20)


def test_a_model_without_classes_needs_no_labels(store):
    found = molecules_of(store, tiny().config, DataConfig("rna_type IS NULL", label="no such column"))
    assert (found.warning, found.unknown, found.label, len(found)) == ("", [], "", 10)
    result = evaluate(tiny(), found)
    assert result.classified is None
    assert (result.molecules, result.windows) == (10, len(found.windows))
    assert sum(row["windows"] for row in result.rewritten.by_length) == result.windows


def test_a_part_of_a_split(store):
    found = molecules_of(store, tiny().config, DataConfig(split="split"), "validation")
    assert len(found) == 8
    with pytest.raises(UserError, match=r"no 'vaildation' in the column 'split'. Did you mean validation"):
        molecules_of(store, tiny().config, DataConfig(split="split"), "vaildation")
    with pytest.raises(UserError, match=r"no column 'spilt' to split by. Did you mean split"):
        molecules_of(store, tiny().config, DataConfig(split="spilt"), "test")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DataConfig("length > 1000"), "no molecule to judge by"),
        (DataConfig("rna_type IS NULL"), "it tells rRNA, sRNA, tRNA apart, they have none"),
        (DataConfig("rna_type = 'vaultRNA'"), "they have vaultRNA"),
        (DataConfig(label="famly"), "Did you mean family"),
        (DataConfig(label="length"), "no names"),
    ],
)
def test_nothing_to_judge_by_is_refused(store, data, words):
    with pytest.raises(UserError, match=words):
        molecules_of(store, tiny(classes=CLASSES).config, data)


def test_batches_change_nothing_and_are_told_of(store, monkeypatch):
    model, told = tiny(classes=CLASSES), []
    molecules = molecules_of(store, model.config, DataConfig())
    whole = judge(model, molecules.windows)
    monkeypatch.setattr("ribospace.training.validation.BUDGET", 100)
    result = evaluate(model, molecules, progress=lambda done, total, note="": told.append((done, total)))
    assert len(told) > 5
    assert told[-1] == (len(molecules.windows),) * 2
    assert whole.true == detokenize(molecules.windows.tokens)
    assert result.rewritten.cer == pytest.approx(rewritten(whole).cer)
    alone = classified(of_molecules(whole, molecules.owner, molecules.labels), CLASSES)
    assert result.classified.confusion.tolist() == alone.confusion.tolist()
    assert result.classified.calibration_error == pytest.approx(alone.calibration_error, abs=1e-5)


def test_one_beam_is_greedy_and_two_beams_work(store):
    from ribospace.models.autoencoder import key_mask
    from ribospace.models.decoding import beam_search

    model = tiny()
    molecules = molecules_of(store, model.config, DataConfig("length < 15"))
    tokens = torch.from_numpy(molecules.windows.tokens.padded(np.arange(len(molecules)))).long()
    with torch.inference_mode():
        limit = 2 * tokens.shape[1]
        one = beam_search(model, model.encode(tokens), key_mask(tokens), limit, 1)
        greedy = model.reconstruct(tokens, beams=1)
    assert torch.equal(one[:, : greedy.shape[1]], greedy[:, : one.shape[1]])
    assert evaluate(model, molecules, beams=2).rewritten.cer > 0
