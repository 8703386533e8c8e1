"""Near copies by sketches of k-mers: candidates that share words, each candidate compared in full.

The identity of two molecules is 1 - edit distance / length of the longer (substitutions, insertions, deletions count 1
each). Pairs come from three searches, by the length of the longer molecule:

- up to 64 nt (and up to 4,096 nt in a set of at most 2,000 molecules): every pair is compared. Exact.
- up to 4,096 nt: pairs that share a word (of 9 nt among 20,000 molecules, 11 among 100,000) of about 96 drawn by hash
  from each molecule. The places of a word are sorted by what follows it, and each is paired with its 16 neighbours in
  that order: in a family of thousands, the likeliest copies. Pairs are compared in full; those without a common word
  are missed.
- longer: words of 16 nt, about 1,024 from each; the share s of the longer molecule's words that the other has gives
  the identity as s^(1/16) (as Mash does, Ondov et al. 2016, doi 10.1186/s13059-016-0997-x), give or take 0.02.

Ambiguity codes stand for the first of their bases when words are made, and for themselves when molecules are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy import sparse

from ribospace.alphabet import Sequences
from ribospace.clusters.words import Molecules, Rows, drawn_words
from ribospace.progress import Progress, silent

LEAST_IDENTITY = 0.7
SHORT, LONG, FEW, MANY_SHORT = 64, 4096, 2000, 100_000
LONG_WORD, LONG_WORDS = 16, 1024
COMPARED_AT_ONCE, BLOCK_ROWS, OTHERS_AT_ONCE = 200_000, 256, 50_000
CHANCE_PAIRS, CHANCE_PAIRS_EACH, CHANCE_LENGTH, WORD_RANGE = 20_000_000, 200, 200, (8, 16)
ROUNDS = ((1, 2), (2, 3), (3, 5), (5, 9), (9, 17), (17, 33))

Mask: TypeAlias = "npt.NDArray[np.bool_]"
Pairs: TypeAlias = "tuple[Rows, Rows]"
#: Which of the candidate pairs are still worth a comparison; asked anew as pairs are found.
Useful: TypeAlias = "Callable[[Rows, Rows], Mask]"


@dataclass(frozen=True)
class Sketch:
    """How candidates are found among molecules of middling length.

    Attributes
    ----------
    word
        Length of a word, nt, at most 32. None: the shortest, from 8 on, with which unrelated molecules are expected
        to make no more than 20 million candidates (or 200 a molecule; fewer where they have more than 200 nt):
        shorter words find more and take longer.
    words
        About how many are drawn from a molecule.
    rounds
        How many of ROUNDS a place is paired in: 5 reach 16 neighbours, 6 reach 32.
    seed
        Of the draw.
    """

    word: int | None = None
    words: int = 96
    rounds: int = 5
    seed: int = 0


def sketch_clusters(
    sequences: Iterable[Sequences],
    identity: float,
    *,
    sketch: Sketch | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Rows:
    """Cluster molecules: connected components of the pairs found; about 1 kB of memory a molecule beside its letters.

    Parameters
    ----------
    sequences
        Molecules in U, batch by batch.
    identity
        Least identity of a pair, 0.7 to 1.
    sketch
        How candidates are found; its seed changes which pairs are missed, nothing else is random.
    threads
        How many to compare with.
    progress
        Told of the pairs compared.

    Returns
    -------
    ndarray
        (n,) int64, the number of the first molecule of the cluster that a molecule is in.

    Examples
    --------
    >>> sketch_clusters([["ACGUACGUAC", "GGGGGGGG", "ACGUACGUAU"]], 0.8).tolist()
    [0, 1, 0]
    """
    molecules = Molecules.gathered(sequences)
    labels = np.arange(len(molecules))
    everyone = np.ones(len(molecules), dtype=bool)

    def apart(one: Rows, other: Rows) -> Mask:
        return labels[one] != labels[other]

    for one, other in _pairs(molecules, identity, sketch or Sketch(), everyone, apart, threads, progress):
        labels = _joined(labels, one, other)
    return labels


def near_copies(
    held: Sequences,
    others: Iterable[Sequences],
    identity: float,
    *,
    sketch: Sketch | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Mask:
    """Which molecules have a near copy among others, which stream through in constant memory.

    Parameters
    ----------
    held
        (n,) molecules asked about.
    others
        Those they are compared with, batch by batch.
    identity, sketch, threads, progress
        See `sketch_clusters`.

    Returns
    -------
    ndarray
        (n,) bool.

    Examples
    --------
    >>> near_copies(["ACGUACGUAC", "GGGGGGGG"], [["UUUU"], ["ACGUACGUAU"]], 0.8).tolist()
    [True, False]
    """
    found = np.zeros(len(held), dtype=bool)
    for some in _regrouped(others, OTHERS_AT_ONCE):
        left = np.flatnonzero(~found)
        asked = Molecules.gathered([held]).take(left)
        molecules = asked.with_others(some)
        is_asked = np.arange(len(molecules)) < len(asked)
        copied = np.zeros(len(molecules), dtype=bool)

        def across(one: Rows, other: Rows, asks: Mask = is_asked, done: Mask = copied) -> Mask:
            return (asks[one] != asks[other]) & ~done[one] & ~done[other]

        for one, other in _pairs(molecules, identity, sketch or Sketch(), is_asked, across, threads, progress):
            copied[np.where(is_asked[one], one, other)] = True
        found[left[copied[: len(asked)]]] = True
    return found


def _regrouped(batches: Iterable[Sequences], rows: int) -> Iterator[Molecules]:
    waiting: list[Sequences] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= rows:
            yield Molecules.gathered(waiting)
            waiting = []
    if waiting:
        yield Molecules.gathered(waiting)


def _joined(labels: Rows, one: Rows, other: Rows) -> Rows:
    """Components after some more pairs, each called by its first molecule."""
    graph = sparse.coo_matrix((np.ones(len(one), dtype=bool), (labels[one], labels[other])), (len(labels),) * 2)
    _, component = sparse.csgraph.connected_components(graph, directed=False)
    _, first, number = np.unique(component[labels], return_index=True, return_inverse=True)
    return first[number]


def _most_edits(longer: Rows, identity: float) -> Rows:
    return np.floor((1 - identity) * longer + 1e-9).astype(np.int64)


def _pairs(
    molecules: Molecules,
    identity: float,
    sketch: Sketch,
    asks: Mask,
    useful: Useful,
    threads: int,
    progress: Progress,
) -> Iterator[Pairs]:
    """Pairs of at least this identity, one of which asks; chunk by chunk, so that `useful` can learn from them."""
    lengths = molecules.lengths
    exact = LONG if len(lengths) <= FEW else SHORT if (lengths <= SHORT).sum() <= MANY_SHORT else 0
    counted = _Counted(progress)
    yield from _short_pairs(molecules, identity, exact, asks, useful, threads, counted)
    yield from _middle_pairs(molecules, identity, exact, sketch, asks, useful, threads, counted)
    yield from _long_pairs(molecules, identity, sketch.seed, useful)


class _Counted:
    """Progress, by the pairs compared."""

    def __init__(self, progress: Progress) -> None:
        self.done, self.progress = 0, progress

    def add(self, pairs: int) -> None:
        self.done += pairs
        self.progress(self.done, None)


def _short_pairs(
    molecules: Molecules,
    identity: float,
    longest: int,
    asks: Mask,
    useful: Useful,
    threads: int,
    counted: _Counted,
) -> Iterator[Pairs]:
    """Every pair of molecules up to a length, in blocks of like length."""
    lengths = molecules.lengths
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] <= longest]
    ordered, texts = lengths[order], [molecules.texts[row] for row in order.tolist()]
    asking = np.flatnonzero(asks[order])
    for start in range(0, len(asking), BLOCK_ROWS):
        rows = asking[start : start + BLOCK_ROWS]
        everyone = len(asking) == len(order)  # then those before have asked already
        low = rows[0] if everyone else np.searchsorted(ordered, identity * ordered[rows[0]] - 1e-9)
        high = np.searchsorted(ordered, ordered[rows[-1]] / identity + 1e-9, side="right")
        most = int(_most_edits(ordered[high - 1], identity))
        edits = process.cdist(
            [texts[row] for row in rows.tolist()],
            texts[low:high],
            scorer=Levenshtein.distance,
            score_cutoff=most,
            workers=threads,
            dtype=np.uint8 if most < 255 else np.uint16,
        )
        one, other = np.divmod(np.flatnonzero(edits <= most), high - low)
        alike = edits[one, other] <= _most_edits(np.maximum(ordered[rows[one]], ordered[low + other]), identity)
        one, other = order[rows[one[alike]]], order[low + other[alike]]
        keep = (one != other) & useful(one, other)
        counted.add(edits.size)
        yield one[keep], other[keep]


def _middle_pairs(
    molecules: Molecules,
    identity: float,
    exact: int,
    sketch: Sketch,
    asks: Mask,
    useful: Useful,
    threads: int,
    counted: _Counted,
) -> Iterator[Pairs]:
    """Candidates of neighbouring places of a word, compared in full."""
    lengths = molecules.lengths
    rows = np.flatnonzero((lengths > exact * identity) & (lengths <= LONG))
    if len(rows) < 2 or lengths[rows].max() <= exact:
        return
    size = sketch.word or _word_for(lengths[rows], sketch.words, asks[rows])
    key, owner = drawn_words(molecules, rows, size, sketch.words, sketch.seed)
    order = np.argsort(key, kind="stable")
    key, owner = key[order], owner[order]
    word = key >> np.uint64(64 - 2 * size)
    failed = np.empty(0, dtype=np.int64)
    for first, behind in ROUNDS[: sketch.rounds]:
        steps = [_neighbours(word, owner, step, lengths, identity, exact, useful) for step in range(first, behind)]
        codes = np.setdiff1d(np.concatenate(steps), failed)
        for start in range(0, len(codes), COMPARED_AT_ONCE):
            code = codes[start : start + COMPARED_AT_ONCE]
            one, other = np.divmod(code, len(lengths))
            keep = useful(one, other)
            code, one, other = code[keep], one[keep], other[keep]
            alike = _compared(molecules, identity, one, other, threads)
            counted.add(len(code))
            failed = np.concatenate([failed, code[~alike]])
            yield one[alike], other[alike]


def _word_for(lengths: Rows, words: int, asks: Mask) -> int:
    """The length of a word at which chance pairs of places are few enough to compare."""
    places = np.minimum(lengths, words)
    pairs = float(places[asks].sum()) * float(places.sum()) / (2 if asks.all() else 1)
    pairs *= (
        lengths.sum() / places.sum()
    )  # the draw takes the same words everywhere, so the fewer, the oftener they meet
    few = max(CHANCE_PAIRS, CHANCE_PAIRS_EACH * len(places)) * min(1.0, CHANCE_LENGTH / lengths.mean())
    return int(np.clip(np.ceil(np.log2(max(pairs / few, 1)) / 2), *WORD_RANGE))


def _neighbours(
    word: npt.NDArray[np.uint64], owner: Rows, step: int, lengths: Rows, identity: float, exact: int, useful: Useful
) -> Rows:
    """Pairs of molecules whose places of one word are `step` apart, as smaller * n + larger, each once."""
    at = np.flatnonzero(word[step:] == word[:-step]) if step < len(word) else np.empty(0, dtype=np.int64)
    one, other = owner[at], owner[at + step]
    longer, shorter = np.maximum(lengths[one], lengths[other]), np.minimum(lengths[one], lengths[other])
    keep = (one != other) & (longer > exact) & (longer - shorter <= _most_edits(longer, identity))
    one, other = one[keep], other[keep]
    keep = useful(one, other)
    return np.unique(np.minimum(one, other)[keep] * len(lengths) + np.maximum(one, other)[keep])


def _compared(molecules: Molecules, identity: float, one: Rows, other: Rows, threads: int) -> Mask:
    if not len(one):
        return np.zeros(0, dtype=bool)
    most = _most_edits(np.maximum(molecules.lengths[one], molecules.lengths[other]), identity)
    alike = np.zeros(len(one), dtype=bool)
    order = np.argsort(most, kind="stable")
    for part in np.array_split(order, max(1, len(order) // 5000)):  # of like length: one cutoff suits all
        edits = process.cpdist(
            [molecules.texts[row] for row in one[part].tolist()],
            [molecules.texts[row] for row in other[part].tolist()],
            scorer=Levenshtein.distance,
            score_cutoff=int(most[part].max()),
            workers=threads,
            dtype=np.int32,
        )
        alike[part] = edits <= most[part]
    return alike


def _long_pairs(molecules: Molecules, identity: float, seed: int, useful: Useful) -> Iterator[Pairs]:
    """Pairs whose longer molecule is beyond comparing letter by letter, by the words that they share."""
    lengths = molecules.lengths
    rows = np.flatnonzero(lengths > LONG * identity)
    if len(rows) < 2 or lengths[rows].max() <= LONG:
        return
    key, owner = drawn_words(molecules, rows, LONG_WORD, LONG_WORDS, seed)
    distinct, column = np.unique(key >> np.uint64(64 - 2 * LONG_WORD), return_inverse=True)
    owner = np.searchsorted(rows, owner)
    has = sparse.csr_matrix((np.ones(len(owner), np.int32), (owner, column)), (len(rows), len(distinct)))
    drawn = np.maximum(np.diff(has.indptr), 1)
    for start in range(0, len(rows), BLOCK_ROWS):
        shared = (has[start : start + BLOCK_ROWS] @ has.T).tocoo()
        one, other = shared.row + start, shared.col
        longer = np.where(lengths[rows[one]] >= lengths[rows[other]], one, other)
        fits = np.abs(lengths[rows[one]] - lengths[rows[other]]) <= _most_edits(lengths[rows[longer]], identity)
        alike = (shared.data / drawn[longer]) ** (1 / LONG_WORD) >= identity
        keep = (one < other) & fits & alike & (lengths[rows[longer]] > LONG)
        one, other = rows[one[keep]], rows[other[keep]]
        keep = useful(one, other)
        yield one[keep], other[keep]
