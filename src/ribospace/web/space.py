"""What an atlas shows: a collection at one version, its maps, its colours, its vectors."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ribospace.collection import Collection, EmbeddingInfo
from ribospace.collection.place import first_line, is_remote
from ribospace.collection.projections import ProjectionInfo, is_projection, projections_of
from ribospace.collection.store import vectors_of
from ribospace.errors import Unavailable, UserError, nearest
from ribospace.progress import Progress, silent
from ribospace.web.columns import ColumnInfo, coded, kind_of
from ribospace.web.refusing import Refusal

__all__ = ["ColumnInfo", "ProjectionInfo", "Space", "space_json"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Got = TypeVar("Got")

#: Up to so many molecules a map that is not stored is fitted by UMAP, above by PCA.
MOST_UMAP = 20_000
#: Letters that are kept in memory; longer collections read sequences as they are asked for.
MOST_LETTERS = 300_000_000
_HEAD = ("id", "rna_type", "length", "description", "species", "taxid")


class Space:
    """A collection at one version; whatever is written to it later, rows and values stay.

    Use `Space.open`. A molecule's row is its number, from 0, in the collection's order.

    Attributes
    ----------
    name, uri
        The collection's folder's name, and where it lies.
    version, count
        The version that is shown, and its molecules.
    dataset
        That version, of Lance.
    projections, columns, embeddings
        What there is, by name: maps, colours, vectors.
    start
        The map, colour and embedding to begin with.
    head
        (count rows) id, rna_type, length, description, species and taxid, in memory.
    """

    def __init__(self, collection: Collection, where: str | None = None) -> None:
        self.uri, self.name = collection.uri, Path(collection.uri).name
        self.dataset, self._where = collection.lance(), where
        collection.count(where)  # says whether the condition is one
        self.version = int(self.dataset.version)
        known = [EmbeddingInfo.of(field) for field in self.dataset.schema if pa.types.is_fixed_size_list(field.type)]
        self.embeddings = {info.column: info for info in known if not is_projection(info)}
        self.plain = [name for name in self.dataset.schema.names if name not in {info.column for info in known}]
        self.head = self._scan(list(_HEAD))
        self.count = len(self.head)
        self._kept = self._kept_rows() if where else None
        self.projections: dict[str, ProjectionInfo] = dict(projections_of(self.dataset))
        self._cache: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()
        self.columns: dict[str, ColumnInfo] = {}
        for name in self.plain:
            self._add_column(name)
        self.start: dict[str, str | None] = {"projection": None, "colour": None, "embedding": None}

    @classmethod
    def open(
        cls,
        collection: Collection | Path | str,
        embedding: str | None = None,
        projection: str | None = None,
        progress: Progress = silent,
        where: str | None = None,
    ) -> Space:
        """Open the newest version; a map is fitted, and kept in memory, where none of the embedding is stored.

        Parameters
        ----------
        collection
            What is shown.
        embedding, projection
            To begin with; by default the first embedding, and the first stored map of it.
        progress
            Told of the fitting of a map.
        where
            An SQL condition; rows are then numbered among the molecules that it holds for.

        Raises
        ------
        UserError
            If there is no embedding, or a name is not there.
        """
        store = collection if isinstance(collection, Collection) else Collection.open(collection)
        space = cls(store, where)
        if projection is not None:
            space.projection(projection)
            made_of = space.projections[projection].embedding
            embedding = embedding or (made_of if made_of in space.embeddings else None)
        if not space.embeddings and projection is None:
            raise UserError(
                f"{space.uri} has no embedding to show. Make one: ribospace embed {space.uri} --model kmer4"
            )
        named = embedding or next(iter(space.embeddings), None)
        chosen = space.embedding(named).column if named else None
        stored = [name for name, one in space.projections.items() if one.embedding == chosen]
        if projection is None:
            assert chosen is not None
            projection = (
                min(stored, key=lambda name: space.projections[name].dims) if stored else space.fit(chosen, progress)
            )
        kinds = {name: one.kind for name, one in space.columns.items()}
        colour = next(
            (one for one in ("rna_type", *(c for c in kinds if kinds[c] == "category"), *kinds) if one in kinds), None
        )
        space.start = {"projection": projection, "colour": colour, "embedding": chosen}
        return space

    # ---------------------------------------------------------------- what there is

    def embedding(self, name: str | None) -> EmbeddingInfo:
        """What is known of an embedding, by default of the one to begin with; a 404 names the nearest."""
        return _found(name or self.start["embedding"] or "", self.embeddings, "embedding", self.name)

    def projection(self, name: str | None) -> ProjectionInfo:
        """What is known of a map, by default of the one to begin with; a 404 names the nearest."""
        return _found(name or self.start["projection"] or "", self.projections, "map", self.name)

    @property
    def trajectories(self) -> list[str]:
        """Names that have a cluster and a pseudotime column each, as `ribospace trajectory` writes them."""
        names = [one.removesuffix("_cluster") for one in self.columns if one.endswith("_cluster")]
        return [one for one in names if f"{one}_pseudotime" in self.columns]

    @property
    def clusters(self) -> list[str]:
        """Columns whose values are clusters."""
        return [one for one, info in self.columns.items() if info.kind == "category" and one.endswith("cluster")]

    # ---------------------------------------------------------------- arrays

    def points(self, name: str) -> Floats:
        """A map's coordinates: (count, dims) float32, NaN where there is none."""
        info = self.projection(name)
        return self._cached("points", name, lambda: self._spread(name, info.dims))

    def column(self, name: str) -> npt.NDArray[Any]:
        """A colour: (count,) codes of a category (0: missing, i + 1: labels[i]), or float32 (NaN: missing)."""
        _found(name, self.columns, "column to colour by", self.name)
        return self._cache["column", name]

    def vectors(self, name: str) -> tuple[Rows, Floats]:
        """An embedding: (m,) rows that have a vector, and (m, width) float32."""
        info = self.embedding(name)
        return self._cached("vectors", name, lambda: self._read_vectors(name, info.width))

    def fit(self, embedding: str, progress: Progress = silent, seed: int = 0) -> str:
        """Fit a map of an embedding, keep it in memory, and give its name: UMAP, or of many molecules PCA."""
        from ribospace.analysis.projection import Projection

        rows, vectors = self.vectors(embedding)
        method = "umap" if len(rows) <= MOST_UMAP else "pca"
        progress(0, None, f"{method} of {len(rows):,} molecules")
        good = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
        points = np.full((self.count, 2), np.nan, dtype=np.float32)
        points[rows[good]] = Projection(method, 2, seed).fit(vectors[good]).coordinates
        info = ProjectionInfo(f"{embedding}_{method}2", embedding, method, 2, seed, int(good.sum()))
        self.projections[info.name], self._cache["points", info.name] = info, points
        return info.name

    # ---------------------------------------------------------------- molecules

    def records(self, rows: Sequence[int] | Rows, columns: Sequence[str] | None = None) -> pa.Table:
        """Plain columns of some molecules, all by default, in the order asked.

        Raises
        ------
        Refusal
            For a row or a column that is not there (404), or if the collection cannot be read any more (503).
        """
        names = self.plain if columns is None else list(columns)
        for name in names:
            _found(name, dict.fromkeys(self.plain), "column", self.name)
        at = self.checked(rows)
        if len(at) == self.count and (np.diff(at) == 1).all():
            return self._scan(names)
        here = [name for name in names if name in _HEAD]
        table = self.head.select(here).take(pa.array(at))
        away = [name for name in names if name not in _HEAD]
        if away:
            every, place = np.unique(at, return_inverse=True)
            inside = every if self._kept is None else self._kept[every]
            taken = self._asked(lambda: self.dataset.take(inside, columns=away)).take(pa.array(place))
            for name in away:
                table = table.append_column(name, taken[name]) if table.num_columns else taken.select([name])
        return table.select(names)

    def sequences(self, rows: Sequence[int] | Rows) -> list[str]:
        """Sequences of some molecules, in the order asked."""
        at = self.checked(rows)
        if (pc.sum(self.head["length"]).as_py() or 0) > MOST_LETTERS:
            return self.records(at, ["sequence"])["sequence"].to_pylist()
        every = self._cached("text", "sequence", lambda: self._scan(["sequence"])["sequence"])
        return every.take(pa.array(at)).to_pylist()

    def checked(self, rows: Sequence[int] | Rows) -> Rows:
        """Rows as an array, if all of them are there."""
        at = np.asarray(rows, dtype=np.int64).reshape(-1)
        odd = (at < 0) | (at >= self.count)
        if odd.any():
            raise Refusal(404, f"{self.name} has no row {at[odd][0]}: rows go from 0 to {self.count - 1:,}.")
        return at

    def rows_of(self, ids: Sequence[str]) -> Rows:
        """Rows of molecules by id, -1 where there is none."""
        asked = {one: place for place, one in reversed(list(enumerate(ids)))}
        places = pc.index_in(self.head["id"], value_set=pa.array(list(asked), pa.string()))
        there = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
        ids_there = self.head["id"].take(pa.array(there)).to_pylist()
        row = dict(zip(ids_there, there.tolist(), strict=True))
        return np.array([row.get(one, -1) for one in ids], dtype=np.int64)

    def require_there(self) -> None:
        """Refuse (503) where the collection's folder is gone."""
        folder = Path(self.uri) / "molecules.lance" / "_versions"
        if not is_remote(self.uri) and not folder.is_dir():
            raise self._gone("its folder is gone")

    # ---------------------------------------------------------------- reading

    def _gone(self, why: str) -> Unavailable:
        return Unavailable(f"The collection {self.name} cannot be read any more: {why}. Start ribospace serve again.")

    def _asked(self, ask: Callable[[], Got]) -> Got:
        try:
            return ask()
        except (OSError, RuntimeError, ValueError) as error:
            raise self._gone(first_line(error)) from error

    def _scan(self, names: list[str]) -> pa.Table:
        table = self._asked(lambda: self.dataset.to_table(columns=names, filter=self._where))
        return table.combine_chunks()  # taking rows of many pieces would join them every time

    def _kept_rows(self) -> Rows:
        every = self._asked(lambda: self.dataset.to_table(columns=["id"]))["id"]
        return np.flatnonzero(pc.is_in(every, value_set=self.head["id"].combine_chunks()).to_numpy())

    def _cached(self, kind: str, name: str, make: Callable[[], Got]) -> Got:
        with self._lock:
            if (kind, name) not in self._cache:
                self._cache[kind, name] = make()
            return self._cache[kind, name]

    def _add_column(self, name: str) -> None:
        field = self.dataset.schema.field(name)
        if kind_of(field) and (made := coded(field, (self.head if name in _HEAD else self._scan([name]))[name])):
            self.columns[name], self._cache["column", name] = made

    def _read_vectors(self, name: str, width: int) -> tuple[Rows, Floats]:
        column = self._scan([name])[name]
        there = column.is_valid().to_numpy(zero_copy_only=False)
        return np.flatnonzero(there), vectors_of(column.drop_null(), width)

    def _spread(self, name: str, width: int) -> Floats:
        rows, found = self._read_vectors(name, width)
        points = np.full((self.count, width), np.nan, dtype="<f4")
        points[rows] = found
        return points


def space_json(
    space: Space,
    can: Mapping[str, bool],
    generator: Mapping[str, Any] | None = None,
    limits: Mapping[str, int] | None = None,
    can_embed: Callable[[EmbeddingInfo], bool] = lambda info: False,
) -> dict[str, Any]:
    """What the page is told first: names, kinds, what can be asked; without any molecule."""
    projections = [
        {
            "name": one.name,
            "embedding": one.embedding,
            "method": one.method,
            "dims": one.dims,
            "molecules": one.molecules,
        }
        for one in space.projections.values()
    ]
    columns: list[dict[str, Any]] = [
        {"name": one.name, "kind": one.kind, "dtype": one.dtype, "labels": list(one.labels)}
        if one.kind == "category"
        else {
            "name": one.name,
            "kind": one.kind,
            "dtype": one.dtype,
            "unit": one.unit,
            "low": one.low,
            "high": one.high,
        }
        for one in space.columns.values()
    ]
    embeddings = [
        {"name": one.column, "encoder": one.encoder, "width": one.width, "can_embed": can_embed(one)}
        for one in space.embeddings.values()
    ]
    return {
        "name": space.name, "molecules": space.count, "version": space.version,
        "made": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "projections": projections, "columns": columns, "embeddings": embeddings, "start": space.start,
        "trajectories": space.trajectories, "clusters": space.clusters, "can": dict(can),
        "generator": generator, "limits": dict(limits or {}),
    }  # fmt: skip


def _found(name: str, known: Mapping[str, Got], what: str, where: str) -> Got:
    if name not in known:
        raise Refusal(404, f"{where} has no {what} {name!r}. {nearest(name, known)}")
    return known[name]
