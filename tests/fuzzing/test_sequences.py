"""FASTA, FASTQ, tables, Stockholm: whatever bytes come."""

import bz2
import contextlib
import gzip
import lzma
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.alphabet import LETTERS, detokenize, tokenize
from ribospace.records import clean
from ribospace.sources.fasta import read_fasta, read_raw
from ribospace.sources.measured import read_measured
from ribospace.sources.stockholm import read_stockholm
from ribospace.sources.tables import read_parquet, read_tsv
from tests.fuzzing.surviving import bounded_memory, cases, mutated, survives

FASTA = b">URS000075A10E_9606 tRNA Homo sapiens\nGGGCCCGUAGCUCAGUNNRYK\nacgtACGU\n>b\nUUUU\n>c misc_RNA  \nACGU ACGU\n"
FASTQ = b"@one more\nACGU\n+\nIIII\n@two\nGG\n+two\n##\n"
TSV = b'id\tsequence\trna_type\ttaxid\tvalue\na\tACGU\ttRNA\t9606\t0.5\nb\tggcc\t\t\t\nc\tNNNN\t"x\t1\t1e3\n'
STOCKHOLM = (
    b"# STOCKHOLM 1.0\n#=GF ID x\none  GG.AC-CC\ntwo  GGUAC.CC\n#=GR one SS  <<....>>\n#=GC SS_cons <<....>>\n//\n"
)
COMPRESS = [bytes, bytes, gzip.compress, bz2.compress, lzma.compress]


def checked(batches):
    """Every record that came through is a whole one, in clean letters."""
    for batch in batches:
        for one in batch.select(["id", "sequence", "length"]).to_pylist():
            assert one["id"]
            assert one["id"].split() == [one["id"]]
            assert set(one["sequence"]) <= set(LETTERS)
            assert len(one["sequence"]) == one["length"] > 0


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "x.parquet"
    columns = {
        "id": ["a", "b", "c"], "sequence": ["ACGU", "GG", "UU"], "value": [0.5, None, 2.0],
        "vector": [[0.5, 1.0]] * 3, "rna_type": pa.array(["tRNA", None, "x"]).dictionary_encode(),
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)
    return path.read_bytes()


@cases(150)
@given(
    seed=st.integers(0, 2**64),
    whole=st.sampled_from([FASTA, FASTQ]),
    name=st.sampled_from(["x.fasta", "x.fasta.gz", "x"]),
    compress=st.sampled_from(COMPRESS),
    inside=st.booleans(),
    gaps=st.sampled_from(["refuse", "strip"]),
    header=st.sampled_from(["id", "rna_type"]),
)
def test_mutated_fasta(tmp_path, seed, whole, name, compress, inside, gaps, header):
    path = tmp_path / name
    path.write_bytes(compress(mutated(whole, seed)) if inside else mutated(compress(whole), seed))
    survives(lambda: checked(read_fasta(path, gaps=gaps, header=header)))
    survives(lambda: list(read_raw(path)))


@cases(60)
@given(data=st.binary(max_size=300), name=st.sampled_from(["x.fasta", "x.gz", "x.tsv", "x.csv", "x.parquet", "x.sto"]))
def test_any_bytes(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    for read in (read_fasta, read_tsv, read_parquet):
        survives(lambda read=read: checked(read(path)))
    survives(read_measured, path)
    survives(read_stockholm, path)


@cases(100)
@given(seed=st.integers(0, 2**64), gaps=st.sampled_from(["refuse", "strip"]))
def test_mutated_tables(tmp_path, parquet, seed, gaps):
    path = tmp_path / "x.tsv"
    path.write_bytes(mutated(TSV, seed))
    survives(lambda: checked(read_tsv(path, gaps=gaps)))
    survives(read_measured, path)
    path = tmp_path / "x.csv"
    path.write_bytes(mutated(TSV.replace(b"\t", b","), seed))
    survives(read_measured, path, "value", "rna_type")
    path = tmp_path / "x.parquet"
    path.write_bytes(mutated(parquet, seed))
    with bounded_memory():
        survives(lambda: checked(read_parquet(path, gaps=gaps)))
        survives(read_measured, path)


TYPES = [
    pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.binary(), pa.large_string(), pa.string_view(),
    pa.date32(), pa.timestamp("ns"), pa.decimal128(5, 2), pa.null(), pa.list_(pa.float32()), pa.list_(pa.int64(), 2),
    pa.list_(pa.string()), pa.large_list(pa.float64()), pa.list_(pa.list_(pa.float32())),
    pa.struct([("a", pa.int32())]), pa.map_(pa.string(), pa.int32()), pa.dictionary(pa.int8(), pa.string()),
    pa.duration("s"), pa.time64("us"), pa.binary(3), pa.list_(pa.float32(), 0),
]  # fmt: skip
NAMES = ["id", "sequence", "length", "md5", "taxid", "rna_type", "source", "value", "vector", "", "a.b", "ä", "ID"]


@cases(100)
@given(data=st.data())
def test_parquet_of_any_types(tmp_path, data):
    rows = data.draw(st.integers(0, 3))
    columns = {"id": pa.array([f"m{row}" for row in range(rows)]), "sequence": pa.array(["ACGU"] * rows)}
    for name in data.draw(st.lists(st.sampled_from(NAMES), max_size=4)):
        kind = data.draw(st.sampled_from(TYPES))
        column = pa.nulls(rows, kind)
        if data.draw(st.booleans()) and rows:
            value = data.draw(st.sampled_from([0, 1, 1.5, -1, True, "A", b"abc", [], [1.0], [1, 2], [float("nan"), 1]]))
            with contextlib.suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
                column = pa.array([value] * rows, kind)
        columns[name] = column
    path = tmp_path / "x.parquet"
    try:
        pq.write_table(pa.table(columns), path)
    except pa.ArrowException:
        return
    survives(lambda: checked(read_parquet(path)))
    survives(read_measured, path)


@cases(100)
@given(seed=st.integers(0, 2**64))
def test_mutated_stockholm(tmp_path, seed):
    path = tmp_path / "x.sto"
    path.write_bytes(mutated(STOCKHOLM, seed))
    found = survives(read_stockholm, path)
    for row in range(len(found.rows) if found else 0):
        if answer := survives(found.molecule, row):
            letters, pairs = answer
            assert all(0 <= one < other < len(letters) for one, other in pairs)


@cases(150)
@given(texts=st.lists(st.text(max_size=30) | st.text("ACGUTNacgut-. \n", max_size=30), max_size=5))
def test_tokenize_and_clean_take_any_text(texts):
    if (tokens := survives(tokenize, texts)) is not None:
        assert detokenize(tokens) == [text.upper().replace("T", "U") for text in texts]
    if (found := survives(clean, texts, gaps="strip")) is not None:
        assert all(set(text) <= set(LETTERS) and text for text in found.to_pylist())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "cp037"])
def test_other_encodings(tmp_path, encoding):
    for text, name in ((FASTA, "x.fasta"), (TSV, "x.tsv"), (STOCKHOLM, "x.sto")):
        path = tmp_path / name
        path.write_bytes(text.decode().encode(encoding))
        for read in (read_fasta, read_tsv, read_parquet):
            survives(lambda read=read, path=path: checked(read(path)))
        survives(read_stockholm, path)


@pytest.mark.parametrize(
    "data",
    [
        b">a\n" + b"ACGU" * 250_000,
        b">" + b"x" * 10_000_000 + b"\nACGU\n",
        b">a\n" + b"A\n" * 300_000,
        b">\n" * 100_000,
        b">a\n" * 100_000,
        b"@a\n" + b"A" * 1_000_000 + b"\n+\nI\n",
        b">a\rACGU\r>b\rGG\r",
        b">a\r\nACGU\r\n",
        b"\n\n\n>a\nACGU",
        b";comment\n>a\nACGU\n",
    ],
    ids=range(10),
)
def test_extreme_fasta(tmp_path, data):
    path = tmp_path / "x.fasta"
    path.write_bytes(data)
    with bounded_memory():
        survives(lambda: checked(read_fasta(path)))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_of_one_sequence_is_read_or_refused(tmp_path, compress):
    path = tmp_path / "x.fasta"
    path.write_bytes(compress(b">a\n" + b"\0" * 16_000_000))
    with bounded_memory(2 << 30):
        assert survives(lambda: checked(read_fasta(path))) is None
    path.write_bytes(compress(b">a\n" + b"A" * 16_000_000))
    with bounded_memory(2 << 30):
        survives(lambda: checked(read_fasta(path)))


def test_a_gzip_cut_off_anywhere_is_refused(tmp_path):
    whole = gzip.compress(FASTA * 50)
    path = tmp_path / "x.fasta.gz"
    for cut in random.Random(0).sample(range(1, len(whole)), 40):
        path.write_bytes(whole[:cut])
        with pytest.raises(Exception, match=r"cut off|damaged|not gzip|not a readable|empty") as caught:
            checked(read_fasta(path))
        assert type(caught.value).__name__ == "UserError"
