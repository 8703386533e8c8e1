"""What a model is trained on, and what it is judged by: held out, and no near copy of anything in training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy import sparse

from ribospace.alphabet import Tokens, detokenize, tokenize
from ribospace.batching import cut_windows, token_budget_batches
from ribospace.collection import Collection
from ribospace.errors import UserError, nearest
from ribospace.training.objectives import NO_CLASS

WORD = 6
NEAR_COPY, MAYBE_COPY, IDENTITY = 0.3, 0.05, 0.8
MOST_HELD_OUT = 1000
PARTS = ("train", "validation")
MIXED = 4  # batches of different lengths in a step

Rows: TypeAlias = "npt.NDArray[np.int64]"


@dataclass(frozen=True)
class DataConfig:
    """Which molecules are learned from, and which are held out to judge by.

    Attributes
    ----------
    where
        An SQL condition on the molecules; all by default.
    split
        A column that says "train", "validation" or "test", as `ribospace split` writes it; without one, molecules are
        held out at random and those with a near copy in training are left out. At most 1,000 are judged by.
    held_out
        Share of the molecules held out, where there is no such column.
    label
        The column that a classifier names.
    """

    where: str = ""
    split: str = ""
    held_out: float = 0.1
    label: str = "rna_type"

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out {self.held_out} is not in [0, 1)")


@dataclass(frozen=True)
class Examples:
    """Windows of molecules, and the labels of these.

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
    classes
        Names of the labels' numbers.
    said
        What a user should know of the labels before training begins.
    """

    training: Examples
    validation: Examples
    about: dict[str, str | int]
    classes: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def training_data(
    collection: Collection, config: DataConfig, window: int, seed: int, classes: Sequence[str] | None = ()
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
        Labels that have a class number, molecules of others have none; None: the labels of the molecules trained on.

    Returns
    -------
    TrainingData

    Raises
    ------
    UserError
        If there are fewer than two distinct molecules to train on, the split leaves none, a column does not exist, or
        there are fewer than two labels to tell apart.
    """
    table = distinct(collection, config)
    if len(table) < 2:
        left = f"{config.where!r} leaves {len(table)} of its" if config.where else f"it has {len(table)}"
        mend = "Loosen data.where" if config.where else "Import more"
        raise UserError(f"{collection.uri} is too small to train on: {left} distinct molecules. {mend}.")
    tokens = tokenize(table["sequence"])
    windows, molecule = cut_windows(tokens, window, window // 4)
    if config.split:
        kept, how = _by_column(collection, config, table[config.split].to_pylist(), seed)
    else:
        kept, how = _at_random(windows, molecule, config.held_out, seed)
    if len(kept["train"]) < 2:
        raise UserError(
            f"{collection.uri} is too small to train on: {len(kept['train'])} molecule is left to learn from. "
            "Hold fewer out (data.held_out), or import more."
        )
    known, labels, said = _labelled(collection, config.label, table, kept, classes)
    examples = Examples(windows, labels[molecule])
    training, validation = (examples.take(np.flatnonzero(np.isin(molecule, kept[part]))) for part in PARTS)
    about: dict[str, str | int] = {
        "collection": collection.uri,
        "where": config.where,
        "distinct_molecules": len(tokens),
        "longer_than_window": int((tokens.lengths > window).sum()),
        **how,
        "training_molecules": len(kept["train"]),
        "training_windows": len(training),
        "validation_molecules": len(kept["validation"]),
        "validation_windows": len(validation),
        "data_sha256": _sha256(training, validation),
    }
    return TrainingData(training, validation, about, known, said)


def _sha256(*parts: Examples) -> str:
    """What tells other molecules, another split or other labels, first 16 digits."""
    digest = hashlib.sha256()
    for part in parts:
        for array in (part.tokens.ids, part.tokens.offsets, part.labels):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def distinct(collection: Collection, config: DataConfig) -> pa.Table:
    """The distinct sequences with the label (and split) of the first molecule that has each.

    Raises
    ------
    UserError
        If the column of the labels or the split does not exist; the nearest is named.
    """
    if config.split and config.split not in collection.schema.names:
        raise UserError(
            f"{collection.uri} has no column {config.split!r} to split by. "
            f"{nearest(config.split, collection.plain_columns)} `ribospace split {collection.uri}` makes one."
        )
    names = dict.fromkeys(["sequence", config.label, *([config.split] if config.split else [])])
    table = collection.table(list(names), config.where or None)
    first = table.append_column("row", pa.array(np.arange(len(table)))).group_by("sequence").aggregate([("row", "min")])
    return table.take(pa.array(np.sort(first["row_min"].to_numpy())))


def _by_column(
    collection: Collection, config: DataConfig, said: list[str | None], seed: int
) -> tuple[dict[str, Rows], dict[str, str | int]]:
    """Which molecules are trained on and judged by, as a column says of each; at most 1,000 are judged by."""
    column = np.array(said, dtype=object)
    kept = {part: np.flatnonzero(column == part) for part in PARTS}
    if not len(kept["train"]):
        words = sorted({str(one) for one in said})
        where = f" where {config.where!r}" if config.where else ""
        raise UserError(
            f"{collection.uri} has no molecule to train on{where}: the column {config.split!r} says "
            f"{listed(words)}, never 'train'. `ribospace split {collection.uri}` writes a column that does."
        )
    there = len(kept["validation"])
    if there > MOST_HELD_OUT:
        drawn = np.random.default_rng(seed).choice(there, MOST_HELD_OUT, replace=False)
        kept["validation"] = kept["validation"][np.sort(drawn)]
    few = f" ({MOST_HELD_OUT:,} of {there:,}, drawn with seed {seed})" if there > MOST_HELD_OUT else ""
    how = f"the column {config.split!r}: trained on train, validated on validation{few}, test never seen"
    return kept, {"split": how}


def _at_random(
    windows: Tokens, molecule: Rows, share: float, seed: int
) -> tuple[dict[str, Rows], dict[str, str | int]]:
    """Which molecules are trained on and judged by, where a share is held out."""
    held = hold_out(windows, molecule, share, seed)
    rest = np.setdiff1d(np.arange(int(molecule[-1]) + 1), held.candidates)
    how = (
        f"molecules held out at random (seed {seed}); one that is {IDENTITY:.0%} identical to, or shares more "
        f"than {NEAR_COPY:.0%} of its {WORD}-mers with, any window trained on is neither trained on nor judged by"
    )
    copies = len(held.candidates) - len(held.kept)
    return {"train": rest, "validation": held.kept}, {"validation_near_copies_left_out": copies, "split": how}


def _labelled(
    collection: Collection, label: str, table: pa.Table, kept: dict[str, Rows], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], Rows, tuple[str, ...]]:
    """The classes, the (n,) class numbers of a table's molecules, and sentences on those that have none."""
    if classes is not None and not len(classes):
        return (), np.full(len(table), NO_CLASS), ()
    names = label_names(collection, label, table)
    parts = {part: [names[row] for row in rows] for part, rows in kept.items()}
    found = _classes(collection, label, parts["train"])
    if classes and not set(classes) & set(found):
        raise UserError(
            f"No molecule of {collection.uri} to train on has a {label} of model.classes ({listed(list(classes))}); "
            f"they have {listed(found)}. Leave model.classes out, or name some of these."
        )
    classes = classes or found
    return tuple(classes), class_numbers(names, classes), tuple(_unlabelled(parts, classes, label))


def label_names(collection: Collection, label: str, table: pa.Table) -> list[str | None]:
    """The labels of a table's molecules; None where there is none.

    Raises
    ------
    UserError
        If the column holds no names.
    """
    kind = table.schema.field(label).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UserError(f"The column {label!r} of {collection.uri} holds {kind}, no names. Choose a column of text.")
    return [name or None for name in table[label].to_pylist()]


def class_numbers(names: Sequence[str | None], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """(n,) int64, the place of each name among the classes; -1 where it is none.

    Examples
    --------
    >>> class_numbers(["tRNA", None, "rRNA"], ["rRNA", "tRNA"])
    array([ 1, -1,  0])
    """
    number = {name: place for place, name in enumerate(classes)}
    return np.array([number.get(name, NO_CLASS) if name else NO_CLASS for name in names], dtype=np.int64)


def _classes(collection: Collection, label: str, names: Sequence[str | None]) -> list[str]:
    """The labels of the molecules trained on, sorted; two at least."""
    found = sorted({name for name in names if name})
    if len(found) < 2:
        have = f"all have the {label} {found[0]!r}" if found else f"none has any {label}"
        raise UserError(
            f"There is nothing to tell apart: of the {len(names):,} molecules of {collection.uri} to train on {have}. "
            f"Import more, with their {label}, or leave the loss `classes` out."
        )
    return found


def _unlabelled(parts: dict[str, list[str | None]], classes: Sequence[str], label: str) -> Iterator[str]:
    """Sentences on classes without molecules, and on molecules without a label or with one that is no class."""
    names = [name for part in parts.values() for name in part]
    if absent := [name for name in classes if name not in parts["train"]]:
        yield f"No molecule trained on has the {label} {listed(absent)}, which model.classes names"
    if missing := names.count(None):
        yield f"{missing:,} of {len(names):,} molecules have no {label}: counted in no loss and no figure of it"
    for part, said in parts.items():
        other = [name for name in said if name and name not in classes]
        if other:
            count = f"{len(other):,} molecule{'s' if len(other) > 1 else ''}"
            yield (
                f"In {part} the {label} of {count} is none that the model learns ({listed(sorted(set(other)))}): "
                "counted in no loss and no figure of it"
            )


def listed(names: Sequence[str], most: int = 10) -> str:
    """Some names for a sentence.

    Examples
    --------
    >>> listed(["tRNA", "rRNA", "sRNA"], most=2)
    'tRNA, rRNA and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


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


def step_batches(lengths: Rows, budget: int, seed: int, epoch: int) -> list[list[Rows]]:
    """Rows of each step of one epoch, in batches of like length, in an order that seed and epoch alone decide.

    A step has several batches, of any lengths: molecules of one length are mostly of one type, and steps of one type
    each would pull the weights to and fro.
    """
    batches = token_budget_batches(lengths + 2, max(1, budget // MIXED), np.random.default_rng([seed, epoch]))
    return [batches[start : start + MIXED] for start in range(0, len(batches), MIXED)]
