"""Measurements of molecules: a table with a sequence and a number in each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ribospace.errors import UserError
from ribospace.files import existing_file
from ribospace.records import clean
from ribospace.sources.delimited import Delimiter, read_header, read_rows
from ribospace.sources.tables import require_columns, text_column

ENDINGS = (".tsv", ".csv", ".parquet")
_MISSING = frozenset(["", "na", "nan", "n/a", "null", "none"])


@dataclass(frozen=True)
class Measured:
    """Molecules and what was measured.

    Attributes
    ----------
    sequences
        (n,) in U, each once.
    values
        (n,) the mean over the rows of a molecule.
    parts
        (n,) what the split's column says of its first row; None without such a column.
    column
        Name of the values' column.
    rows, missing, repeated
        Of the table: how many there are, have no value, and repeat a sequence.
    """

    sequences: list[str]
    values: npt.NDArray[np.float64]
    parts: list[str] | None
    column: str
    rows: int
    missing: int
    repeated: int


def read_measured(path: Path | str, column: str = "", split: str = "") -> Measured:
    """Read a .tsv, .csv or .parquet with the columns `sequence` and a number, and maybe one that says the split.

    Parameters
    ----------
    path
        The table; a .tsv or .csv may be gzipped (.tsv.gz).
    column
        Of the numbers; by default "value", or the only column of numbers. An empty cell means "not measured".
    split
        A column of text; "" for none.

    Returns
    -------
    Measured

    Raises
    ------
    UserError
        If the file is no table, lacks a column, or holds a sequence that is no RNA or a value that is no number.
    """
    path = existing_file(path)
    table = _read(path, ["sequence", *filter(None, (column, split))])
    column = column or _only_numbers(path, table)
    values = _numbers(path, column, table[column])
    there = np.flatnonzero(~np.isnan(values))
    texts = text_column(path, table, "sequence").take(pa.array(there)).to_pylist()
    cleaned = clean(texts, names=[f"{path}, record {row + 1}" for row in there]).to_pylist()
    first, number = np.unique(np.array(cleaned, dtype=object), return_index=True, return_inverse=True)[1:]
    means = np.bincount(number, values[there]) / np.bincount(number) if len(there) else values[there]
    order = np.argsort(first)
    said = text_column(path, table, split).to_pylist() if split else None
    return Measured(
        [cleaned[row] for row in first[order]],
        means[order],
        None if said is None else [said[there[row]] for row in first[order]],
        column,
        len(table),
        len(table) - len(there),
        len(there) - len(first),
    )


def _read(path: Path, needed: list[str]) -> pa.Table:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if plain.suffix not in ENDINGS:
        raise UserError(f"{path} ends in none of {', '.join(ENDINGS)}: the ending says how to read it.")
    if plain.suffix == ".parquet":
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"{path} is not a readable Parquet file: {str(error).splitlines()[0]}.") from error
        require_columns(path, table.column_names, needed)
        return table
    delimiter: Delimiter = "\t" if plain.suffix == ".tsv" else ","
    header = read_header(path, delimiter)
    require_columns(path, header, needed)
    text = pa.schema([(name, pa.string()) for name in header])
    return pa.Table.from_batches(read_rows(path, delimiter, header), text)


def _only_numbers(path: Path, table: pa.Table) -> str:
    if "value" in table.column_names:
        return "value"
    found = [name for name in table.column_names if name != "sequence" and _is_numeric(table[name])]
    if len(found) != 1:
        which = f"several columns of numbers ({', '.join(found)})" if found else "no column of numbers"
        raise UserError(f"{path} has no column 'value' and {which}. Name one: --value COLUMN")
    return found[0]


def _is_numeric(column: pa.ChunkedArray) -> bool:
    values = _as_floats(column)
    return values is not None and not isinstance(values, int) and not np.isnan(values).all()


def _numbers(path: Path, name: str, column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    values = _as_floats(column)
    if values is None:
        raise UserError(f"{path}, column {name!r} holds {column.type}, no numbers. Choose another: --value COLUMN")
    if isinstance(values, int):
        raise UserError(
            f"{path}, record {values + 1}, column {name!r}: {column[values].as_py()!r} is no number. Mend it, or leave "
            "it empty where nothing was measured."
        )
    if np.isinf(values).any():
        raise UserError(f"{path}, record {int(np.isinf(values).argmax()) + 1}, column {name!r}: infinite. Mend it.")
    return values


def _as_floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64] | int | None:
    """(n,) with NaN for what is missing; the row of a text that is no number; None for a type that is neither."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    values = np.full(len(column), np.nan)
    texts: Sequence[str | None] = column.to_pylist()
    for row, text in enumerate(texts):
        if text is None or text.strip().lower() in _MISSING:
            continue
        try:
            values[row] = float(text)
        except ValueError:
            return row
    return values
