import textwrap

import numpy as np
import pyarrow as pa
import pytest

from ribospace.alphabet import tokenize
from ribospace.collection import Collection, EmbeddingInfo, append
from ribospace.collection.columns import begin_embedding, left_to_embed, write_vectors
from ribospace.collection.vector_index import build_index
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder
from ribospace.errors import UserError
from ribospace.records import record_batch

INFO = EmbeddingInfo("mine", "encoder", "r1", "mean", 3, "/somewhere")


def fill(store, column="mine"):
    """Write the length of each molecule, three times."""
    for piece in left_to_embed(store, column, 7):
        numbers = np.array([len(one) for one in piece.sequences.to_pylist()], dtype=np.float32)
        write_vectors(store, column, piece.fragment, piece.rows, np.repeat(numbers[:, None], 3, axis=1))


def test_a_column_begins_as_nulls_and_says_what_it_is(collection):
    begin_embedding(collection, INFO)
    again = Collection.open(collection.path)
    assert again.embeddings == {"mine": INFO}
    assert again.schema.field("mine").type == pa.list_(pa.float32(), 3)
    assert again.count("`mine` IS NULL") == 50
    assert again.embedding("mine")[0] == []
    assert again.embedding("mine")[1].shape == (0, 3)


@pytest.mark.parametrize("half", [False, True])
def test_what_is_null_is_what_is_left(collection, half):
    begin_embedding(collection, INFO, half=half)
    assert collection.schema.field("mine").type.value_type == (pa.float16() if half else pa.float32())
    pieces = list(left_to_embed(collection, "mine", 7))
    assert max(len(piece.rows) for piece in pieces) <= 7
    assert sorted(one for piece in pieces for one in piece.sequences.to_pylist()) == sorted(
        collection.table(["sequence"])["sequence"].to_pylist()
    )
    piece = pieces[2]
    write_vectors(collection, "mine", piece.fragment, piece.rows, np.ones((len(piece.rows), 3), "f4"))
    assert collection.count("`mine` IS NULL") == 50 - len(piece.rows)
    left = [row for other in left_to_embed(collection, "mine") for row in other.rows.tolist()]
    assert not set(left) & set(piece.rows.tolist())
    assert len(left) == 50 - len(piece.rows)
    fill(collection)
    assert list(left_to_embed(collection, "mine")) == []
    lengths = collection.table(["length"])["length"].to_numpy()
    _, vectors = Collection.open(collection.path).embedding("mine")
    written = (vectors == lengths[:, None]).all(axis=1)
    assert written.sum() >= 50 - len(piece.rows)
    assert (vectors[~written] == 1).all()


def test_other_columns_and_the_order_stay(collection):
    before = collection.table()
    begin_embedding(collection, INFO)
    fill(collection)
    assert Collection.open(collection.path).table() == before


def test_the_same_encoder_goes_on_and_another_is_refused(collection):
    begin_embedding(collection, INFO)
    fill(collection)
    begin_embedding(collection, INFO)
    moved = EmbeddingInfo("mine", "encoder", "r1", "mean", 3, "/elsewhere")
    begin_embedding(collection, moved)  # where a model lies makes no other vectors
    assert collection.count("`mine` IS NOT NULL") == 50
    for other in (
        EmbeddingInfo("mine", "encoder", "r2", "mean", 3),
        EmbeddingInfo("mine", "encoder", "r1", "first", 3),
        EmbeddingInfo("mine", "encoder", "r1", "mean", 4),
        EmbeddingInfo("mine", "other", "r1", "mean", 3),
    ):
        with pytest.raises(UserError, match=r"'mine' was made by encoder \(revision r1, mean, width 3\).*--overwrite"):
            begin_embedding(collection, other)
    assert collection.embeddings["mine"].revision == "r1"
    begin_embedding(collection, EmbeddingInfo("mine", "other", "r9", "none", 2), overwrite=True)
    assert collection.embeddings["mine"] == EmbeddingInfo("mine", "other", "r9", "none", 2)
    assert collection.count("`mine` IS NULL") == 50


@pytest.mark.parametrize("name", ["id", "sequence", "rna_type", "length"])
def test_a_field_is_not_overwritten(collection, name):
    before = collection.table()
    with pytest.raises(UserError, match=f"'{name}' is a column of .* already. Choose another with --column"):
        begin_embedding(collection, EmbeddingInfo(name, "e", "1", "mean", 3), overwrite=True)
    assert collection.table() == before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused(collection, value):
    begin_embedding(collection, INFO)
    piece = next(left_to_embed(collection, "mine"))
    vectors = np.ones((len(piece.rows), 3), "f4")
    vectors[1, 2] = value
    with pytest.raises(UserError, match="gave NaN or infinity"):
        write_vectors(collection, "mine", piece.fragment, piece.rows, vectors)
    assert collection.count("`mine` IS NULL") == 50


def test_a_number_too_large_for_float16(collection):
    begin_embedding(collection, INFO, half=True)
    piece = next(left_to_embed(collection, "mine"))
    with pytest.raises(UserError, match="mine"):
        write_vectors(collection, "mine", piece.fragment, piece.rows, np.full((len(piece.rows), 3), 1e6, "f4"))


def test_an_index_does_not_serve_vectors_of_before(collection, molecules):
    """After an index was built, vectors of molecules that came later are found too, exactly and by the index."""
    collection.append([molecules(400, "c", 3)])
    encoder = KmerEncoder(2)
    embed_collection(collection, encoder)
    build_index(collection, "kmer2")
    late = molecules(60, "late", 4)
    collection.append([late])
    embed_collection(collection, encoder)
    query = encoder.encode(tokenize(late.column("sequence")))[5]
    for exact in (True, False):
        found = collection.neighbours("kmer2", query, 3, exact=exact)
        assert found.distances[0] < 1e-6
        assert "late5" in found.records["id"].to_pylist()


def test_a_handle_sees_what_another_wrote(collection, molecules):
    """Two handles on one collection, as a web server and a command have them: both see and write the newest version."""
    other = Collection.open(collection.path)
    embed_collection(other, KmerEncoder(2))
    assert list(collection.embeddings) == ["kmer2"]
    assert collection.count("`kmer2` IS NOT NULL") == 50
    assert len(collection.neighbours("kmer2", np.ones(16), 3).distances) == 3
    embed_collection(collection, KmerEncoder(1))
    assert list(other.embeddings) == ["kmer2", "kmer1"]
    collection.append([molecules(5, "c")])
    assert len(other) == other.count() == 55
    other.append([molecules(5, "d", family="x")])
    assert collection.append([molecules(5, "e", family="y")]).added == 5
    assert len(collection) == 65


# ---------------------------------------------------------------- SIGKILL

SLOW_EMBEDDING = """
    import time
    from ribospace.collection import Collection, columns
    from ribospace.encoders import embed_collection, engine
    from ribospace.encoders.kmer import KmerEncoder

    class Slow(KmerEncoder):
        def encode(self, tokens):
            print("encode", flush=True)
            time.sleep(0.005)
            return super().encode(tokens)

    def at_most(collection, column, rows):
        return left(collection, column, 25)

    left, columns.left_to_embed = columns.left_to_embed, at_most
    engine.WRITE_SECONDS = 0.012
    print("begin", flush=True)
    print(embed_collection(Collection.open({path!r}), Slow(3)), flush=True)
"""


@pytest.mark.slow
def test_killed_while_it_embeds(tmp_path, killed_again_and_again, molecules, monkeypatch):
    monkeypatch.setattr(append, "COMMIT_ROWS", 200)
    path = tmp_path / "collection"
    Collection.create(path).append([molecules(100, prefix, number) for number, prefix in enumerate("abcdef")])
    before = Collection.open(path).table()
    expected = KmerEncoder(3).encode(tokenize(before["sequence"]))
    there = [0]

    def check():
        store = Collection.open(path)
        assert store.table() == before
        if "kmer3" not in store.embeddings:
            return
        table = store.table(["kmer3"])["kmer3"]
        done = table.is_valid().to_numpy()
        np.testing.assert_array_equal(store.embedding("kmer3")[1], expected[done])
        assert done.sum() >= there[-1]
        there.append(int(done.sum()))

    after = [1, 9, 6]  # while the column is made, then in the midst
    assert killed_again_and_again(textwrap.dedent(SLOW_EMBEDDING).format(path=str(path)), after, check) == 3
    assert there[-1] > 0
    check()
    assert there[-1] == 600
    store = Collection.open(path)
    assert store.embeddings["kmer3"].revision == KmerEncoder(3).revision
    assert embed_collection(store, KmerEncoder(3)).embedded == 0


# ---------------------------------------------------------------- a disk that fills


def test_a_disk_that_fills_in_an_embedding(small_disk, molecules, run, refused):
    store = Collection.create(small_disk(24) / "collection")
    store.append([molecules(1500, "a", 1)])
    before = store.table()
    assert run("embed", store.path, "--model", "kmer2").code == 0
    store = Collection.open(store.path)
    vectors = store.embedding("kmer2")[1]
    generator = np.random.default_rng(0)

    class Wide(KmerEncoder):
        def encode(self, tokens):
            return generator.normal(size=(len(tokens), self.width)).astype("f4")

    with pytest.raises(UserError, match=r"The disk is full: .* Free some space and run the command again"):
        embed_collection(store, Wide(7))
    again = Collection.open(store.path)
    assert again.table() == before
    np.testing.assert_array_equal(again.embedding("kmer2")[1], vectors)
    assert embed_collection(again, KmerEncoder(1)).embedded == 1500


def test_an_embedding_that_was_given_is_not_filled_by_an_encoder(collection, molecules):
    matrix = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(64, "f4")), 16)
    collection.append([record_batch(list("wxyz"), ["ACGU"] * 4, {"kmer2": matrix})])
    with pytest.raises(UserError, match="'kmer2' was made by kmer2"):
        embed_collection(collection, KmerEncoder(2))
    assert embed_collection(collection, KmerEncoder(2), column="mine").embedded == 54
