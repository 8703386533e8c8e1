"""The engine: molecules stream through an encoder in constant memory, into a collection or a file.

Molecules are read in pieces; within a piece the encoder sorts them by length. A collection's vectors are written by
fragment, at the latest every half minute, each write one commit: a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.alphabet import tokenize
from ribospace.encoders.base import Encoder
from ribospace.progress import Progress, silent

if TYPE_CHECKING:
    from ribospace.collection import Collection

WRITE_SECONDS = 30.0
WRITE_BYTES = 128 << 20
PIECE_BYTES = 64 << 20


@dataclass(frozen=True)
class Embedded:
    """What a run did: molecules embedded now, molecules that had a vector before, and how fast."""

    column: str
    embedded: int
    before: int
    molecules_per_second: float


def embed_collection(
    collection: Collection,
    encoder: Encoder,
    *,
    column: str | None = None,
    half: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Embedded:
    """Embed all molecules of a collection that have no vector in the encoder's column yet.

    Parameters
    ----------
    collection, encoder
        What to embed, and with what.
    column
        Name of the embedding; the encoder's by default.
    half
        Store float16.
    overwrite
        Replace a column of this name that another encoder made.
    progress
        Told after every piece.

    Returns
    -------
    Embedded
    """
    from ribospace.collection.columns import begin_embedding, left_to_embed

    name = column or encoder.column
    with collection.writing():
        begin_embedding(collection, encoder.info(name), half=half, overwrite=overwrite)
        total = collection.count(f"`{name}` IS NULL")
        before, done, began = len(collection) - total, 0, time.perf_counter()
        progress(0, total)
        waiting = _Waiting(collection, name)
        for piece in left_to_embed(collection, name, _piece_rows(encoder)):
            vectors = encoder.encode(tokenize(piece.sequences))
            waiting.add(piece.fragment, piece.rows, vectors)
            done += len(vectors)
            progress(done, total)
        waiting.write()
        if done:
            collection.tidy()
    return Embedded(name, done, before, round(done / max(time.perf_counter() - began, 1e-9), 1))


@dataclass
class _Waiting:
    """Vectors of one fragment, not written yet."""

    collection: Collection
    column: str
    fragment: int = -1
    rows: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    vectors: list[npt.NDArray[np.float32]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def add(self, fragment: int, rows: npt.NDArray[np.uint64], vectors: npt.NDArray[np.float32]) -> None:
        if fragment != self.fragment:
            self.write()
        self.fragment = fragment
        self.rows.append(rows)
        self.vectors.append(vectors)
        size = sum(one.nbytes for one in self.vectors)
        if size > WRITE_BYTES or time.monotonic() - self.since > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        from ribospace.collection.columns import write_vectors

        if self.rows:
            rows, vectors = np.concatenate(self.rows), np.concatenate(self.vectors)
            write_vectors(self.collection, self.column, self.fragment, rows, vectors)
        self.rows, self.vectors, self.since = [], [], time.monotonic()


def embed_records(
    batches: Iterable[pa.RecordBatch], encoder: Encoder, progress: Progress = silent
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.float32]]]:
    """Embed records that are in no collection, batch by batch, in their order.

    Yields
    ------
    batch : pa.RecordBatch
        (n rows) as it came, in slices where it was large.
    vectors : ndarray
        (n, width) float32.
    """
    done = 0
    rows = _piece_rows(encoder)
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            part = batch.slice(start, rows)
            yield part, encoder.encode(tokenize(part.column("sequence")))
            done += part.num_rows
            progress(done, None)


def _piece_rows(encoder: Encoder) -> int:
    """Molecules that are embedded at once."""
    return min(encoder.piece, max(256, PIECE_BYTES // (4 * encoder.width)))
