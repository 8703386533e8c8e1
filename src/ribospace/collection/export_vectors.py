"""One embedding of a collection for other programs: .npy, a faiss index, a folder for TensorBoard's projector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.collection.embedding import EmbeddingInfo
from ribospace.collection.projections import embeddings_proper
from ribospace.collection.store import Collection, vectors_of
from ribospace.errors import UserError
from ribospace.files import disk_full_said, ids_path, written_together, written_whole

VECTORS, METADATA, CONFIG = "vectors.tsv", "metadata.tsv", "projector_config.pbtxt"
FIELDS = ("id", "rna_type", "length", "description")  # what the projector can colour and search by


def is_for_vectors(path: Path | str) -> bool:
    """Whether a place to export to is one of vectors: .npy, .faiss, or a folder.

    Examples
    --------
    >>> is_for_vectors("rnas.faiss"), is_for_vectors("projector"), is_for_vectors("rnas.fasta")
    (True, True, False)
    """
    return Path(path).suffix in ("", ".npy", ".faiss")


def export_vectors(
    collection: Collection, path: Path | str, column: str | None = None, where: str | None = None
) -> tuple[int, list[Path]]:
    """Write one embedding, of the molecules that have it, in their order.

    Parameters
    ----------
    collection
        What to write.
    path
        `.npy`: (n, width) float32. `.faiss`: a faiss IndexFlatIP over the vectors divided by their lengths, so that
        what it finds goes by cosine; it is built in memory. Beside both, the ids, one a line. Without an ending: a
        folder with vectors.tsv, metadata.tsv and projector_config.pbtxt for TensorBoard's projector.
    column
        The embedding; where a collection has one only, that.
    where
        An SQL condition on the molecules.

    Returns
    -------
    rows : int
        Molecules written.
    files : list of Path
        What was written.

    Raises
    ------
    UserError
        If there is no such embedding or no molecule with one, or the place cannot be written.
    """
    path, info = Path(path), _chosen(collection, column)
    there = f"`{info.column}` IS NOT NULL"
    condition = f"({where}) AND {there}" if where else there
    rows = collection.count(condition)
    if not rows:
        raise UserError(f"No molecule has a vector of {info.column!r}{f' where {where}' if where else ''}.")
    if not path.suffix:
        _require_place(path)
        with written_whole(path) as beside:
            beside.mkdir()
            _write_projector(collection, info, condition, beside)
        return rows, [path / name for name in (VECTORS, METADATA, CONFIG)]
    write = _write_faiss if path.suffix == ".faiss" else _write_npy
    with disk_full_said(path), written_together(path, ids_path(path)) as (beside, names):
        with open(names, "w", encoding="utf-8", newline="\n") as ids:
            write(_noted(collection, info, condition, ids), rows, info.width, beside)
    return rows, [path, ids_path(path)]


def _chosen(collection: Collection, column: str | None) -> EmbeddingInfo:
    if column is not None:
        return collection.require_embedding(column)
    known = list(embeddings_proper(collection))
    if len(known) != 1:
        there = f"it has {', '.join(known)}" if known else f"make one: ribospace embed {collection.uri} --model kmer4"
        raise UserError(f"Say which embedding of {collection.uri} to write, --embedding NAME: {there}.")
    return collection.embeddings[known[0]]


def _require_place(folder: Path) -> None:
    held = {file.name for file in folder.iterdir()} if folder.is_dir() else {folder.name} if folder.exists() else set()
    if held - {VECTORS, METADATA, CONFIG}:
        raise UserError(f"{folder} holds something other than vectors, which would be lost. Choose another folder.")


def _read(
    collection: Collection, info: EmbeddingInfo, condition: str, fields: tuple[str, ...]
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.float32]]]:
    for batch in collection.read([*fields, info.column], condition):
        yield batch, vectors_of(pa.chunked_array([batch.column(info.column)]), info.width)


def _noted(collection: Collection, info: EmbeddingInfo, condition: str, ids: Any) -> Iterator[npt.NDArray[np.float32]]:
    """The vectors, batch by batch, their ids written on the way."""
    for batch, vectors in _read(collection, info, condition, ("id",)):
        ids.writelines(f"{one}\n" for one in batch.column("id").to_pylist())
        yield vectors


def _write_npy(batches: Iterator[npt.NDArray[np.float32]], rows: int, width: int, path: Path) -> None:
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for vectors in batches:
            file.write(np.ascontiguousarray(vectors, dtype="<f4").data)


def _write_faiss(batches: Iterator[npt.NDArray[np.float32]], rows: int, width: int, path: Path) -> None:
    import faiss

    index = faiss.IndexFlatIP(width)
    for vectors in batches:
        sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
        index.add(np.divide(vectors, sizes, out=np.zeros_like(vectors), where=sizes > 0))
    faiss.write_index(index, str(path))


def _write_projector(collection: Collection, info: EmbeddingInfo, condition: str, folder: Path) -> None:
    config = f'embeddings {{\n  tensor_name: "{info.column}"\n  tensor_path: "{VECTORS}"\n'
    config += f'  metadata_path: "{METADATA}"\n}}\n'
    (folder / CONFIG).write_text(config, encoding="utf-8")
    with (
        open(folder / VECTORS, "w", encoding="ascii", newline="\n") as numbers,
        open(folder / METADATA, "w", encoding="utf-8", newline="\n") as said,
    ):
        said.write("\t".join(FIELDS) + "\n")
        for batch, vectors in _read(collection, info, condition, FIELDS):
            np.savetxt(numbers, vectors, fmt="%.7g", delimiter="\t")
            for record in batch.select(FIELDS).to_pylist():
                texts = ("" if record[name] is None else str(record[name]) for name in FIELDS)
                said.write("\t".join(" ".join(text.split()) for text in texts) + "\n")
