"""TSV, CSV and Parquet tables; a Parquet's numeric list columns are embeddings made elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ribospace.errors import UserError, nearest
from ribospace.files import existing_file
from ribospace.records import SCHEMA, Gaps, empty_strings_as_null, record_batch
from ribospace.sources.delimited import Delimiter, read_header, read_rows

BATCH_RECORDS = 8192

_MADE_BY_US = ("id", "sequence", "length", "md5")


def read_tsv(path: Path | str, *, gaps: Gaps = "refuse") -> Iterator[pa.RecordBatch]:
    """Read records from a tab-separated table with a header; the columns `id` and `sequence` must be there.

    Parameters
    ----------
    path
        The table, also gzipped. An empty cell means "not known". `taxid` is a number; every column that is not one of
        the record's own comes in as text under its name.
    gaps
        Refuse or strip `-` and `.`.

    Yields
    ------
    pa.RecordBatch
        Records, in the file's order.

    Raises
    ------
    UserError
        If the file is missing, empty, not a table, lacks a column, or holds a record that is not RNA.
    """
    return _read_text(Path(path), "\t", gaps)


def read_csv(path: Path | str, *, gaps: Gaps = "refuse") -> Iterator[pa.RecordBatch]:
    """Read records from a table of values divided by commas, in "quotes" where they hold one; else see `read_tsv`."""
    return _read_text(Path(path), ",", gaps)


def _read_text(path: Path, delimiter: Delimiter, gaps: Gaps) -> Iterator[pa.RecordBatch]:
    path = existing_file(path)
    header = read_header(path, delimiter)
    require_columns(path, header, ("id", "sequence"))
    yield from _records(path, read_rows(path, delimiter, header, integers=("taxid",)), gaps)


def read_parquet(path: Path | str, *, gaps: Gaps = "refuse") -> Iterator[pa.RecordBatch]:
    """Read records, and embeddings made elsewhere, from a Parquet file; the columns `id` and `sequence` must be there.

    Parameters
    ----------
    path
        The file. Numeric list columns come in as embeddings, float32 (float16 stays), under their own names; other
        columns as they are.
    gaps
        Refuse or strip `-` and `.`.

    Yields
    ------
    pa.RecordBatch
        Records, in the file's order; an embedding's field has the metadata `encoder` (its name), `pooling` (given)
        and `width`.

    Raises
    ------
    UserError
        If the file is missing, not Parquet, empty, lacks a column, holds a record that is not RNA, or an embedding
        whose vectors differ in width.
    """
    path = existing_file(path)
    try:
        with pq.ParquetFile(path) as file:
            require_columns(path, file.schema_arrow.names, ("id", "sequence"))
            yield from _records(path, file.iter_batches(BATCH_RECORDS), gaps)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is not a readable Parquet file: {str(error).splitlines()[0].rstrip('.')}.") from error


def require_columns(path: Path, names: Collection[str], needed: Iterable[str]) -> None:
    """Refuse a table without a header, without one of the needed columns, or with two of one name."""
    names = [name for name in names if name]
    if not names:
        raise UserError(f"{path} is empty. Its first line must name the columns: {', '.join(needed)}, …")
    for name in needed:
        if name not in names:
            raise UserError(
                f"{path} has no column {name!r}. {nearest(name, names)} Rename a column, or give another table."
            )
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UserError(f"{path} has two columns named {twice.pop()!r}. Rename one.")


def _records(path: Path, tables: Any, gaps: Gaps) -> Iterator[pa.RecordBatch]:
    first = 1
    widths: dict[str, int] = {}
    for table in tables:
        if table.num_rows == 0:
            continue
        columns: dict[str, Any] = {"source": path.name}
        for field, column in zip(table.schema, table.columns, strict=True):
            if field.name in _MADE_BY_US:
                continue
            if pa.types.is_list(field.type) and column.null_count == len(column) and field.name not in widths:
                continue  # of what width is not known yet: null until a vector comes
            columns[field.name] = _plain(path, field.name, column, first, widths)
        ids, sequences = text_column(path, table, "id"), text_column(path, table, "sequence")
        batch = record_batch(ids, sequences, columns, gaps=gaps, origin=str(path), first=first)
        yield _with_embedding_metadata(batch, table, widths)
        first += table.num_rows
    if first == 1:
        raise UserError(f"{path} is empty: it holds no record. Give a table with at least one molecule.")


def text_column(path: Path, table: Any, name: str) -> Any:
    """A column of a batch or table as text, "" where there is none; refused where it holds what is no text."""
    try:
        return pc.cast(table.column(name), pa.string()).fill_null("")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{path}, column {name!r} holds {table.column(name).type}. It must be text.") from error


def _plain(path: Path, name: str, column: pa.Array, first: int, widths: dict[str, int]) -> pa.Array:
    """A column as a collection takes it: text, a number, or an embedding of one width."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_map(column.type):
        raise UserError(f"{path}, column {name!r} holds {column.type}, which no column of a collection can. Drop it.")
    if isinstance(column, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        if not pa.types.is_integer(column.type.value_type) and not pa.types.is_floating(column.type.value_type):
            raise UserError(f"{path}, column {name!r}: lists of {column.type.value_type} are not embeddings. Drop it.")
        return _embedding(path, name, column, first, widths)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        return empty_strings_as_null(column)
    return column


def _embedding(path: Path, name: str, column: Any, first: int, widths: dict[str, int]) -> pa.FixedSizeListArray:
    if name in SCHEMA.names:
        raise UserError(f"{path}, column {name!r} holds lists, but is a field of the record. Rename it.")
    lengths = pc.list_value_length(column)
    fixed = isinstance(column, pa.FixedSizeListArray)
    width = widths.setdefault(name, column.type.list_size if fixed else int(pc.max(lengths).as_py() or 0))
    odd = np.flatnonzero(pc.fill_null(pc.not_equal(lengths, width), False).to_numpy(zero_copy_only=False))
    if len(odd) or not width:
        row = int(odd[0]) if len(odd) else 0
        raise UserError(
            f"{path}, record {first + row}, column {name!r}: its vector has {lengths[row]} numbers, others {width}. "
            "An embedding has one width; pool token embeddings first."
        )
    kind = pa.float16() if column.type.value_type == pa.float16() else pa.float32()
    values = column.flatten().cast(kind)
    finite = np.isfinite(values.to_numpy(zero_copy_only=False))  # a null is NaN
    if not finite.all():
        row = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))[int(np.argmin(finite)) // width]
        raise UserError(
            f"{path}, record {first + row}, column {name!r}: its vector holds NaN or infinity. Take that molecule out."
        )
    if column.null_count:
        spread = np.zeros((len(column), width), dtype=kind.to_pandas_dtype())
        spread[column.is_valid().to_numpy(zero_copy_only=False)] = values.to_numpy().reshape(-1, width)
        return pa.FixedSizeListArray.from_arrays(pa.array(spread.ravel()), width, mask=column.is_null())
    return pa.FixedSizeListArray.from_arrays(values, width)


def _with_embedding_metadata(batch: pa.RecordBatch, table: Any, widths: dict[str, int]) -> pa.RecordBatch:
    """Say of each embedding what its file says (another collection's export), or that it was given."""
    fields = []
    for field in batch.schema:
        if field.name in widths:
            given = {b"encoder": field.name, b"revision": "", b"pooling": "given", b"width": str(widths[field.name])}
            field = field.with_metadata(given | dict(table.schema.field(field.name).metadata or {}))
        fields.append(field)
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields, metadata=batch.schema.metadata))
