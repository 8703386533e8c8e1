"""FASTA (and FASTQ), plain, compressed or from standard input."""

from __future__ import annotations

import gc
import gzip
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, get_args

import dnaio
import pyarrow as pa
import pyarrow.compute as pc

from ribospace.errors import UserError, nearest
from ribospace.files import existing_file
from ribospace.records import RNA_TYPES, Gaps, empty_strings_as_null, record_batch

BATCH_RECORDS = 8192  # they stay in the processor's cache
BATCH_LETTERS = 64_000_000

Header: TypeAlias = Literal["id", "rna_type"]

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COMPRESSED = (_GZIP, b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


def read_fasta(
    path: Path | str, *, gaps: Gaps = "refuse", header: Header = "id", batch_records: int = BATCH_RECORDS
) -> Iterator[pa.RecordBatch]:
    """Read records from a FASTA or FASTQ file in constant memory.

    The header's first word is the id, the rest the description. Where the description begins with a type of the
    INSDC vocabulary, as RNAcentral's often do (`>URS00027E4E40 pre_miRNA Myotis brandtii …`), it is the rna_type;
    an id such as `URS000075A10E_9606` gives the taxid 9606.

    Parameters
    ----------
    path
        A file, also compressed with gzip, bzip2, xz or zstd; `-` is standard input (plain or gzip).
    gaps
        Refuse or strip `-` and `.`.
    header
        What a header's first word is. With "rna_type" (files whose headers are classes, such as nRC's) the ids
        become file name and record number.
    batch_records
        Most records in a batch.

    Yields
    ------
    pa.RecordBatch
        Records, in the file's order.

    Raises
    ------
    UserError
        If the file is missing, empty, not FASTA, cut off, or holds a record that is not RNA; it names the record.
    """
    if header not in get_args(Header):
        raise UserError(f"A header's first word cannot be {header!r}. {nearest(header, get_args(Header))}")
    name = "standard input" if str(path) == "-" else str(path)
    stem = "stdin" if str(path) == "-" else Path(path).name.split(".")[0]
    first = 1
    for chunk in _chunks(path, name, batch_records):
        words, rest = _split_first_word(pa.array([record.name for record in chunk], pa.string()))
        if header == "id":
            ids, columns = words, _described(rest, words)
        else:
            ids = pa.array([f"{stem}:{first + number}" for number in range(len(chunk))], pa.string())
            columns = {"rna_type": empty_strings_as_null(words), "description": rest}
        columns["source"] = name if name == "standard input" else Path(name).name
        sequences = [record.sequence for record in chunk]
        yield record_batch(ids, sequences, columns, gaps=gaps, origin=name, first=first)
        first += len(chunk)
    if first == 1:
        raise UserError(f"{name} is empty: it holds no record. Give a FASTA file with at least one molecule.")


def read_raw(path: Path | str) -> Iterator[tuple[str, str]]:
    """Read headers and letters as they stand, also of records without letters; errors as those of `read_fasta`."""
    name = "standard input" if str(path) == "-" else str(path)
    done = 0
    for chunk in _chunks(path, name, BATCH_RECORDS):
        yield from ((record.name, record.sequence) for record in chunk)
        done += len(chunk)
    if not done:
        raise UserError(f"{name} is empty: it holds no record. Give a FASTA file with at least one molecule.")


def _split_first_word(texts: pa.StringArray) -> tuple[pa.StringArray, pa.StringArray]:
    """First word and rest (null where there is none) of every text."""
    pieces = pc.ascii_split_whitespace(texts, max_splits=1)  # a twentieth of a regular expression's time
    words, first = pieces.flatten(), pieces.offsets[:-1]
    second = pc.if_else(pc.greater(pc.list_value_length(pieces), 1), pc.add(first, 1), None)
    return words.take(first), empty_strings_as_null(words.take(second))


def _described(descriptions: pa.StringArray, ids: pa.StringArray) -> dict[str, Any]:
    words = pc.struct_field(pc.extract_regex(descriptions, r"^(?P<word>\S*)"), "word")
    known = pc.is_in(words, pa.array(sorted(RNA_TYPES)))
    columns: dict[str, Any] = {"description": descriptions, "rna_type": pc.if_else(known, words, None)}
    taxids = pc.struct_field(pc.extract_regex(ids, r"^URS[0-9A-F]{10}_(?P<taxid>\d{1,9})$"), 0)
    if taxids.null_count < len(taxids):
        columns["taxid"] = taxids
    return columns


def _chunks(path: Path | str, name: str, most: int) -> Iterator[list[dnaio.SequenceRecord]]:
    """Lists of records, ended by count or by letters, with the reader's errors turned into sentences."""
    done = 0
    chunk: list[dnaio.SequenceRecord] = []
    try:
        with _open(path) as reader:
            records = iter(reader)
            while True:
                chunk = []
                with _without_garbage_collection():
                    _fill(chunk, records, most)
                if not chunk:
                    return
                yield chunk
                done += len(chunk)
    except UnicodeDecodeError as error:
        raise UserError(_binary(name)) from error
    except (dnaio.FileFormatError, dnaio.UnknownFileFormat) as error:
        raise UserError(_not_fasta(name, error, done + len(chunk))) from error
    except (UserError, MemoryError):
        raise
    except Exception as error:  # each way to compress has errors of its own
        reason = f"{name} cannot be read past record {done + len(chunk)}: {str(error).rstrip('.')}."
        raise UserError(f"{reason} It seems cut off or damaged; fetch it again.") from error


def _fill(chunk: list[dnaio.SequenceRecord], records: Iterator[dnaio.SequenceRecord], most: int) -> None:
    """Put up to `most` records into `chunk`, fewer where they are long; what was read before an error stays in it."""
    letters, before = 0, -1
    while before < len(chunk) < most and letters < BATCH_LETTERS:
        before = len(chunk)
        chunk.extend(islice(records, min(most - before, 1024)))
        letters += sum(map(len, (record.sequence for record in chunk[before:])))


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Records are in no cycles, but thousands of new ones make Python look for some, for a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _open(given: Path | str) -> Any:
    path = Path(given)
    if str(given) != "-" and existing_file(path).is_file():
        with open(path, "rb") as file:
            start = file.read(1024)
        if path.suffix == ".gz" and start and not start.startswith(_GZIP):
            raise UserError(f"{path} is named .gz but is not gzip. Rename it without .gz, or compress it.")
        if b"\0" in start and not start.startswith((*_COMPRESSED, b">", b"@")):
            raise UserError(_binary(str(path)))
        if start.startswith(_BYTE_ORDER_MARK):
            text = open(path, "rb")  # noqa: SIM115 - closed by the reader's end
            text.seek(len(_BYTE_ORDER_MARK))
            return dnaio.open(text)
        return dnaio.open(path, open_threads=0)
    stream: BinaryIO = sys.stdin.buffer if str(given) == "-" else open(path, "rb")  # noqa: SIM115
    start = stream.peek(64) if isinstance(stream, io.BufferedReader) else b">"
    if start.startswith(_GZIP):
        stream = io.BufferedReader(gzip.GzipFile(fileobj=stream))  # type: ignore[arg-type]
        start = stream.peek(64)
    if not start.strip():
        raise UserError("Standard input is empty. Pipe a FASTA file into it: ribospace … - < molecules.fasta")
    return dnaio.open(stream)


def _binary(name: str) -> str:
    return (
        f"{name} is a binary file, not FASTA (or text in an old encoding). "
        "Give a text file of '>id description' lines and letters, in ASCII, or its .gz."
    )


def _not_fasta(name: str, error: Exception, done: int) -> str:
    reason = str(error).splitlines()[0].rstrip(".")
    if odd := re.search(r"'(name|sequence)' in .* must be ASCII encoded, but found (.+) at index (\d+)", reason):
        (part, letter, place), where = odd.groups(), f"{name}, record {done + 1}"
        if part == "name":
            return f"{where}: its header holds {letter}, which is not ASCII. Write it in ASCII letters."
        mend = "Write the unmodified base, or N."
        return f"{where}, position {int(place) + 1}: {letter} is not a letter of RNA. {mend}"
    return f"{name} is not a readable FASTA file: {reason}. A record is a line '>id description' and lines of letters."
