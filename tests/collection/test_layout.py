import itertools

import numpy as np
import pyarrow as pa
import pytest

from ribospace.collection import Collection, EmbeddingInfo, layout
from ribospace.collection.columns import begin_embedding, left_to_embed, write_vectors
from ribospace.collection.layout import count_vectors
from ribospace.collection.upkeep import optimize


@pytest.fixture
def reads(monkeypatch):
    """How many fragments' layouts were known without reading them."""
    known, filled = [], layout._filled
    monkeypatch.setattr(layout, "_filled", lambda *asked: known.append(filled(*asked)) or known[-1])
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
