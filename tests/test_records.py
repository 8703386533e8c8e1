import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.errors import UserError
from ribospace.records import SCHEMA, clean, md5_of, place_of, record_batch

KEPT = set("ACGUNXRYSWKMBDHV")
RNA = "AUGGAUGGUUGAUCAGAGAACGUACAUUUUAUAAAUGGUGUAUGUCAAUUGAUCCACAGUCCCU"
MD5 = "fee3fe68dbd91ee898bffd9d4b89b2e9"


def reference(sequences, gaps):
    """The rule of records.py letter by letter: clean sequences, or what the error says of the first fault."""
    found = []
    for row, text in enumerate(sequences, 1):
        letters = ""
        for position, letter in enumerate(text, 1):
            upper = letter.upper().replace("T", "U") if letter.isascii() else letter
            if upper in KEPT:
                letters += upper
            elif letter in "-." and gaps == "refuse":
                return f"sequence {row}, position {position}: {letter!r} is a gap"
            elif letter not in "-. \t\r\n\v\f":
                return f"sequence {row}, position {position}: {letter!r} is not a letter of RNA"
        found.append(letters)
    for row, letters in enumerate(found, 1):
        if not letters:
            return f"sequence {row} has no sequence"
    return found


texts = st.one_of(
    st.text("ACGUTNacgutnryswkmbdhvxX \n\t", max_size=12),
    st.text("ACGUacgut -.\r\v\f", max_size=12),
    st.text("ACGU-. EfLz1é\x00", max_size=8),
)


@given(st.lists(texts, max_size=6), st.sampled_from(["refuse", "strip"]), st.booleans())
def test_cleaning_is_the_stated_rule(sequences, gaps, arrow):
    expected = reference(sequences, gaps)
    taken = pa.array(["AAé", *sequences, "zz"])[1:-1] if arrow else sequences
    if isinstance(expected, list):
        assert clean(taken, gaps=gaps).to_pylist() == expected
    else:
        with pytest.raises(UserError) as error:
            clean(taken, gaps=gaps)
        assert str(error.value).startswith(expected)


def test_gaps_are_refused_or_stripped():
    assert clean(["..A-C--G.", "U"], gaps="strip").to_pylist() == ["ACG", "U"]
    with pytest.raises(UserError, match=r"^sequence 2, position 3: '-' is a gap\. Take the gaps out\.$"):
        clean(["AC", "AC-G"])
    with pytest.raises(UserError, match=r"position 3: '-' is a gap\. Take the gaps out, or add --strip-gaps"):
        record_batch(["a", "b"], ["AC", "AC-G"])
    with pytest.raises(UserError, match=r"^sequence 1 has no sequence\. Give one\.$"):
        clean(["--.."], gaps="strip")


@pytest.mark.parametrize("sequence", ["MKVLAAGIVE", "acgq", "GATTACA*", "mkvl"])
def test_a_protein_is_recognised(sequence):
    with pytest.raises(UserError, match="looks like a protein"):
        clean([sequence])


def test_other_letters_are_not_called_a_protein():
    with pytest.raises(UserError) as error:
        clean(["ACG5"])
    assert "protein" not in str(error.value)


def test_md5_is_that_of_rnacentral():
    assert md5_of(RNA) == MD5
    forms = [RNA, RNA.replace("U", "T"), RNA.lower(), f"{RNA[:20]}\n{RNA[20:]}\n"]
    batch = record_batch(list("abcd"), forms)
    assert set(batch.column("md5").to_pylist()) == {MD5}
    assert set(batch.column("sequence").to_pylist()) == {RNA}
    assert set(batch.column("length").to_pylist()) == {len(RNA)}


@given(st.lists(st.text("ACGUNRYacgtu", min_size=1, max_size=20), max_size=8))
def test_a_record_says_its_length_and_md5(sequences):
    batch = record_batch([str(n) for n in range(len(sequences))], sequences)
    assert batch.schema.names == SCHEMA.names
    assert batch.schema.types == SCHEMA.types
    for row, text in zip(batch.to_pylist(), sequences, strict=True):
        dna = text.upper().replace("U", "T")
        assert row["sequence"] == dna.replace("T", "U")
        assert row["length"] == len(text)
        assert row["md5"] == hashlib.md5(dna.encode()).hexdigest()
        assert [row[name] for name in ("rna_type", "description", "taxid", "species", "source")] == [None] * 5


def test_the_schema():
    assert SCHEMA.names == ["id", "sequence", "length", "rna_type", "description", "taxid", "species", "source", "md5"]
    assert [field.name for field in SCHEMA if not field.nullable] == ["id", "sequence", "length", "md5"]
    assert SCHEMA.field("taxid").type == pa.int32()


def test_further_columns():
    batch = record_batch(
        ["a", "b"],
        ["ACGU", "GG"],
        {
            "family": "RF00005",
            "score": [1.5, None],
            "taxid": pa.array(["9606", None]),
            "species": pa.array(["Homo sapiens", None]),
            "isotype": pa.array(["x", "G", "A"])[1:],
            "vector": pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2)),
        },
    )
    assert batch.schema.names == [*SCHEMA.names, "family", "score", "isotype", "vector"]
    columns = ["taxid", "species", "family", "score", "isotype", "vector"]
    assert batch.select(columns).to_pylist() == [
        {"taxid": 9606, "species": "Homo sapiens", "family": "RF00005", "score": 1.5, "isotype": "G", "vector": [1, 2]},
        {"taxid": None, "species": None, "family": "RF00005", "score": None, "isotype": "A", "vector": [3, 4]},
    ]


def test_slices_of_arrow_arrays():
    ids, sequences = pa.array(["x", "a", "b", "y"]), pa.array(["zzz", "acg", "uu", "é"])
    batch = record_batch(ids[1:3], sequences[1:3])
    assert batch.select(["id", "sequence", "length"]).to_pylist() == [
        {"id": "a", "sequence": "ACG", "length": 3},
        {"id": "b", "sequence": "UU", "length": 2},
    ]


@pytest.mark.parametrize("arrow", [False, True])
@pytest.mark.parametrize(
    ("ids", "sequences", "said"),
    [
        (["a", "b", "c"], ["A", "AC?U", "G"], "some.fasta, record 12 ('b'), position 3: '?' is not a letter of RNA."),
        (["a", "b", "c"], ["A", "G", "G-"], "some.fasta, record 13 ('c'), position 2: '-' is a gap."),
        (["a", "b", "c"], ["", "G", "G"], "some.fasta, record 11 ('a') has no sequence."),
        (["a", "b", ""], ["A", "G", "G"], "some.fasta, record 13: it has no id."),
        (["a", None, "c"], ["A", "G", "G"], "some.fasta, record 12: it has no id."),
        (["a", "b", "c"], ["A", "\xe9\xe9", "G"], "some.fasta, record 12 ('b'), position 1: 'é' is not"),
        (["a", "b", "c"], ["A", "G\xa0", "G"], "some.fasta, record 12 ('b'), position 2: '\\xa0' is not"),
    ],
)
def test_an_error_names_file_record_id_and_position(ids, sequences, said, arrow):
    if arrow:
        ids, sequences = pa.array(ids), pa.array(sequences)
    with pytest.raises(UserError) as error:
        record_batch(ids, sequences, origin="some.fasta", first=11)
    assert str(error.value).startswith(said)


def test_a_row_knows_its_place_after_slicing_by_columns():
    batch = record_batch(["a", "b"], ["A", "C"], origin="x.tsv", first=5)
    assert place_of(batch, 1) == "x.tsv, record 6 ('b')"
    assert place_of(batch.select(["id"]), 0) == "x.tsv, record 5 ('a')"


def test_a_column_that_cannot_be_cast_is_a_users_mistake():
    with pytest.raises(UserError, match="taxid"):
        record_batch(["a"], ["A"], {"taxid": pa.array(["not a number"])}, origin="x")
