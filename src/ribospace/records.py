"""The RNA record: its Arrow schema, and how input becomes one.

The rule for letters: upper case; T becomes U; IUPAC codes (and X) are kept; white space is layout and is
taken out; gaps (`-` and `.`) are refused, or taken out where the caller says so; all else is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ribospace.alphabet import LETTERS, Sequences, flat_bytes
from ribospace.errors import UserError, nearest

try:  # the interpreter's own starts in half the time of OpenSSL's, which is what counts for short sequences
    from _md5 import md5 as _md5
except ImportError:
    from hashlib import md5 as _md5

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("sequence", pa.string(), nullable=False),
        pa.field("length", pa.int32(), nullable=False),
        ("rna_type", pa.string()),
        ("description", pa.string()),
        ("taxid", pa.int32()),
        ("species", pa.string()),
        ("source", pa.string()),
        pa.field("md5", pa.string(), nullable=False),
    ]
)

#: rna_type in the INSDC vocabulary, as RNAcentral uses it.
RNA_TYPES = frozenset(
    [
        *("rRNA", "tRNA", "tmRNA", "mRNA", "precursor_RNA", "ncRNA", "misc_RNA", "other", "antisense_RNA"),
        *(
            "autocatalytically_spliced_intron",
            "circRNA",
            "guide_RNA",
            "hammerhead_ribozyme",
            "lncRNA",
            "miRNA",
            "piRNA",
        ),
        *("pre_miRNA", "rasiRNA", "ribozyme", "RNase_MRP_RNA", "RNase_P_RNA", "scaRNA", "scRNA", "sgRNA", "siRNA"),
        *("snoRNA", "snRNA", "sRNA", "SRP_RNA", "telomerase_RNA", "vault_RNA", "Y_RNA"),
    ]
)

Gaps: TypeAlias = Literal["refuse", "strip"]

_INVALID, _SPACE, _GAP = 0, 1, 2
_RULE = np.full(256, _INVALID, dtype=np.uint8)
for _letter in LETTERS:
    _RULE[[ord(_letter), ord(_letter.lower())]] = ord(_letter)
_RULE[[ord("T"), ord("t")]] = ord("U")
_RULE[[ord(space) for space in " \t\r\n\v\f"]] = _SPACE
_RULE[[ord("-"), ord(".")]] = _GAP
_PROTEIN_ONLY = frozenset("EFILPQZefilpqz*")
_TO_DNA = bytes.maketrans(b"U", b"T")


def clean(
    sequences: Sequences, *, gaps: Gaps = "refuse", names: Sequence[str] | None = None, of_file: bool = False
) -> pa.StringArray:
    r"""Write sequences in upper case and in U, as the rule of this module says.

    Parameters
    ----------
    sequences
        (n,) strings as they come.
    gaps
        What to do with `-` and `.`: refuse the molecule, or strip them.
    names
        (n,) how to call each sequence in an error; "sequence 3" by default.
    of_file
        Whether they are records of a file, of which an error says that one may be left out, and that commands take
        --strip-gaps.

    Returns
    -------
    pa.StringArray
        (n,) clean sequences.

    Raises
    ------
    UserError
        For an empty sequence, a gap that is not to be stripped, or a letter that is not RNA's.

    Examples
    --------
    >>> clean(["acg t\n", "NNU"]).to_pylist()
    ['ACGU', 'NNU']
    """
    if gaps not in get_args(Gaps):
        raise UserError(f"What to do with gaps cannot be {gaps!r}. {nearest(gaps, get_args(Gaps))}")
    data, offsets = flat_bytes(sequences)
    letters = _RULE[data]
    odd = letters <= _GAP
    if odd.any():
        refused = letters == _INVALID if gaps == "strip" else (letters == _INVALID) | (letters == _GAP)
        if refused.any():
            _refuse_letter(data, offsets, int(np.flatnonzero(refused)[0]), names, of_file)
        before = np.concatenate([[0], np.cumsum(odd)])
        letters, offsets = letters[~odd], offsets - before[offsets]
    empty = np.flatnonzero(np.diff(offsets) == 0)
    if len(empty):
        mend = "Give it one, or take it out." if of_file else "Give one."
        raise UserError(f"{_name(names, int(empty[0]))} has no sequence. {mend}")
    return string_array(letters, offsets)


def string_array(letters: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.StringArray:
    """Wrap flat ASCII letters and offsets as an Arrow string array, without a loop."""
    return pa.StringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(letters))
    )


def _name(names: Sequence[str] | None, row: int) -> str:
    return names[row] if names is not None else f"sequence {row + 1}"


def _refuse_letter(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], at: int, names: Any, of_file: bool
) -> None:
    row = int(np.searchsorted(offsets, at, side="right")) - 1
    text = data[offsets[row] : offsets[row + 1]].tobytes().decode("utf-8", errors="replace")
    position = len(data[offsets[row] : at].tobytes().decode("utf-8", errors="replace"))
    letter = text[position]
    where = f"{_name(names, row)}, position {position + 1}"
    if letter in "-.":
        mend = "Take the gaps out, or add --strip-gaps to have it done." if of_file else "Take the gaps out."
        raise UserError(f"{where}: {letter!r} is a gap. {mend}")
    hint = " This looks like a protein." if _PROTEIN_ONLY & set(text) else ""
    raise UserError(f"{where}: {letter!r} is not a letter of RNA.{hint} Use A C G U (or T) and IUPAC codes.")


def md5_of(sequence: str) -> str:
    """MD5 as RNAcentral defines it: of the upper-case sequence with U written as T.

    Examples
    --------
    >>> md5_of("AUGGAUGGUUGAUCAGAGAACGUACAUUUUAUAAAUGGUGUAUGUCAAUUGAUCCACAGUCCCU")
    'fee3fe68dbd91ee898bffd9d4b89b2e9'
    """
    return _md5(sequence.encode("ascii").translate(_TO_DNA)).hexdigest()


def _md5s(sequences: pa.StringArray) -> pa.StringArray:
    data, offsets = flat_bytes(sequences)
    dna = memoryview(data.tobytes().translate(_TO_DNA))
    ends = offsets.tolist()
    return pa.array([_md5(dna[start:end]).hexdigest() for start, end in itertools.pairwise(ends)], pa.string())


def record_batch(
    ids: Sequence[str] | pa.StringArray,
    sequences: Sequences,
    columns: Mapping[str, Any] | None = None,
    *,
    gaps: Gaps = "refuse",
    origin: str = "input",
    first: int = 1,
) -> pa.RecordBatch:
    """Make a batch of records: cleaned, measured, and with an md5 each.

    Parameters
    ----------
    ids, sequences
        (n,) strings.
    columns
        Further columns by name: a sequence of n values, an Arrow array, or one string for all. Those of SCHEMA are
        cast to its types; any other is kept as it comes.
    gaps
        See `clean`.
    origin, first
        Where the batch is from and the number of its first record there, for messages about it.

    Returns
    -------
    pa.RecordBatch
        (n rows) with the columns of SCHEMA first, then the further ones.

    Raises
    ------
    UserError
        For a record without an id, or what `clean` refuses.

    Examples
    --------
    >>> batch = record_batch(["a"], ["ggt"], {"rna_type": ["tRNA"], "isotype": ["Gly"]})
    >>> batch.select(["sequence", "length", "rna_type", "isotype"]).to_pylist()
    [{'sequence': 'GGU', 'length': 3, 'rna_type': 'tRNA', 'isotype': 'Gly'}]
    """
    names = _Names(origin, first, ids)
    clean_sequences = clean(sequences, gaps=gaps, names=names, of_file=True)  # type: ignore[arg-type]
    identifiers = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.string())
    lengths = np.diff(flat_bytes(identifiers.fill_null(""))[1])
    if not lengths.all():
        row = first + int(np.argmin(lengths))
        raise UserError(f"{origin}, record {row}: it has no id. Give every record an id.")
    spaced = pc.index(pc.match_substring_regex(identifiers, r"\s"), True).as_py()
    if spaced >= 0:
        raise UserError(f"{names[spaced]}: an id has no white space. Write it with _ instead.")
    given = dict(columns or {})
    made = {"id": identifiers, "sequence": clean_sequences, "md5": _md5s(clean_sequences)}
    made["length"] = pa.array(np.diff(flat_bytes(clean_sequences)[1]).astype(np.int32))
    extra = [pa.field(name, pa.null()) for name in given if name not in SCHEMA.names]
    try:
        arrays = [
            made[f.name] if f.name in made else _column(given.get(f.name), f, len(ids)) for f in (*SCHEMA, *extra)
        ]
    except UserError as error:
        raise UserError(f"{origin}, from record {first} on: {error}") from error
    fields = [*SCHEMA, *(pa.field(f.name, a.type) for f, a in zip(extra, arrays[len(SCHEMA) :], strict=True))]
    schema = pa.schema(fields, metadata={"origin": origin, "first": str(first)})
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(value: Any, field: pa.Field, rows: int) -> pa.Array:
    """A column as its field wants it; a field of the type null takes any."""
    anything = pa.types.is_null(field.type)
    if value is None or isinstance(value, str):
        return pa.repeat(pa.scalar(value, pa.string() if anything else field.type), rows)
    try:
        array = value if isinstance(value, pa.Array) else pa.array(value, None if anything else field.type)
        return array if anything or array.type == field.type else array.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"column {field.name!r} must be {field.type}: {reason}. Mend or drop it.") from error


class _Names:
    """How an error calls a record: file, number, id; written only when asked for."""

    def __init__(self, origin: str, first: int, ids: Sequence[str] | pa.StringArray) -> None:
        self.origin, self.first, self.ids = origin, first, ids

    def __getitem__(self, row: int) -> str:
        return f"{self.origin}, record {self.first + row} ({str(self.ids[row])!r})"


def place_of(batch: pa.RecordBatch, row: int) -> str:
    """Say where a row of a batch came from: file, record number and id."""
    metadata = batch.schema.metadata or {}
    origin, first = metadata.get(b"origin", b"input").decode(), int(metadata.get(b"first", b"1"))
    return _Names(origin, first, batch.column("id"))[row]


def came_before(batch: pa.RecordBatch, row: int) -> str:
    """Say of a row whose id was there before that it was, and where, if that is in the same batch."""
    ids = batch.column("id")
    first, number = ids.index(ids[row]).as_py(), int((batch.schema.metadata or {}).get(b"first", b"1"))
    where = f", at record {number + first}" if first < row else ""
    return f"{place_of(batch, row)}: this id has come before in the input{where}."


def empty_strings_as_null(values: pa.StringArray) -> pa.StringArray:
    """Read an empty cell as "not known"."""
    return pc.if_else(pc.equal(values, ""), None, values)
