"""Vectors of molecules that are in no collection, written to a file: .npy with its ids, Parquet, AnnData."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ribospace.collection.ids import IdIndex, hashes_of
from ribospace.encoders.base import Encoder
from ribospace.encoders.engine import embed_records
from ribospace.errors import UserError
from ribospace.files import ids_path, require_ending, written_together, written_whole
from ribospace.progress import Progress, silent
from ribospace.records import came_before


def embed_to_file(
    batches: Iterable[pa.RecordBatch], encoder: Encoder, path: Path | str, progress: Progress = silent
) -> int:
    """Embed records and write their vectors, in the records' order.

    Parameters
    ----------
    batches
        Records; those that a file brings without an embedding of the encoder's name.
    encoder
        With what.
    path
        `.parquet`: the record's columns and the embedding under the encoder's name. `.npy`: (n, width) float32, and
        beside it the ids, one a line (`vectors.npy` has `vectors.ids.txt`). `.h5ad`: AnnData, held in memory.
    progress
        Told after every piece.

    Returns
    -------
    int
        Molecules written.

    Raises
    ------
    UserError
        For another ending, or a place that cannot be written.
    """
    path = Path(path)
    writers = {".parquet": _parquet, ".npy": _npy, ".h5ad": _h5ad}
    require_ending(path, writers)
    batches = _without_twice(batches, encoder.column)
    return writers[path.suffix](batches, encoder, path, progress)


def _without_twice(batches: Iterable[pa.RecordBatch], column: str) -> Iterator[pa.RecordBatch]:
    """Refuse an id that comes twice; leave out an embedding that the file has under the name of the new one."""
    seen = IdIndex()
    for batch in batches:
        new = seen.add(hashes_of(batch.column("id")))
        if not new.all():
            raise UserError(f"{came_before(batch, int(new.argmin()))} Rename it.")
        yield batch.drop_columns([column]) if column in batch.schema.names else batch


def _npy(batches: Iterable[pa.RecordBatch], encoder: Encoder, path: Path, progress: Progress) -> int:
    """Stream rows behind a header whose length does not change when the number of rows is known."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (0, encoder.width)}
    rows = 0
    with written_together(path, ids_path(path)) as (beside, names):
        with open(beside, "wb") as file, open(names, "w", encoding="utf-8", newline="\n") as ids:
            np.lib.format.write_array_header_1_0(file, header)
            begin = file.tell()
            for batch, vectors in embed_records(batches, encoder, progress):
                file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
                ids.writelines(f"{one}\n" for one in batch.column("id").to_pylist())
                rows += len(vectors)
            file.seek(0)
            np.lib.format.write_array_header_1_0(file, header | {"shape": (rows, encoder.width)})
            if file.tell() != begin:
                raise ValueError("the header of the .npy file grew; its rows would be overwritten")
    return rows


def _parquet(batches: Iterable[pa.RecordBatch], encoder: Encoder, path: Path, progress: Progress) -> int:
    column = pa.field(encoder.column, pa.list_(pa.float32(), encoder.width), metadata=encoder.info().metadata())
    rows, writer = 0, None
    with written_whole(path) as beside:
        try:
            for batch, vectors in embed_records(batches, encoder, progress):
                values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), encoder.width)
                schema = pa.schema([*batch.schema, column])
                writer = writer or pq.ParquetWriter(beside, schema)
                table = pa.Table.from_arrays([*batch.columns, values], schema=schema)
                writer.write_table(table.cast(writer.schema))
                rows += len(vectors)
        finally:
            if writer is not None:
                writer.close()
    return rows


def _h5ad(batches: Iterable[pa.RecordBatch], encoder: Encoder, path: Path, progress: Progress) -> int:
    from ribospace.collection.export import write_h5ad

    records, vectors = zip(*embed_records(batches, encoder, progress), strict=True)
    table = pa.Table.from_batches([batch.replace_schema_metadata(None) for batch in records])
    given = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    table = table.drop_columns(given)
    about = {encoder.column: encoder.info().metadata()}
    with written_whole(path) as beside:
        return write_h5ad(beside, table, {encoder.column: np.concatenate(vectors)}, about)
