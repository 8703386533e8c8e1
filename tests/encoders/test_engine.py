import numpy as np
import pytest

from ribospace.alphabet import tokenize
from ribospace.collection import Collection, columns
from ribospace.encoders import embed_collection, embed_records, engine
from ribospace.encoders.base import Encoder
from ribospace.encoders.kmer import KmerEncoder
from ribospace.errors import UserError


class Counting(Encoder):
    """Embeds a molecule by its length and base counts, and notes what it was asked."""

    name, revision, pooling, width = "counting", "1", "mean", 5

    def __init__(self):
        self.asked = []

    def encode(self, tokens):
        self.asked.append(len(tokens))
        return np.column_stack([tokens.lengths, KmerEncoder(1).encode(tokens)]).astype(np.float32)


def expected_of(store):
    return Counting().encode(tokenize(store.table(["sequence"])["sequence"]))


def vectors_in(store, column="counting"):
    ids, vectors = Collection.open(store.path).embedding(column)
    assert ids == store.table(["id"])["id"].to_pylist()
    return vectors


def test_every_molecule_gets_its_own_vector(collection):
    done = embed_collection(collection, Counting())
    assert (done.column, done.embedded, done.before) == ("counting", 50, 0)
    np.testing.assert_array_equal(vectors_in(collection), expected_of(collection))
    info = collection.embeddings["counting"]
    assert (info.encoder, info.revision, info.pooling, info.width) == ("counting", "1", "mean", 5)


def test_only_what_is_new_is_embedded(collection, molecules):
    embed_collection(collection, Counting())
    encoder = Counting()
    done = embed_collection(collection, encoder)
    assert (done.embedded, done.before, encoder.asked) == (0, 50, [])
    collection.append([molecules(7, "c", 3), molecules(4, "d", 4, family="x")])
    done = embed_collection(collection, encoder)
    assert (done.embedded, done.before, sum(encoder.asked)) == (11, 50, 11)
    np.testing.assert_array_equal(vectors_in(collection), expected_of(collection))


def test_a_run_that_broke_off_is_finished(collection, monkeypatch):
    monkeypatch.setattr(engine, "WRITE_SECONDS", -1.0)  # write after every piece
    encoder = Counting()
    encode = encoder.encode

    def breaks(tokens):
        if len(encoder.asked) == 1:
            raise KeyboardInterrupt
        return encode(tokens)

    encoder.encode = breaks
    with pytest.raises(KeyboardInterrupt):
        embed_collection(collection, encoder)
    encoder.encode = encode
    done = embed_collection(collection, encoder)
    assert (done.embedded, done.before) == (25, 25)
    np.testing.assert_array_equal(vectors_in(collection), expected_of(collection))


def test_pieces_are_bounded_and_written_by_size(tmp_path, molecules, monkeypatch):
    monkeypatch.setattr(engine, "PIECE_BYTES", 0)  # the smallest pieces
    monkeypatch.setattr(engine, "WRITE_BYTES", 300 * 5 * 4)
    written = []
    write = columns.write_vectors

    def noted(store, column, fragment, rows, vectors):
        written.append(len(rows))
        write(store, column, fragment, rows, vectors)

    monkeypatch.setattr(columns, "write_vectors", noted)
    store = Collection.create(tmp_path / "c")
    store.append([molecules(1000, "a", 1)])
    encoder, told = Counting(), []
    embed_collection(store, encoder, progress=lambda done, total, note="": told.append((done, total)))
    assert encoder.asked == [256, 256, 256, 232]
    assert written == [512, 488]
    assert told == [(0, 1000), (256, 1000), (512, 1000), (768, 1000), (1000, 1000)]
    np.testing.assert_array_equal(vectors_in(store), expected_of(store))


def test_an_embedding_of_another_encoder_is_not_overwritten_unasked(collection):
    embed_collection(collection, Counting())
    newer = Counting()
    newer.revision = "2"
    with pytest.raises(UserError, match=r"'counting' was made by counting \(revision 1.*--column NAME, or --overwrite"):
        embed_collection(collection, newer)
    assert newer.asked == []
    assert collection.embeddings["counting"].revision == "1"
    done = embed_collection(collection, newer, overwrite=True)
    assert (done.embedded, done.before) == (50, 0)
    assert collection.embeddings["counting"].revision == "2"
    assert embed_collection(collection, newer, column="second").embedded == 50
    assert list(collection.embeddings) == ["counting", "second"]


def test_half_precision(collection):
    embed_collection(collection, KmerEncoder(2), half=True)
    assert str(collection.schema.field("kmer2").type.value_type) == "halffloat"
    expected = KmerEncoder(2).encode(tokenize(collection.table(["sequence"])["sequence"]))
    vectors = vectors_in(collection, "kmer2")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, rtol=1e-3)


def test_a_second_writer_is_refused(collection):
    with Collection.open(collection.path).writing(), pytest.raises(UserError, match="Another command is writing"):
        embed_collection(collection, Counting())
    assert collection.embeddings == {}


def test_an_encoder_that_gives_nan_writes_nothing(collection):
    encoder = Counting()
    encoder.encode = lambda tokens: np.full((len(tokens), 5), np.nan, dtype=np.float32)
    with pytest.raises(UserError, match="gave NaN or infinity"):
        embed_collection(collection, encoder)
    store = Collection.open(collection.path)
    assert store.embedding("counting")[0] == []


def test_an_empty_collection(tmp_path):
    store = Collection.create(tmp_path / "c")
    assert embed_collection(store, Counting()).embedded == 0
    assert store.embedding("counting")[1].shape == (0, 5)


def test_records_are_embedded_in_their_order(molecules, monkeypatch):
    monkeypatch.setattr(engine, "PIECE_BYTES", 0)
    batches = [molecules(300, "a", 1), molecules(10, "b", 2)]
    told, parts = [], []

    def progress(done, total, note=""):
        told.append((done, total))

    for batch, vectors in embed_records(iter(batches), Counting(), progress):
        np.testing.assert_array_equal(vectors, Counting().encode(tokenize(batch.column("sequence"))))
        parts.append(batch)
    assert [one for part in parts for one in part.column("id").to_pylist()] == [
        one for batch in batches for one in batch.column("id").to_pylist()
    ]
    assert [part.num_rows for part in parts] == [256, 44, 10]
    assert told == [(256, None), (300, None), (310, None)]
