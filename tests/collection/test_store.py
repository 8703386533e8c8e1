import re

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.records import SCHEMA, record_batch


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """Six hundred molecules with clustered vectors of width 8, as float32 and as float16; and the vectors, (600, 8)."""
    generator = np.random.default_rng(5)
    centres = generator.normal(size=(20, 8))
    vectors = (centres[generator.integers(0, 20, 600)] + generator.normal(size=(600, 8)) * 0.3).astype("f4")
    store = Collection.create(tmp_path_factory.mktemp("space") / "collection")
    rows = np.arange(600)
    kinds = np.where(rows % 3 == 0, "tRNA", "rRNA")
    for part in np.array_split(rows, 4):
        columns = {
            "rna_type": kinds[part].tolist(),
            "given": pa.FixedSizeListArray.from_arrays(pa.array(vectors[part].ravel()), 8),
            "half": pa.FixedSizeListArray.from_arrays(pa.array(vectors[part].astype("f2").ravel()), 8),
        }
        store.append([record_batch([f"m{row}" for row in part], ["ACGU" * (1 + row % 7) for row in part], columns)])
    return store, vectors


def cosine_distances(vectors, query):
    vectors, query = vectors.astype(np.float64), np.asarray(query, dtype=np.float64)
    return 1 - vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))


# ---------------------------------------------------------------- create and open


def test_a_new_collection_is_empty(tmp_path):
    store = Collection.create(tmp_path / "deep" / "new")
    assert len(store) == store.count() == 0
    assert store.table().num_rows == 0
    assert list(store.read()) == []
    assert store.embeddings == {}
    assert store.plain_columns == SCHEMA.names
    again = Collection.open(tmp_path / "deep" / "new")
    assert again.schema.names == SCHEMA.names
    assert again.schema.types == SCHEMA.types


def test_an_empty_folder_may_become_one(tmp_path):
    Collection.create(tmp_path)
    assert len(Collection.open(tmp_path)) == 0


def test_create_does_not_touch_what_is_there(tmp_path, collection):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    for path in ("file", "folder", "collection"):
        with pytest.raises(UserError, match="exists and is not empty"):
            Collection.create(tmp_path / path)
    for path in ("file", "folder"):
        with pytest.raises(UserError):
            Collection.open_or_create(tmp_path / path)
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "file").read_text() == "mine"
    assert sorted(entry.name for entry in (tmp_path / "folder").iterdir()) == ["file"]
    assert len(Collection.open_or_create(tmp_path / "collection")) == 50


def test_open_refuses_what_is_no_collection(tmp_path):
    with pytest.raises(UserError, match=r"There is no collection at .*none.*ribospace import"):
        Collection.open(tmp_path / "none")
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken" / "molecules.lance").mkdir(parents=True)
    for name in ("file", "folder"):
        with pytest.raises(UserError, match="is not a Ribospace collection"):
            Collection.open(tmp_path / name)
    with pytest.raises(UserError, match="broken"):
        Collection.open(tmp_path / "broken")


def test_a_collection_from_elsewhere_is_refused(tmp_path):
    foreign = {
        "other-table": ("other", pa.schema([("x", pa.int64())])),
        "no-mark": ("molecules", SCHEMA),
        "other-columns": ("molecules", pa.schema([("x", pa.int64())], {"ribospace.collection": "1"})),
    }
    for name, (table, schema) in foreign.items():
        lancedb.connect(tmp_path / name).create_table(table, schema=schema)
        for way in (Collection.open, Collection.open_or_create):
            with pytest.raises(UserError, match=f"{name} is not a Ribospace collection"):
                way(tmp_path / name)
    newer = SCHEMA.with_metadata({"ribospace.collection": "2"})
    lancedb.connect(tmp_path / "newer").create_table("molecules", schema=newer)
    with pytest.raises(UserError, match=r"newer has format 2, this Ribospace reads 1\. Update"):
        Collection.open(tmp_path / "newer")


def test_a_collection_whose_files_are_damaged(collection):
    for manifest in (collection.path / "molecules.lance" / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be read"):
        Collection.open(collection.path)


def test_a_kill_while_it_was_made_leaves_nothing_in_the_way(tmp_path):
    (tmp_path / "new" / "molecules.lance" / "_versions").mkdir(parents=True)
    assert len(Collection.open_or_create(tmp_path / "new")) == 0


def test_one_writer_at_a_time(collection, molecules):
    other = Collection.open(collection.path)
    with collection.writing():
        with pytest.raises(UserError, match="Another command is writing to"):
            other.append([molecules(3, "new")])
        assert len(other.table(["id"])) == 50  # readers do not wait
    assert other.append([molecules(3, "new")]).added == 3


# ---------------------------------------------------------------- read


def test_molecules_come_in_the_order_they_were_given(collection, molecules):
    expected = [row for batch in (molecules(25, "a", 1), molecules(25, "b", 2)) for row in batch.to_pylist()]
    for row in expected:
        row["rna_type"] = "tRNA" if row["id"].startswith("a") else "rRNA"
    assert collection.table().to_pylist() == expected
    assert Collection.open(collection.path).table().to_pylist() == expected
    batches = list(collection.read(["sequence", "id"], batch_rows=7))
    assert max(batch.num_rows for batch in batches) <= 7
    assert batches[0].schema.names == ["sequence", "id"]
    assert [one for batch in batches for one in batch.column("id").to_pylist()] == [row["id"] for row in expected]
    assert collection.table(["id"], limit=30)["id"].to_pylist() == [row["id"] for row in expected[:30]]


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        ("rna_type = 'tRNA'", lambda row: row["rna_type"] == "tRNA"),
        ("length BETWEEN 10 AND 20", lambda row: 10 <= row["length"] <= 20),
        ("length < 30 AND sequence LIKE '%GG%'", lambda row: row["length"] < 30 and "GG" in row["sequence"]),
        ("id IN ('a3', 'b4', 'none')", lambda row: row["id"] in ("a3", "b4")),
        ("description IS NULL", lambda row: True),
        ("taxid = 9606", lambda row: False),
    ],
)
def test_filters(collection, where, keep):
    expected = [row["id"] for row in collection.table().to_pylist() if keep(row)]
    assert collection.table(["id"], where)["id"].to_pylist() == expected
    assert collection.count(where) == len(expected)


def test_a_condition_that_would_overflow_the_store_is_refused(collection):
    with pytest.raises(UserError, match="letters beside texts and lists"):
        collection.count("length" + " + 1" * 20_000 + " > 3")
    many = ", ".join(f"'a{number}'" for number in range(20_000))
    assert collection.count(f"id IN ({many})") == 25


@pytest.mark.parametrize(
    "where",
    [
        "$1 = 3",
        "length > $most",
        "id IN ($a, $b)",
        "$",
        "length > ?",
        "length > :x",
        "length > 1; x",
        "; DROP TABLE molecules",
    ],
)
def test_a_placeholder_at_which_the_store_would_panic_is_refused(collection, where):
    for ask in (collection.count, lambda where: collection.table(["id"], where)):
        with pytest.raises(UserError, match=r"has a [$?:;] outside of quotes"):
            ask(where)
    assert collection.count("id <> '$1?:;' AND length::int > 0") == 50


@pytest.mark.parametrize("where", ["array_resize([1], 100000000000)[1] = 1", "LPAD (id, 2147483647) = 'a'"])
def test_a_condition_that_would_fill_the_memory_is_refused(collection, where):
    with pytest.raises(UserError, match="may fill the memory"):
        collection.count(where)


def test_a_panic_of_the_store_is_a_sentence(collection, monkeypatch):
    class PanicException(BaseException):
        """As PyO3 makes it."""

    def panics(self, where):
        raise PanicException("not yet implemented: something")

    monkeypatch.setattr(type(collection.lance()), "count_rows", panics)
    with pytest.raises(UserError, match=r"'length > 1' is not a condition on .*: not yet implemented: something"):
        collection.count("length > 1")


def test_a_condition_that_fails_on_a_row_is_refused(collection):
    with pytest.raises(UserError, match="is not a condition on"):
        collection.table(["id"], "regexp_match(id, '(') IS NOT NULL")


@pytest.mark.parametrize(
    "where", ["rna_type = ", "rna_typ = 'tRNA'", 'id = "a0', "length = 'many'", "sum(length) > 3", "nonsense(1)"]
)
def test_a_condition_that_is_not_sql(collection, where):
    for ask in (
        lambda: collection.table(["id"], where),
        lambda: collection.count(where),
        lambda: list(collection.read(["id"], where)),
    ):
        with pytest.raises(UserError, match="is not a condition on") as error:
            ask()
        assert repr(where) in str(error.value)
        assert "\n" not in str(error.value)
        assert "rna_type" in str(error.value)
        assert not any(foreign in str(error.value) for foreign in ("user input", "SELECT", "error:", ".."))
    assert len(collection) == 50


def test_a_condition_with_an_unknown_column(collection):
    with pytest.raises(UserError, match=r": there is no column 'lengt'\. Did you mean 'length'\? Its columns: id,"):
        collection.count("lengt > 3")


def test_files_in_a_folder_that_is_no_collection_are_named(tmp_path):
    for name in ("a.fasta", "b.csv.gz", "notes.txt"):
        (tmp_path / name).write_text("")
    named = re.escape(f"import {tmp_path / 'a.fasta'} {tmp_path / 'b.csv.gz'} --to")
    with pytest.raises(UserError, match=f"is not a Ribospace collection.*{named}"):
        Collection.open(tmp_path)


def test_an_unknown_column_names_the_nearest(collection):
    with pytest.raises(UserError, match=r"has no column 'sequense'\. Did you mean sequence"):
        collection.table(["id", "sequense"])
    with pytest.raises(UserError, match=r"has no embedding 'kmer4'\. There are none yet\. Make it: ribospace embed"):
        collection.embedding("kmer4")


def test_columns_are_read_lazily(collection):
    batches = collection.read(["id"], batch_rows=10)
    first = next(batches)
    assert first.num_rows <= 10
    assert first.schema.names == ["id"]


# ---------------------------------------------------------------- neighbours


@settings(max_examples=25)
@given(st.integers(0, 599), st.integers(1, 30), st.floats(-0.5, 0.5), st.sampled_from([None, "tRNA"]))
def test_exact_neighbours_are_those_of_brute_force(space, row, k, shift, kind):
    store, vectors = space
    query = vectors[row] + np.float32(shift)
    allowed = np.arange(600) if kind is None else np.arange(0, 600, 3)
    distances = cosine_distances(vectors[allowed], query)
    order = np.argsort(distances, kind="stable")[:k]
    found = store.neighbours("given", query, k, where=None if kind is None else f"rna_type = '{kind}'")
    assert found.records["id"].to_pylist() == [f"m{allowed[one]}" for one in order]
    np.testing.assert_allclose(found.distances, distances[order], atol=1e-6)
    assert found.records.schema.names == SCHEMA.names
    assert found.distances.dtype == np.float32


def test_neighbours_of_half_precision_vectors(space):
    store, vectors = space
    for row in (0, 17, 599):
        distances = cosine_distances(vectors.astype("f2"), vectors[row])
        found = store.neighbours("half", vectors[row], 5)
        np.testing.assert_allclose(found.distances, np.sort(distances)[:5], atol=2e-3)
        assert found.records["id"].to_pylist()[0] == f"m{row}"


def test_more_neighbours_than_molecules(space):
    store, _ = space
    assert len(store.neighbours("given", np.ones(8), 5000).distances) == 600


def test_molecules_without_a_vector_are_nobodys_neighbours(collection, molecules):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(1, 21, dtype="f4")), 2)
    collection.append([molecules(10, "v", mine=vectors)])
    found = collection.neighbours("mine", [1, 2], 50)
    assert sorted(found.records["id"].to_pylist()) == sorted(f"v{n}" for n in range(10))
    assert np.isfinite(found.distances).all()
    ids, matrix = collection.embedding("mine")
    assert ids == [f"v{n}" for n in range(10)]
    np.testing.assert_array_equal(matrix, np.arange(1, 21).reshape(10, 2))


def test_equal_distances_come_in_the_collections_order(collection, molecules):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.tile(np.float32([1, 2]), 40)), 2)
    collection.append([molecules(40, "v", mine=vectors)])
    found = collection.neighbours("mine", [1, 2], 40)
    assert found.records["id"].to_pylist() == [f"v{n}" for n in range(40)]


def test_a_zero_vector_in_the_collection_is_no_near_neighbour(collection, molecules):
    matrix = np.float32([[1, 0], [0, 0], [-1, 0], [1, 1]])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), 2)
    collection.append([molecules(4, "v", mine=vectors)])
    found = collection.neighbours("mine", [1, 0], 4)
    assert found.records["id"].to_pylist()[:2] == ["v0", "v3"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (np.ones(7), r"shape \(7,\), vectors of 'given' have width 8"),
        (np.ones((1, 8)), r"shape \(1, 8\)"),
        (np.zeros(8), "zero or not finite"),
        (np.full(8, np.nan), "zero or not finite"),
        ([np.inf] * 8, "zero or not finite"),
    ],
)
def test_a_query_that_has_no_direction(space, query, said):
    with pytest.raises(UserError, match=said):
        space[0].neighbours("given", query)


def test_neighbours_say_what_is_wrong(space):
    with pytest.raises(UserError, match=r"has no embedding 'givn'\. Did you mean given\?"):
        space[0].neighbours("givn", np.ones(8))
    with pytest.raises(UserError, match="is not a condition on"):
        space[0].neighbours("given", np.ones(8), where="rna_typ = 'x'")


# ---------------------------------------------------------------- columns


def test_embeddings_are_known_by_their_lists(space):
    store, _ = space
    info = store.embeddings["given"]
    assert (info.column, info.encoder, info.pooling, info.width) == ("given", "given", "given", 8)
    assert list(store.embeddings) == ["given", "half"]
    assert store.plain_columns == SCHEMA.names


def test_drop_column_and_tidy(collection, molecules):
    collection.append([molecules(5, "c", family="x")])
    versions = collection.path / "molecules.lance" / "_versions"
    assert len(list(versions.glob("*.manifest"))) > 1
    collection.drop_column("family")
    assert "family" not in collection.schema.names
    collection.tidy()
    assert len(list(versions.glob("*.manifest"))) == 1
    assert len(Collection.open(collection.path)) == 55
