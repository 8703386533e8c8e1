"""What answers need: a space, its searchers and encoders, the queue of heavy work, a generator, limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ribospace.analysis.folding import installed
from ribospace.collection import Collection, EmbeddingInfo
from ribospace.errors import UserError
from ribospace.progress import Progress, silent
from ribospace.records import clean
from ribospace.web import shapes
from ribospace.web.folding import Folder
from ribospace.web.jobs import Jobs
from ribospace.web.refusing import Refusal
from ribospace.web.search import Searcher
from ribospace.web.space import Space, space_json

if TYPE_CHECKING:
    from ribospace.analysis.heads import HeadSpace
    from ribospace.encoders import Encoder
    from ribospace.generation.generate import Generator

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

#: Longest molecules whose identity is told, nt.
LONGEST_IDENTITY = 5000
#: A new sequence stands among so many neighbours.
PLACING = 5


@dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Attributes
    ----------
    sequences, length
        New sequences at a time, and letters of each, nt.
    body
        Bytes of a request; an export's may hold every row.
    rows, generate
        Rows of a composition; molecules to be made.
    seconds, waiting, threads
        An answer's time; heavy work that may wait; answers made at one time.
    """

    sequences: int = shapes.MOST_SEQUENCES
    length: int = 10_000
    body: int = 2**21
    rows: int = shapes.MOST_ROWS
    generate: int = shapes.MOST_GENERATED
    seconds: float = 30.0
    waiting: int = 16
    threads: int = 64

    def said(self) -> dict[str, int]:
        """Those that the page needs to know."""
        return {name: getattr(self, name) for name in ("sequences", "length", "body", "rows", "generate")}


@dataclass
class Served:
    """A space and what answers it; close it at the end.

    Attributes
    ----------
    space, limits
        What is shown, and what may be asked.
    model
        Where the encoder of the embedding to begin with lies, if it was named by that.
    generator
        What makes molecules, if there is one.
    token
        What every request to the API must bring; "" for none.
    hosts
        Names by which a request may call the server.
    """

    space: Space
    limits: Limits = field(default_factory=Limits)
    model: str = ""
    generator: Generator | None = None
    token: str = ""
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")

    def __post_init__(self) -> None:
        self.jobs = Jobs(self.limits.waiting)
        self.folder = Folder(self.limits.seconds * 0.8)
        self.began = time.monotonic()
        self._lock = threading.RLock()
        self._searchers: dict[str, Searcher] = {}
        self._encoders: dict[str, tuple[Encoder, threading.Lock]] = {}
        self._faults: dict[str, str] = {}
        self.head_spaces: dict[str, HeadSpace] = {}

    @classmethod
    def open(
        cls,
        collection: Collection | Path | str,
        model: str = "",
        projection: str | None = None,
        generator: Path | str | None = None,
        progress: Progress = silent,
        **how: Any,
    ) -> Served:
        """Open a collection and load its models, once.

        Parameters
        ----------
        collection, projection, progress
            See `Space.open`.
        model
            The embedding to begin with, or its encoder's name or place.
        generator
            Folder that `ribospace train diffusion` wrote.
        how
            Further attributes.
        """
        from ribospace.encoders.named import find_column

        store = collection if isinstance(collection, Collection) else Collection.open(collection)
        embedding = find_column(store, model, "").column if model else None
        made = None
        if generator is not None:
            from ribospace.generation.generate import Generator

            made = Generator(generator)
        served = cls(Space.open(store, embedding, projection, progress), model=model, generator=made, **how)
        if begin := served.space.start["embedding"]:
            served.searcher(begin)
            served.can_embed(served.space.embeddings[begin])
        return served

    def close(self) -> None:
        """Call off heavy work, and let searches end."""
        self.jobs.close()
        self.folder.close()
        with self._lock:
            for searcher in self._searchers.values():
                searcher.close()

    # ---------------------------------------------------------------- what can be asked

    @property
    def can(self) -> dict[str, bool]:
        """What can be asked here."""
        embed = any(self.can_embed(info) for info in self.space.embeddings.values())
        some, heads = bool(self.space.embeddings), any(one.layers for one, _ in self._encoders.values())
        return {
            "search": embed, "embed": embed, "neighbours": some, "relations": some, "heads": heads,
            "fold": installed(),
            "composition": True, "generate": self.generator is not None, "export": True,
        }  # fmt: skip

    def said(self) -> dict[str, Any]:
        """What the page is told first."""
        about = None
        if self.generator is not None:
            about = _about(self.generator, self.limits.generate)
        return space_json(self.space, self.can, about, self.limits.said(), self.can_embed)

    def can_embed(self, info: EmbeddingInfo) -> bool:
        """Whether new sequences can get vectors of an embedding; loads its encoder, once."""
        with self._lock:
            if info.column not in self._faults and info.column not in self._encoders:
                try:
                    self._load(info)
                except (UserError, OSError) as error:
                    self._faults[info.column] = str(error)
            return info.column in self._encoders

    def _load(self, info: EmbeddingInfo) -> None:
        from ribospace.encoders.named import encoder_of

        first = info.column == self.space.start["embedding"]
        self._encoders[info.column] = encoder_of(info, self.model if first else ""), threading.Lock()

    # ---------------------------------------------------------------- answers' parts

    def embedding(self, name: str | None = None) -> str:
        """The embedding that is meant, by default the one to begin with."""
        return self.space.embedding(name).column

    def searcher(self, embedding: str) -> Searcher:
        """What searches an embedding; made at first use."""
        with self._lock:
            if embedding not in self._searchers:
                self._searchers[embedding] = Searcher(*self.space.vectors(embedding))
            return self._searchers[embedding]

    def cleaned(self, sequences: Sequence[str], names: Sequence[str]) -> list[str]:
        """Sequences in upper case and U; a mistake says in which, and where."""
        said = [f"record {number} ({name!r})" for number, name in enumerate(names, 1)]
        letters: list[str] = clean(list(sequences), names=said).to_pylist()
        for name, one in zip(said, letters, strict=True):
            if len(one) > self.limits.length:
                raise UserError(f"{name} has {len(one):,} nt; {self.limits.length:,} at most are taken here.")
        return letters

    def encode(self, embedding: str, sequences: Sequence[str]) -> Floats:
        """Vectors, (n, width) float32, of clean sequences; a 409 where the embedding's encoder is not there."""
        from ribospace.alphabet import tokenize

        encoder, lock = self.encoder(embedding)
        with lock:
            return encoder.encode(tokenize(list(sequences)))

    def encoder(self, embedding: str) -> tuple[Encoder, threading.Lock]:
        """An embedding's encoder, and what must be held to ask it; a 409 where it is not there."""
        info = self.space.embedding(embedding)
        if not self.can_embed(info):
            raise Refusal(409, self._faults[info.column])
        return self._encoders[info.column]

    def row_of(self, row: int | None, name: str | None) -> int:
        """A molecule's row, of itself or of its id; a 404 where there is none."""
        if row is not None:
            return int(self.space.checked([row])[0])
        found = int(self.space.rows_of([name or ""])[0])
        if found < 0:
            raise Refusal(404, f"{self.space.name} has no molecule with the id {name!r}.")
        return found

    def molecules(self, rows: Sequence[int] | Rows, sequence: bool = False) -> list[dict[str, Any]]:
        """Molecules as the API says them; with their sequences on demand."""
        left = ("md5", *(() if sequence else ("sequence",)))
        names = [name for name in self.space.plain if name not in left]
        return [
            _molecule(int(row), one) for row, one in zip(rows, self.space.records(rows, names).to_pylist(), strict=True)
        ]

    def near(self, rows: Rows, distances: npt.ArrayLike, sequence: str | None = None) -> list[dict[str, Any]]:
        """Neighbours as the API says them, with their identity to a sequence."""
        told = ["id", "rna_type", "length", "description"]
        found = self.space.records(rows, told).to_pylist()
        letters = self.space.sequences(rows) if sequence is not None else [None] * len(rows)
        return [
            {"row": int(row), **one, "distance": round(float(far), 6), "identity": identity(sequence, other)}
            for row, one, far, other in zip(rows, found, np.asarray(distances), letters, strict=True)
        ]

    def place(self, rows: Rows, distances: npt.ArrayLike, projection: str | None = None) -> list[float] | None:
        """Where a new sequence stands: its nearest neighbours' points, weighted by 1 / (cosine distance + 0.001)."""
        info = self.space.projection(projection)
        points = self.space.points(info.name)[rows[:PLACING]].astype(np.float64)
        weights = 1 / (np.asarray(distances, dtype=np.float64)[:PLACING] + 0.001)
        there = np.isfinite(points).all(axis=1)
        if not there.any():
            return None
        return np.average(points[there], axis=0, weights=weights[there]).round(5).tolist()


def identity(one: str | None, other: str | None) -> float | None:
    """Share of the longer sequence that is not edited: 1 - edits / longer; None above 5,000 nt.

    Examples
    --------
    >>> identity("ACGU", "ACGA")
    0.75
    """
    from rapidfuzz.distance import Levenshtein

    if one is None or other is None or max(len(one), len(other)) > LONGEST_IDENTITY:
        return None
    return round(float(Levenshtein.normalized_similarity(one, other)), 4)


def _molecule(row: int, record: dict[str, Any]) -> dict[str, Any]:
    own = ("id", "rna_type", "length", "description", "species", "taxid", "sequence")
    name = record["id"]
    url = f"https://rnacentral.org/rna/{name.replace('_', '/')}" if _is_urs(name) else None
    fields = {key: _plain(value) for key, value in record.items() if key not in own}
    return {"row": row, **{key: record.get(key) for key in own}, "url": url, "fields": fields}


def _is_urs(name: str) -> bool:
    urs, _, taxid = name.partition("_")
    letters = urs[3:]
    hexadecimal = len(letters) == 10 and set(letters) <= set("0123456789ABCDEF")
    return urs[:3] == "URS" and hexadecimal and (not taxid or (taxid.isascii() and taxid.isdigit()))


def _plain(value: Any) -> Any:
    """A value of any column as JSON has it."""
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _about(generator: Generator, most: int) -> dict[str, Any]:
    """What the page offers of a generator: its types, lengths, and the rewards that its surrogate was taught."""
    from ribospace.generation.rewards import BUILT_IN

    surrogate, taught = generator.model.surrogate, list[str]()
    if surrogate is not None:
        config = surrogate.config
        taught = [*config.values, *(["type"] if config.classes else []), *(["structure"] if config.structure else [])]
    rewards = [
        {"name": entry.name, "text": entry.load().about, "target": entry.name != "mfe"}
        for entry in BUILT_IN
        if entry.name in taught
    ]
    return {
        "types": list(generator.types),
        "shortest": 1,
        "longest": generator.window,
        "rewards": rewards,
        "most": most,
    }
