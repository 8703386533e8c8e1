"""Counting vectors without reading them: the layout of a page says whether it is full or empty.

Layouts are known by their words in pylance 14; of other words nothing is concluded, and vectors are read and counted.
"""

from __future__ import annotations

from typing import Any

from lance.file import LanceFileReader


def count_vectors(dataset: Any, column: str) -> int:
    """Number of molecules that have a vector.

    A page of vectors says in its layout whether it is full or empty; a fragment is read only where it is neither.
    """
    field = next(one.id() for one in dataset.lance_schema.fields() if one.name() == column)
    total = 0
    for fragment in dataset.get_fragments():
        filled = _filled(dataset, fragment, field)
        if filled is None:
            scanner = dataset.scanner(
                columns=[], filter=f"`{column}` IS NOT NULL", fragments=[fragment], with_row_id=True
            )
            total += scanner.count_rows()
        elif filled:
            total += fragment.count_rows()
    return total


def _filled(dataset: Any, fragment: Any, field: int) -> bool | None:
    """Whether all of a fragment's rows have a value in a field, or none; None: some, or the layout is not known."""
    layouts = set()
    for file in fragment.data_files():
        if field in file.fields:
            columns = LanceFileReader(f"{dataset.uri}/data/{file.path}").metadata().columns
            layouts = {_layout(page.encoding) for page in columns[file.column_indices[file.fields.index(field)]].pages}
    if not layouts:
        return False  # the column came after the fragment and nothing was written to it yet
    return layouts.pop() if len(layouts) == 1 else None


def _layout(said: str) -> bool | None:
    if "FullZipLayout" in said and "bits_def: 0," in said:
        return True
    empty = "ConstantLayout" in said and "inline_value: None" in said and "num_def_values: 0," in said
    return False if empty and "RepdefNullableItem" in said else None
