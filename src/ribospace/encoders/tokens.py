"""Token embeddings of a stream of molecules, into a table that a killed run goes on with."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.alphabet import tokenize
from ribospace.collection.token_table import TokenTable
from ribospace.encoders.base import Encoder
from ribospace.encoders.engine import Embedded
from ribospace.errors import UserError
from ribospace.progress import Progress, silent

WRITE_BYTES = 64 << 20
WRITE_SECONDS = 30.0


def embed_tokens(
    batches: Iterable[pa.RecordBatch],
    encoder: Encoder,
    place: Path | str,
    *,
    half: bool = False,
    total: int | None = None,
    progress: Progress = silent,
) -> Embedded:
    """Embed the nucleotides of molecules that the table at `place` does not have yet.

    Parameters
    ----------
    batches
        Records with `id` and `sequence`.
    encoder
        One that has tokens.
    place
        Of a `TokenTable`; made where there is none.
    half
        Store float16.
    total
        How many molecules will come, if that is known.
    progress
        Told after every write.

    Returns
    -------
    Embedded

    Raises
    ------
    UserError
        If the encoder embeds molecules alone; if the table is another encoder's; if an id comes twice, or is in the
        table with another sequence.
    """
    if not encoder.has_tokens:
        raise UserError(f"{encoder.name} embeds molecules alone. Choose one with tokens: ribospace encoders")
    table = TokenTable.open_or_create(place, encoder.info(), half)
    before, done, began = 0, 0, time.perf_counter()
    with table.writing():
        try:
            index, waiting = table.index(), _Waiting(table)
            for batch in batches:
                new = index.new(batch.column("id"), batch.column("sequence"))
                before += int((~new).sum())
                for one, sequence, embedded in _embedded(batch.filter(pa.array(new)), encoder):
                    waiting.add(one, sequence, embedded)
                    done += 1
                    progress(before + done, total)
            waiting.write()
        except BaseException:
            table.remove_empty()  # while the lock is held: another command may be about to write
            raise
    return Embedded(str(place), done, before, round(done / max(time.perf_counter() - began, 1e-9), 1))


def _embedded(batch: pa.RecordBatch, encoder: Encoder) -> Iterator[tuple[str, str, npt.NDArray[np.float32]]]:
    for start in range(0, batch.num_rows, encoder.piece):
        part = batch.slice(start, encoder.piece)
        embeddings = encoder.token_embeddings(tokenize(part.column("sequence")))
        yield from zip(part.column("id").to_pylist(), part.column("sequence").to_pylist(), embeddings, strict=True)


class _Waiting:
    """Molecules whose embeddings are not written yet."""

    def __init__(self, table: TokenTable) -> None:
        self.table = table
        self._clear()

    def _clear(self) -> None:
        self.ids: list[str] = []
        self.sequences: list[str] = []
        self.embeddings: list[npt.NDArray[np.float32]] = []
        self.bytes, self.since = 0, time.monotonic()

    def add(self, one: str, sequence: str, embedded: npt.NDArray[np.float32]) -> None:
        self.ids.append(one)
        self.sequences.append(sequence)
        self.embeddings.append(embedded)
        self.bytes += embedded.nbytes
        if self.bytes > WRITE_BYTES or time.monotonic() - self.since > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        if self.ids:
            self.table.append(self.ids, self.sequences, self.embeddings)
        self._clear()
