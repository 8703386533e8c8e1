"""Molecules made by rule: every short sequence, symmetric ones, hairpins. All lazily, in constant memory.

They are of the rna_type "synthetic", which is no INSDC type, so that nobody takes them for natural.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.alphabet import LETTERS, offsets_of
from ribospace.errors import UserError
from ribospace.records import record_batch, string_array

BATCH_RECORDS = 65_536
RNA_TYPE = "synthetic"

Letters: TypeAlias = "npt.NDArray[np.uint8]"

_COMPLEMENT = np.zeros(256, dtype=np.uint8)
_COMPLEMENT[[ord(base) for base in "ACGU"]] = [ord(base) for base in "UGCA"]
_N, _U = ord("N"), ord("U")


def words(max_length: int, letters: str = "ACGU") -> Iterator[pa.RecordBatch]:
    """Every sequence of 1 to `max_length` letters, shortest first, in the order of `letters`.

    Parameters
    ----------
    max_length
        Longest sequence, nt.
    letters
        The alphabet, such as "ACGU" or "ACGUN".

    Yields
    ------
    pa.RecordBatch
        Records with the id `word:SEQUENCE` and the family "word"; sum of len(letters)**k over k in all.

    Examples
    --------
    >>> sum(batch.num_rows for batch in words(3, "ACGUN"))
    155
    """
    _require_length(max_length)
    for block in _blocks(max_length, letters):
        yield _batch("word", block)


def symmetric(max_length: int, letters: str = "ACGU", *, undefined: bool = False) -> Iterator[pa.RecordBatch]:
    """Every ABAB and ABBA of two blocks A and B of equal length, 1 to `max_length` nt each.

    Blocks of equal length make each molecule come once; ABBA with A = B is ABAB and left out.

    Parameters
    ----------
    max_length
        Longest block, nt; a molecule has four blocks.
    letters
        The alphabet.
    undefined
        Instead of each molecule the variants in which one letter of its second half is N: the halves differ only
        in N. A letter that is N already gives no variant.

    Yields
    ------
    pa.RecordBatch
        Records with the id `ABAB:SEQUENCE` or `ABBA:SEQUENCE` and that family.

    Examples
    --------
    >>> [row for batch in symmetric(1, "AC") for row in batch["sequence"].to_pylist()]
    ['AAAA', 'ACAC', 'CACA', 'CCCC', 'ACCA', 'CAAC']
    >>> next(symmetric(1, "AC", undefined=True))["sequence"].to_pylist()[:4]
    ['AANA', 'AAAN', 'ACNC', 'ACAN']
    """
    _require_length(max_length)
    for length in range(1, max_length + 1):
        for form in ("ABAB", "ABBA"):
            rows = BATCH_RECORDS // (2 * length if undefined else 1)
            for pair in _blocks(2 * length, letters, shortest=2 * length, rows=rows):
                first, second = pair[:, :length], pair[:, length:]
                if form == "ABBA":
                    keep = (first != second).any(axis=1)
                    first, second = first[keep], second[keep]
                blocks = {"A": first, "B": second}
                whole = np.concatenate([blocks[name] for name in form], axis=1)
                if undefined:
                    whole = _one_undefined(whole)
                if len(whole):
                    yield _batch(form, whole)


def hairpins(
    count: int, *, seed: int = 0, stem: tuple[int, int] = (3, 12), loop: tuple[int, int] = (2, 8), tails: bool = True
) -> Iterator[pa.RecordBatch]:
    """Random hairpins: tail, stem, loop, the stem's reverse complement, tail. Loops and tails are all U.

    Parameters
    ----------
    count
        How many molecules.
    seed
        The same seed gives the same molecules, in whatever batches.
    stem, loop
        Shortest and longest, nt.
    tails
        Add tails of 0 to 4 nt at both ends.

    Yields
    ------
    pa.RecordBatch
        Records with the id `hairpin:SEED:NUMBER` and the family "hairpin"; the description gives the four lengths.

    Examples
    --------
    >>> hairpin = next(hairpins(1, seed=1, tails=False)).to_pylist()[0]
    >>> hairpin["sequence"], hairpin["description"]
    ('AACUUGGUUUUCCAAGUU', 'stem 7 nt, loop 4 nt, tails 0 and 0 nt')
    """
    generator = np.random.default_rng(seed)
    for start in range(0, count, 4096):
        rows = min(4096, count - start)
        stems = generator.integers(stem[0], stem[1] + 1, 4096)[:rows]
        loops = generator.integers(loop[0], loop[1] + 1, 4096)[:rows]
        ends = generator.integers(0, 5, (4096, 2))[:rows] * tails
        bases = np.frombuffer(b"ACGU", dtype=np.uint8)[generator.integers(0, 4, (4096, stem[1]))[:rows]]
        flat, offsets = _fold(bases, stems, loops, ends)
        descriptions = [
            f"stem {s} nt, loop {p} nt, tails {five} and {three} nt"
            for s, p, (five, three) in zip(stems.tolist(), loops.tolist(), ends.tolist(), strict=True)
        ]
        yield record_batch(
            [f"hairpin:{seed}:{number}" for number in range(start, start + rows)],
            string_array(flat, offsets),
            _columns("hairpin") | {"description": descriptions},
            origin="synthetic hairpins",
            first=start + 1,
        )


def _fold(
    bases: Letters, stems: npt.NDArray[np.int64], loops: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> tuple[Letters, npt.NDArray[np.int64]]:
    """Write every molecule into one flat array: all U, then the stem, then its partner."""
    lengths = 2 * stems + loops + ends.sum(axis=1)
    offsets = offsets_of(lengths)
    flat = np.full(offsets[-1], _U, dtype=np.uint8)
    inside = np.arange(bases.shape[1]) < stems[:, None]
    column = np.broadcast_to(np.arange(bases.shape[1]), inside.shape)[inside]
    row = np.broadcast_to(np.arange(len(bases))[:, None], inside.shape)[inside]
    flat[(offsets[:-1] + ends[:, 0])[row] + column] = bases[inside]
    flat[(offsets[1:] - ends[:, 1] - 1)[row] - column] = _COMPLEMENT[bases[inside]]
    return flat, offsets


def _require_length(longest: int) -> None:
    if longest < 1:
        raise UserError(f"A longest length of {longest} gives no molecule. Ask for 1 or more.")


def _blocks(longest: int, letters: str, shortest: int = 1, rows: int = BATCH_RECORDS) -> Iterator[Letters]:
    """Every sequence of `shortest` to `longest` letters as (n, length) arrays, counted like numbers."""
    if not letters or len(set(letters)) < len(letters) or set(letters) - set(LETTERS):
        raise UserError(f"{letters!r} is no alphabet: name each letter once, out of {LETTERS}.")
    table = np.frombuffer(letters.encode(), dtype=np.uint8)
    for length in range(shortest, longest + 1):
        place = len(letters) ** np.arange(length - 1, -1, -1)
        for start in range(0, len(letters) ** length, rows):
            number = np.arange(start, min(start + rows, len(letters) ** length))
            yield table[number[:, None] // place % len(letters)]


def _one_undefined(whole: Letters) -> Letters:
    """Each molecule with each letter of its second half replaced by N, in turn."""
    half = whole.shape[1] // 2
    variants = np.repeat(whole[:, None, :], half, axis=1)
    position = np.arange(half)
    variants[:, position, half + position] = _N
    return variants[whole[:, half:] != _N]


def _batch(family: str, block: Letters) -> pa.RecordBatch:
    rows, length = block.shape
    sequences = string_array(block.ravel(), np.arange(rows + 1, dtype=np.int64) * length)
    prefix = np.frombuffer(f"{family}:".encode(), dtype=np.uint8)
    named = np.concatenate([np.broadcast_to(prefix, (rows, len(prefix))), block], axis=1)
    names = string_array(named.ravel(), np.arange(rows + 1, dtype=np.int64) * named.shape[1])
    return record_batch(names, sequences, _columns(family), origin=f"synthetic {family}")


def _columns(family: str) -> dict[str, str]:
    return {"rna_type": RNA_TYPE, "family": family, "source": "synthetic"}
