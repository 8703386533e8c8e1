"""The model card: what is said depends on the parts that the model has, and is what was measured."""

import dataclasses
import re

import pytest

from ribospace.config import from_mapping
from ribospace.training.card import model_card
from ribospace.training.config import TrainConfig

FIGURES = {
    "steps": 1234, "first_loss": 4.5, "last_loss": 0.25, "epochs": 3.5, "seconds": 12.3, "parameters": 56_789,
    "precision": "fp32", "stopped": "", "said": [],
}  # fmt: skip
DATA = {
    "collection": "my|rnas", "where": "length < 80", "distinct_molecules": 2000, "longer_than_window": 7,
    "validation_near_copies_left_out": 12, "split": "held out at random", "training_molecules": 1800,
    "training_windows": 1811, "validation_molecules": 100, "validation_windows": 103,
}  # fmt: skip


def about(figures=(), data=(), **sections):
    config = from_mapping(TrainConfig, sections)
    return {
        "training": dataclasses.asdict(config),
        "data": {**DATA, **dict(data)},
        "figures": {**FIGURES, **dict(figures)},
        "versions": {"python": "3.11", "ribospace": "9.8.7"},
    }


def test_front_matter_is_hugging_faces_and_claims_no_license():
    card = model_card("mine", about())
    assert card.startswith("---\nlibrary_name: ribospace\ntags:\n- rna\n- ribospace\n---\n\n# mine\n")
    assert "license" not in card


def test_data_training_sizes_and_figures_are_said():
    card = model_card("mine", about({"validation_cer": 0.0123}, seed=7, objective={"letters": 0.5}))
    for words in (
        "Ribospace 9.8.7", "`my\\|rnas`", "`length < 80`", "2,000", "1,800 molecules, 1,811 windows",
        "100 molecules, 103 windows; 12 more left out", "held out at random", "| seed | 7 |", "1,234", "56,789",
        "loss `written`, weight 1", "loss `letters`, weight 0.5", "character error rate (edits over letters) | 1.23%",
        "python 3.11", "| heads | 4 |", "ribospace embed COLLECTION --model FOLDER", "find_encoder",
    ):  # fmt: skip
        assert words in card, words
    assert "F1" not in card
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}  # every table has two columns


def test_what_cannot_be_concluded_follows_the_parts():
    writes = "test of copying"
    assert writes in model_card("a", about({"validation_cer": 0.1}))
    model, objective = {"classes": ["b", "a"], "decoder_layers": 0}, {"written": 0.0, "classes": 1.0}
    classifier = about({"validation_micro_f1": 0.9}, model=model, objective=objective)
    classifier["training"]["data"]["label"] = "family"
    card = model_card("c", classifier)
    assert writes not in card
    for words in ("of one family above", "| labels (family) | b, a |", "F1 of the family, micro", "one of 2."):
        assert words in card
    bert = model_card("b", about(model={"decoder_layers": 0, "letter_head": True}))
    assert "The encoder sees the very letters" in bert


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"validation_molecules": 100}}, "100 molecules: a share of so few is uncertain by up to 10 percent"),
        ({"data": {"validation_molecules": 0}}, "Nothing was held out"),
        ({"optimizer": {"evaluate_every": 5}}, "did best on these very molecules"),
        ({"figures": {"stopped": "stopped after 2 minutes"}}, "| early end | stopped after 2 minutes |"),
        ({"figures": {"said": ["3 molecules have no rna_type"]}}, "- 3 molecules have no rna_type"),
    ],
)
def test_what_was_special_is_said(changes, words):
    assert words in model_card("mine", about(**changes))
    assert words not in model_card("mine", about(data={"validation_molecules": 7}))


def test_relatives_are_spoken_of_where_no_split_by_clusters_was_kept_to():
    card = model_card("mine", about())
    assert "Distant relatives" in card
    kept = about()
    kept["training"]["data"]["split"] = "split"
    assert "Distant relatives" not in model_card("mine", kept)
