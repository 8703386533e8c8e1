"""What has been learnt of single molecules, kept beside the table: cross-references and publications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lance
import pyarrow as pa

from ribospace.collection.store import Collection, ids_in
from ribospace.files import disk_full_said

_TEXTS = pa.list_(pa.string())
_PUBLICATION = pa.struct([(name, pa.string()) for name in ("title", "authors", "publication", "doi", "pubmed_id")])
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        ("species", _TEXTS),
        ("names", _TEXTS),
        ("genes", _TEXTS),
        ("publications", pa.list_(_PUBLICATION)),
        pa.field("asked", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class About:
    """What databases and papers say of one molecule.

    Attributes
    ----------
    id
        The molecule's.
    species, names, genes
        As its cross-references have them, the most frequent first.
    publications
        Each with title, authors, publication (the journal), doi and pubmed_id, as far as they are known.
    asked
        When, ISO 8601.
    """

    id: str
    species: list[str]
    names: list[str]
    genes: list[str]
    publications: list[dict[str, str | None]]
    asked: str


def recall(collection: Collection, ids: Sequence[str]) -> dict[str, About]:
    """What is kept of these molecules, by id; the latest where it was learnt twice."""
    dataset = _dataset(collection)
    if dataset is None or not ids:
        return {}
    rows = dataset.to_table(filter=ids_in(ids)).to_pylist()
    return {row["id"]: About(**row) for row in sorted(rows, key=lambda row: row["asked"])}


def remember(collection: Collection, abouts: Sequence[About]) -> None:
    """Keep what was learnt.

    Raises
    ------
    UserError
        If the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> collection = Collection.create(tempfile.mkdtemp() + "/mine")
    >>> remember(collection, [About("a", ["Homo sapiens"], [], [], [], "2026-11-23")])
    >>> recall(collection, ["a", "b"])["a"].species
    ['Homo sapiens']
    """
    if not abouts:
        return
    table = pa.Table.from_pylist([asdict(one) for one in abouts], SCHEMA)
    mode = "create" if _dataset(collection) is None else "append"
    with disk_full_said(collection.uri):
        lance.write_dataset(table, _place(collection), mode=mode)


def _place(collection: Collection) -> str:
    return f"{collection.uri}/about.lance"


def _dataset(collection: Collection) -> Any | None:
    try:
        return lance.dataset(_place(collection))
    except (ValueError, OSError) as error:
        if "not found" in str(error).lower():
            return None
        raise
