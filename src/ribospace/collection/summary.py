"""What a collection holds, in a moment: counts are taken from streams and from the files' own layouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ribospace.collection.layout import count_vectors
from ribospace.collection.projections import embeddings_proper, projections_of
from ribospace.collection.store import FORMAT, Collection
from ribospace.collection.upkeep import disk_bytes
from ribospace.collection.vector_index import index_of
from ribospace.files import versions

QUANTILES = {"min": 0.0, "25%": 0.25, "median": 0.5, "75%": 0.75, "max": 1.0}


@dataclass(frozen=True)
class Summary:
    """What a collection holds.

    Attributes
    ----------
    uri
        Where it lies.
    molecules
        How many.
    rna_types
        Molecules by type, the most frequent first; "" is not known.
    length_nt
        Quantiles of the length, rounded down: min, 25%, median, 75%, max. Empty without molecules.
    columns
        All that are not embeddings.
    indexed
        Columns with an index.
    embeddings
        What each embedding says of itself, its number of vectors, and its index (None: it has none).
    projections
        What is known of each stored projection.
    fragments
        Parts the table is stored in.
    disk_bytes
        Of all files, those of older versions among them.
    versions
        Of the format, of the table (its commits), of Ribospace and of the store's libraries.
    """

    uri: str
    molecules: int
    rna_types: dict[str, int]
    length_nt: dict[str, int]
    columns: list[str]
    indexed: list[str]
    embeddings: list[dict[str, Any]]
    projections: list[dict[str, Any]]
    fragments: int
    disk_bytes: int
    versions: dict[str, str]


def summarize(collection: Collection) -> Summary:
    """Say what a collection holds, without reading a vector where that can be helped.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ribospace.records import record_batch
    >>> collection = Collection.create(Path(tempfile.mkdtemp()) / "mine")
    >>> _ = collection.append([record_batch(["a", "b", "c"], ["AC", "GGU", "A"], {"rna_type": ["tRNA", None, "tRNA"]})])
    >>> said = summarize(collection)
    >>> said.rna_types, said.length_nt["median"]
    ({'tRNA': 2, '': 1}, 2)
    """
    dataset = collection.lance()
    types, lengths = _types_and_lengths(collection)
    embeddings = []
    for name, info in embeddings_proper(collection).items():
        index = index_of(collection, name)
        vectors = count_vectors(dataset, name)
        said = {**info.metadata(), "column": name, "width": info.width, "vectors": vectors}
        embeddings.append({**said, "index": asdict(index) if index else None})
    names = [one for index in dataset.describe_indices() for one in index.field_names]
    return Summary(
        uri=collection.uri,
        molecules=len(collection),
        rna_types=types,
        length_nt=quantiles_of(lengths),
        columns=collection.plain_columns,
        indexed=[name for name in collection.plain_columns if name in names],
        embeddings=embeddings,
        projections=[asdict(info) for info in projections_of(dataset).values()],
        fragments=len(dataset.get_fragments()),
        disk_bytes=disk_bytes(dataset),
        versions={"format": FORMAT, "table": str(dataset.version), **versions("lancedb", "pylance")},
    )


def _types_and_lengths(collection: Collection) -> tuple[dict[str, int], npt.NDArray[np.int64]]:
    """Molecules by type, and how many there are of each length."""
    types: Counter[str] = Counter()
    lengths = np.zeros(1, dtype=np.int64)
    for batch in collection.read(["length", "rna_type"], batch_rows=65_536):
        for one in batch.column("rna_type").value_counts().to_pylist():
            types[one["values"] or ""] += one["counts"]
        here = np.bincount(batch.column("length").to_numpy())
        longer, shorter = (here, lengths) if len(here) > len(lengths) else (lengths, here)
        lengths = longer.copy()
        lengths[: len(shorter)] += shorter
    return dict(sorted(types.items(), key=lambda one: (-one[1], one[0]))), lengths


def quantiles_of(counts: npt.NDArray[np.int64]) -> dict[str, int]:
    """Quantiles of whole numbers, between two of them rounded down.

    Parameters
    ----------
    counts
        (n,) how often each number from 0 to n - 1 occurs.

    Returns
    -------
    dict
        By the names of QUANTILES; empty where nothing was counted.

    Examples
    --------
    >>> quantiles_of(np.bincount([3, 5, 5, 8]))
    {'min': 3, '25%': 4, 'median': 5, '75%': 5, 'max': 8}
    """
    if not counts.any():
        return {}
    found = weighted_quantiles(np.arange(len(counts)), counts, list(QUANTILES.values()))
    return dict(zip(QUANTILES, found.astype(int).tolist(), strict=True))


def weighted_quantiles(
    values: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], shares: Sequence[float]
) -> npt.NDArray[np.float64]:
    """Quantiles of numbers of which it is known how often each occurs; between two of them linear, as numpy's.

    Parameters
    ----------
    values, counts
        (n,) numbers, rising, and how often each occurs.
    shares
        (k,) from 0 to 1.

    Returns
    -------
    ndarray
        (k,) float64; NaN where nothing was counted.

    Examples
    --------
    >>> weighted_quantiles(np.array([3, 5, 8]), np.array([1, 2, 1]), [0.25, 0.5, 1.0])
    array([4.5, 5. , 8. ])
    """
    total = int(counts.sum())
    if not total:
        return np.full(len(shares), np.nan)
    places = np.asarray(shares, dtype=np.float64) * (total - 1)
    first = places.astype(np.int64)
    ends = np.cumsum(counts)
    below, above = (values[np.searchsorted(ends, at, side="right")] for at in (first, np.minimum(first + 1, total - 1)))
    between: npt.NDArray[np.float64] = below + (above - below) * (places - first)
    return between
