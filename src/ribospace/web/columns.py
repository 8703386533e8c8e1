"""What molecules can be coloured by: columns as codes of categories or as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Values = npt.NDArray[Any]

#: Columns that are no colours: every molecule has its own value.
OWN = ("id", "sequence", "description", "md5", "structure")
MOST_LABELS = 5000
UNITS = {"length": "nt", "mfe": "kcal/mol"}


@dataclass(frozen=True)
class ColumnInfo:
    """A column that molecules can be coloured by.

    Attributes
    ----------
    name, kind
        "category" or "number".
    labels
        Of a category, the commonest first.
    unit, low, high
        Of a number: its unit ("" where it has none) and the least and greatest value.
    dtype
        Of its values as they travel: a category's codes are 0 where it is missing, else 1 + the label's place.
    """

    name: str
    kind: Literal["category", "number"]
    dtype: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    low: float = 0.0
    high: float = 0.0


def kind_of(field: pa.Field) -> Literal["category", "number"] | None:
    """What a column can be coloured as; None: not at all.

    Whole numbers are categories where they name something: clusters and taxa.

    Examples
    --------
    >>> [kind_of(pa.field(name, pa.int32())) for name in ("way_cluster", "length", "id")]
    ['category', 'number', None]
    """
    if field.name in OWN:
        return None
    kind = field.type
    if pa.types.is_integer(kind) and (field.name.endswith("_cluster") or field.name in ("cluster", "taxid")):
        return "category"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)
    return "category" if text else None


def coded(field: pa.Field, values: pa.ChunkedArray) -> tuple[ColumnInfo, Values] | None:
    """A column as it is drawn; None where it cannot be: nothing known, or too many labels.

    Examples
    --------
    >>> info, codes = coded(pa.field("rna_type", pa.string()), pa.chunked_array([["tRNA", None, "rRNA", "tRNA"]]))
    >>> info.labels, codes.tolist()
    (('tRNA', 'rRNA'), [1, 0, 2, 1])
    """
    kind = kind_of(field)
    if kind is None or values.null_count == len(values):
        return None
    return _category(field.name, values) if kind == "category" else _number(field.name, values)


def _category(name: str, values: pa.ChunkedArray) -> tuple[ColumnInfo, Values] | None:
    texts = pc.cast(values, pa.string())
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    found = pc.value_counts(texts.drop_null())
    if not 0 < len(found) <= MOST_LABELS:
        return None
    counts = dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))
    labels = sorted(counts, key=lambda label: (-counts[label], label))
    dtype = "uint8" if len(labels) < 2**8 else "uint16"
    places = pc.fill_null(pc.add(pc.index_in(texts, value_set=pa.array(labels, pa.string())), 1), 0)
    return ColumnInfo(name, "category", dtype, tuple(labels)), places.to_numpy().astype(dtype)


def _number(name: str, values: pa.ChunkedArray) -> tuple[ColumnInfo, Values] | None:
    numbers = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float32)
    numbers = np.where(np.isfinite(numbers), numbers, np.float32(np.nan)).astype(np.float32)
    if np.isnan(numbers).all():
        return None
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    return ColumnInfo(name, "number", "float32", unit=UNITS.get(name, ""), low=low, high=high), numbers
