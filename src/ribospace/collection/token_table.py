"""Token embeddings of molecules: a Lance table of their own, with a ragged column, that only grows.

They are a thousand times the size of a molecule's vector, so they do not stand beside it in the collection: a column
that is filled bit by bit is written again and again, a table that grows is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection.embedding import EmbeddingInfo
from ribospace.collection.ids import IdIndex, hashes_of
from ribospace.collection.place import first_line, home_of, is_remote, uri_of
from ribospace.collection.store import ids_in
from ribospace.errors import UserError
from ribospace.files import cannot_write, disk_full_said, one_at_a_time, require_ending

FORMAT = "1"
COLUMN = "embedding"
READ_ROWS = 16


class TokenTable:
    """Ids, sequences, and for each molecule a vector per nucleotide.

    Use `TokenTable.open` or `TokenTable.open_or_create`. Any reader of Lance reads it: the columns are `id`, `sequence`
    and `embedding`, a list of as many vectors as the sequence has letters.

    Attributes
    ----------
    uri
        Its folder or URI, which ends in .lance.
    info
        What made the embeddings.
    half
        Whether they are float16, else float32.

    Examples
    --------
    >>> import tempfile
    >>> info = EmbeddingInfo("purines", "purines", "1", "none", 1, "")
    >>> table = TokenTable.open_or_create(Path(tempfile.mkdtemp()) / "t.lance", info)
    >>> table.append(["a"], ["ACG"], [np.float32([[1], [0], [1]])])
    >>> [(one, embedded.ravel().tolist()) for one, sequence, embedded in table.read()]
    [('a', [1.0, 0.0, 1.0])]
    """

    def __init__(self, uri: str, dataset: Any) -> None:
        self.uri, self._dataset = uri, dataset
        said = {key.decode(): value.decode() for key, value in (dataset.schema.metadata or {}).items()}
        vector = dataset.schema.field(COLUMN).type.value_type
        self.half = pa.types.is_float16(vector.value_type)
        self.info = EmbeddingInfo(
            COLUMN, said["encoder"], said["revision"], said["pooling"], vector.list_size, said["location"]
        )

    @classmethod
    def open(cls, place: Path | str) -> TokenTable:
        """Open the table at `place`; a UserError if there is none."""
        uri = uri_of(place)
        dataset = _dataset_at(uri)
        if dataset is None:
            raise UserError(f"There is no table of tokens at {uri}. Make it: ribospace embed … --tokens --out {uri}")
        return cls(uri, dataset)

    @classmethod
    def open_or_create(cls, place: Path | str, info: EmbeddingInfo, half: bool = False) -> TokenTable:
        """Open the table at `place`, or make it where there is none.

        Raises
        ------
        UserError
            If it was made by another encoder or in another precision, or its name does not end in .lance.
        """
        uri = uri_of(place)
        require_ending(Path(uri), (".lance",))
        dataset = _dataset_at(uri)
        if dataset is not None:
            table = cls(uri, dataset)
            table._require_same(info, half)
            return table
        vector = pa.list_(pa.float16() if half else pa.float32(), info.width)
        fields = [pa.field("id", pa.string()), pa.field("sequence", pa.string()), pa.field(COLUMN, pa.list_(vector))]
        schema = pa.schema(fields, {"ribospace.tokens": FORMAT, **info.metadata()})
        was_there = is_remote(uri) or Path(uri).exists()
        try:
            return cls(uri, lance.write_dataset(schema.empty_table(), uri, schema=schema, mode="create"))
        except (OSError, RuntimeError) as error:
            if not was_there:
                shutil.rmtree(uri, ignore_errors=True)
            raise cannot_write(uri, error) from error

    def _require_same(self, info: EmbeddingInfo, half: bool) -> None:
        here = (self.info.encoder, self.info.revision, self.info.width)
        if here != (info.encoder, info.revision, info.width):
            raise UserError(
                f"The token embeddings in {self.uri} were made by {self.info.encoder} (revision {self.info.revision}, "
                f"width {self.info.width}), not by this {info.encoder} (revision {info.revision}, width {info.width}). "
                "Choose another --out."
            )
        if half != self.half:
            kinds = {True: "float16", False: "float32"}
            said = "without --half" if half else "with --half"
            raise UserError(f"{self.uri} holds {kinds[self.half]}: go on {said}, or choose another --out.")

    def __len__(self) -> int:
        return int(self._dataset.count_rows())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the table's lock, so that one command writes at a time; readers never wait."""
        home = home_of(self.uri)
        if is_remote(self.uri):
            home.mkdir(parents=True, exist_ok=True)
        taken = f"Another command is writing to {self.uri}. Wait until it ends."
        with one_at_a_time(home / ".lock", self.uri, taken):
            self._dataset = _dataset_at(self.uri)
            yield

    def remove_empty(self) -> None:
        """Take away a table in which nothing was ever written."""
        if not len(self) and not is_remote(self.uri):
            shutil.rmtree(self.uri)

    def append(
        self, ids: Sequence[str], sequences: Sequence[str], embeddings: Sequence[npt.NDArray[np.floating[Any]]]
    ) -> None:
        """Write molecules that are not there yet: one commit.

        Parameters
        ----------
        ids, sequences
            (n,) each.
        embeddings
            n arrays (nucleotides, width).

        Raises
        ------
        UserError
            If the disk is full, or a number is not finite.
        """
        kind = np.float16 if self.half else np.float32
        with np.errstate(over="ignore"):
            stored = np.concatenate([one.astype(kind, copy=False).ravel() for one in embeddings])
        if not np.isfinite(stored).all():
            mend = "Its weights may be damaged" + (", or embed without --half." if self.half else ".")
            raise UserError(f"{self.info.encoder} gave NaN, infinity or a number too large for a molecule. {mend}")
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in embeddings])]).astype(np.int32)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(stored), self.info.width)
        columns = [pa.array(ids), pa.array(sequences), pa.ListArray.from_arrays(pa.array(offsets), vectors)]
        schema = self._dataset.schema
        with disk_full_said(self.uri):
            self._dataset = lance.write_dataset(pa.table(columns, schema=schema), self._dataset, mode="append")

    def index(self) -> TokenIndex:
        """What is in it, to be asked molecule by molecule."""
        return TokenIndex(self)

    def sequences(self) -> list[str]:
        """All sequences, in the order of the rows."""
        return self._dataset.to_table(columns=["sequence"])["sequence"].to_pylist()  # type: ignore[no-any-return]

    def take(self, rows: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        """(nucleotides, width) float32 of the molecules in these rows, in this order."""
        found = self._dataset.take(list(rows), columns=[COLUMN])[COLUMN].combine_chunks()
        return [self._vectors(one) for one in found]

    def _vectors(self, embedded: pa.ListScalar) -> npt.NDArray[np.float32]:
        flat = embedded.values.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
        return flat.reshape(-1, self.info.width)

    def read(self, ids: Sequence[str] | None = None) -> Iterator[tuple[str, str, npt.NDArray[np.float32]]]:
        """Stream molecules: id, sequence and (nucleotides, width) float32; those of these ids, or all."""
        which = None if ids is None else ids_in(ids)
        for batch in self._dataset.to_batches(filter=which, batch_size=READ_ROWS):
            for one, sequence, embedded in zip(*(batch[name] for name in ("id", "sequence", COLUMN)), strict=True):
                yield one.as_py(), sequence.as_py(), self._vectors(embedded)


class TokenIndex:
    """Which molecules a table has, as hashes: 32 bytes each."""

    def __init__(self, table: TokenTable) -> None:
        self._uri, self._ids, self._molecules, self._came = table.uri, IdIndex(), IdIndex(), IdIndex()
        for batch in table._dataset.to_batches(columns=["id", "sequence"]):
            self._ids.add(hashes_of(batch["id"]))
            self._molecules.add(_molecule_hashes(batch["id"], batch["sequence"]))

    def new(self, ids: pa.Array, sequences: pa.Array) -> npt.NDArray[np.bool_]:
        """(n,) which molecules are not in the table.

        Raises
        ------
        UserError
            If an id comes a second time, or is in the table with another sequence.
        """
        hashes = hashes_of(ids)
        first = self._came.add(hashes)
        if not first.all():
            raise UserError(f"The id {ids[int(first.argmin())]} comes twice in the input. Rename one.")
        there = self._ids.contains(hashes)
        other = there & ~self._molecules.contains(_molecule_hashes(ids, sequences))
        if other.any():
            one = ids[int(other.argmax())]
            raise UserError(f"{self._uri} has {one} with another sequence. Rename it, or choose another --out.")
        return ~there


def _molecule_hashes(ids: pa.Array, sequences: pa.Array) -> npt.NDArray[np.uint64]:
    return hashes_of(ids) * np.uint64(3) + hashes_of(sequences)


def _dataset_at(uri: str) -> Any | None:
    try:
        dataset = lance.dataset(uri)
    except (ValueError, RuntimeError, OSError) as error:
        if any(word in str(error) for word in ("was not found", "Not found")) and "bucket" not in str(error).lower():
            path = Path(uri)
            if not is_remote(uri) and (path.is_file() or (path.is_dir() and any(path.iterdir()))):
                raise UserError(f"{uri} holds something other than token embeddings. Choose another name.") from error
            return None
        raise UserError(f"{uri} cannot be read: {first_line(error)}") from error
    if (dataset.schema.metadata or {}).get(b"ribospace.tokens") != FORMAT.encode():
        raise UserError(f"{uri} holds something other than this Ribospace's token embeddings. Choose another name.")
    return dataset
