import itertools
import textwrap

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ribospace.collection import Collection
from ribospace.collection.rows import delete_rows, require_free_column, rows_where, write_columns
from ribospace.collection.vector_index import build_index, index_of
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder
from ribospace.errors import UserError
from ribospace.records import record_batch


def write(store, made_by="me", **columns):
    with store.writing():
        write_columns(store, [pa.record_batch(columns)], made_by)


@settings(max_examples=25)
@given(
    values=st.lists(st.none() | st.integers(-5, 5), min_size=12, max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=4),
    gone=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_what_is_written_is_read(tmp_path_factory, values, cuts, gone):
    """Whatever the batches, with fragments and deleted rows in between; a second write takes the first one's place."""
    store = Collection.create(tmp_path_factory.mktemp("rows") / "c")
    for part in range(3):
        store.append([record_batch([f"{part}{n}" for n in range(4)], ["ACGU"] * 4)])
    with store.writing():
        delete_rows(store, np.array(gone))
    kept = [value for value, one in zip(values, gone, strict=True) if not one]
    for given_values in (kept, kept[::-1], [None if v is None else str(v) for v in kept]):
        edges = sorted({0, len(kept), *[min(cut, len(kept)) for cut in cuts]})
        kind = pa.string() if any(isinstance(v, str) for v in given_values) else pa.int64()
        pieces = [given_values[a:b] for a, b in itertools.pairwise(edges)] or [[]]
        with store.writing():
            write_columns(store, [pa.record_batch({"mark": pa.array(piece, kind)}) for piece in pieces], "me")
        assert store.table(["mark"])["mark"].to_pylist() == given_values
    assert store.table(["id"])["id"].to_pylist() == [f"{row // 4}{row % 4}" for row, one in enumerate(gone) if not one]


def test_other_columns_embeddings_and_the_index_stay(collection, molecules):
    collection.append([molecules(300, "c", 3)])
    embed_collection(collection, KmerEncoder(2))
    build_index(collection, "kmer2")
    before = collection.table(collection.schema.names)
    info = collection.embeddings
    write(collection, mark=pa.array(np.arange(350)), other=pa.array(["x"] * 350))
    remove = np.arange(350) % 3 == 0
    with collection.writing():
        delete_rows(collection, remove)
    again = Collection.open(collection.uri)
    assert again.table(before.schema.names) == before.filter(pa.array(~remove))
    assert again.embeddings == info
    assert index_of(again, "kmer2") is not None
    assert again.table(["mark"])["mark"].to_pylist() == np.flatnonzero(~remove).tolist()
    query = before["kmer2"][4].as_py()
    for exact in (True, False):
        assert again.neighbours("kmer2", query, 1, exact=exact, columns=["id"]).distances[0] < 1e-6
        assert set(again.neighbours("kmer2", query, 5, exact=exact).records["id"].to_pylist()) <= set(
            again.table(["id"])["id"].to_pylist()
        )


def test_later_molecules_are_null_until_it_is_written_again(collection, molecules):
    write(collection, mark=pa.array(["x"] * 50))
    collection.append([molecules(3, "c")])
    assert collection.table(["mark"])["mark"].to_pylist() == ["x"] * 50 + [None] * 3
    write(collection, mark=pa.array(["y"] * 53))
    assert collection.count("mark = 'y'") == 53


def test_rows_are_those_of_the_condition(collection):
    with collection.writing():
        delete_rows(collection, np.arange(50) < 5)
    types = np.array(collection.table(["rna_type"])["rna_type"].to_pylist())
    assert (rows_where(collection, "rna_type = 'tRNA'") == (types == "tRNA")).all()
    assert rows_where(collection, None).all()
    assert len(rows_where(collection, None)) == 45
    with pytest.raises(UserError, match="'nonsense' is not a condition"):
        rows_where(collection, "nonsense")


def test_all_rows_of_a_fragment_and_of_a_collection(collection, molecules):
    for remove in (np.arange(50) < 25, np.ones(25, dtype=bool)):
        with collection.writing():
            delete_rows(collection, remove)
    assert len(collection) == 0
    assert collection.append([molecules(5, "c")]).added == 5
    assert len(collection) == 5


def test_wrong_numbers_change_nothing(collection):
    version = collection.lance().version
    with pytest.raises(ValueError, match="49 marks for 50 molecules"):
        delete_rows(collection, np.ones(49, dtype=bool))
    with pytest.raises(ValueError, match="no batch"):
        write_columns(collection, [], "me")
    assert collection.lance().version == version
    for rows, word in ((49, "fewer"), (51, "more")):
        with pytest.raises(ValueError, match=word):
            write(collection, mark=pa.array([1] * rows))
        assert collection.count("mark IS NOT NULL") == 0


@pytest.mark.parametrize("name", ["id", "rna_type", "taken", "kmer2", "_mine", "a.b", ""])
def test_a_column_of_something_else_is_not_replaced(collection, name):
    write(collection, "another", taken=pa.array(["x"] * 50))
    embed_collection(collection, KmerEncoder(2))
    before = collection.table(collection.schema.names)
    with pytest.raises(UserError, match="column"):
        require_free_column(collection, name, "me")
    with pytest.raises(UserError, match="column"):
        write(collection, **{name: pa.array(["y"] * 50)})
    assert collection.table(collection.schema.names) == before


def test_refused_while_an_import_is_broken_off(collection):
    (collection.home / "import.json").write_text('{"run": {"version": 2, "ranges": [[0, null]]}}')
    for change in (
        lambda: write(collection, mark=pa.array([1] * 50)),
        lambda: delete_rows(collection, np.ones(50, bool)),
    ):
        with pytest.raises(UserError, match=r"An import into .* was broken off\. Run it again to finish it, or delete"):
            change()
    assert len(collection) == 50


def test_a_disk_that_fills(small_disk, molecules):
    store = Collection.create(small_disk(3) / "collection")
    store.append([molecules(20_000, "a")])
    before = store.table()

    def much():
        for number in range(40):
            write(store, mark=pa.array([f"{number}:{row}" * 5 for row in range(20_000)]))

    with pytest.raises(UserError, match="The disk is full"):
        much()
    assert Collection.open(store.uri).table(before.schema.names) == before


SLOW_WRITE = """
import pyarrow as pa
from ribospace.collection import Collection, rows

store = Collection.open({path!r})
for number in range(200, 206):
    with store.writing():
        print("writing", flush=True)
        rows.write_columns(store, [pa.record_batch({{"mark": [number] * 50, "same": [str(number)] * 50}})], "me")
"""


@pytest.mark.slow
def test_killed_while_it_writes(collection, killed_again_and_again):
    """Each molecule has both columns of one run, or none has; nothing else changes."""
    before = collection.table()

    def check():
        store = Collection.open(collection.uri)
        assert store.table(before.schema.names) == before
        if "mark" in store.schema.names:
            rows = store.table(["mark", "same"]).to_pylist()
            assert all(row == rows[0] for row in rows)
            assert rows[0]["mark"] is None or str(rows[0]["mark"]) == rows[0]["same"]

    program = textwrap.dedent(SLOW_WRITE).format(path=str(collection.uri))
    assert killed_again_and_again(program, [1, 1, 2, 3, 4], check) >= 3
    assert collection.count("mark = 205 AND same = '205'") == 50
