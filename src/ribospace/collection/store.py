"""A collection: a LanceDB folder that is created, read, filtered and searched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import filelock
import lancedb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.errors import UserError, nearest
from ribospace.files import cannot_write, missing_folders, remove_made
from ribospace.records import SCHEMA

if TYPE_CHECKING:
    from ribospace.collection.append import Appended

TABLE = "molecules"
FORMAT = "1"

_BAD_CONDITION = ("No field named", "Schema error", "sql parser", "Invalid user input", "Invalid input", "SQL")

Duplicates: TypeAlias = Literal["refuse", "keep-first"]


@dataclass(frozen=True)
class EmbeddingInfo:
    """What a collection knows of an embedding column.

    Attributes
    ----------
    column, encoder, revision, pooling
        The column's name; the encoder that made it, its revision (a hash of its weights or options) and its pooling.
    width
        Numbers in a vector.
    location
        The encoder's folder where it has one, else "".
    """

    column: str
    encoder: str
    revision: str
    pooling: str
    width: int
    location: str = ""

    def metadata(self) -> dict[str, str]:
        """The Arrow field metadata that says this."""
        return {
            "encoder": self.encoder,
            "revision": self.revision,
            "pooling": self.pooling,
            "width": str(self.width),
            "location": self.location,
        }


@dataclass(frozen=True)
class Neighbours:
    """Nearest molecules of one query, the nearest first.

    Attributes
    ----------
    records
        (k rows) the record's fields of each neighbour.
    distances
        (k,) float32, cosine distance, 0 to 2.
    """

    records: pa.Table
    distances: npt.NDArray[np.float32]


class Collection:
    """Molecules on disk, with one column per embedding.

    Use `Collection.open`, `Collection.create` or `Collection.open_or_create`.

    Examples
    --------
    >>> import tempfile
    >>> from ribospace.records import record_batch
    >>> collection = Collection.create(Path(tempfile.mkdtemp()) / "mine")
    >>> collection.append([record_batch(["a", "b"], ["ACGU", "GGCC"])]).added
    2
    >>> collection.table(["id"], where="length = 4 AND sequence LIKE 'GG%'").to_pylist()
    [{'id': 'b'}]
    """

    def __init__(self, path: Path, table: Any) -> None:
        self.path = path
        self._table = table
        self.undo: Callable[[], None] | None = None  # takes back what open_or_create made, if the first append fails

    # ---------------------------------------------------------------- open and create

    @classmethod
    def create(cls, path: Path | str) -> Collection:
        """Make an empty collection in a folder that does not exist or is empty."""
        path = Path(path)
        if set("?#%") & set(str(path)):
            raise UserError(f"{path}: the store takes no ? # or % in a path. Choose another name for the collection.")
        if path.exists() and (not path.is_dir() or any(entry.name != ".lock" for entry in path.iterdir())):
            raise UserError(f"{path} exists and is not empty. Choose a new name for the collection.")
        schema = SCHEMA.with_metadata({"ribospace.collection": FORMAT})
        try:
            path.mkdir(parents=True, exist_ok=True)
            return cls(path, _connect(path).create_table(TABLE, schema=schema))
        except (OSError, RuntimeError) as error:
            raise cannot_write(path, error) from error

    @classmethod
    def open(cls, path: Path | str) -> Collection:
        """Open an existing collection.

        Raises
        ------
        UserError
            If there is none at `path`, or what is there was not made by Ribospace.
        """
        path = Path(path)
        if not path.exists():
            raise UserError(f"There is no collection at {path}. Make one: ribospace import FILE --to {path}")
        elsewhere = f"{path} is not a Ribospace collection. Make one: ribospace import FILE --to NEW_FOLDER"
        if not (path / f"{TABLE}.lance").is_dir():
            raise UserError(elsewhere)
        try:
            table = _connect(path).open_table(TABLE)
            metadata = table.schema.metadata or {}
        except (ValueError, RuntimeError, OSError) as error:
            raise UserError(f"The collection {path} cannot be read: {str(error).splitlines()[0]}") from error
        found = metadata.get(b"ribospace.collection")
        if found is None or not set(SCHEMA.names) <= set(table.schema.names):
            raise UserError(elsewhere)
        if found.decode() != FORMAT:
            raise UserError(f"{path} has format {found.decode()}, this Ribospace reads {FORMAT}. Update Ribospace.")
        return cls(path, table)

    @classmethod
    def open_or_create(cls, path: Path | str) -> Collection:
        """Open the collection at `path`, or make it where there is none."""
        path = Path(path)
        lance = path / f"{TABLE}.lance"
        if lance.is_dir() and not any(entry.is_file() for entry in lance.rglob("*")):
            shutil.rmtree(lance)  # a kill between making the folder and its first version
        if any(path.glob("*.lance")):
            return cls.open(path)
        missing = missing_folders(path)
        was_empty = path.exists()
        try:
            collection = cls.create(path)
        except ValueError:  # another command made it in this moment
            return cls.open(path)
        collection.undo = lambda: remove_made(path, missing, keep=was_empty)
        return collection

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the collection's lock, so that one command writes at a time; readers never wait."""
        lock = filelock.FileLock(self.path / ".lock", timeout=0)
        try:
            with lock:
                yield
        except filelock.Timeout as error:
            raise UserError(f"Another command is writing to {self.path}. Wait until it ends.") from error

    # ---------------------------------------------------------------- what is in it

    def __len__(self) -> int:
        return int(self._table.count_rows())

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema: the record's fields, further columns, embeddings."""
        return self._table.schema

    @property
    def embeddings(self) -> dict[str, EmbeddingInfo]:
        """The embedding columns by name."""
        found = {}
        for field in self.schema:
            if pa.types.is_fixed_size_list(field.type):
                said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
                found[field.name] = EmbeddingInfo(
                    column=field.name,
                    encoder=said.get("encoder", field.name),
                    revision=said.get("revision", ""),
                    pooling=said.get("pooling", "given"),
                    width=field.type.list_size,
                    location=said.get("location", ""),
                )
        return found

    @property
    def plain_columns(self) -> list[str]:
        """All columns that are not embeddings."""
        return [name for name in self.schema.names if name not in self.embeddings]

    def require_embedding(self, column: str) -> EmbeddingInfo:
        """What is known of an embedding column; a UserError names the nearest if it is not there."""
        if column not in self.embeddings:
            raise UserError(
                f"{self.path} has no embedding {column!r}. {nearest(column, self.embeddings)} "
                f"Make it: ribospace embed {self.path} --model {column}"
            )
        return self.embeddings[column]

    def count(self, where: str | None = None) -> int:
        """Number of molecules, of all or of those an SQL condition holds for."""
        return int(self._asked(where, lambda: self._table.count_rows(where)))

    # ---------------------------------------------------------------- read

    def read(
        self, columns: Sequence[str] | None = None, where: str | None = None, batch_rows: int = 8192
    ) -> Iterator[pa.RecordBatch]:
        """Stream columns, in constant memory and in the order in which the molecules came.

        Parameters
        ----------
        columns
            Names; all that are not embeddings by default.
        where
            An SQL condition such as "rna_type = 'tRNA' AND length < 90".
        batch_rows
            Most rows in a batch.

        Yields
        ------
        pa.RecordBatch

        Raises
        ------
        UserError
            For a column that does not exist (the nearest is named) or a condition that is not SQL.
        """
        names = self.plain_columns if columns is None else list(columns)
        for name in names:
            if name not in self.schema.names:
                raise UserError(f"{self.path} has no column {name!r}. {nearest(name, self.schema.names)}")
        dataset = self.lance()
        scanner = self._asked(where, lambda: dataset.scanner(columns=names, filter=where, batch_size=batch_rows))
        batches = iter(scanner.to_batches())
        while (batch := self._asked(where, lambda: next(batches, None))) is not None:
            yield batch

    def table(
        self, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> pa.Table:
        """Columns as one Arrow table in memory; see `read`."""
        names = self.plain_columns if columns is None else list(columns)
        kept, rows = [], 0
        for batch in self.read(names, where):
            kept.append(batch)
            rows += batch.num_rows
            if limit is not None and rows >= limit:
                break
        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.Table.from_batches([batch.cast(schema) for batch in kept], schema).slice(0, limit)

    def embedding(self, column: str, where: str | None = None) -> tuple[list[str], npt.NDArray[np.float32]]:
        """Vectors of all molecules that have one.

        Returns
        -------
        ids : list of str
            (n,)
        vectors : ndarray
            (n, width) float32.
        """
        width = self.require_embedding(column).width
        there = f"`{column}` IS NOT NULL"
        table = self.table(["id", column], f"({where}) AND {there}" if where else there)
        return table["id"].to_pylist(), vectors_of(table[column], width)

    def lance(self) -> Any:
        """The newest version as a Lance dataset, for what LanceDB does not offer."""
        self._table.checkout_latest()
        return self._table.to_lance()

    def _asked(self, where: str | None, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (ValueError, RuntimeError, OSError) as error:
            text = str(error)
            if where is None or not any(word in text for word in _BAD_CONDITION):
                if isinstance(error, ValueError):
                    raise
                raise UserError(f"The collection {self.path} cannot be read: {text.splitlines()[0]}") from error
            reason = str(error).split(", /")[0].removeprefix("lance error: ").splitlines()[0]
            raise UserError(
                f"{where!r} is not a condition on {self.path}: {reason}. "
                f"Its columns: {', '.join(self.plain_columns)}; text stands in 'single quotes'."
            ) from error

    # ---------------------------------------------------------------- write

    def append(
        self, batches: Iterable[pa.RecordBatch], *, duplicates: Duplicates = "refuse", run: str | None = None
    ) -> Appended:
        """Append records in batches, each committed; see `ribospace.collection.append.append`."""
        from ribospace.collection.append import append

        return append(self, batches, duplicates=duplicates, run=run)

    def drop_column(self, column: str) -> None:
        """Take a column out."""
        self._table.drop_columns([column])

    def tidy(self) -> None:
        """Delete what older versions and broken-off writes left on disk, unless an import is still to be finished."""
        if (self.path / "import.json").exists():
            return
        self._table.checkout_latest()
        self._table.cleanup_old_versions(timedelta(0), delete_unverified=True)

    # ---------------------------------------------------------------- neighbours

    def build_index(self, column: str) -> None:
        """Build (or renew) an IVF index over an embedding, for `neighbours(..., exact=False)`.

        Raises
        ------
        UserError
            If there are fewer than 256 vectors: then exact search needs no index.
        """
        self.require_embedding(column)
        rows = self.count(f"`{column}` IS NOT NULL")
        if rows < 256:
            raise UserError(f"{column} has {rows} vectors; an index pays from 256 on. Search without --indexed.")
        self._table.create_index(
            metric="cosine",
            vector_column_name=column,
            index_type="IVF_FLAT",
            num_partitions=max(1, int(rows**0.5)),
            replace=True,
        )

    def has_index(self, column: str) -> bool:
        """Whether an index over the embedding exists."""
        return any(column in [one.strip("`") for one in index.columns] for index in self._table.list_indices())

    def neighbours(
        self,
        column: str,
        vector: npt.ArrayLike,
        k: int = 10,
        *,
        exact: bool = True,
        where: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Neighbours:
        """Nearest molecules of a vector by cosine distance.

        Parameters
        ----------
        column
            An embedding column.
        vector
            (width,) the query.
        k
            How many.
        exact
            Compare with every vector; else use the index (a quarter of its lists).
        where
            An SQL condition on the neighbours.
        columns
            Which fields to bring; the record's by default.

        Returns
        -------
        Neighbours
            At most k; equal distances in the collection's order.

        Raises
        ------
        UserError
            For a query of another width, a zero or non-finite one, or an unknown column.
        """
        info = self.require_embedding(column)
        query = np.asarray(vector, dtype=np.float32)
        if query.shape != (info.width,):
            raise UserError(f"The query has shape {query.shape}, vectors of {column!r} have width {info.width}.")
        if not np.isfinite(query).all() or not query.any():
            raise UserError("The query vector is zero or not finite: it has no direction to compare.")
        search = self._table.search(query, vector_column_name=column).distance_type("cosine").limit(k)
        search = search.bypass_vector_index() if exact else search.nprobes(max(8, int(len(self) ** 0.5) // 4))
        if where:
            search = search.where(where, prefilter=True)
        names = list(columns or SCHEMA.names)
        found = self._asked(where, lambda: search.select([*names, "_distance"]).to_arrow())
        distances = found["_distance"].to_numpy().astype(np.float32)
        order = np.argsort(distances, kind="stable")
        return Neighbours(found.select(names).take(pa.array(order)), distances[order])


def require_column_name(name: str) -> None:
    """Refuse a name that no column may have: empty, with a dot or backtick, or one of the store's own (`_…`)."""
    if not name or name.startswith("_") or "." in name or "`" in name:
        raise UserError(f"A column cannot be named {name!r}: no dot, no backtick, no _ in front. Choose another name.")


def _connect(path: Path) -> Any:
    """A database whose tables always show their newest version, whoever wrote it."""
    return lancedb.connect(path, read_consistency_interval=timedelta(0))


def vectors_of(column: pa.ChunkedArray, width: int) -> npt.NDArray[np.float32]:
    """An embedding column without nulls as an (n, width) float32 array."""
    values = column.combine_chunks().flatten()
    return values.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, width)
