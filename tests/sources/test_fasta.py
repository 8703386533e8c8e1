import bz2
import gzip
import io
import lzma
import os
import sys
import threading
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.errors import UserError
from ribospace.records import SCHEMA
from ribospace.sources.fasta import read_fasta
from tests.systems import posix_only

packed = partial(gzip.compress, mtime=0)

LETTERS = "ACGUNXRYSWKMBDHV"
printable = "".join(map(chr, range(33, 127)))
ids = st.text(printable, min_size=1, max_size=12)
descriptions = st.one_of(st.none(), st.lists(st.text(printable, min_size=1, max_size=8), min_size=1).map(" ".join))
records = st.tuples(ids, descriptions, st.text(LETTERS, min_size=1, max_size=60))


def written(molecules, width, ending, chance):
    """FASTA as others write it: any width, case, alphabet, blank line at the end."""
    lines = []
    for name, description, sequence in molecules:
        dna = sequence.replace("U", "T")
        forms = zip(sequence, sequence.lower(), dna, dna.lower(), strict=True)
        letters = "".join(map(chance.choice, forms))
        lines.append(f">{name} {description}" if description else f">{name}")
        lines += [letters[start : start + width] for start in range(0, len(letters), width)]
        lines += [""] * chance.randint(0, 1)
    return ending.join([*lines, ""] if chance.random() < 0.7 else lines).encode()


@pytest.fixture
def read(tmp_path):
    """Records of bytes, as if they were a file of that name."""

    def of(data: bytes, name: str = "some.fasta", **options):
        path = tmp_path / name
        path.write_bytes(data)
        return [row for batch in read_fasta(path, **options) for row in batch.to_pylist()]

    return of


@given(
    st.lists(records, min_size=1, max_size=8),
    st.integers(1, 70),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([("a.fasta", bytes), ("a.fa.gz", packed), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)]),
    st.integers(1, 9),
    st.randoms(),
)
def test_round_trip(read, molecules, width, ending, packing, batch_records, chance):
    name, pack = packing
    found = read(pack(written(molecules, width, ending, chance)), name, batch_records=batch_records)
    assert [(row["id"], row["description"], row["sequence"]) for row in found] == molecules
    assert {row["source"] for row in found} == {name}


def test_two_packed_parts_one_after_the_other(read):
    found = read(packed(b">a\nAC\n") + packed(b">b\nGU\n"), "a.fasta.gz")
    assert [row["sequence"] for row in found] == ["AC", "GU"]


def test_gzip_is_known_by_its_content(read):
    assert read(packed(b">a\nAC\n"), "a.fasta")[0]["sequence"] == "AC"


def test_fastq(read):
    assert read(b"@a x y\nACGT\n+\nIIII\n", "a.fastq")[0]["description"] == "x y"


@pytest.mark.parametrize("pack", [bytes, packed])
def test_standard_input(monkeypatch, pack):
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(pack(b">a\nACGT\n>b\nGG\n"))))
    monkeypatch.setattr(sys, "stdin", stream)
    (batch,) = read_fasta("-")
    assert batch.column("sequence").to_pylist() == ["ACGU", "GG"]
    assert batch.column("source").to_pylist() == ["standard input"] * 2


@pytest.mark.parametrize("data", [b"", b"\n", packed(b"")], ids=len)
def test_empty_standard_input(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    with pytest.raises(UserError, match=r"(?i)standard input is empty"):
        list(read_fasta("-"))


@pytest.mark.parametrize(
    "data", [b"hello\n", b"\x89PNG\r\n\x1a\n" + bytes(99), packed(b">a\nAC\n" * 999)[:20]], ids=len
)
def test_bad_standard_input(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    with pytest.raises(UserError, match="standard input"):
        list(read_fasta("-"))


def test_rnacentral_headers(read):
    rows = read(
        b">URS00027E3601 pre_miRNA Myotis brandtii mir-9229\nACGT\n"
        b">URS000075A10E_9606 tRNA Homo sapiens\nACGT\n"
        b">URS000075A10E Homo sapiens tRNA\nACGT\n"
        b">urs_1_9606 not_a_type\nACGT\n"
        b">URS000075A10F\nACGT\n"
    )
    assert [(row["id"], row["rna_type"], row["taxid"], row["description"]) for row in rows] == [
        ("URS00027E3601", "pre_miRNA", None, "pre_miRNA Myotis brandtii mir-9229"),
        ("URS000075A10E_9606", "tRNA", 9606, "tRNA Homo sapiens"),
        ("URS000075A10E", None, None, "Homo sapiens tRNA"),
        ("urs_1_9606", None, None, "not_a_type"),
        ("URS000075A10F", None, None, None),
    ]


def test_the_first_word_may_be_the_type(read):
    rows = read(b">5S_rRNA RF1 x\nAC\n>CD-BOX\nGU\n>\nAA\n", "nrc_train.fasta", header="rna_type", batch_records=2)
    assert [(row["id"], row["rna_type"], row["description"]) for row in rows] == [
        ("nrc_train:1", "5S_rRNA", "RF1 x"),
        ("nrc_train:2", "CD-BOX", None),
        ("nrc_train:3", None, None),
    ]


def test_gaps(read):
    assert read(b">a\nA-C.G\n", gaps="strip")[0]["sequence"] == "ACG"
    with pytest.raises(UserError, match=r"some\.fasta, record 1 \('a'\), position 2: '-' is a gap"):
        read(b">a\nA-C.G\n")


def test_batches_are_bounded_and_lazy(tmp_path):
    path = tmp_path / "a.fasta"
    path.write_bytes(b"".join(b">m%d\nACGU\n" % number for number in range(1000)) + b">bad\nZ\n")
    batches = read_fasta(path, batch_records=300)
    assert [next(batches).num_rows for _ in range(3)] == [300, 300, 300]  # the fault comes in the fourth
    with pytest.raises(UserError, match=r"record 1001 \('bad'\), position 1: 'Z'"):
        next(batches)


def test_batches_are_bounded_by_letters_too(tmp_path, monkeypatch):
    monkeypatch.setattr("ribospace.sources.fasta.BATCH_LETTERS", 10_000_000)
    path = tmp_path / "a.fasta"
    path.write_bytes(b"".join(b">m%d\n%s\n" % (number, b"A" * 3000) for number in range(9000)))
    sizes = [batch.num_rows for batch in read_fasta(path)]
    assert sum(sizes) == 9000
    assert max(sizes) * 3000 < 10_000_000 + 4096 * 3000


MANY = "".join(f">r{number} some words\nACGUAGCAUCG\n" for number in range(5000)).encode()
PACKED = packed(MANY)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.fasta", b"", r"a\.fasta is empty: it holds no record"),
        ("a.fasta", b" \n\n", r"a\.fasta is empty"),
        ("a.fasta.gz", b"", r"a\.fasta\.gz is empty"),
        ("a.fasta.gz", packed(b""), r"a\.fasta\.gz is empty"),
        ("a.fasta", b">a\nAC\n>b\n>c\nAC\n", r"a\.fasta, record 2 \('b'\) has no sequence\. Give it one"),
        ("a.fasta", b">a\nAC\n>b x", r"a\.fasta, record 2 \('b'\) has no sequence"),
        ("a.fasta", b">a\nAC\n>p\nACMKV\nLA\n", r"a\.fasta, record 2 \('p'\), position 6: 'L'.*looks like a protein"),
        ("a.fasta", b">a\nAC\n>\nAC\n", r"a\.fasta, record 2: it has no id\. Give every record"),
        ("a.fasta", b">a\nAC\n> words\nAC\n", r"a\.fasta, record 2: it has no id"),
        ("a.fasta", b"hello\nworld\n", r"a\.fasta is not a readable FASTA file: .*line 1.*'hello'.*'>id description'"),
        ("a.txt", b"hello\nworld\n", r"a\.txt is not a readable FASTA file"),
        ("a", b"", r"a is empty"),
        ("a.fasta", b"PK\x03\x04" + bytes(99), r"a\.fasta is a binary file"),
        ("a.fasta", b"\x89PNG\r\n\x1a\n" + bytes(99), r"a\.fasta is a binary file"),
        ("a.fasta", b"\x7fELF\x02\x01\x01" + bytes(99), r"a\.fasta is a binary file"),
        ("a.fasta", bytes(range(256)) * 9, r"a\.fasta is a binary file"),
        ("a.fasta", bytes(999), r"a\.fasta is a binary file"),
        ("a.fasta", b">a\nAC\n>b\nG\x00C\n", r"a\.fasta(, record 2 \('b'\), position 2| is a binary file)"),
        ("a.fasta.gz", PACKED[: len(PACKED) // 2], r"a\.fasta\.gz cannot be read past record \d+: .* cut off"),
        ("a.fasta.gz", PACKED[:-3], r"a\.fasta\.gz cannot be read past record \d+: .* cut off"),
        ("a.fasta.gz", PACKED[:-8] + bytes(8), r"a\.fasta\.gz cannot be read past record \d+: .* damaged"),
        ("a.fasta.bz2", bz2.compress(MANY)[:-9], r"a\.fasta\.bz2 cannot be read past record \d+: .* cut off"),
        ("a.fasta.xz", lzma.compress(MANY)[:-9], r"a\.fasta\.xz cannot be read past record \d+: .* cut off"),
        ("a.fasta.gz", b">a\nAC\n", r"a\.fasta\.gz is named \.gz but is not gzip\. Rename it"),
        ("a.fasta.bz2", b">a\nAC\n", r"a\.fasta\.bz2"),
        ("a.fasta.xz", b">a\nAC\n", r"a\.fasta\.xz"),
        ("a.fasta.zst", b">a\nAC\n", r"a\.fasta\.zst"),
        ("a.fastq", b"@a\nACG\n+\nII\n", r"a\.fastq is not a readable FASTA file: .*line 4"),
        (
            "a.fasta",
            ">a\nAC\n>b\nA\nCé\n".encode(),
            r"a\.fasta, record 2, position 3: '.' is not a letter .* base, or N",
        ),
        ("a.fasta", ">a\nAC\n>bé\nAC\n".encode(), r"a\.fasta, record 2: its header holds '.', which is not ASCII"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_bad_input_is_one_clear_sentence(read, name, data, said):
    with pytest.raises(UserError, match=said) as error:
        read(data, name)
    assert str(error.value).isprintable()


def test_a_cut_off_file_says_how_far_it_could_be_read(read):
    with pytest.raises(UserError) as error:
        read(PACKED[: len(PACKED) // 2], "a.fasta.gz")
    number = int(str(error.value).split("past record ")[1].split(":")[0])
    assert 1000 < number < 4000


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(UserError, match=r"no\.fasta does not exist"):
        list(read_fasta(tmp_path / "no.fasta"))
    with pytest.raises(UserError, match="is a folder"):
        list(read_fasta(tmp_path))


def test_the_schema_is_that_of_a_record(tmp_path):
    (tmp_path / "a.fasta").write_bytes(b">a tRNA x\nAC\n")
    (batch,) = read_fasta(tmp_path / "a.fasta")
    assert batch.schema.names == SCHEMA.names
    assert batch.schema.types == SCHEMA.types


def test_a_taxid_that_is_none_is_not_known(tmp_path):
    (tmp_path / "a.fasta").write_text(">URS0000000001_99999999999\nAC\n>URS0000000001_9606\nAC\n")
    (batch,) = read_fasta(tmp_path / "a.fasta")
    assert batch["taxid"].to_pylist() == [None, 9606]


@posix_only("no named pipes in a folder")
def test_a_pipe_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text(">a\nACGU\n"))
    writer.start()
    (batch,) = read_fasta(tmp_path / "pipe")
    writer.join()
    assert batch["sequence"].to_pylist() == ["ACGU"]


def test_a_byte_order_mark_is_no_letter(tmp_path):
    (tmp_path / "a.fasta").write_bytes(b"\xef\xbb\xbf>a\nACGU\n")
    (batch,) = read_fasta(tmp_path / "a.fasta")
    assert batch["id"].to_pylist() == ["a"]


@pytest.mark.parametrize(("setting", "meant"), [({"header": "rnatype"}, "rna_type"), ({"gaps": "stirp"}, "strip")])
def test_a_setting_that_there_is_not_is_refused(tmp_path, setting, meant):
    (tmp_path / "a.fa").write_text(">a\nACGU\n")
    with pytest.raises(UserError, match=f"Did you mean {meant}"):
        next(read_fasta(tmp_path / "a.fa", **setting))
