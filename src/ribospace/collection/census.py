"""What the molecules of each type are like: lengths, letters, GC; from a stream, so it works on ten million."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ribospace.alphabet import flat_bytes
from ribospace.collection.store import Collection
from ribospace.collection.summary import weighted_quantiles
from ribospace.errors import UserError, nearest
from ribospace.progress import Progress, silent

Counts = npt.NDArray[np.int64]

BASES = "ACGU"
MOST_TYPES = 15
#: More values than this are no types, and their names would fill the memory.
MOST_VALUES = 1_000_000
_GC_STEPS = 1001


@dataclass(frozen=True)
class Tally:
    """What the molecules of one type are like.

    Attributes
    ----------
    name
        The type; "" is not known. Of several types together their number, as in "12 others".
    lengths, counts
        (k,) the lengths that occur, nt, rising, and how many molecules have each.
    letters
        (5,) nucleotides that are A, C, G, U, and any other letter.
    gc
        (1001,) molecules by the share of G and C among their A, C, G and U, in thousandths, rounded down. Molecules
        that have none of the four are not in it.
    """

    name: str
    lengths: Counts
    counts: Counts
    letters: Counts
    gc: Counts

    @property
    def molecules(self) -> int:
        """How many."""
        return int(self.counts.sum())

    @property
    def gc_share(self) -> float:
        """G and C among all A, C, G and U of the type; NaN if there is none."""
        a, c, g, u, _ = self.letters.tolist()
        return (c + g) / (a + c + g + u) if a + c + g + u else float("nan")

    def length_quantiles(self, shares: Sequence[float]) -> npt.NDArray[np.float64]:
        """Quantiles of the length, nt; (len(shares),)."""
        return weighted_quantiles(self.lengths, self.counts, shares)

    def gc_quantiles(self, shares: Sequence[float]) -> npt.NDArray[np.float64]:
        """Quantiles over molecules of the share of G and C, 0 to 1; (len(shares),), NaN if no molecule has one."""
        return weighted_quantiles(np.arange(_GC_STEPS), self.gc, shares) / (_GC_STEPS - 1)


def census(
    collection: Collection,
    by: str = "rna_type",
    where: str | None = None,
    *,
    most: int = MOST_TYPES,
    batch_rows: int = 8192,
    progress: Progress = silent,
) -> list[Tally]:
    """Count lengths and letters by type, in two passes: over the types, then over the sequences.

    Parameters
    ----------
    collection
        What to count.
    by
        A column of text: what a type is.
    where
        An SQL condition on the molecules.
    most
        The largest types, so many, are told apart (one less, where there are more types); the others are one tally.
    batch_rows
        Molecules that are in memory at a time; the result does not depend on it.
    progress
        Told how many molecules are done.

    Returns
    -------
    list of Tally
        The largest type first, equal ones by name, the others last.

    Raises
    ------
    UserError
        If the column is not there, is not text or has more than a million values, or there is no molecule.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ribospace.records import record_batch
    >>> store = Collection.create(Path(tempfile.mkdtemp()) / "mine")
    >>> types = {"rna_type": ["tRNA", "tRNA", None]}
    >>> _ = store.append([record_batch(["a", "b", "c"], ["ACGG", "ACGU", "NNU"], types)])
    >>> for one in census(store):
    ...     print(repr(one.name), one.molecules, one.lengths, one.letters, one.gc_share)
    'tRNA' 2 [4] [2 2 3 1 0] 0.625
    '' 1 [3] [0 0 0 1 2] 0.0
    """
    types = _types(collection, by, where)
    total = sum(types.values())
    order = sorted(types, key=lambda name: (-types[name], name))
    told = order if len(order) <= most else order[: most - 1]
    names = pa.array(told, pa.string())
    rows, done = len(told) + 1, 0
    letters, gc = np.zeros((rows, len(BASES) + 1), np.int64), np.zeros((rows, _GC_STEPS), np.int64)
    keys = counts = np.zeros(0, np.int64)
    for batch in collection.read(list(dict.fromkeys(["sequence", by])), where, batch_rows):
        if not batch.num_rows:
            continue
        group = pc.index_in(batch.column(by).fill_null(""), value_set=names).fill_null(len(told))
        group = group.to_numpy().astype(np.int64)
        found, lengths = _letters(batch.column("sequence"))
        for column, here in zip(letters.T, found.T, strict=True):
            column += np.bincount(group, here, rows).astype(np.int64)
        gc += _gc(group, found, rows)
        keys, counts = _added(keys, counts, group << 32 | lengths)
        done += batch.num_rows
        progress(done, total)
    ends = np.searchsorted(keys, np.arange(rows + 1) << 32)
    told.append(f"{len(order) - len(told):,} others")
    return [
        Tally(name, keys[start:end] & 0xFFFFFFFF, counts[start:end], letters[row], gc[row])
        for row, (name, start, end) in enumerate(zip(told, ends[:-1], ends[1:], strict=True))
        if end > start
    ]


def together(tallies: Sequence[Tally], name: str = "all") -> Tally:
    """Add tallies up.

    Examples
    --------
    >>> one = Tally("a", np.array([3, 5]), np.array([1, 2]), np.array([13, 0, 0, 0, 0]), np.zeros(1001, dtype=np.int64))
    >>> both = together([one, one])
    >>> both.lengths, both.counts, both.letters
    (array([3, 5]), array([2, 4]), array([26,  0,  0,  0,  0]))
    """
    lengths, rows = np.unique(np.concatenate([one.lengths for one in tallies]), return_inverse=True)
    counts = np.zeros(len(lengths), np.int64)
    np.add.at(counts, rows, np.concatenate([one.counts for one in tallies]))
    letters, gc = (np.sum([getattr(one, part) for one in tallies], axis=0) for part in ("letters", "gc"))
    return Tally(name, lengths, counts, letters, gc)


def _types(collection: Collection, by: str, where: str | None) -> Counter[str]:
    """Molecules by type."""
    if by not in collection.schema.names:
        raise UserError(f"{collection.uri} has no column {by!r}. {nearest(by, collection.plain_columns)}")
    text = [field.name for field in collection.schema if pa.types.is_string(field.type)]
    if by not in text:
        kind = "an embedding" if by in collection.embeddings else f"of {collection.schema.field(by).type}"
        raise UserError(f"The column {by!r} is {kind}, not text. Choose one of text: {', '.join(text)}.")
    types: Counter[str] = Counter()
    for batch in collection.read([by], where, batch_rows=65_536):
        found = batch.column(by).fill_null("").value_counts()
        types.update(dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)))
        if len(types) > MOST_VALUES:
            raise UserError(
                f"The column {by!r} has more than {MOST_VALUES:,} values. Choose one of types, such as rna_type."
            )
    if not types:
        which = f" where {where}" if where else f" in {collection.uri}"
        mend = "Choose another condition." if where else f"Bring some in: ribospace import FILE --to {collection.uri}"
        raise UserError(f"No molecule to draw: there is none{which}. {mend}")
    return types


def _letters(sequences: pa.StringArray) -> tuple[Counts, Counts]:
    """(n, 5) how many A, C, G, U and other letters each molecule has, and its (n,) length; none may be empty."""
    data, offsets = flat_bytes(sequences)
    lengths = np.diff(offsets)
    bases = [np.add.reduceat(data == ord(one), offsets[:-1], dtype=np.uint32).astype(np.int64) for one in BASES]
    return np.stack([*bases, lengths - np.sum(bases, axis=0)], axis=1), lengths


def _gc(group: Counts, letters: Counts, rows: int) -> Counts:
    """(rows, 1001) molecules by group and by share of G and C."""
    known = letters[:, :4].sum(axis=1)
    shares = (letters[:, 1] + letters[:, 2]) * (_GC_STEPS - 1) // np.maximum(known, 1)
    places = (group * _GC_STEPS + shares)[known > 0]
    return np.bincount(places, minlength=rows * _GC_STEPS).reshape(rows, _GC_STEPS)


def _added(keys: Counts, counts: Counts, more: Counts) -> tuple[Counts, Counts]:
    """Count further keys into a sorted list of keys; as many are kept as there are different ones."""
    found, times = np.unique(more, return_counts=True)
    merged, rows = np.unique(np.concatenate([keys, found]), return_inverse=True)
    return merged, np.bincount(rows, np.concatenate([counts, times])).astype(np.int64)
