import json
import textwrap

import numpy as np
import pyarrow as pa
import pytest

from ribospace.collection import Collection, EmbeddingInfo
from ribospace.collection.export import export
from ribospace.collection.export_vectors import export_vectors
from ribospace.collection.projections import ProjectionInfo, embeddings_proper, projections_of, store_projection
from ribospace.collection.rows import delete_rows
from ribospace.collection.summary import summarize
from ribospace.collection.upkeep import optimize
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder
from ribospace.errors import UserError

KMER = EmbeddingInfo("kmer2", "kmer2", "1", "none", 16)


def keep(store, ids, points, name="flat", **about):
    with store.writing():
        store_projection(store, name, KMER, ids, np.asarray(points, np.float32), {"method": "pca", "seed": 0, **about})


def points_of(store, name="flat"):
    return dict(zip(*(store.table(["id", name])[column].to_pylist() for column in ("id", name)), strict=True))


@pytest.mark.parametrize("dims", [2, 3])
def test_what_is_stored_is_read(collection, dims):
    """By id, whatever the order; null elsewhere; with deleted rows in between, and after more molecules."""
    with collection.writing():
        delete_rows(collection, np.arange(50) % 7 == 0)
    ids = collection.table(["id"])["id"].to_pylist()[::-2]
    points = np.random.default_rng(0).normal(size=(len(ids), dims)).astype(np.float32)
    before = collection.table()
    keep(collection, ids, points)
    found = points_of(collection)
    for one, place in zip(ids, points.tolist(), strict=True):
        assert found[one] == place
    assert sum(place is None for place in found.values()) == len(found) - len(ids)
    assert collection.table(before.schema.names) == before
    assert projections_of(collection.lance()) == {"flat": ProjectionInfo("flat", "kmer2", "pca", dims, 0, len(ids))}


def test_one_commit_and_the_second_takes_the_place_of_the_first(collection):
    version = collection.lance().version
    keep(collection, ["a0"], [[1, 2]])
    assert collection.lance().version == version + 1
    first = collection.embeddings["flat"].revision
    keep(collection, ["a1", "b3"], [[1, 2, 3], [4, 5, 6]], where="x")
    assert {one: place for one, place in points_of(collection).items() if place} == {"a1": [1, 2, 3], "b3": [4, 5, 6]}
    assert collection.embeddings["flat"].revision != first
    assert json.loads(collection.embeddings["flat"].location) == {"method": "pca", "seed": 0, "dims": 3, "where": "x"}


def test_molecules_that_come_later_have_no_point(collection, molecules):
    keep(collection, ["a0"], [[1, 2]])
    collection.append([molecules(5, "later")])
    assert points_of(collection)["later0"] is None
    optimize(collection)
    assert points_of(collection)["a0"] == [1, 2]


@pytest.mark.parametrize("name", ["rna_type", "kmer2", "id", "a.b", "", "_x"])
def test_other_columns_are_never_replaced(collection, name):
    embed_collection(collection, KmerEncoder(2))
    before = collection.table(collection.schema.names)
    with pytest.raises(UserError, match="olumn"):
        keep(collection, ["a0"], [[1, 2]], name)
    assert collection.table(before.schema.names) == before


def test_points_that_are_not_finite_are_refused(collection):
    with pytest.raises(UserError, match="NaN"):
        keep(collection, ["a0"], [[np.nan, 2]])
    assert "flat" not in collection.schema.names


def test_nothing_takes_a_map_unasked(collection, tmp_path):
    embed_collection(collection, KmerEncoder(2))
    keep(collection, ["a0"], [[1, 2]])
    assert list(embeddings_proper(collection)) == ["kmer2"]
    assert export_vectors(collection, tmp_path / "v.npy")[0] == 50  # the one embedding
    assert export_vectors(collection, tmp_path / "m.npy", "flat")[0] == 1
    said = summarize(collection)
    assert [one["column"] for one in said.embeddings] == ["kmer2"]
    assert [one["name"] for one in said.projections] == ["flat"]
    assert "flat" not in said.columns


def test_a_map_comes_back_by_parquet(collection, tmp_path):
    from ribospace.sources.tables import read_parquet

    keep(collection, ["a0", "b0"], [[1, 2], [3, 4]])
    export(collection, tmp_path / "all.parquet")
    again = Collection.create(tmp_path / "again")
    again.append(read_parquet(tmp_path / "all.parquet"))
    assert projections_of(again.lance()) == projections_of(collection.lance())
    assert points_of(again) == points_of(collection)


def test_what_a_map_says_of_itself_may_be_anything(collection):
    for number, said in enumerate(["", "[1]", '{"method": 3, "seed": "x"}', "{"]):
        field = pa.field(f"m{number}", pa.list_(pa.float32(), 2), metadata={"pooling": "projection", "location": said})
        collection._table.add_columns(field)
    found = projections_of(collection.lance())
    assert [one.method for one in found.values()] == [""] * 4
    assert all(one.seed is None and one.molecules == 0 for one in found.values())


@pytest.mark.slow
def test_killed_anywhere_nothing_is_broken(collection, killed_again_and_again):
    before = collection.table()
    program = textwrap.dedent(f"""
        import numpy as np
        from ribospace.collection import Collection, EmbeddingInfo
        from ribospace.collection.projections import store_projection
        store = Collection.open({collection.uri!r})
        ids = store.table(["id"])["id"].to_pylist()
        print("ready", flush=True)
        for number in range(4):
            with store.writing():
                points = np.full((len(ids), 2), number, np.float32)
                store_projection(store, "flat", EmbeddingInfo("k", "k", "1", "none", 4), ids, points, {{}})
            print(number, flush=True)
        """)

    def check():
        store = Collection.open(collection.uri)
        assert store.table(before.schema.names) == before
        if "flat" in store.schema.names:
            places = points_of(store).values()
            assert len({str(place) for place in places}) == 1
            assert None not in places

    assert killed_again_and_again(program, [1, 1, 2, 3], check) >= 2
    check()
    assert points_of(collection)["a0"] == [3, 3]
