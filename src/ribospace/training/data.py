"""What a model is trained on, and what it is judged by: held out, and no near copy of anything in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from scipy import sparse

from ribospace.alphabet import Tokens, tokenize
from ribospace.batching import cut_windows, token_budget_batches
from ribospace.collection import Collection
from ribospace.errors import UserError

WORD = 6
NEAR_COPY = 0.3
MOST_HELD_OUT = 1000


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

    training: Tokens
    validation: Tokens
    about: dict[str, str | int]


def training_data(
    collection: Collection, where: str | None, window: int, held_out: float, seed: int
) -> TrainingData:
    """Read the distinct sequences of a collection, cut the long ones into windows, hold some molecules out.

    Parameters
    ----------
    collection, where
        Molecules to take.
    window
        Most nucleotides at once, nt; longer molecules come as windows that overlap by a quarter.
    held_out
        Share of the molecules to judge by, before near copies are taken out of them; at most 1,000.
    seed
        Of the choice.

    Returns
    -------
    TrainingData

    Raises
    ------
    UserError
        If there are fewer than two distinct molecules.
    """
    sequences = collection.table(["sequence"], where)["sequence"].unique()
    if len(sequences) < 2:
        raise UserError(f"{collection.path} gives {len(sequences)} distinct molecules to train on. Import more.")
    tokens = tokenize(sequences)
    validation = hold_out(tokens, held_out, seed)
    chosen = np.zeros(len(tokens), dtype=bool)
    chosen[validation.candidates] = True
    training_windows, _ = cut_windows(tokenize(sequences.filter(pa.array(~chosen))), window, window // 4)
    validation_windows, _ = cut_windows(tokenize(sequences.take(pa.array(validation.kept))), window, window // 4)
    about: dict[str, str | int] = {
        "collection": str(collection.path),
        "where": where or "",
        "distinct_molecules": len(tokens),
        "longer_than_window": int((tokens.lengths > window).sum()),
        "training_molecules": int((~chosen).sum()),
        "training_windows": len(training_windows),
        "validation_molecules": len(validation.kept),
        "validation_near_copies_left_out": len(validation.candidates) - len(validation.kept),
        "split": f"molecules held out at random (seed {seed}); one that shares more than {NEAR_COPY:.0%} of its "
        f"{WORD}-mers with a training molecule is neither trained on nor judged by",
    }
    return TrainingData(training_windows, validation_windows, about)


@dataclass(frozen=True)
class HeldOut:
    """Rows held out: all that were drawn, and those of them without a near copy in training."""

    candidates: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]


def hold_out(tokens: Tokens, share: float, seed: int) -> HeldOut:
    """Draw molecules to judge by, and leave out those that have a near copy among the others.

    A near copy is a molecule that holds more than 30 % of the drawn one's distinct 6-mers; at 80 % identity about
    a quarter are shared (0.8 to the power of 6), between unrelated molecules of 200 nt about 5 %.

    Parameters
    ----------
    tokens
        Distinct molecules.
    share
        To draw, 0 to 1; at most 1,000 are drawn.
    seed
        Of the draw.
    """
    count = min(round(len(tokens) * share), MOST_HELD_OUT)
    candidates = np.sort(np.random.default_rng(seed).choice(len(tokens), count, replace=False))
    words = _word_matrix(tokens)
    drawn = words[candidates]
    rest = np.setdiff1d(np.arange(len(tokens)), candidates)
    most = np.zeros(count)
    for start in range(0, len(rest), 20_000):
        shared = drawn @ words[rest[start : start + 20_000]].T
        if shared.nnz:
            most = np.maximum(most, shared.max(axis=1).toarray().ravel())
    distinct = np.maximum(np.diff(drawn.indptr), 1)
    return HeldOut(candidates, candidates[most / distinct <= NEAR_COPY])


def _word_matrix(tokens: Tokens) -> sparse.csr_matrix:
    """(molecules, all 6-mers) 1 where a molecule holds one; a shorter molecule is one word of its own."""
    lengths = tokens.lengths
    owner = np.repeat(np.arange(len(tokens)), lengths)
    code = np.zeros(len(tokens.ids), dtype=np.int64)
    padded = np.concatenate([tokens.ids.astype(np.int64), np.zeros(WORD, dtype=np.int64)])
    for step in range(WORD):
        code = code * 32 + padded[step : step + len(code)]
    whole = np.arange(len(code)) + WORD <= tokens.offsets[1:][owner]
    short = (lengths < WORD)[owner] & (np.arange(len(code)) == tokens.offsets[:-1][owner])
    use = whole | short
    _, column = np.unique(code[use], return_inverse=True)
    shape = (len(tokens), int(column.max(initial=-1)) + 1)
    matrix = sparse.csr_matrix((np.ones(len(column), dtype=np.float32), (owner[use], column)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def batches(tokens: Tokens, budget: int, generator: np.random.Generator | None = None) -> Iterator[torch.Tensor]:
    """Padded batches of like length, (batch, longest + 2) int64 with START and END; random order with a generator."""
    for rows in token_budget_batches(tokens.lengths + 2, budget, generator):
        yield torch.from_numpy(tokens.padded(rows)).long()
