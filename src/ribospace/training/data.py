"""What a model is trained on, and what it is judged by: held out, and no near copy of anything in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
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


def training_data(collection: Collection, where: str | None, window: int, held_out: float, seed: int) -> TrainingData:
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
        raise UserError(f"{collection.uri} gives {len(sequences)} distinct molecules to train on. Import more.")
    tokens = tokenize(sequences)
    windows, molecule = cut_windows(tokens, window, window // 4)
    held = hold_out(windows, molecule, held_out, seed)
    training = np.flatnonzero(~np.isin(molecule, held.candidates))
    validation = np.flatnonzero(np.isin(molecule, held.kept))
    about: dict[str, str | int] = {
        "collection": collection.uri,
        "where": where or "",
        "distinct_molecules": len(tokens),
        "longer_than_window": int((tokens.lengths > window).sum()),
        "training_molecules": len(tokens) - len(held.candidates),
        "training_windows": len(training),
        "validation_molecules": len(held.kept),
        "validation_near_copies_left_out": len(held.candidates) - len(held.kept),
        "split": f"molecules held out at random (seed {seed}); one that is {IDENTITY:.0%} identical to, or shares more "
        f"than {NEAR_COPY:.0%} of its {WORD}-mers with, any window trained on is neither trained on nor judged by",
    }
    return TrainingData(windows.take(training), windows.take(validation), about)


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


def batches(tokens: Tokens, budget: int, generator: np.random.Generator | None = None) -> Iterator[torch.Tensor]:
    """Padded batches of like length, (batch, longest + 2) int64 with START and END; random order with a generator."""
    for rows in token_budget_batches(tokens.lengths + 2, budget, generator):
        yield torch.from_numpy(tokens.padded(rows)).long()
