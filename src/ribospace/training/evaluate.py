"""How good a trained model is on molecules of a collection: letters written again, types told apart, and how sure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz.distance import Levenshtein
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from ribospace.alphabet import tokenize
from ribospace.batching import cut_windows
from ribospace.collection import Collection
from ribospace.errors import UserError, nearest
from ribospace.models.autoencoder import AutoencoderConfig
from ribospace.models.device import keep_freed_memory
from ribospace.models.latent import Model
from ribospace.models.qformer import QFormerConfig
from ribospace.progress import Progress, silent
from ribospace.training.data import DataConfig, Examples, class_numbers, distinct, label_names, listed
from ribospace.training.metrics import character_error_rate, f1_scores
from ribospace.training.objectives import NO_CLASS
from ribospace.training.validation import Judged, judge

LENGTHS = (0, 25, 50, 75, 100, 125, 150, 175, 206)
BINS = 10


@dataclass(frozen=True)
class Rewritten:
    """How well windows of molecules are written again.

    Attributes
    ----------
    cer
        Character error rate: edits over letters, of all together.
    exact
        Share of the windows without an error.
    by_length
        Rows of from, to (nt), windows, cer, exact.
    forced
        Share of the letters, END among them, named wrongly with the true ones before them; None without a decoder.
    """

    cer: float
    exact: float
    by_length: list[dict[str, float]]
    forced: float | None = None


@dataclass(frozen=True)
class Classified:
    """How well types are told apart.

    Attributes
    ----------
    micro_f1, macro_f1
        Micro is the accuracy; the macro mean is over the classes that occur in either.
    per_class
        Rows of label, molecules, precision, recall, f1.
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
class Molecules:
    """Molecules to judge a model by.

    Attributes
    ----------
    windows
        (m) windows, with the class of each one's molecule.
    owner
        (m,) int64, the molecule that a window is from, rising from 0.
    labels
        (n,) int64, the class of each molecule; -1 where it is not known.
    label
        The column of the classes; "" for a model that tells none apart.
    unknown
        Labels that the model has never seen.
    """

    windows: Examples
    owner: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    label: str
    unknown: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def without_class(self) -> int:
        """How many have no label that the model knows, where it knows any."""
        return int((self.labels < 0).sum()) if self.label else 0

    @property
    def warning(self) -> str:
        """What is not counted, and why; nothing where all is."""
        if not self.without_class:
            return ""
        why = f"no {self.label} that the model knows"
        names = f" (it has never seen {listed(self.unknown)})" if self.unknown else ""
        return f"{self.without_class:,} of {len(self):,} molecules have {why}{names}: F1 and calibration leave them out"


@dataclass(frozen=True)
class Evaluation:
    """What a model does with molecules of a collection.

    Attributes
    ----------
    molecules, windows
        How many were judged, and in how many windows.
    label
        The column of the classes; "" for a model that tells none apart.
    without_class
        Molecules whose label the model does not know, or that have none; they are not counted in `classified`.
    unknown
        The labels that the model has never seen.
    rewritten, classified
        None where the model has no part for it.
    """

    molecules: int
    windows: int
    label: str
    without_class: int
    unknown: list[str]
    rewritten: Rewritten | None
    classified: Classified | None


def molecules_of(
    collection: Collection, config: AutoencoderConfig | QFormerConfig, data: DataConfig, part: str = "test"
) -> Molecules:
    """Read the distinct molecules of a collection that a model is to be judged by, and check them.

    Parameters
    ----------
    collection, config
        The molecules, and the model's window and classes.
    data
        Which molecules: `where`, the column `split` ("": all), and the column `label` of the classes, which a model
        without classes does not read.
    part
        Which part of the split.

    Raises
    ------
    UserError
        If no molecule is left, a column does not exist, or no molecule has a label that the model knows.
    """
    label = data.label if config.classes else ""
    table = distinct(collection, data if label else dataclasses.replace(data, label=DataConfig.label))
    if data.split:
        table = _part_of(collection, table, data, part)
    if not len(table):
        raise UserError(f"{collection.uri} has no molecule to judge by{_where(data)}. Loosen --where.")
    windows, owner = cut_windows(tokenize(table["sequence"]), config.window, config.window // 4)
    names = label_names(collection, label, table) if label else []
    labels = class_numbers(names, config.classes) if label else np.full(len(table), NO_CLASS)
    unknown = sorted({name for name in names if name} - set(config.classes))
    if label and not (labels >= 0).any():
        raise UserError(
            f"The model knows no {label} of the molecules of {collection.uri}{_where(data)}: it tells "
            f"{listed(config.classes)} apart, they have {listed(unknown) or 'none'}. "
            "Choose others with --where, --split or --data."
        )
    return Molecules(Examples(windows, labels[owner]), owner, labels, label, unknown)


def evaluate(model: Model, molecules: Molecules, beams: int = 1, progress: Progress = silent) -> Evaluation:
    """Judge a model.

    Parameters
    ----------
    model, molecules
        What is judged, on what.
    beams
        Of beam search; 1 is greedy.
    progress
        Told of every batch of windows.
    """
    keep_freed_memory()
    judged = judge(model, molecules.windows, beams, progress)
    classes = model.config.classes
    means = of_molecules(judged, molecules.owner, molecules.labels) if classes else None
    return Evaluation(
        molecules=len(molecules),
        windows=len(molecules.windows),
        label=molecules.label,
        without_class=molecules.without_class,
        unknown=molecules.unknown,
        rewritten=rewritten(judged) if judged.written else None,
        classified=classified(means, classes) if means else None,
    )


def _part_of(collection: Collection, table: pa.Table, data: DataConfig, part: str) -> pa.Table:
    column = table[data.split].to_pylist()
    if len(column) and part not in column:
        said = nearest(part, {str(one) for one in column})
        raise UserError(f"{collection.uri} has no {part!r} in the column {data.split!r}{_where(data)}. {said}")
    return table.filter([one == part for one in column])


def _where(data: DataConfig) -> str:
    return f" where {data.where!r}" if data.where else ""


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
            rows.append({"from": low, "to": high - 1, "windows": int(inside.sum()), **share})
    forced = None if judged.forced is None else float(judged.forced.sum() / (lengths + 1).sum())
    return Rewritten(character_error_rate(judged.written, judged.true), float((edits == 0).mean()), rows, forced)


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
            {"label": name, "molecules": int(n), "precision": float(p), "recall": float(r), "f1": float(f)}
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


def of_molecules(judged: Judged, molecule: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> Judged:
    """Probabilities of molecules from those of their windows, averaged by length.

    Parameters
    ----------
    judged
        (m) windows.
    molecule
        (m,) which molecule a window is from, rising from 0.
    labels
        (n,) class numbers of the molecules.
    """
    assert judged.probabilities is not None
    weights = np.array([len(one) for one in judged.true], dtype=np.float64)
    sums = np.zeros((len(labels), judged.probabilities.shape[1]))
    np.add.at(sums, molecule, judged.probabilities * weights[:, None])
    means = (sums / np.bincount(molecule, weights)[:, None]).astype(np.float32)
    return Judged(judged.true, judged.written, labels, means, judged.forced)
