"""The atlas as one file: the page, and what it shows, for a browser without a server and without a network."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.types as kinds

from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.files import disk_full_said, require_ending, written_whole
from ribospace.progress import Progress, silent
from ribospace.web.columns import OWN
from ribospace.web.joined import join_page
from ribospace.web.nearest import nearest_by_cosine
from ribospace.web.space import Space, space_json

PAGE = Path(__file__).parent / "static" / "index.html"
MOST = 50_000
NONE = 0xFFFFFFFF
CAN = ("search", "embed", "neighbours", "relations", "heads", "fold", "composition", "generate", "export")
CAN_IN_A_FILE = ("neighbours", "export")


@dataclass(frozen=True)
class Written:
    """What is in an atlas.

    Attributes
    ----------
    molecules, bytes
        How many, and the file's size.
    projections, embedding
        Maps that it shows, and the embedding that says what is near.
    fitted
        The map that was fitted for it, as none was stored.
    """

    molecules: int
    bytes: int
    projections: list[str]
    embedding: str
    fitted: str | None


def write_atlas(
    collection: Collection,
    out: Path,
    projections: Sequence[str] = (),
    where: str | None = None,
    embedding: str | None = None,
    k: int = 10,
    progress: Progress = silent,
) -> Written:
    """Write a collection's atlas as one HTML: the same bytes for the same collection.

    Parameters
    ----------
    collection, out
        What is shown, and a file ending in .html.
    projections
        Stored maps, the first one shown first; by default all, or one that is fitted (UMAP, of many molecules PCA).
    where
        An SQL condition on the molecules; at most 50,000 fit.
    embedding
        What is near goes by this; by default what the first map was made of.
    k
        Nearest molecules of each.
    progress
        Told how many molecules have their neighbours.

    Raises
    ------
    UserError
        If there are no molecules or too many, no such map or embedding, or the place cannot be written.
    """
    require_ending(out, [".html"])
    molecules = collection.count(where)
    said = f"{collection.uri} has {molecules:,} molecules{f' where {where}' if where else ''}"
    if molecules > MOST:
        raise UserError(
            f"{said}, and a file holds at most {MOST:,}. Choose some, such as --where \"rna_type = 'tRNA'\", "
            f"or see all of them by ribospace serve {collection.uri}."
        )
    if not molecules:
        raise UserError(f"{said}: there is nothing to show.")
    stored = set(collection.schema.names)
    space = Space.open(collection, embedding, projections[0] if projections else None, progress, where)
    shown = {name: space.projection(name) for name in projections} or space.projections
    space.projections = dict(shown)
    fitted = [name for name in space.projections if name not in stored]
    page = join_page(PAGE, "\n".join(_blocks(space, k, progress)))
    with disk_full_said(out), written_whole(out) as beside:
        beside.write_text(page, encoding="utf-8", newline="\n")
    near_by = space.embedding(None).column
    return Written(space.count, out.stat().st_size, list(space.projections), near_by, fitted[0] if fitted else None)


def _blocks(space: Space, k: int, progress: Progress) -> Iterator[str]:
    """The elements of data, one after the other."""
    near_by = space.embedding(None).column
    texts = [name for name in space.plain if _is_text(space, name)]
    structures = "structure" in space.plain and kinds.is_string(space.dataset.schema.field("structure").type)
    said = space_json(space, {what: what in CAN_IN_A_FILE for what in CAN})
    said |= {"made": _day(space), "file": True, "texts": texts, "structures": structures}
    said |= {"trajectories": [], "clusters": [], "neighbours": {"k": k, "embedding": near_by}}
    yield f'<script type="application/json" id="data-space">{_json(said)}</script>'
    for number, name in enumerate(space.projections):
        yield _block(f"points-{number}", space.points(name))
    for number, name in enumerate(space.columns):
        yield _block(f"column-{number}", space.column(name))
    lines = {"ids": "id", "descriptions": "description", "sequences": "sequence"}
    lines |= {"structures": "structure"} if structures else {}
    lines |= {f"text-{number}": name for number, name in enumerate(texts)}
    every = np.arange(space.count)
    for block, name in lines.items():
        yield _text(block, space.records(every, [name])[name].to_pylist())
    rows, vectors = space.vectors(near_by)
    found, far = nearest_by_cosine(vectors, k, progress)
    near = np.full((space.count, k), NONE, dtype=np.uint32)
    near[rows] = np.where(found < 0, NONE, rows[found])
    distances = np.full((space.count, k), np.nan, dtype=np.float32)
    distances[rows] = far
    yield _block("neighbours", near)
    yield _block("distances", distances)


def _is_text(space: Space, name: str) -> bool:
    """Whether a column is text that no colour carries: too many values, as of species."""
    if name in OWN or name in space.columns or not kinds.is_string(space.dataset.schema.field(name).type):
        return False
    values = space.records(np.arange(space.count), [name])[name]
    return values.null_count < len(values)


def _day(space: Space) -> str:
    """When the version shown was made; not today, so that the same collection makes the same file."""
    made = [one["timestamp"] for one in space.dataset.versions() if one["version"] == space.version]
    return made[0].date().isoformat() if made else ""


def _json(value: Any) -> str:
    """JSON that no HTML parser sees an element in."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _block(name: str, values: npt.NDArray[Any]) -> str:
    return _packed(name, np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes())


def _text(name: str, lines: list[str | None]) -> str:
    return _packed(name, "\n".join(re.sub(r"[\r\n]+", " ", line or "") for line in lines).encode())


def _packed(name: str, data: bytes) -> str:
    packed = base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()
    return f'<script type="text/plain" id="data-{name}">{packed}</script>'
