import gzip
import threading

import pytest

from ribospace.errors import UserError
from ribospace.sources import bulk
from ribospace.sources.bulk import ReadAhead, Tally, read_bulk, read_chunks
from ribospace.sources.fasta import read_fasta
from ribospace.sources.mapping import Mapping

FASTA = b""">URS0000000001 Homo sapiens (human) tRNA-Leu (anticodon TAA) 1-1
ACGT
>URS0000000002 rRNA from 2 species
ACG
UNN
>URS0000000003 pre_miRNA Myotis brandtii mir-9229
GG
>URS0000000004_562 Escherichia coli tRNA-Gln(ttg)
CC
>other
AA
"""
MAPPING = b"".join(
    b"URS%010d\t%s\tx\t%d\t%s\t\n" % row
    for row in [
        (1, b"GTRNADB", 9606, b"tRNA"),
        (1, b"ENA", 9606, b"tRNA"),
        (2, b"ENA", 9606, b"misc_RNA"),
        (2, b"ENA", 10090, b"rRNA"),
        (2, b"SILVA", 10090, b"rRNA"),
        (4, b"ENA", 562, b"tRNA"),
        (4, b"ENA", 9606, b"tRNA"),
    ]
)


@pytest.fixture
def read(tmp_path):
    (tmp_path / "a.fasta.gz").write_bytes(gzip.compress(FASTA))
    (tmp_path / "m.tsv.gz").write_bytes(gzip.compress(MAPPING))

    def execute(*columns, mapped=True, **options):
        with Mapping(tmp_path / "m.tsv.gz", tmp_path) as mapping, read_chunks(tmp_path / "a.fasta.gz") as chunks:
            batches = list(read_bulk(chunks, mapping if mapped else None, source="here", **options))
        return [tuple(row[name] for name in columns) for batch in batches for row in batch.to_pylist()]

    return execute


def test_records_and_what_the_mapping_says(read):
    tally = Tally()
    assert read("sequence", "rna_type", "taxid", "databases", "organisms", tally=tally) == [
        ("ACGU", "tRNA", 9606, "ENA,GTRNADB", 1),
        ("ACGUNN", "rRNA", None, "ENA,SILVA", 2),
        ("GG", "pre_miRNA", None, None, None),
        ("CC", "tRNA", 562, "ENA", 1),
        ("AA", None, None, None, None),
    ]
    assert tally == Tally(read=5, mapped=3, kept=5)
    assert read("species", "isotype", "anticodon", "source") == [
        ("Homo sapiens", "Leu", "UAA", "here"),
        (None, None, None, "here"),
        ("Myotis brandtii", None, None, "here"),
        ("Escherichia coli", "Gln", "UUG", "here"),
        (None, None, None, "here"),
    ]


def test_without_a_mapping_the_description_speaks(read):
    assert read("rna_type", "taxid", mapped=False) == [
        ("tRNA", None),
        ("rRNA", None),
        ("pre_miRNA", None),
        ("tRNA", 562),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"rna_types": ["tRNA"]}, "14"),
        ({"rna_types": ["rRNA", "pre_miRNA"]}, "23"),
        ({"taxids": [10090]}, "2"),
        ({"taxids": [562]}, "4"),
        ({"taxids": [9606]}, "12"),
        ({"taxids": [9606], "rna_types": ["tRNA"]}, "1"),
        ({"rna_types": ["tRNA"], "mapped": False}, "14"),
        ({"taxids": [562], "mapped": False}, "4"),
    ],
)
def test_filters(read, options, ids):
    tally = Tally()
    assert [one.split("_")[0][-1] for (one,) in read("id", **options, tally=tally)] == list(ids)
    assert tally.read == 5
    assert tally.kept == len(ids)


def test_a_molecule_of_several_organisms_has_the_taxid_asked_for(read):
    assert read("id", "taxid", "organisms", taxids=[10090]) == [("URS0000000002", 10090, 2)]
    assert read("taxid", taxids=[10090, 9606]) == [(9606,), (None,)]


def test_nothing_of_what_was_asked_for(read):
    with pytest.raises(UserError, match=r"None of the 5 records of here is of what was asked for\.$"):
        read("id", rna_types=["tmRNA"])
    with pytest.raises(UserError, match="Without an id mapping only descriptions and ids say"):
        read("id", taxids=[9606], mapped=False)


def test_chunks_make_no_difference(read, monkeypatch):
    whole = read("id", "rna_type", "taxid", "databases", "isotype")
    monkeypatch.setattr(bulk, "CHUNK_ROWS", 1)
    monkeypatch.setattr(bulk, "read_fasta", lambda path: read_fasta(path, batch_records=2))
    assert read("id", "rna_type", "taxid", "databases", "isotype") == whole


def test_reading_ahead():
    made = []

    def items():
        for number in range(5):
            made.append(threading.current_thread())
            yield number
        raise UserError("the end")

    taken = []
    with pytest.raises(UserError, match="the end"):
        taken.extend(ReadAhead(items()))
    assert taken == list(range(5))
    assert threading.current_thread() not in made


def test_reading_ahead_may_be_broken_off():
    ahead = ReadAhead(iter(range(100)), 3)
    assert next(ahead) == 0
    ahead.close()
