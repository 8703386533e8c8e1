import itertools
import json
import textwrap

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ribospace.collection import Collection, EmbeddingInfo, append, upkeep, vector_index
from ribospace.collection.columns import begin_embedding, left_to_embed, write_vectors
from ribospace.collection.upkeep import INDEXED, optimize, worth_rewriting
from ribospace.collection.vector_index import build_index, index_of, not_in_index
from ribospace.errors import UserError

CONDITIONS = [
    "rna_type = 'tRNA'",
    "rna_type <> 'tRNA'",
    "rna_type IS NULL",
    "rna_type IN ('rRNA', 'tRNA') AND length > 20",
    "taxid = 3",
    "taxid < 5 OR taxid IS NULL",
    "NOT (taxid = 3)",
    "length BETWEEN 10 AND 20",
    "id = 'a3'",
    "id IN ('a3', 'b4', 'none')",
    "id >= 'b'",
    "md5 = 'none' OR sequence LIKE 'A%'",
]


@pytest.fixture
def scattered(tmp_path, molecules):
    """Ninety molecules in nine fragments, of types and taxa that are known or not."""
    numbers = itertools.count()

    def make():
        store = Collection.create(tmp_path / f"scattered{next(numbers)}")
        for number, prefix in enumerate("abcdefghi"):
            columns = {
                "rna_type": [["tRNA", "rRNA", None][(number + row) % 3] for row in range(10)],
                "taxid": [row if row else None for row in range(10)],
            }
            store.append([molecules(10, prefix, number, **columns)])
        return store

    return make


def answers(store):
    said = [store.table(["id"], where)["id"].to_pylist() for where in CONDITIONS]
    assert [store.count(where) for where in CONDITIONS] == [len(one) for one in said]
    return said


def fragments(store):
    return [one.count_rows() for one in store.lance().get_fragments()]


def indexes(store):
    dataset = store.lance()
    return {one.field_names[0]: dataset.count_rows() - one.num_rows_indexed for one in dataset.describe_indices()}


def test_content_order_and_answers_stay(scattered):
    store = scattered()
    content, said = store.table(), answers(store)
    told = []
    done = optimize(store, lambda *said: told.append(said))
    assert told == sorted(told, key=lambda said: said[0])
    assert told[0] == (0, 7, "compacting")
    assert told[-1] == (6, 7, "tidying")
    assert (done.fragments_before, done.fragments_after) == (9, 1)
    assert done.indexed == list(INDEXED)
    assert done.disk_after < done.disk_before
    for opened in (store, Collection.open(store.home)):
        assert opened.table() == content
        assert answers(opened) == said
        assert opened.schema == store.schema
    assert indexes(store) == dict.fromkeys(INDEXED, 0)


def test_again_there_is_nothing_to_do(scattered):
    store = scattered()
    optimize(store)
    before = store.lance().version
    done = optimize(store)
    assert (done.indexed, done.embeddings_indexed) == ([], [])
    assert done.fragments_before == done.fragments_after == 1
    assert store.lance().version == before


def test_rows_that_come_later_are_found_and_then_indexed(scattered, molecules):
    store = scattered()
    optimize(store)
    store.append([molecules(30, "later", 77, rna_type="tRNA", taxid=[3] * 30)])
    assert set(indexes(store).values()) == {30}
    assert store.count("id = 'later7'") == 1
    assert store.count("taxid = 3 AND rna_type = 'tRNA'") >= 30
    said, content = answers(store), store.table()
    assert optimize(store).indexed == list(INDEXED)
    assert set(indexes(store).values()) == {0}
    assert answers(store) == said
    assert store.table() == content


@settings(max_examples=15)
@given(st.data())
def test_any_history_keeps_content_and_order(scattered, molecules, monkeypatch, data):
    """Appends, deletions and upkeep in any order, with fragments of any size."""
    monkeypatch.setattr(upkeep, "FRAGMENT_ROWS", data.draw(st.integers(5, 60)))
    store, number = scattered(), itertools.count()
    for step in data.draw(st.lists(st.sampled_from(["append", "delete", "optimize"]), min_size=2, max_size=7)):
        if step == "append":
            store.append([molecules(data.draw(st.integers(1, 40)), f"new{next(number)}-", 5, rna_type="rRNA")])
        elif step == "delete":
            store._table.delete(f"length % 5 = {data.draw(st.integers(0, 4))}")
        else:
            content = store.table()
            optimize(store)
            assert store.table() == content
    content = store.table()
    expected = [row["id"] for row in content.to_pylist() if row["rna_type"] == "rRNA"]
    optimize(store)
    assert store.table() == content
    assert store.table(["id"], "rna_type = 'rRNA'")["id"].to_pylist() == expected


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), max_size=12))
def test_what_is_rewritten_is_worth_it(pieces):
    rows, deleted = [one for one, _ in pieces], [one for _, one in pieces]
    first = worth_rewriting(rows, deleted, most=100)
    kept, gone = sum(rows[first:]), sum(deleted[first:])
    if first < len(rows):
        assert rows[first] < 100 or deleted[first]
        assert -(-kept // 100) < len(rows) - first or gone > 0
    elif rows:
        assert sum(deleted) <= 0.1 * (sum(rows) + sum(deleted))


def test_deleted_rows_give_their_room_back(scattered):
    store = scattered()
    optimize(store)
    store._table.delete("rna_type = 'tRNA'")
    content = store.table()
    assert optimize(store).fragments_after == 1
    assert store.table() == content
    assert store.lance().get_fragments()[0].num_deletions == 0


def test_embeddings_stay_and_their_index_is_renewed(scattered, molecules):
    store = scattered()
    vectors = np.random.default_rng(3).normal(size=(300, 4)).astype("f4")
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 4)
    store.append([molecules(300, "v", 8, mine=column)])
    begin_embedding(store, EmbeddingInfo("other", "encoder", "r1", "mean", 2))
    for piece in itertools.islice(left_to_embed(store, "other", 20), 3):
        write_vectors(store, "other", piece.fragment, piece.rows, np.full((len(piece.rows), 2), piece.fragment, "f4"))
    build_index(store, "mine")
    content, said = store.table(store.schema.names), store.embeddings
    done = optimize(store)
    assert done.embeddings_indexed == ["mine"]  # the rewritten fragments are new to it
    assert store.table(store.schema.names) == content
    assert store.embeddings == said
    assert index_of(store, "mine").vectors == 300
    assert not_in_index(store, "mine") == 0
    assert index_of(store, "other") is None
    left = sum(len(piece.rows) for piece in left_to_embed(store, "other"))
    assert left == store.count("`other` IS NULL") > 0
    for row in range(0, 300, 17):
        assert store.neighbours("mine", vectors[row], 1, exact=False).records["id"].to_pylist() == [f"v{row}"]


def test_an_import_that_was_broken_off_is_finished_after_upkeep(scattered, molecules, monkeypatch):
    """The journal knows rows by their order, which upkeep keeps; what an import needs to be taken back stays."""
    store = scattered()
    monkeypatch.setattr(append, "COMMIT_ROWS", 5)

    def batches(error=None):
        yield from (molecules(5, prefix) for prefix in "jklm")
        if error:
            raise error
        yield from (molecules(5, prefix) for prefix in "nop")

    with pytest.raises(KeyboardInterrupt):
        store.append(batches(KeyboardInterrupt()), run="this")
    there = len(store) - 90
    assert there > 0
    journal = json.loads((store.home / "import.json").read_text())
    content = store.table()
    assert optimize(store).fragments_after == 1
    assert store.table() == content
    assert json.loads((store.home / "import.json").read_text()) == journal
    with pytest.raises(RuntimeError, match="of the input"):
        store.append(batches(RuntimeError("of the input")), run="this")
    assert len(store) == 90  # taken back to where it began, before upkeep
    with pytest.raises(KeyboardInterrupt):
        store.append(batches(KeyboardInterrupt()), run="this")
    optimize(store)
    done = store.append(batches(), run="this")
    assert (done.resumed, done.added) == (there, 35 - there)
    ids = store.table(["id"])["id"].to_pylist()
    assert ids[90:] == [f"{prefix}{number}" for prefix in "jklmnop" for number in range(5)]
    assert not (store.home / "import.json").exists()


def test_an_embedding_that_was_broken_off_is_finished_after_upkeep(scattered):
    store = scattered()
    begin_embedding(store, EmbeddingInfo("mine", "encoder", "r1", "mean", 1))

    def fill(pieces):
        for piece in pieces:
            lengths = np.array([[len(one)] for one in piece.sequences.to_pylist()], dtype="f4")
            write_vectors(store, "mine", piece.fragment, piece.rows, lengths)

    fill(itertools.islice(left_to_embed(store, "mine", 7), 5))
    optimize(store)
    fill(left_to_embed(store, "mine", 7))
    found = store.table(["length", "mine"])
    assert [one[0] for one in found["mine"].to_pylist()] == found["length"].to_pylist()


def test_an_index_is_made_where_it_pays(scattered, molecules, monkeypatch):
    store = scattered()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.random.default_rng(3).random(1200, "f4")), 4)
    store.append([molecules(300, "v", 8, mine=vectors)])
    assert optimize(store).embeddings_indexed == []
    monkeypatch.setattr(vector_index, "PAYS_BYTES", 300 * 16)
    assert optimize(store).embeddings_indexed == ["mine"]
    assert optimize(store).embeddings_indexed == []


def test_a_disk_that_fills(small_disk, molecules):
    """The collection is as it was, the room is given back by the next that is done, and the words are clear."""
    store = Collection.create(small_disk(6) / "collection")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.random.default_rng(3).random(900 * 256, "f4")), 256)
    batch = molecules(900, "a", mine=vectors)
    for start in range(0, 900, 100):
        store.append([batch.slice(start, 100)])
    store.append([molecules(100, "b", mine=vectors.slice(0, 100))])
    content = store.table(store.schema.names)
    filler = store.home.parent / "filler"
    filler.write_bytes(b"x" * int(4.5 * (1 << 20)))
    with pytest.raises(UserError, match=r"The disk is full: .*collection was not written\. Free some space"):
        optimize(store)
    assert store.table(store.schema.names) == content
    filler.unlink()
    assert optimize(store).fragments_after == 1
    assert store.table(store.schema.names) == content


def test_an_empty_collection(tmp_path):
    store = Collection.create(tmp_path / "c")
    optimize(store)
    assert len(store) == 0
    assert optimize(store).fragments_after == 0


def test_not_while_another_writes(collection):
    with collection.writing():
        with pytest.raises(UserError, match="Another command is writing to"):
            optimize(Collection.open(collection.home))


SLOW_UPKEEP = """
    from ribospace.collection import Collection, upkeep

    store = Collection.open({path!r})
    done = upkeep.optimize(store, lambda step, total, note="": print(step, total, note, flush=True))
    print(done, flush=True)
"""


@pytest.mark.slow
def test_killed_during_upkeep(scattered, killed_again_and_again):
    store = scattered()
    content, said = store.table(), answers(store)

    def check():
        opened = Collection.open(store.home)
        assert opened.table() == content
        assert answers(opened) == said

    program = textwrap.dedent(SLOW_UPKEEP).format(path=str(store.home))
    killed_again_and_again(program, [1, 1, 2, 3, 4, 6], check)
    check()
    assert indexes(store) == dict.fromkeys(INDEXED, 0)
    assert fragments(store) == [90]
    names = {path.name for path in (store.home / "molecules.lance" / "data").iterdir()}
    assert len(names) == 1  # nothing of the killed runs stays
