"""The nearest of many molecules by edit distance, exactly.

Distances are counted bit-parallel (Myers 1999, doi:10.1145/316542.316550; blocks of 64 rows), many references abreast.
Left out is what its length, or what was counted so far, shows to be further than the nearest that is known.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ribospace.alphabet import PAD, VOCABULARY_SIZE, tokenize
from ribospace.analysis.compiled import compiled
from ribospace.progress import Progress, silent

LANES = 32  # references that are counted abreast: their state stays in the processor's first cache
BLOCK = 5 * LANES
WORKERS = os.cpu_count() or 1
_AT_ONCE = 16  # queries between two words on how it stands

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Groups:
    """References of like length, side by side.

    Attributes
    ----------
    letters
        (letters,) uint8 token ids: of a group (longest, LANES), groups end to end; 0 behind a molecule's end.
    begins
        (groups,) where each group begins.
    lengths, rows
        (groups, LANES) of the references, and which they are; rows of -1 are none.
    """

    letters: npt.NDArray[np.uint8]
    begins: Integers
    lengths: Integers
    rows: Integers


def nearest(
    queries: Sequence[str], references: Sequence[str], progress: Progress = silent
) -> tuple[Integers, Integers]:
    """The reference nearest to each query: fewest letters put in, left out or changed (Levenshtein).

    Parameters
    ----------
    queries
        (n,) in IUPAC letters.
    references
        (m,), one at least.
    progress
        Told how many queries are done.

    Returns
    -------
    rows, distances : ndarray
        (n,) int64 each; of several as near the first.

    Examples
    --------
    >>> nearest(["GAC", "UU"], ["GGAC", "UA", "GAU"])
    (array([0, 1]), array([1, 1]))
    """
    if not len(references):
        raise ValueError("no references: nothing is nearest")
    groups = _grouped(references)
    rows, distances = np.zeros(len(queries), dtype=np.int64), np.zeros(len(queries), dtype=np.int64)
    tokens = tokenize(queries)
    pieces = [np.arange(begin, min(begin + _AT_ONCE, len(queries))) for begin in range(0, len(queries), _AT_ONCE)]

    def search(piece: Integers) -> Integers:
        for row in piece.tolist():
            ids = tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]]
            rows[row], distances[row] = _search(ids, groups)
        return piece

    done = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for piece in pool.map(search, pieces):
            done += len(piece)
            progress(done, len(queries))
    return rows, distances


def _grouped(references: Sequence[str]) -> _Groups:
    tokens = tokenize(references)
    order = np.argsort(tokens.lengths, kind="stable")
    many = -(-len(order) // LANES)
    rows = np.full(many * LANES, -1, dtype=np.int64)
    rows[: len(order)] = order
    lengths = np.where(rows >= 0, tokens.lengths[rows], tokens.lengths[order[-1]]).reshape(many, LANES)
    begins = np.concatenate([[0], np.cumsum(lengths.max(axis=1) * LANES)])
    letters = np.zeros(begins[-1], dtype=np.uint8)
    for group in range(many):
        inside = rows[group * LANES : (group + 1) * LANES]
        block = letters[begins[group] : begins[group + 1]].reshape(-1, LANES)
        some = inside[inside >= 0]
        block[:, : len(some)] = np.where((table := tokens.padded(some, ends=False)) == PAD, 0, table).T
    return _Groups(letters, begins[:-1], lengths, rows.reshape(many, LANES))


def _search(ids: npt.NDArray[np.uint8], groups: _Groups) -> tuple[int, int]:
    """The row of the nearest reference, and its distance."""
    if not len(ids):
        row = int(groups.rows[0, 0])
        return row, int(groups.lengths[0, 0])
    words = -(-len(ids) // 64)
    equal = np.zeros((words, VOCABULARY_SIZE), dtype=np.uint64)
    places = np.arange(len(ids))
    np.bitwise_or.at(equal, (places // 64, ids), np.uint64(1) << (places % 64).astype(np.uint64))
    row, distance = _walk(equal, len(ids), groups.letters, groups.begins, groups.lengths, groups.rows)
    return int(row), int(distance)


@compiled(nogil=True)
def _walk(
    equal: npt.NDArray[np.uint64],
    length: int,
    letters: npt.NDArray[np.uint8],
    begins: Integers,
    lengths: Integers,
    rows: Integers,
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Go through the groups from the query's own length outwards, until no length can be near enough."""
    words, many = equal.shape[0], len(begins)
    last = np.uint64((length - 1) % 64)
    one, top = np.uint64(1), np.uint64(63)
    # A block for each word of 64 rows, which the loop below can take in whole registers as all offsets are constants:
    # where a row is one more than the row above, one less, what comes in from above of both, and where letters agree.
    state = np.empty((words + 1) * BLOCK, np.uint64)
    score = np.empty(LANES, np.int64)
    best, found = np.int64(1 << 40), np.int64(-1)
    right = np.searchsorted(lengths[:, LANES - 1], length)
    left = right - 1
    while left >= 0 or right < many:
        before = length - lengths[left, LANES - 1] if left >= 0 else np.int64(1 << 41)
        behind = max(0, lengths[right, 0] - length) if right < many else np.int64(1 << 41)
        if min(before, behind) > best:
            break
        if before < behind:
            group = left
            left -= 1
        else:
            group = right
            right += 1
        begin, shortest, longest = begins[group], lengths[group, 0], lengths[group, LANES - 1]
        for word in range(words):
            state[word * BLOCK : word * BLOCK + LANES] = ~np.uint64(0)
            state[word * BLOCK + LANES : word * BLOCK + 2 * LANES] = 0
        score[:] = length
        hopeless = False
        for column in range(longest):
            at = begin + column * LANES
            state[2 * LANES : 3 * LANES] = one
            state[3 * LANES : 4 * LANES] = 0
            for word in range(words):
                base = word * BLOCK
                out = last if word == words - 1 else top
                for lane in range(LANES):
                    state[base + 4 * LANES + lane] = equal[word, letters[at + lane]]
                for lane in range(base, base + LANES):
                    more, less = state[lane], state[lane + LANES]
                    up, down = state[lane + 2 * LANES], state[lane + 3 * LANES]
                    same = state[lane + 4 * LANES]
                    either = same | less
                    same |= down
                    across = (((same & more) + more) ^ more) | same
                    rises = less | ~(across | more)
                    falls = more & across
                    state[lane + BLOCK + 2 * LANES] = (rises >> out) & one
                    state[lane + BLOCK + 3 * LANES] = (falls >> out) & one
                    rises = (rises << one) | up
                    falls = (falls << one) | down
                    state[lane] = falls | ~(either | rises)
                    state[lane + LANES] = rises & either
            base = words * BLOCK + 2 * LANES
            if column < shortest:
                for lane in range(LANES):
                    score[lane] += np.int64(state[base + lane]) - np.int64(state[base + LANES + lane])
            else:
                for lane in range(LANES):
                    if column < lengths[group, lane]:
                        score[lane] += np.int64(state[base + lane]) - np.int64(state[base + LANES + lane])
            if column % 8 == 7 and column < shortest:
                least = score[0]
                for lane in range(1, LANES):
                    least = min(least, score[lane])
                if least - (longest - 1 - column) > best:
                    hopeless = True
                    break
        if hopeless:
            continue
        for lane in range(LANES):
            row = rows[group, lane]
            if row >= 0 and (score[lane] < best or (score[lane] == best and row < found)):
                best, found = score[lane], row
    return found, best  # type: ignore[return-value]
