import itertools

import numpy as np
import pyarrow as pa
import pytest

from ribospace.collection import Collection, EmbeddingInfo, vector_index
from ribospace.collection.columns import begin_embedding, left_to_embed, write_vectors
from ribospace.collection.vector_index import build_index, index_of, not_in_index, pays
from ribospace.errors import UserError
from ribospace.records import record_batch

WIDTH = 8


def vectors_as_column(vectors):
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype("f4").ravel()), WIDTH)


def clustered(n, seed=5):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(20, WIDTH))
    return (centres[generator.integers(0, 20, n)] + generator.normal(size=(n, WIDTH)) * 0.3).astype("f4")


def records(n, prefix, vectors, name="given"):
    ids = [f"{prefix}{number}" for number in range(n)]
    columns = {"rna_type": ["tRNA" if number % 5 else "rRNA" for number in range(n)], name: vectors_as_column(vectors)}
    return record_batch(ids, ["ACGU"] * n, columns)


@pytest.fixture
def space(tmp_path):
    """Six hundred molecules with clustered vectors, and the vectors, (600, 8)."""
    vectors = clustered(600)
    store = Collection.create(tmp_path / "space")
    store.append([records(600, "m", vectors)])
    return store, vectors


def ids_of(found):
    return found.records["id"].to_pylist()


def recall(store, vectors, k=10, column="given", every=20):
    """Share of the k exactly nearest that the index finds."""
    hits = 0
    rows = range(0, len(vectors), every)
    for row in rows:
        exact, by_index = (store.neighbours(column, vectors[row], k, exact=exact) for exact in (True, False))
        hits += len(set(ids_of(exact)) & set(ids_of(by_index)))
    return hits / (k * len(rows))


def test_an_index_says_its_recall_and_keeps_it(space):
    store, vectors = space
    assert index_of(store, "given") is None
    assert not_in_index(store, "given") == 600
    told = []
    built = build_index(store, "given", lambda done, total, note="": told.append(note))
    assert (built.column, built.vectors, built.queries) == ("given", 600, 100)
    assert built.recall >= vector_index.ENOUGH
    assert 1 <= built.probes <= 24
    assert told[-1] == "measuring recall"
    for opened in (store, Collection.open(store.home)):
        assert index_of(opened, "given") == built
        assert not_in_index(opened, "given") == 0
    assert recall(store, vectors) >= 0.95
    assert recall(store, vectors, 100) >= 0.9  # more neighbours, more lists


def test_distances_of_the_index_are_those_of_the_vectors(space):
    store, vectors = space
    build_index(store, "given")
    for row in range(0, 600, 37):
        found = store.neighbours("given", vectors[row], exact=False)
        numbers = [int(one[1:]) for one in ids_of(found)]
        lengths = np.linalg.norm(vectors, axis=1)
        expected = 1 - vectors[numbers] @ vectors[row] / (lengths[numbers] * lengths[row])
        np.testing.assert_allclose(found.distances, expected, atol=1e-5)
        assert numbers[0] == row


def test_a_recall_that_is_low_is_said(tmp_path, monkeypatch):
    """Vectors without clusters, in lists of which one is probed: the recall that is stated is the one that is seen."""
    monkeypatch.setattr(vector_index, "ENOUGH", 0.0)
    monkeypatch.setattr(vector_index, "PROBES", 1)
    vectors = np.random.default_rng(1).normal(size=(4000, WIDTH)).astype("f4")
    store = Collection.create(tmp_path / "c")
    store.append([records(4000, "m", vectors)])
    built = build_index(store, "given")
    assert built.recall < 0.95
    others = [
        len(
            set(ids_of(store.neighbours("given", one, 11))[1:])
            & set(ids_of(store.neighbours("given", one, 11, exact=False)))
        )
        for one in vectors[::20]
    ]
    assert np.mean(others) / 10 == pytest.approx(built.recall, abs=0.08)


def test_copies_count_as_each_other(tmp_path):
    """Of molecules that are equal any ten are the nearest: recall does not fall for them."""
    vectors = np.repeat(clustered(30), 40, axis=0)
    store = Collection.create(tmp_path / "c")
    store.append([records(1200, "m", vectors)])
    assert build_index(store, "given").recall == 1.0


def test_vectors_that_come_after_the_index_are_found(space):
    store, vectors = space
    build_index(store, "given")
    later = clustered(50, seed=6)
    store.append([records(50, "later", later)])
    assert not_in_index(store, "given") == 50
    for row in range(50):
        assert ids_of(store.neighbours("given", later[row], 1, exact=False)) == [f"later{row}"]
    assert recall(store, np.concatenate([vectors, later])) >= 0.95


def test_vectors_filled_in_after_the_index_are_found(tmp_path):
    """An embedding that was broken off, indexed, and then finished in the same fragments."""
    store = Collection.create(tmp_path / "c")
    store.append([record_batch([f"m{number}" for number in range(1000)], ["ACGU"] * 1000)])
    begin_embedding(store, EmbeddingInfo("mine", "encoder", "r1", "mean", WIDTH))
    vectors = clustered(1000)

    def fill(pieces):
        for piece in pieces:
            rows = piece.rows.astype(int)
            write_vectors(store, "mine", piece.fragment, piece.rows, vectors[rows])

    fill(itertools.islice(left_to_embed(store, "mine", 100), 5))
    build_index(store, "mine")
    assert not_in_index(store, "mine") == 0
    fill(left_to_embed(store, "mine", 100))
    assert not_in_index(store, "mine") == 1000
    assert store.count("`mine` IS NULL") == 0
    for row in range(0, 1000, 23):
        assert ids_of(store.neighbours("mine", vectors[row], 1, exact=False)) == [f"m{row}"]


def test_a_condition_is_searched_exactly(space):
    store, vectors = space
    build_index(store, "given")
    for row in (1, 2, 3):
        asked = {"k": 100, "where": "rna_type = 'rRNA'"}
        assert ids_of(store.neighbours("given", vectors[row], exact=False, **asked)) == ids_of(
            store.neighbours("given", vectors[row], **asked)
        )


def test_an_overwritten_embedding_has_no_index(space):
    store, _ = space
    build_index(store, "given")
    store.drop_column("given")
    begin_embedding(store, EmbeddingInfo("given", "encoder", "r1", "mean", WIDTH))
    assert index_of(store, "given") is None


def test_it_pays_from_so_many_bytes_on(space, monkeypatch):
    store, _ = space
    assert not pays(store, "given")
    monkeypatch.setattr(vector_index, "PAYS_BYTES", 600 * WIDTH * 4)
    assert pays(store, "given")
    build_index(store, "given")
    assert not pays(store, "given")
    store.append([records(599, "later", clustered(599))])
    assert not pays(store, "given")
    store.append([records(1, "last", clustered(1))])
    assert pays(store, "given")


def test_molecules_without_a_vector_ask_for_no_index(space, monkeypatch):
    store, _ = space
    monkeypatch.setattr(vector_index, "PAYS_BYTES", 601 * WIDTH * 4)
    store.append([record_batch([f"n{number}" for number in range(900)], ["ACGU"] * 900)])
    assert not_in_index(store, "given") == 1500
    assert not pays(store, "given")


def test_half_precision_and_names_that_are_no_words(tmp_path):
    vectors = clustered(400)
    half = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype("f2").ravel()), WIDTH)
    store = Collection.create(tmp_path / "c")
    store.append([record_batch([f"m{n}" for n in range(400)], ["ACGU"] * 400, {"order of 1st": half})])
    assert build_index(store, "order of 1st").recall > 0.9
    assert ids_of(store.neighbours("order of 1st", vectors[7], 1, exact=False)) == ["m7"]


def test_zero_vectors_do_not_disturb(tmp_path):
    vectors = clustered(500)
    vectors[::50] = 0
    store = Collection.create(tmp_path / "c")
    store.append([records(500, "m", vectors)])
    assert build_index(store, "given").recall >= 0.99
    assert recall(store, vectors[1::50]) >= 0.95


def test_an_index_needs_vectors(collection, molecules):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(20, "f4")), 2)
    collection.append([molecules(10, "v", mine=vectors)])
    with pytest.raises(UserError, match="mine has 10 vectors; an index pays from 256 on"):
        build_index(collection, "mine")
    assert index_of(collection, "mine") is None
