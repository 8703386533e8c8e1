"""How good a trained model is on molecules of a collection: letters written again, types told apart, and how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from ribospace.alphabet import tokenize
from ribospace.batching import cut_windows
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.models.autoencoder import Autoencoder
from ribospace.training.data import DataConfig, Examples, distinct
from ribospace.training.metrics import character_error_rate, f1_scores
from ribospace.training.validation import Judged, judge

LENGTHS = (0, 25, 50, 75, 100, 125, 150, 175, 206)
BINS = 10


@dataclass(frozen=True)
class Rewritten:
    """How well molecules are written again.

    Attributes
    ----------
    cer
        Character error rate: edits over letters, of all together.
    exact
        Share of the molecules without an error.
    by_length
        Rows of from, to (nt), molecules, cer, exact.
    """

    cer: float
    exact: float
    by_length: list[dict[str, float]]


@dataclass(frozen=True)
class Classified:
    """How well types are told apart.

    Attributes
    ----------
    micro_f1, macro_f1
        Micro is the accuracy; the macro mean is over the classes that occur in either.
    per_class
        Rows of rna_type, molecules, precision, recall, f1.
    confusion
        (classes, classes) counts, rows the true types.
    calibration
        Rows of from, to (the model's probability), molecules, said (mean probability), right (share).
    calibration_error
        Expected calibration error (Guo et al. 2017, arXiv 1706.04599): mean of |said - right| over molecules.
    """

    micro_f1: float
    macro_f1: float
    per_class: list[dict[str, float | str]]
    confusion: npt.NDArray[np.int64]
    calibration: list[dict[str, float]]
    calibration_error: float


@dataclass(frozen=True)
class Evaluation:
    """What a model does with molecules of a collection.

    Attributes
    ----------
    molecules, windows
        How many were judged, and in how many windows.
    without_class
        Molecules whose type the model does not know, or that have none; they are not counted in `classified`.
    unknown_types
        The types that the model has never seen.
    rewritten, classified
        None where the model has no part for it.
    """

    molecules: int
    windows: int
    without_class: int
    unknown_types: list[str]
    rewritten: Rewritten | None
    classified: Classified | None


def evaluate(
    model: Autoencoder, collection: Collection, *, where: str = "", split: str = "", part: str = "test", beams: int = 1
) -> Evaluation:
    """Judge a model on the distinct molecules of a collection.

    Parameters
    ----------
    model, collection
        What is judged, on what.
    where
        An SQL condition on the molecules.
    split, part
        A column made by `ribospace split`, and which part of it; all molecules without.
    beams
        Of beam search; 1 is greedy.

    Returns
    -------
    Evaluation

    Raises
    ------
    UserError
        If no molecule is left, or none of a known type for a model that only classifies.
    """
    table = distinct(collection, DataConfig(where=where, split=split))
    if split:
        table = table.filter([one == part for one in table[split].to_pylist()])
    if not len(table):
        there = f" whose {split!r} is {part!r}" if split else ""
        raise UserError(f"{collection.uri} has no molecule{there} to judge by. Choose another --where or --split.")
    tokens = tokenize(table["sequence"])
    windows, molecule = cut_windows(tokens, model.config.window, model.config.window // 4)
    number = {name: place for place, name in enumerate(model.config.classes)}
    types = table["rna_type"].to_pylist()
    labels = np.array([number.get(name, -1) for name in types])
    if model.config.classes and not (labels >= 0).any():
        raise UserError(
            f"None of these molecules has a type that the model tells apart ({', '.join(model.config.classes)}). "
            "Give it others."
        )
    judged = judge(model, Examples(windows, labels[molecule]), beams)
    return Evaluation(
        molecules=len(tokens),
        windows=len(windows),
        without_class=int((labels < 0).sum()),
        unknown_types=sorted({name for name in types if name and name not in number}) if number else [],
        rewritten=rewritten(judged) if judged.written else None,
        classified=classified(_of_molecules(judged, molecule, labels), model.config.classes) if number else None,
    )


def rewritten(judged: Judged) -> Rewritten:
    """Character error rate and exact matches, in all and by length."""
    lengths = np.array([len(one) for one in judged.true])
    edits = np.array([Levenshtein.distance(a, b) for a, b in zip(judged.written, judged.true, strict=True)])
    rows = []
    for low, high in zip(LENGTHS, (*LENGTHS[1:], int(lengths.max(initial=0)) + 1), strict=True):
        inside = (lengths >= low) & (lengths < high)
        if inside.any():
            share = {
                "cer": float(edits[inside].sum() / lengths[inside].sum()),
                "exact": float((edits[inside] == 0).mean()),
            }
            rows.append({"from": low, "to": high - 1, "molecules": int(inside.sum()), **share})
    return Rewritten(character_error_rate(judged.written, judged.true), float((edits == 0).mean()), rows)


def classified(judged: Judged, classes: Sequence[str]) -> Classified:
    """F1, precision and recall by class, confusion and calibration, of the molecules whose type is known."""
    assert judged.probabilities is not None
    known = judged.labels >= 0
    true, probabilities = judged.labels[known], judged.probabilities[known]
    told = probabilities.argmax(axis=1)
    numbers = list(range(len(classes)))
    precision, recall, f1, support = precision_recall_fscore_support(true, told, labels=numbers, zero_division=0.0)
    columns = zip(classes, support, precision, recall, f1, strict=True)
    rows = calibration(probabilities.max(axis=1), told == true)
    return Classified(
        **f1_scores(true, told),
        per_class=[
            {"rna_type": name, "molecules": int(n), "precision": float(p), "recall": float(r), "f1": float(f)}
            for name, n, p, r, f in columns
        ],
        confusion=confusion_matrix(true, told, labels=numbers),
        calibration=rows,
        calibration_error=sum(row["molecules"] * abs(row["said"] - row["right"]) for row in rows) / len(true),
    )


def calibration(probability: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> list[dict[str, float]]:
    """In ten bins of the probability of the told type: how often it was right.

    Examples
    --------
    >>> calibration(np.float32([0.95, 0.97, 0.15]), np.array([True, False, False]))[-1]["right"]
    0.5
    """
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    rows = []
    for number in np.unique(place):
        inside = place == number
        means = {"said": float(probability[inside].mean()), "right": float(right[inside].mean())}
        rows.append({"from": number / BINS, "to": (number + 1) / BINS, "molecules": int(inside.sum()), **means})
    return rows


def _of_molecules(judged: Judged, molecule: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> Judged:
    """Probabilities of molecules from those of their windows, averaged by length."""
    assert judged.probabilities is not None
    weights = np.array([len(one) for one in judged.true], dtype=np.float64)
    sums = np.zeros((len(labels), judged.probabilities.shape[1]))
    np.add.at(sums, molecule, judged.probabilities * weights[:, None])
    means = (sums / np.bincount(molecule, weights)[:, None]).astype(np.float32)
    return Judged(judged.true, judged.written, labels, means)
