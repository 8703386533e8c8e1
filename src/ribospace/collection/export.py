"""What other programs read: FASTA, Parquet, AnnData."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ribospace.collection.store import Collection, vectors_of
from ribospace.errors import UserError
from ribospace.files import require_ending, written_whole

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".fasta", ".fa", ".fna", ".parquet", ".h5ad")


def export(collection: Collection, path: Path | str, where: str | None = None) -> int:
    """Write a collection to a file; the ending says which kind.

    Parameters
    ----------
    collection
        What to write.
    path
        `.fasta` (also `.fa`, `.fna`): id, type and description in the header, sequences in U, lines of 80 letters.
        `.parquet`: every column; embeddings as fixed-size lists, which `ribospace import` takes back.
        `.h5ad`: AnnData with the records in obs (indexed by id) and each embedding in obsm, NaN where there is none.
    where
        An SQL condition on the molecules.

    Returns
    -------
    int
        Molecules written.

    Raises
    ------
    UserError
        For another ending, a condition that is not SQL or that no molecule meets, or a place that cannot be written.
    """
    path = Path(path)
    writers = dict(zip(ENDINGS, (_fasta, _fasta, _fasta, _parquet, _h5ad), strict=True))
    require_ending(path, ENDINGS)
    if where and not collection.count(where):
        raise UserError(f"No molecule of {collection.uri} meets {where!r}: nothing was written. Mend the condition.")
    with written_whole(path) as beside:
        return writers[path.suffix](collection, beside, where)


def _fasta(collection: Collection, path: Path, where: str | None) -> int:
    rows = 0
    # FASTA readers ask for ASCII
    with open(path, "w", encoding="ascii", newline="\n", errors="backslashreplace") as file:
        for batch in collection.read(["id", "sequence", "rna_type", "description"], where):
            file.writelines(fasta_record(record) for record in batch.to_pylist())
            rows += batch.num_rows
    return rows


def fasta_record(record: Mapping[str, Any]) -> str:
    r"""A molecule as FASTA: id, type and description in the header, lines of 80 letters.

    Examples
    --------
    >>> fasta_record({"id": "a", "rna_type": "tRNA", "description": "tRNA of yeast", "sequence": "ACGU"})
    '>a tRNA of yeast\nACGU\n'
    """
    kind, text, letters = record["rna_type"] or "", record["description"] or "", record["sequence"]
    header = text if text.split(" ")[0] == kind else f"{kind} {text}".strip()
    lines = [letters[start : start + 80] for start in range(0, len(letters), 80)]
    return f">{record['id']} {' '.join(header.split())}".rstrip() + "\n" + "\n".join(lines) + "\n"


def _parquet(collection: Collection, path: Path, where: str | None) -> int:
    rows, schema = 0, _in_order(collection.schema)
    with pq.ParquetWriter(path, schema) as writer:
        for batch in collection.read(schema.names, where):
            writer.write_batch(batch.cast(schema))
            rows += batch.num_rows
    return rows


def _in_order(schema: pa.Schema) -> pa.Schema:
    """The schema with its metadata sorted by key: Lance gives another order each time."""

    def put(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
        return dict(sorted((metadata or {}).items()))

    return pa.schema([one.with_metadata(put(one.metadata)) for one in schema], metadata=put(schema.metadata))


def _h5ad(collection: Collection, path: Path, where: str | None) -> int:
    obsm = {}
    for name, info in collection.embeddings.items():
        column = collection.table([name], where)[name]
        matrix = np.full((len(column), info.width), np.nan, dtype=np.float32)
        matrix[column.is_valid().to_numpy()] = vectors_of(column.drop_null(), info.width)
        obsm[name] = matrix
    said = {name: info.metadata() for name, info in collection.embeddings.items()}
    return write_h5ad(path, collection.table(where=where), obsm, said)


def write_h5ad(
    path: Path, records: pa.Table, obsm: dict[str, npt.NDArray[np.float32]], about: dict[str, dict[str, str]]
) -> int:
    """Write records and their embeddings as AnnData; `about` goes to uns["ribospace"]. Gives the number of records."""
    import anndata

    obsm = {name.replace("/", "_"): matrix for name, matrix in obsm.items()}
    data = anndata.AnnData(obs=frame_of(records), obsm=obsm, uns={"ribospace": about})
    data.write_h5ad(path, convert_strings_to_categoricals=False)  # that would pad sequences to the longest
    return records.num_rows


def frame_of(records: pa.Table) -> pd.DataFrame:
    """Records as AnnData's obs: indexed by id, texts that repeat as categories."""
    frame = records.drop_columns(["id"]).to_pandas()
    frame.index = records["id"].to_pandas().astype(str)
    frame.index.name = None
    frame.columns = [name.replace("/", "_") for name in frame.columns]
    for name in frame.select_dtypes(exclude=["number", "bool"]).columns:
        texts = frame[name].fillna("").astype(str)
        repeated = name != "sequence" and texts.nunique() < len(texts)
        frame[name] = texts.astype("category") if repeated else texts
    return frame
