import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.collection import Collection, EmbeddingInfo, summary
from ribospace.collection.columns import begin_embedding, left_to_embed, write_vectors
from ribospace.collection.summary import QUANTILES, count_vectors, quantiles_of, summarize
from ribospace.collection.upkeep import optimize


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_quantiles_are_numpys(numbers):
    expected = [int(one + 1e-9) for one in np.quantile(numbers, list(QUANTILES.values()))]
    assert list(quantiles_of(np.bincount(numbers)).values()) == expected


def test_no_numbers_have_no_quantiles():
    assert quantiles_of(np.zeros(1, dtype=np.int64)) == {}


def test_a_summary_is_what_the_table_says(collection):
    said, table = summarize(collection), collection.table()
    assert said.molecules == 50
    assert said.rna_types == {"rRNA": 25, "tRNA": 25}
    lengths = table["length"].to_numpy()
    assert said.length_nt["min"] == lengths.min()
    assert said.length_nt["median"] == int(np.median(lengths))
    assert said.length_nt["max"] == lengths.max()
    assert said.columns == collection.plain_columns
    assert (said.indexed, said.embeddings, said.fragments) == ([], [], 2)
    assert said.disk_bytes == sum(
        file.stat().st_size for file in (collection.home / "molecules.lance").rglob("*") if file.is_file()
    )
    assert said.versions["format"] == "1"
    assert said.versions["table"] == str(collection.lance().version)
    assert {"ribospace", "lancedb", "pylance", "python"} <= set(said.versions)


def test_an_empty_collection(tmp_path):
    said = summarize(Collection.create(tmp_path / "c"))
    assert (said.molecules, said.rna_types, said.length_nt, said.fragments) == (0, {}, {}, 0)


@pytest.fixture
def reads(monkeypatch):
    """How many fragments' layouts were known without reading them."""
    known, filled = [], summary._filled
    monkeypatch.setattr(summary, "_filled", lambda *asked: known.append(filled(*asked)) or known[-1])
    return known


@pytest.mark.parametrize("width", [1, 3, 64])
@pytest.mark.parametrize("half", [False, True])
def test_vectors_are_counted(collection, molecules, reads, width, half):
    """Given or made, in whole fragments or parts of them, before and after deletions and upkeep."""
    begin_embedding(collection, EmbeddingInfo("mine", "encoder", "r1", "mean", width), half=half)
    kind = pa.list_(pa.float16() if half else pa.float32(), width)
    given_ = [None if row % 3 else [float(row)] * width for row in range(30)]
    collection.append([molecules(30, "c", mine=pa.array(given_, kind))])
    collection.append([molecules(9, "d", mine=pa.array([[1.0] * width] * 9, kind))])

    def right():
        return count_vectors(collection.lance(), "mine") == collection.count("`mine` IS NOT NULL")

    assert right()
    assert len(reads) == 4
    for piece in itertools.islice(left_to_embed(collection, "mine", 10), 4):
        write_vectors(collection, "mine", piece.fragment, piece.rows, np.ones((len(piece.rows), width), "f4"))
        assert right()
    collection._table.delete("length % 7 = 0")
    assert right()
    for piece in left_to_embed(collection, "mine"):
        write_vectors(collection, "mine", piece.fragment, piece.rows, np.ones((len(piece.rows), width), "f4"))
    assert right()
    assert count_vectors(collection.lance(), "mine") == len(collection)
    optimize(collection)
    assert right()


def test_full_and_empty_fragments_are_not_read(tmp_path, molecules, reads):
    """So it is with pylance 14: should its words change, vectors are read and counted."""
    store = Collection.create(tmp_path / "c")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.random.default_rng(0).random(64 * 500, "f4")), 64)
    store.append([molecules(500, "a", mine=vectors)])
    store.append([molecules(500, "b")])
    begin_embedding(store, EmbeddingInfo("other", "encoder", "r1", "mean", 64))
    assert count_vectors(store.lance(), "mine") == 500
    assert reads == [True, False]
    reads.clear()
    assert count_vectors(store.lance(), "other") == 0
    assert reads == [False, False]
    for piece in left_to_embed(store, "other"):
        write_vectors(store, "other", piece.fragment, piece.rows, np.ones((len(piece.rows), 64), "f4"))
    reads.clear()
    assert count_vectors(store.lance(), "other") == 1000
    assert reads == [True, True]
