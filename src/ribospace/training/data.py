"""What a model is trained on, and what it is judged by: held out, and no near copy of anything in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy import sparse

from ribospace.alphabet import Tokens, detokenize, tokenize
from ribospace.batching import cut_windows, token_budget_batches
from ribospace.collection import Collection
from ribospace.errors import UserError

WORD = 6
NEAR_COPY, MAYBE_COPY, IDENTITY = 0.3, 0.05, 0.8
MOST_HELD_OUT = 1000


@dataclass(frozen=True)
class DataConfig:
    """Which molecules are learned from, and which are held out to judge by.

    Attributes
    ----------
    where
        An SQL condition on the molecules; all by default.
    split
        A column that says "train", "validation" or "test", as `ribospace split` writes it; without one, molecules are
        held out at random and those with a near copy in training are left out.
    held_out
        Share of the molecules held out, where there is no such column.
    """

    where: str = ""
    split: str = ""
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out {self.held_out} is not in [0, 1)")


@dataclass(frozen=True)
class Examples:
    """Windows of molecules, and the types of these.

    Attributes
    ----------
    tokens
        (m) windows.
    labels
        (m,) int64, the class of each window's molecule; -1 where it is not known.
    """

    tokens: Tokens
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: npt.NDArray[np.int64]) -> Examples:
        """Some of them."""
        return Examples(self.tokens.take(rows), self.labels[rows])


@dataclass(frozen=True)
class TrainingData:
    """Windows to train on and windows held out.

    Attributes
    ----------
    training, validation
        Windows of molecules.
    about
        How many, from where, and how the split was made.
    """

    training: Examples
    validation: Examples
    about: dict[str, str | int]


def training_data(
    collection: Collection, config: DataConfig, window: int, seed: int, classes: Sequence[str] = ()
) -> TrainingData:
    """Read the distinct sequences of a collection, cut the long ones into windows, hold some molecules out.

    Parameters
    ----------
    collection, config
        Molecules to take.
    window
        Most nucleotides at once, nt; longer molecules come as windows that overlap by a quarter.
    seed
        Of the choice.
    classes
        Types that have a class number; molecules of others have none.

    Returns
    -------
    TrainingData

    Raises
    ------
    UserError
        If there are fewer than two distinct molecules to train on, or the split leaves none.
    """
    table = distinct(collection, config)
    if len(table) < 2:
        raise UserError(f"{collection.uri} gives {len(table)} distinct molecules to train on. Import more.")
    tokens = tokenize(table["sequence"])
    windows, molecule = cut_windows(tokens, window, window // 4)
    number = {name: place for place, name in enumerate(classes)}
    labels = np.array([number.get(name, -1) for name in table["rna_type"].to_pylist()])
    examples = Examples(windows, labels[molecule])
    about: dict[str, str | int] = {
        "collection": collection.uri,
        "where": config.where,
        "distinct_molecules": len(tokens),
        "longer_than_window": int((tokens.lengths > window).sum()),
    }
    if config.split:
        parts = np.array(table[config.split].to_pylist(), dtype=object)
        kept = {name: np.flatnonzero(parts == name) for name in ("train", "validation")}
        about["split"] = f"the column {config.split!r}: trained on train, validated on validation, test never seen"
    else:
        held = hold_out(windows, molecule, config.held_out, seed)
        kept = {"train": np.setdiff1d(np.arange(len(tokens)), held.candidates), "validation": held.kept}
        about["validation_near_copies_left_out"] = len(held.candidates) - len(held.kept)
        about["split"] = (
            f"molecules held out at random (seed {seed}); one that is {IDENTITY:.0%} identical to, or shares more "
            f"than {NEAR_COPY:.0%} of its {WORD}-mers with, any window trained on is neither trained on nor judged by"
        )
    if not len(kept["train"]):
        raise UserError(f"{collection.uri} has no molecule to train on: none says 'train' in {config.split!r}.")
    rows = {name: np.flatnonzero(np.isin(molecule, which)) for name, which in kept.items()}
    about |= {"training_molecules": len(kept["train"]), "training_windows": len(rows["train"])}
    about["validation_molecules"] = len(kept["validation"])
    return TrainingData(examples.take(rows["train"]), examples.take(rows["validation"]), about)


def distinct(collection: Collection, config: DataConfig) -> pa.Table:
    """The distinct sequences with the type (and split) of the first molecule that has each.

    Raises
    ------
    UserError
        If the column of the split does not exist.
    """
    names = ["sequence", "rna_type", *([config.split] if config.split else [])]
    table = collection.table(names, config.where or None)
    first = table.append_column("row", pa.array(np.arange(len(table)))).group_by("sequence").aggregate([("row", "min")])
    return table.take(pa.array(np.sort(first["row_min"].to_numpy())))


@dataclass(frozen=True)
class HeldOut:
    """Molecules held out: all that were drawn, and those of them without a near copy in training."""

    candidates: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]


def hold_out(windows: Tokens, molecule: npt.NDArray[np.int64], share: float, seed: int) -> HeldOut:
    """Draw molecules to judge by, and leave out those that have a near copy among the others.

    A window has a near copy where a window of another molecule is at least 80 % identical to it (1 - edit distance /
    longer length; looked at where more than 5 % of its distinct 6-mers are shared, as at 80 % identity about a quarter
    is), or holds more than 30 % of its 6-mers (then they overlap). Unrelated windows of 200 nt share about 5 %.

    Parameters
    ----------
    windows
        (m) windows of distinct molecules.
    molecule
        (m,) which molecule a window is from, rising from 0.
    share
        Of the molecules to draw, 0 to 1; at most 1,000 are drawn.
    seed
        Of the draw.
    """
    molecules = int(molecule[-1]) + 1
    count = min(round(molecules * share), MOST_HELD_OUT, molecules - 1)
    candidates = np.sort(np.random.default_rng(seed).choice(molecules, count, replace=False))
    words = _word_matrix(windows)
    is_drawn = np.isin(molecule, candidates)
    drawn, rest = words[is_drawn], words[~is_drawn]
    distinct = np.diff(drawn.indptr)
    copied = np.zeros(drawn.shape[0], dtype=bool)
    letters = detokenize(windows.take(np.flatnonzero(is_drawn)))
    others = detokenize(windows.take(np.flatnonzero(~is_drawn)))
    for start in range(0, rest.shape[0], 20_000):
        shared = (drawn @ rest[start : start + 20_000].T).tocsr()
        for row in np.flatnonzero(~copied):
            part = slice(shared.indptr[row], shared.indptr[row + 1])
            share_of = shared.data[part] / distinct[row]
            alike = [others[start + other] for other in shared.indices[part][share_of > MAYBE_COPY]]
            copied[row] = (share_of > NEAR_COPY).any() or _has_identical(letters[row], alike)
    return HeldOut(candidates, np.setdiff1d(candidates, molecule[is_drawn][copied]))


def _has_identical(sequence: str, others: list[str]) -> bool:
    similarity = Levenshtein.normalized_similarity
    best = process.extractOne(sequence, others, scorer=similarity, score_cutoff=IDENTITY - 0.01)  # it rounds near it
    return best is not None and best[1] >= IDENTITY


def _word_matrix(tokens: Tokens) -> sparse.csr_matrix:
    """(molecules, all 6-mers) 1 where a molecule holds one; a shorter molecule is one word of its own."""
    lengths = tokens.lengths
    owner = np.repeat(np.arange(len(tokens)), lengths)
    code = np.zeros(len(tokens.ids), dtype=np.int64)
    padded = np.concatenate([tokens.ids.astype(np.int64), np.zeros(WORD, dtype=np.int64)])
    for step in range(WORD):
        inside = np.arange(len(code)) + step < tokens.offsets[1:][owner]
        code = code * 32 + padded[step : step + len(code)] * inside
    whole = np.arange(len(code)) + WORD <= tokens.offsets[1:][owner]
    short = (lengths < WORD)[owner] & (np.arange(len(code)) == tokens.offsets[:-1][owner])
    use = whole | short
    _, column = np.unique(code[use], return_inverse=True)
    shape = (len(tokens), int(column.max(initial=-1)) + 1)
    matrix = sparse.csr_matrix((np.ones(len(column), dtype=np.float32), (owner[use], column)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def step_batches(lengths: npt.NDArray[np.int64], budget: int, seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
    """Rows of each optimiser step of one epoch: of like length, in an order that seed and epoch alone decide."""
    return token_budget_batches(lengths + 2, budget, np.random.default_rng([seed, epoch]))
