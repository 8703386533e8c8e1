"""A collection: a LanceDB table that is created, read, filtered and searched."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection.embedding import EmbeddingInfo
from ribospace.collection.place import TABLE, cannot_read, dataset_at, first_line, home_of, is_remote, uri_of
from ribospace.errors import UserError, is_disk_full, is_of_store, is_panic, nearest
from ribospace.files import cannot_write, is_named_molecules, missing_folders, one_at_a_time, remove_empty, remove_made
from ribospace.records import SCHEMA

if TYPE_CHECKING:
    from ribospace.collection.append import Appended
    from ribospace.collection.neighbours import Neighbours

FORMAT = "1"

_BAD_CONDITION = (
    "No field named",
    "Schema error",
    "sql parser",
    "Invalid user input",
    "Invalid input",
    "SQL",
    "Execution error",
    "does not support logical expression",
)
#: What the store says before and around what is wrong with a condition.
_AROUND = re.compile(r"(?:(?:Invalid|Query|Schema|Execution|Error|sql)\b[^:()']*: )+|SELECT 1 FROM t WHERE ")
#: What SQL takes for a value to come, and what ends a statement; `::` is a cast.
_PLACEHOLDER = re.compile(r"[$?;]|(?<!:):(?!:)")
_CALLED = re.compile(r"(\w+)\s*\(")
#: Functions whose answer is as large as a number says; the store aborts the process where memory ends.
_WITHOUT_LIMIT = frozenset(
    ["array_resize", "list_resize", "lpad", "rpad", "repeat", "array_repeat", "list_repeat", "generate_series", "range"]
)
_QUOTED = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`""")
#: Most letters of a condition beside texts and lists: the store's stack overflows at some thousand operators.
_SHALLOW = 4000

Duplicates: TypeAlias = Literal["refuse", "keep-first"]


class Collection:
    """Molecules in a folder or an object store, with one column per embedding.

    Use `Collection.open`, `Collection.create` or `Collection.open_or_create`, with a path or a URI such as
    s3://bucket/rnas; the credentials of a URI come from the environment, as LanceDB takes them.

    Attributes
    ----------
    uri
        Where it lies, as it was named.
    home
        The local folder of its lock and journals: its own, or for a URI one in the user's state folder.

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

    def __init__(self, uri: str, dataset: Any) -> None:
        self.uri, self.home, self._dataset = uri, home_of(uri), dataset
        self.undo: Callable[[], None] | None = None  # takes back what open_or_create made, if the first append fails

    @property
    def path(self) -> Path:
        """The folder of a local collection; of another its home."""
        return self.home

    @cached_property
    def _table(self) -> Any:
        """What writes; it always sees the newest version, whoever wrote it."""
        return _connect(self.uri).open_table(TABLE)

    # ---------------------------------------------------------------- open and create

    @classmethod
    def create(cls, place: Path | str) -> Collection:
        """Make an empty collection in a folder, or at a URI, where there is nothing yet."""
        uri = uri_of(place)
        if set("?#%") & set(uri):
            raise UserError(f"{uri}: the store takes no ? # or % in a path. Choose another name for the collection.")
        if is_remote(uri):
            taken = dataset_at(uri) is not None
        else:
            path = Path(uri)
            taken = path.exists() and (not path.is_dir() or any(entry.name != ".lock" for entry in path.iterdir()))
        if taken:
            raise UserError(f"{uri} exists and is not empty. Choose a new name for the collection.")
        missing = missing_folders(Path(uri))
        try:
            if not is_remote(uri):
                path.mkdir(parents=True, exist_ok=True)
            _connect(uri).create_table(TABLE, schema=SCHEMA.with_metadata({"ribospace.collection": FORMAT}))
        except (OSError, RuntimeError) as error:
            if not is_remote(uri):
                _remove_unmade(Path(uri))
                remove_empty(missing)
            raise cannot_write(uri, error) from error
        return cls(uri, dataset_at(uri))

    @classmethod
    def open(cls, place: Path | str) -> Collection:
        """Open an existing collection.

        Raises
        ------
        UserError
            If there is none at `place`, or what is there was not made by Ribospace.
        """
        uri = uri_of(place)
        dataset = dataset_at(uri) if is_remote(uri) or (Path(uri) / f"{TABLE}.lance").is_dir() else None
        if dataset is None:
            if not is_remote(uri) and Path(uri).exists():
                raise _no_collection(uri)
            raise UserError(f"There is no collection at {uri}. Make one: ribospace import FILE --to {uri}")
        found = (dataset.schema.metadata or {}).get(b"ribospace.collection")
        if found is None or not set(SCHEMA.names) <= set(dataset.schema.names):
            raise _no_collection(uri)
        if found.decode() != FORMAT:
            raise UserError(f"{uri} has format {found.decode()}, this Ribospace reads {FORMAT}. Update Ribospace.")
        return cls(uri, dataset)

    @classmethod
    def open_or_create(cls, place: Path | str) -> Collection:
        """Open the collection at `place`, or make it where there is none."""
        uri = uri_of(place)
        path = Path(uri)
        if is_remote(uri):
            there = dataset_at(uri) is not None
        else:
            _remove_unmade(path)
            there = any(path.glob("*.lance"))
        if there:
            return cls.open(uri)
        missing = missing_folders(path)
        was_empty = path.exists()
        try:
            collection = cls.create(uri)
        except ValueError:  # another command made it in this moment
            return cls.open(uri)
        if is_remote(uri):
            collection.undo = lambda: lance.LanceDataset.drop(collection.lance().uri)
        else:
            collection.undo = lambda: remove_made(path, missing, keep=was_empty)
        return collection

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the collection's lock, so that one command writes at a time; readers never wait.

        The lock of a collection in an object store holds on this machine only.
        """
        if is_remote(self.uri):
            self.home.mkdir(parents=True, exist_ok=True)
        taken = f"Another command is writing to {self.uri}. Wait until it ends."
        with one_at_a_time(self.home / ".lock", self.uri, taken):
            try:
                yield
            except (ValueError, RuntimeError, OSError) as error:
                if is_of_store(error) and not is_disk_full(error):
                    raise cannot_read(self.uri, error) from error
                raise

    # ---------------------------------------------------------------- what is in it

    def __len__(self) -> int:
        return int(self.lance().count_rows())

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema: the record's fields, further columns, embeddings."""
        return self.lance().schema

    @property
    def embeddings(self) -> dict[str, EmbeddingInfo]:
        """The embedding columns by name, stored projections among them."""
        return {field.name: EmbeddingInfo.of(field) for field in self.schema if pa.types.is_fixed_size_list(field.type)}

    @property
    def plain_columns(self) -> list[str]:
        """All columns that are not embeddings."""
        return [name for name in self.schema.names if name not in self.embeddings]

    def require_embedding(self, column: str) -> EmbeddingInfo:
        """What is known of an embedding column; a UserError names the nearest if it is not there."""
        if column not in self.embeddings:
            raise UserError(
                f"{self.uri} has no embedding {column!r}. {nearest(column, self.embeddings)} "
                f"Make it: ribospace embed {self.uri} --model {column}"
            )
        return self.embeddings[column]

    def count(self, where: str | None = None) -> int:
        """Number of molecules, of all or of those an SQL condition holds for."""
        return int(self._asked(where, lambda: self.lance().count_rows(where)))

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
                raise UserError(f"{self.uri} has no column {name!r}. {nearest(name, self.schema.names)}")
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
        """The newest version as a Lance dataset, which stays at this version."""
        return lance.dataset(self._dataset.uri, session=self._dataset.session())

    def _asked(self, where: str | None, ask: Callable[[], Any]) -> Any:
        _refuse_fatal(where or "")
        try:
            return ask()
        except BaseException as error:
            if not isinstance(error, ValueError | RuntimeError | OSError) and not is_panic(error):
                raise
            text = str(error)
            is_bad = isinstance(error, UnicodeError) or is_panic(error) or any(word in text for word in _BAD_CONDITION)
            if where is None or "Lance file" in text or not is_bad:
                if isinstance(error, ValueError) and not is_of_store(error):
                    raise
                raise cannot_read(self.uri, error) from error
            raise UserError(
                f"{where!r} is not a condition on {self.uri}: {_fault(first_line(error))} "
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
        if not (self.home / "import.json").exists():
            alone = not is_remote(self.uri)  # there another machine may be writing what no version knows of yet
            self.lance().cleanup_old_versions(timedelta(0), delete_unverified=alone)

    # ---------------------------------------------------------------- neighbours

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
            Compare with every vector; else use the index (as many of its lists as its stated recall took).
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
        from ribospace.collection.neighbours import neighbours

        return neighbours(self, column, vector, k, exact=exact, where=where, columns=columns)


def _no_collection(uri: str) -> UserError:
    """Of what is there and no collection; files of molecules in a folder are named, to make one."""
    held = sorted(str(one) for one in Path(uri).glob("*") if is_named_molecules(one.name))
    files = " ".join([*held[:3], *(["…"] if len(held) > 3 else [])]) or "FILE"
    return UserError(f"{uri} is not a Ribospace collection. Make one: ribospace import {files} --to NEW_FOLDER")


def _fault(said: str) -> str:
    """What is wrong with a condition, of what the store says, as a sentence's end.

    Examples
    --------
    >>> _fault("Invalid user input: Schema error: No field named lengt. Did you mean 'length'?.")
    "there is no column 'lengt'. Did you mean 'length'?"
    >>> _fault("Invalid user input: The filter length does not return a boolean")
    'The filter length does not return a boolean.'
    """
    if unknown := re.search(r"No field named [\"'`]?(.+?)[\"'`]?\.(?:( Did you mean .+?\?)| |$)", said):
        return f"there is no column {unknown[1]!r}.{unknown[2] or ''}"
    if "does not support logical expression" in said:
        return "it asks for more than one molecule says, as sums and ranks do."
    return f"{_AROUND.sub('', said).rstrip('.')}."


def _refuse_fatal(where: str) -> None:
    """Refuse a condition at which the store panics or aborts or its stack overflows, or of which it reads a part."""
    unquoted = _QUOTED.sub("", where)
    if odd := _PLACEHOLDER.search(unquoted):
        raise UserError(
            f"The condition {where[:40]!r} has a {odd[0]} outside of quotes. Text stands in 'single quotes'."
        )
    sized = {one.lower() for one in _CALLED.findall(unquoted)} & _WITHOUT_LIMIT
    if sized:
        raise UserError(f"The condition {where[:40]!r} asks for {min(sized)}, which may fill the memory. Leave it out.")
    plain = re.sub(r"\([^()]*,[^()]*\)", "", unquoted)
    if len(plain) > _SHALLOW:
        raise UserError(
            f"The condition {where[:40]!r}… has {len(plain):,} letters beside texts and lists; {_SHALLOW:,} are taken. "
            "Write it shorter, with lists: COLUMN IN (…)."
        )


def ids_in(ids: Sequence[str]) -> str:
    """The SQL condition that a molecule is one of these.

    Examples
    --------
    >>> ids_in(["a", "5'UTR"])
    "id IN ('a', '5''UTR')"
    """
    return "id IN ({})".format(", ".join("'" + one.replace("'", "''") + "'" for one in ids))


def require_column_name(name: str) -> None:
    """Refuse a name that no column may have: empty, with a dot, backtick or slash, or one of the store's own (`_…`)."""
    is_text = "\0" not in name and name == name.encode(errors="replace").decode()  # a lone surrogate is none
    if not name or name.startswith("_") or set(".`/\\") & set(name) or not is_text:
        raise UserError(f"A column cannot be named {name!r}: no dot, backtick or slash, no _ in front. Choose another.")


def _connect(uri: str) -> Any:
    import lancedb  # takes most of a second: what only reads does without it

    return lancedb.connect(uri, read_consistency_interval=timedelta(0))


def _remove_unmade(path: Path) -> None:
    """Take away a table without a first version, which a kill or a full disk leaves."""
    table = path / f"{TABLE}.lance"
    if table.is_dir() and not any(entry.is_file() for entry in table.rglob("*")):
        shutil.rmtree(table)


def vectors_of(column: pa.ChunkedArray, width: int) -> npt.NDArray[np.float32]:
    """An embedding column without nulls as an (n, width) float32 array."""
    values = column.combine_chunks().flatten()
    return values.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, width)
