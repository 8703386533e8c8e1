"""Tables of text: a header, and rows of values divided by tabs or commas."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pcsv

from ribospace.errors import UserError

Delimiter = Literal["\t", ","]
_HEADER_BYTES = 1 << 20


def read_header(path: Path, delimiter: Delimiter) -> list[str]:
    """Names of the columns; none where the file is empty.

    Parameters
    ----------
    path
        The table, also gzipped (by its ending).
    delimiter
        Values divided by commas may stand in "quotes", which then may hold commas and line breaks.

    Raises
    ------
    UserError
        If it cannot be read as text.
    """
    with _readable(path, delimiter), pa.input_stream(path, compression="detect") as file:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(file.read(_HEADER_BYTES))
        if delimiter == ",":
            return next(csv.reader(io.StringIO(text, newline="")), [])
        first = re.split(r"[\r\n]", text, maxsplit=1)[0]
        return first.split(delimiter) if first else []


def read_rows(
    path: Path, delimiter: Delimiter, header: Collection[str], integers: Collection[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Rows, piece by piece: text, but for the columns of whole numbers; an empty cell is "".

    Raises
    ------
    UserError
        If the file is no such table.
    """
    quoted = delimiter == ","
    with (
        _readable(path, delimiter),
        pcsv.open_csv(
            path,
            parse_options=pcsv.ParseOptions(
                delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
            ),
            convert_options=pcsv.ConvertOptions(
                column_types={name: pa.int32() if name in integers else pa.string() for name in header},
                strings_can_be_null=False,
            ),
        ) as reader,
    ):
        if reader.schema.names != list(header):
            raise pa.ArrowInvalid("where its first line ends is not clear")
        yield from reader


@contextmanager
def _readable(path: Path, delimiter: Delimiter) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowKeyError, csv.Error, UnicodeDecodeError, OSError) as error:
        reason = str(error).splitlines()[0].removeprefix("CSV parse error: ").rstrip(".")
        if isinstance(error, UnicodeDecodeError):
            reason = "it is no UTF-8 text; save it as UTF-8"
        reason = re.sub(r"Row #(\d+)", lambda found: f"record {int(found[1]) - 1}", reason)  # the header is its row 1
        kind = "comma" if delimiter == "," else "tab"
        raise UserError(f"{path} is not a readable {kind}-separated table: {reason}.") from error
