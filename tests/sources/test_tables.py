import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.cli.given import read_file
from ribospace.errors import UserError
from ribospace.records import SCHEMA
from ribospace.sources.tables import read_csv, read_parquet, read_tsv


def rows_of(batches):
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.fixture
def tsv(tmp_path):
    def read(text: str | bytes, name: str = "a.tsv", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return rows_of(read_tsv(path, **options))

    return read


@pytest.fixture
def parquet(tmp_path):
    """Batches of a Parquet file of these columns beside ids and sequences."""

    def read(rows: int = 3, ids=None, row_group_size: int | None = None, **columns):
        path = tmp_path / "a.parquet"
        names = ids or [f"m{number}" for number in range(rows)]
        table = pa.table({"id": names, "sequence": ["ACGU"] * len(names), **columns})
        pq.write_table(table, path, row_group_size=row_group_size)
        return list(read_parquet(path))

    return read


# ---------------------------------------------------------------- TSV

cells = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\x85"), max_size=8)


@given(
    st.lists(st.tuples(st.text("ACGUN", min_size=1), cells, st.one_of(st.none(), st.integers(0, 2**31 - 1)))),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_tsv_round_trip(tsv, molecules, ending, packed):
    molecules = [("A", "x", None), *molecules]
    lines = ["id\tfamily\tsequence\ttaxid"]
    lines += [f"m{n}\t{text}\t{s}\t{'' if taxid is None else taxid}" for n, (s, text, taxid) in enumerate(molecules)]
    data = (ending.join(lines) + ending).encode()
    found = tsv(gzip.compress(data), "a.tsv.gz") if packed else tsv(data)
    assert [row["id"] for row in found] == [f"m{n}" for n in range(len(molecules))]
    assert [(row["sequence"], row["family"] or "", row["taxid"]) for row in found] == molecules
    assert list(found[0]) == [*SCHEMA.names, "family"]


def test_every_further_column_is_text_and_an_empty_cell_unknown(tsv):
    rows = tsv('id\tsequence\tscore\tquoted\tsource\n1\tacgt\t1.50\t"a\tfrom there\n2\tGG\t\tNA\t\n')
    assert [(r["id"], r["sequence"], r["score"], r["quoted"], r["source"]) for r in rows] == [
        ("1", "ACGU", "1.50", '"a', "from there"),
        ("2", "GG", None, "NA", None),
    ]


def test_a_tsv_without_a_source_names_its_file_and_length_and_md5_are_made_anew(tsv):
    (row,) = tsv("id\tsequence\tlength\tmd5\na\tACGU\t99\twrong\n")
    assert (row["source"], row["length"]) == ("a.tsv", 4)
    assert len(row["md5"]) == 32


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "marked"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_csv_is_read_with_its_quotes(tmp_path, start, end):
    lines = ["id,sequence,description", 'a,acgt,"tRNA, yeast"', "b,GG,"]
    (tmp_path / "a.csv").write_text(start + end.join(lines) + end, encoding="utf-8", newline="")
    rows = rows_of(read_csv(tmp_path / "a.csv"))
    assert [(r["id"], r["sequence"], r["description"]) for r in rows] == [
        ("a", "ACGU", "tRNA, yeast"),
        ("b", "GG", None),
    ]


def test_a_line_break_in_the_header_of_a_csv(tmp_path):
    (tmp_path / "a.csv").write_text('id,sequence,"measured\nat 37 °C"\na,ACGU,"0,5"\n', encoding="utf-8")
    (batch,) = read_csv(tmp_path / "a.csv")
    assert batch["measured\nat 37 °C"].to_pylist() == ["0,5"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path, end):
    (tmp_path / "a.tsv").write_bytes(end.join(["id\tsequence", "a\tACG", "b\tGG"]).encode())
    (tmp_path / "a.csv").write_bytes(end.join(["id,sequence", "a,ACG", "b,GG"]).encode())
    for read, name in ((read_tsv, "a.tsv"), (read_csv, "a.csv")):
        (batch,) = read(tmp_path / name)
        assert batch["sequence"].to_pylist() == ["ACG", "GG"]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "A.TSV.bz2", "a.csv.zst"])
def test_compressed_tables_are_read_by_their_endings(tmp_path, name):
    text = b"id\tsequence\na\tACG\n" if "tsv" in name.lower() else b"id,sequence\na,ACG\n"
    with pa.output_stream(tmp_path / name, compression="detect") as file:
        file.write(text)
    (batch,) = read_file(str(tmp_path / name))
    assert batch["sequence"].to_pylist() == ["ACG"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"a\.csv is empty"),
        ("id;sequence\na;ACG\n", r"a\.csv has no column 'id'"),
        ("id,sequence\na,AC-G\n", r"a\.csv, record 1 \('a'\), position 3: '-' is a gap"),
        ("id,sequence\na,ACG,more\n", r"a\.csv is not a readable comma-separated table: .*columns"),
    ],
)
def test_a_bad_csv_is_one_clear_sentence(tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        list(read_csv(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"a\.tsv is empty"),
        ("id\tsequence\n", r"a\.tsv is empty: it holds no record"),
        ("id\tseqence\na\tACG\n", r"a\.tsv has no column 'sequence'\. Did you mean seqence\?"),
        ("name\tsequence\na\tACG\n", r"a\.tsv has no column 'id'"),
        ("id,sequence\na,ACG\n", r"a\.tsv has no column 'id'"),
        ("id\tsequence\tx\tx\na\tACG\t1\t2\n", r"a\.tsv has two columns named 'x'"),
        ("id\tsequence\na\tACG\nb\tACZ\n", r"a\.tsv, record 2 \('b'\), position 3: 'Z'"),
        ("id\tsequence\na\tACG\nb\t\n", r"a\.tsv, record 2 \('b'\) has no sequence"),
        ("id\tsequence\na\tACG\n\tACG\n", r"a\.tsv, record 2: it has no id"),
        ("id\tsequence\na\tACG\tmore\n", r"a\.tsv is not a readable tab-separated table: .*columns"),
        ("id\tsequence\na\tACG\nb\n", r"a\.tsv is not a readable tab-separated table: .*columns"),
        ("id\tsequence\ttaxid\na\tACG\thuman\n", r"a\.tsv is not a readable tab-separated table: .*human"),
        ("id\tsequence\ttaxid\na\tACG\t9999999999\n", r"a\.tsv is not a readable tab-separated table: .*9999999999"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), r"a\.tsv is not a readable tab-separated table"),
        ("id\tsequence\na\tACG\n".encode("utf-16"), r"a\.tsv is not .* table: it is no UTF-8 text; save it as UTF-8"),
        (b"id\tsequence\na\tAC\xff\xfe\n", r"a\.tsv is not a readable tab-separated table"),
    ],
)
def test_a_bad_tsv_is_one_clear_sentence(tsv, text, said):
    with pytest.raises(UserError, match=said) as error:
        tsv(text)
    assert str(error.value).replace("\t", " ").isprintable()


def test_a_tsv_that_is_not_what_it_is_named(tsv, tmp_path):
    packed = gzip.compress(b"id\tsequence\n" + b"".join(b"m%d\tACGU\n" % n for n in range(9999)))
    for data in (packed[: len(packed) // 2], b"id\tsequence\na\tACG\n"):
        with pytest.raises(UserError, match=r"b\.tsv\.gz"):
            tsv(data, "b.tsv.gz")
    with pytest.raises(UserError, match="does not exist"):
        list(read_tsv(tmp_path / "none.tsv"))


def test_gaps_in_tables(tsv, tmp_path):
    assert tsv("id\tsequence\na\tA-C\n", gaps="strip")[0]["sequence"] == "AC"
    pq.write_table(pa.table({"id": ["a"], "sequence": ["A.C"]}), tmp_path / "b.parquet")
    assert rows_of(read_parquet(tmp_path / "b.parquet", gaps="strip"))[0]["sequence"] == "AC"
    with pytest.raises(UserError, match=r"b\.parquet, record 1 \('a'\), position 2: '\.' is a gap"):
        list(read_parquet(tmp_path / "b.parquet"))


# ---------------------------------------------------------------- Parquet


def test_parquet_columns_come_in_as_they_are(parquet):
    (batch,) = parquet(
        2,
        taxid=pa.array([9606, None], pa.int64()),
        rna_type=pa.array(["tRNA", ""]).dictionary_encode(),
        family=pa.array(["x", None], pa.large_string()),
        score=pa.array([1.5, 2.5]),
        number=pa.array([1, 2], pa.int16()),
    )
    columns = ["taxid", "rna_type", "family", "score", "number", "source"]
    assert batch.select(columns).to_pylist() == [
        {"taxid": 9606, "rna_type": "tRNA", "family": "x", "score": 1.5, "number": 1, "source": "a.parquet"},
        {"taxid": None, "rna_type": None, "family": None, "score": 2.5, "number": 2, "source": "a.parquet"},
    ]
    assert batch.schema.field("number").type == pa.int16()


VECTORS = [[1.5, -2.0], [0.0, 3.25], [1e-3, 7.0]]


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (pa.list_(pa.float32(), 2), pa.float32()),
        (pa.list_(pa.float32()), pa.float32()),
        (pa.list_(pa.float64()), pa.float32()),
        (pa.large_list(pa.float64()), pa.float32()),
        (pa.list_(pa.float64(), 2), pa.float32()),
        (pa.list_(pa.float16()), pa.float16()),
        (pa.list_(pa.float16(), 2), pa.float16()),
    ],
)
@pytest.mark.parametrize("with_null", [False, True])
def test_list_columns_are_embeddings(parquet, kind, stored, with_null):
    vectors = [VECTORS[0], None, VECTORS[2]] if with_null else VECTORS
    width = kind.value_type.to_pandas_dtype()
    column = pa.array([None if v is None else [width(x) for x in v] for v in vectors], kind)
    batches = parquet(3, mine=column)
    (batch,) = batches
    field = batch.schema.field("mine")
    assert field.type == pa.list_(stored, 2)
    assert field.metadata == {b"encoder": b"mine", b"revision": b"", b"pooling": b"given", b"width": b"2"}
    found = batch.column("mine").to_pylist()
    assert [one is None for one in found] == [one is None for one in vectors]
    for one, expected in zip(found, vectors, strict=True):
        if expected is not None:
            np.testing.assert_allclose(one, expected, rtol=1e-3)


def test_integers_are_embeddings_too(parquet):
    (batch,) = parquet(2, counts=pa.array([[1, 2, 3], [4, 5, 6]], pa.list_(pa.int64())))
    assert batch.column("counts").to_pylist() == [[1, 2, 3], [4, 5, 6]]
    assert batch.schema.field("counts").type == pa.list_(pa.float32(), 3)


@given(st.integers(1, 5), st.lists(st.booleans(), min_size=1, max_size=20), st.booleans())
def test_vectors_stay_with_their_molecules(parquet, width, there, fixed):
    there = [True, *there]
    table = np.arange(len(there) * width, dtype=np.float32).reshape(-1, width)
    column = [row.tolist() if valid else None for row, valid in zip(table, there, strict=True)]
    kind = pa.list_(pa.float32(), width) if fixed else pa.list_(pa.float32())
    found = [row["mine"] for batch in parquet(len(there), mine=pa.array(column, kind)) for row in batch.to_pylist()]
    assert found == column


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[1.0, 2.0], [1.0, 2.0], [1.0]]), r"record 3, column 'mine': its vector has 1 numbers, others 2"),
        (pa.array([[1.0], [1.0, 2.0], [1.0]]), r"column 'mine': its vector has \d numbers, others \d"),
        (pa.array([[], [], []], pa.list_(pa.float32())), r"column 'mine': its vector has 0 numbers"),
        (pa.array([[1.0], [np.nan], [1.0]]), r"record 2, column 'mine': its vector holds NaN or infinity"),
        (pa.array([[1.0], [np.inf], [1.0]]), r"record 2, column 'mine': its vector holds NaN or infinity"),
        (pa.array([[1.0], [None], [1.0]]), r"record 2, column 'mine': its vector holds NaN or infinity"),
        (pa.array([[1e300], [1.0], [1.0]]), r"column 'mine'"),
        (pa.array([["a"], ["b"], ["c"]]), r"column 'mine': lists of string are not embeddings"),
        (pa.array([[[1.0]], [[1.0]], [[1.0]]]), r"column 'mine': lists of list.* are not embeddings"),
        (pa.array([[True], [True], [True]]), r"column 'mine': lists of bool are not embeddings"),
    ],
)
def test_lists_that_are_no_embeddings(parquet, column, said):
    with pytest.raises(UserError, match=rf"a\.parquet.*{said}"):
        parquet(3, mine=column)


def test_a_width_that_changes_late_is_named_by_record(parquet, monkeypatch):
    monkeypatch.setattr("ribospace.sources.tables.BATCH_RECORDS", 10)
    vectors = [[1.0, 2.0]] * 37 + [[1.0]] + [[1.0, 2.0]] * 2
    with pytest.raises(UserError, match="record 38, column 'mine': its vector has 1 numbers, others 2"):
        parquet(40, mine=pa.array(vectors))


def test_an_embedding_that_is_unknown_in_a_whole_batch(parquet, monkeypatch):
    monkeypatch.setattr("ribospace.sources.tables.BATCH_RECORDS", 10)
    for vectors in ([[1.0, 2.0]] * 10 + [None] * 10, [None] * 10 + [[1.0, 2.0]] * 10, [None] * 20):
        for kind in (pa.list_(pa.float32(), 2), pa.list_(pa.float32())):
            rows = [row for batch in parquet(20, mine=pa.array(vectors, kind)) for row in batch.to_pylist()]
            assert [row.get("mine") for row in rows] == vectors


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": ["a"]}, "has no column 'sequence'"),
        ({"sequence": ["A"], "Id": ["a"]}, "has no column 'id'. Did you mean Id"),
        ({"id": ["a", "b"], "sequence": ["A", "AZ"]}, r"b\.parquet, record 2 \('b'\), position 2: 'Z'"),
        ({"id": ["a", None], "sequence": ["A", "A"]}, "record 2: it has no id"),
        ({"id": ["a", "b"], "sequence": ["A", None]}, r"record 2 \('b'\) has no sequence"),
        ({"id": pa.array([], pa.string()), "sequence": pa.array([], pa.string())}, "is empty: it holds no record"),
        ({"id": ["a"], "sequence": ["A"], "taxid": ["human"]}, "'taxid'.*int32"),
        ({"id": ["a"], "sequence": ["A"], "taxid": [2**40]}, "'taxid'.*int32"),
        ({"id": ["a"], "sequence": ["A"], "species": [[1.0]]}, "'species' holds lists, but is a field of the record"),
        ({"id": [[1]], "sequence": ["A"]}, "'id'"),
        ({"id": ["a"], "sequence": [[1]]}, "'sequence'"),
        ({"id": ["a"], "sequence": [b"\xff"]}, r"b\.parquet"),
    ],
)
def test_a_bad_parquet_is_one_clear_sentence(tmp_path, columns, said):
    path = tmp_path / "b.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(UserError, match=said):
        list(read_parquet(path))


def test_ids_may_be_numbers_and_dictionaries(tmp_path):
    path = tmp_path / "b.parquet"
    pq.write_table(pa.table({"id": [7, 8], "sequence": pa.array(["AC", "AC"]).dictionary_encode()}), path)
    assert [(row["id"], row["sequence"]) for row in rows_of(read_parquet(path))] == [("7", "AC"), ("8", "AC")]


def test_a_parquet_that_is_none(tmp_path):
    path = tmp_path / "b.parquet"
    pq.write_table(pa.table({"id": [str(n) for n in range(5000)], "sequence": ["AC"] * 5000}), path)
    whole = path.read_bytes()
    for data in (b"", b"id\tsequence\n", whole[: len(whole) // 2], whole[:-4]):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"b\.parquet is not a readable Parquet file"):
            list(read_parquet(path))
    with pytest.raises(UserError, match="does not exist"):
        list(read_parquet(tmp_path / "none.parquet"))


def test_a_column_of_maps_is_refused(tmp_path):
    kinds = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32()))
    pq.write_table(pa.table({"id": ["a"], "sequence": ["ACGU"], "kinds": kinds}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="'kinds' holds map"):
        rows_of(read_parquet(tmp_path / "a.parquet"))


def test_a_large_csv_may_have_line_breaks_in_quotes(tmp_path):
    note = "first line\nsecond, line " * 20
    rows = "".join(f'm{number},ACGU,"{note}"\n' for number in range(4000))
    (tmp_path / "a.csv").write_text(f"id,sequence,description\n{rows}", encoding="utf-8", newline="\n")
    records = [one for batch in read_csv(tmp_path / "a.csv") for one in batch.to_pylist()]
    assert [one["id"] for one in records] == [f"m{number}" for number in range(4000)]
    assert {one["description"] for one in records} == {note}
