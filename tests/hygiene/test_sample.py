import numpy as np
import pyarrow as pa
import pytest

from ribospace.collection import Collection
from ribospace.collection.rows import delete_rows
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder
from ribospace.errors import UserError
from ribospace.hygiene import sample


@pytest.fixture
def store(tmp_path, molecules):
    """Tens of three types and of none, some deleted, with an embedding and a column of their own."""
    store = Collection.create(tmp_path / "store")
    for number, (name, count) in enumerate({"tRNA": 60, "rRNA": 30, None: 20, "sRNA": 5}.items()):
        batch = molecules(
            count, f"{name}", number, **({"rna_type": name} if name else {}), family=[f"f{n}" for n in range(count)]
        )
        store.append([batch])
    with store.writing():
        delete_rows(store, np.arange(115) % 10 == 3)
    embed_collection(store, KmerEncoder(2))
    return store


def types_of(store):
    return [one or "" for one in store.table(["rna_type"])["rna_type"].to_pylist()]


def test_at_most_so_many_of_each_type(store, tmp_path):
    there = {name: types_of(store).count(name) for name in ("", "rRNA", "sRNA", "tRNA")}
    done = sample(store, tmp_path / "new", 10)
    new = Collection.open(tmp_path / "new")
    assert done.there == there
    assert done.taken == {"": 10, "rRNA": 10, "sRNA": min(10, there["sRNA"]), "tRNA": 10}
    assert {name: types_of(new).count(name) for name in there} == done.taken


def test_all_columns_and_embeddings_come_along(store, tmp_path):
    sample(store, tmp_path / "new", 7)
    new = Collection.open(tmp_path / "new")
    assert new.embeddings == store.embeddings
    by_id = {row["id"]: row for row in store.table(store.schema.names).to_pylist()}
    rows = new.table(store.schema.names).to_pylist()
    assert rows == [by_id[row["id"]] for row in rows]
    ids = list(by_id)
    assert [ids.index(row["id"]) for row in rows] == sorted(ids.index(row["id"]) for row in rows)


def test_the_draw_is_of_the_molecule_and_the_seed(store, tmp_path):
    """Not of the order; more of a type are the same ones and others."""

    def drawn(source, name, per_type, seed=0):
        sample(source, tmp_path / name, per_type, seed=seed)
        return set(Collection.open(tmp_path / name).table(["id"])["id"].to_pylist())

    ten = drawn(store, "ten", 10)
    assert drawn(store, "again", 10) == ten
    assert drawn(store, "other", 10, seed=1) != ten
    assert drawn(store, "twelve", 12) > ten
    back = Collection.create(tmp_path / "back")
    table = store.table(store.schema.names)
    order = pa.array(np.arange(len(table))[::-1])
    back.append(table.take(order).cast(table.schema.remove_metadata()).combine_chunks().to_batches())
    assert drawn(back, "backwards", 10) == ten


def test_a_condition(store, tmp_path):
    done = sample(store, tmp_path / "new", 4, where="rna_type <> 'tRNA' AND length > 10")
    new = Collection.open(tmp_path / "new")
    assert set(done.taken) == set(types_of(new)) <= {"rRNA", "sRNA"}
    assert new.count("length <= 10") == 0


def test_what_cannot_be_drawn(store, tmp_path):
    for where, word in (("length > 9999", "has no molecule where length > 9999"), ("nonsense", "is not a condition")):
        with pytest.raises(UserError, match=word):
            sample(store, tmp_path / "new", 4, where=where)
    with pytest.raises(UserError, match="Choose a folder"):
        sample(store, "s3://bucket/new", 4)
    with pytest.raises(UserError, match=r"store exists\. Choose a new name"):
        sample(store, store.uri, 4)
    with pytest.raises(UserError, match="has no molecule to draw from"):
        sample(Collection.create(tmp_path / "empty"), tmp_path / "new", 4)
    assert not (tmp_path / "new").exists()


def test_a_disk_that_fills_leaves_nothing(store, small_disk):
    disk = small_disk(1)
    (disk / "full").write_bytes(b"x" * (1 << 20))
    with pytest.raises(UserError, match="The disk is full"):
        sample(store, disk / "new", 30)
    assert [one.name for one in disk.iterdir()] == ["full"]
