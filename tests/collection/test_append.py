import contextlib
import itertools
import json
import textwrap

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ribospace.collection import Collection, append
from ribospace.collection.ids import IdIndex, hashes_of
from ribospace.errors import UserError
from ribospace.records import SCHEMA, record_batch

KNOWN = ["id", "sequence", "rna_type", "taxid"]
numbered = st.integers(0, 25).map(lambda number: f"m{number}")
batches_of_ids = st.lists(st.lists(numbered, min_size=1, max_size=8), max_size=5)
rows = st.tuples(
    st.text("ACGUNacgut", min_size=1, max_size=30),
    st.one_of(st.none(), st.sampled_from(["tRNA", "rRNA", "é 'quoted' \\ \"β\""])),
    st.one_of(st.none(), st.integers(0, 2**31 - 1)),
)


@pytest.fixture
def fresh(tmp_path):
    """A new collection at every call, for examples of hypothesis."""
    numbers = itertools.count()
    return lambda: Collection.create(tmp_path / f"collection{next(numbers)}")


def batch_of(ids, sequences=None):
    return record_batch(ids, sequences or ["ACGU"] * len(ids))


def ids_of(store):
    return store.table(["id"])["id"].to_pylist()


# ---------------------------------------------------------------- round trip


@settings(max_examples=12)
@given(st.lists(st.lists(rows, max_size=9), max_size=4), st.integers(1, 12))
def test_records_in_are_records_out(fresh, monkeypatch, parts, commit_rows):
    monkeypatch.setattr(append, "COMMIT_ROWS", commit_rows)
    store, number = fresh(), itertools.count()
    batches = []
    for part in parts:
        sequences, kinds, taxids = zip(*part, strict=True) if part else ((), (), ())
        ids = [f"id_{next(number)}" for _ in part]
        batches.append(record_batch(ids, list(sequences), {"rna_type": list(kinds), "taxid": list(taxids)}))
    done = store.append(batches)
    expected = [row for batch in batches for row in batch.to_pylist()]
    assert (done.added, done.skipped, done.resumed) == (len(expected), 0, 0)
    for opened in (store, Collection.open(store.path)):
        assert opened.table().to_pylist() == expected
        assert len(opened) == len(expected)


def test_commits_are_of_the_size_asked_for(fresh, monkeypatch, molecules):
    monkeypatch.setattr(append, "COMMIT_ROWS", 10)
    store = fresh()
    store.append([molecules(4, prefix) for prefix in "abcdefg"])
    assert [fragment.count_rows() for fragment in store.lance().get_fragments()] == [8, 8, 8, 4]


def test_appending_nothing(fresh):
    store = fresh()
    assert store.append([]).added == 0
    assert len(Collection.open(store.path)) == 0


# ---------------------------------------------------------------- duplicates


@settings(max_examples=12)
@given(st.lists(batches_of_ids, max_size=3), st.integers(1, 12))
def test_keep_first_is_a_dict(fresh, monkeypatch, appends, commit_rows):
    monkeypatch.setattr(append, "COMMIT_ROWS", commit_rows)
    store, reference, number = fresh(), {}, itertools.count(1)
    for batches in appends:
        sent, before = [], len(reference)
        for ids in batches:
            sequences = ["A" * next(number) for _ in ids]  # tells each molecule from its duplicates
            sent.append(batch_of(ids, sequences))
            for name, sequence in zip(ids, sequences, strict=True):
                reference.setdefault(name, sequence)
        done = store.append(sent, duplicates="keep-first")
        assert done.added == len(reference) - before
        assert done.skipped == sum(map(len, batches)) - done.added
    found = store.table(["id", "sequence"])
    assert list(zip(*found.to_pydict().values(), strict=True)) == list(reference.items())


@settings(max_examples=25)
@given(batches_of_ids, batches_of_ids, st.integers(1, 12))
def test_refuse_takes_all_or_nothing(fresh, monkeypatch, first, second, commit_rows):
    monkeypatch.setattr(append, "COMMIT_ROWS", commit_rows)
    store, expected = fresh(), []
    store.append([batch_of(["always_there"])])
    expected.append("always_there")
    for batches in (first, second):
        ids = [name for batch in batches for name in batch]
        if len(set(ids)) == len(ids) and not set(ids) & set(expected):
            assert store.append([batch_of(batch) for batch in batches]).added == len(ids)
            expected += ids
        else:
            with pytest.raises(UserError, match="this id"):
                store.append([batch_of(batch) for batch in batches])
        assert ids_of(store) == ids_of(Collection.open(store.path)) == expected


def test_a_duplicate_is_named_with_its_place(fresh):
    store = fresh()
    store.append([batch_of(["a", "b"])])
    faulty = [
        record_batch(["c"], ["A"], origin="x.fasta"),
        record_batch(["d", "b"], ["A", "A"], origin="x.fasta", first=2),
    ]
    with pytest.raises(
        UserError, match=r"^x\.fasta, record 3 \('b'\): this id is already in the collection.*keep-first"
    ):
        store.append(faulty)
    twice = [record_batch(["c", "d", "c"], ["A"] * 3, origin="y.fasta", first=7)]
    with pytest.raises(
        UserError, match=r"^y\.fasta, record 9 \('c'\): this id has come before in the input, at record 7\."
    ):
        store.append(twice)
    across = [record_batch(["c"], ["A"], origin="y.fasta"), record_batch(["c"], ["A"], origin="z.fasta")]
    with pytest.raises(UserError, match=r"^z\.fasta, record 1 \('c'\): this id has come before in the input\."):
        store.append(across)
    assert ids_of(store) == ["a", "b"]


@given(st.lists(st.lists(st.one_of(numbered, st.text(max_size=3)), max_size=12), max_size=12))
def test_the_index_of_ids_is_a_set(batches):
    index, reference = IdIndex(), set()
    for ids in batches:
        hashes = hashes_of(pa.array(ids, pa.string()))
        assert index.contains(hashes).tolist() == [one in reference for one in ids]
        expected = []
        for one in ids:
            expected.append(one not in reference)
            reference.add(one)
        assert index.add(hashes).tolist() == expected
        assert index.contains(hashes).all()


def test_the_index_of_ids_at_size():
    index = IdIndex()
    for start in range(0, 200_000, 10_000):
        ids = pa.array([f"URS{number:010X}" for number in range(start, start + 15_000)])
        assert index.add(hashes_of(ids)).sum() == (15_000 if start == 0 else 10_000)
    others = pa.array([f"URS{number:010X}" for number in range(300_000, 310_000)])
    assert not index.contains(hashes_of(others)).any()


# ---------------------------------------------------------------- columns


def test_new_columns_are_null_before(fresh):
    store = fresh()
    vectors = pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))
    store.append([batch_of(["a"])])
    store.append([record_batch(["b"], ["A"], {"family": ["x"], "score": [1.5]})])
    store.append([record_batch(["c"], ["A"], {"mine": vectors}), batch_of(["d"])])
    assert store.table(["id", "family", "score", "mine"]).to_pylist() == [
        {"id": "a", "family": None, "score": None, "mine": None},
        {"id": "b", "family": "x", "score": 1.5, "mine": None},
        {"id": "c", "family": None, "score": None, "mine": [1, 2]},
        {"id": "d", "family": None, "score": None, "mine": None},
    ]
    assert store.schema.names == [*SCHEMA.names, "family", "score", "mine"]
    assert list(store.embeddings) == ["mine"]


def test_a_column_of_nothing_is_text(fresh):
    store = fresh()
    store.append([record_batch(["a"], ["A"], {"family": pa.nulls(1)})])
    store.append([record_batch(["b"], ["A"], {"family": ["x"]})])
    assert store.table(["family"])["family"].to_pylist() == [None, "x"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("score", ["high"], "Column 'score' is double in .*, but string in the input"),
        ("mine", pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float32(), 3)), "'mine' has width 2 in .*, 3 in the input"),
        ("mine", ["text"], "'mine'"),
        ("family", pa.array([[1.0]], pa.list_(pa.float32(), 1)), "'family'"),
        ("a.b", ["x"], "cannot be named 'a.b'"),
        ("_distance", ["x"], "cannot be named '_distance'"),
        ("_rowid", ["x"], "cannot be named '_rowid'"),
        ("", ["x"], "cannot be named ''"),
        ("a\0b", ["x"], "cannot be named"),
    ],
)
def test_a_column_that_does_not_fit(fresh, column, value, said):
    store = fresh()
    columns = {"score": [1.5], "family": ["x"], "mine": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))}
    store.append([record_batch(["a"], ["A"], columns)])
    before = store.schema
    with pytest.raises(UserError, match=said):
        store.append([batch_of(["b"]), record_batch(["c"], ["A"], {column: value, "further": ["y"]})])
    assert ids_of(store) == ["a"]
    assert store.schema == before


@pytest.mark.parametrize(
    "name", ["anti-codon", "Gene name", "order", "select", "größe", "UPPER", "1st", "a'b", 'a"b', "50%"]
)
def test_any_other_name_will_do(fresh, name):
    store = fresh()
    vectors = pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))
    store.append([record_batch(["a"], ["A"], {name: ["x"], f"{name} vector": vectors}), batch_of(["b"])])
    assert store.table(["id", name]).to_pylist() == [{"id": "a", name: "x"}, {"id": "b", name: None}]
    assert store.embedding(f"{name} vector")[0] == ["a"]
    assert store.neighbours(f"{name} vector", [1, 2], 3).records["id"].to_pylist() == ["a"]


# ---------------------------------------------------------------- faults


def data_files(store):
    return sorted(file.name for file in (store.path / "molecules.lance" / "data").iterdir())


def faulty(molecules, error=None):
    yield from (molecules(5, prefix, family="x") for prefix in "cdefg")
    if error is not None:
        raise error
    yield record_batch(["bad"], ["Z"], origin="late.fasta", first=26)


@pytest.mark.parametrize(
    "error", [None, RuntimeError("of a library"), OSError("of the system"), ValueError("of anybody")]
)
def test_a_fault_late_in_the_input_leaves_all_as_before(collection, molecules, monkeypatch, error):
    monkeypatch.setattr(append, "COMMIT_ROWS", 5)
    collection.tidy()
    before, schema, files = collection.table(), collection.schema, data_files(collection)
    with pytest.raises(type(error) if error else UserError, match=str(error) if error else "record 26"):
        collection.append(faulty(molecules, error), run="this")
    for store in (collection, Collection.open(collection.path)):
        assert store.table() == before
        assert store.schema == schema
    assert data_files(collection) == files
    assert not (collection.path / "import.json").exists()
    assert collection.append([molecules(3, "c")]).added == 3


def test_a_fault_in_the_first_import_leaves_no_folder(run, refused, tmp_path):
    good, bad = tmp_path / "good.fasta", tmp_path / "bad.fasta"
    good.write_text(">a\nACGU\n")
    bad.write_text(">b\nACGU\n>c\nACZ\n")
    to = tmp_path / "new"
    refused(["import", good, bad, "--to", to], "bad.fasta, record 2 ('c'), position 3: 'Z'")
    assert not to.exists()
    assert run("import", good, "--to", to).code == 0
    before = Collection.open(to).table()
    refused(["import", bad, "--to", to], "bad.fasta, record 2 ('c'), position 3: 'Z'")
    refused(["import", good, "--to", to], "good.fasta, record 1 ('a'): this id is already in the collection")
    assert Collection.open(to).table() == before


def test_a_refused_first_import_leaves_the_collection_of_another_command(refused, molecules, monkeypatch, tmp_path):
    """Two first imports at once: the one that comes second to the lock removes nothing of the other's."""
    open_or_create = Collection.open_or_create
    with contextlib.ExitStack() as other_command:

        def second_to_come(path):
            other = open_or_create(path)
            other.append([molecules(5, "a")])
            other_command.enter_context(other.writing())
            return open_or_create(path)

        monkeypatch.setattr(Collection, "open_or_create", second_to_come)
        (tmp_path / "b.fasta").write_text(">b\nACGU\n")
        refused(["import", tmp_path / "b.fasta", "--to", tmp_path / "new"], "Another command is writing to")
    assert len(Collection.open(tmp_path / "new")) == 5


def test_an_empty_collection_stays_when_an_append_to_it_fails(fresh, molecules):
    store = fresh()
    with pytest.raises(UserError):
        store.append(faulty(molecules))
    assert len(Collection.open(store.path)) == 0


def test_ctrl_c_keeps_what_was_committed_and_the_next_run_goes_on(collection, molecules, monkeypatch):
    monkeypatch.setattr(append, "COMMIT_ROWS", 5)
    with pytest.raises(KeyboardInterrupt):
        collection.append(faulty(molecules, KeyboardInterrupt()), run="this")
    there = len(collection) - 50
    assert there > 0
    done = collection.append([molecules(5, prefix, family="x") for prefix in "cdefgh"], run="this")
    assert (done.resumed, done.added) == (there, 30 - there)
    assert ids_of(collection)[50:] == [f"{prefix}{number}" for prefix in "cdefgh" for number in range(5)]
    assert not (collection.path / "import.json").exists()


# ---------------------------------------------------------------- SIGKILL

SLOW_IMPORT = """
    import sys
    from ribospace.collection import Collection, append
    from ribospace.records import record_batch

    append.COMMIT_ROWS = 20
    write = append.write

    def write_and_say(*arguments):
        print("committing", flush=True)  # a kill may come before, in or after the commit
        write(*arguments)

    append.write = write_and_say

    def batches():
        for start in range(0, {rows}, 10):
            numbers = [number % 451 for number in range(start, start + 10)]  # every 451st is a duplicate
            columns = {{"family": "x"}} if start > 200 else {{}}
            yield record_batch([f"m{{n}}" for n in numbers], ["ACGU" * (1 + n % 9) for n in numbers], columns)

    print("begin", flush=True)
    done = Collection.open_or_create({path!r}).append(batches(), duplicates="keep-first", run="this run")
    print(done, flush=True)
"""


@pytest.mark.slow
def test_killed_while_it_appends(tmp_path, killed_again_and_again):
    path, there = tmp_path / "killed", [0]
    expected = [
        {"id": f"m{n}", "sequence": "ACGU" * (1 + n % 9), "family": "x" if n > 200 else None} for n in range(451)
    ]
    for row in expected[201:210]:
        row["family"] = None  # the batch that begins at 200

    def check():
        if not any(path.glob("molecules.lance/_versions/*.manifest")):
            return  # killed before there was a collection
        rows = Collection.open(path).table(["id", "sequence"]).to_pylist()
        assert rows == [{"id": row["id"], "sequence": row["sequence"]} for row in expected[: len(rows)]]
        assert len(rows) >= there[-1]
        there.append(len(rows))

    after = [1, 4, 8]  # while it is made, then in the midst
    assert killed_again_and_again(textwrap.dedent(SLOW_IMPORT).format(path=str(path), rows=500), after, check) == 3
    assert there[-1] > 20
    assert Collection.open(path).table(["id", "sequence", "family"]).to_pylist() == expected
    assert not (path / "import.json").exists()


def test_another_import_after_a_kill(collection, molecules):
    """The molecules that a killed import brought stay; the next import, of another name, begins after them."""
    journal = {"run": "killed", "version": collection.lance().version, "rows": len(collection)}
    (collection.path / "import.json").write_text(json.dumps(journal))
    collection.append([molecules(5, "c")], run="killed and resumed")
    assert len(collection) == 55
    assert not (collection.path / "import.json").exists()


@pytest.mark.parametrize("text", ["", "{}"])
def test_a_damaged_journal_does_not_lock_a_collection(collection, molecules, text):
    (collection.path / "import.json").write_text(text)
    assert collection.append([molecules(5, "c")], run="this").added == 5
    assert len(collection) == 55


# ---------------------------------------------------------------- a disk that fills


def test_a_disk_that_fills_in_an_append(small_disk, molecules, monkeypatch):
    monkeypatch.setattr(append, "COMMIT_ROWS", 4000)
    store = Collection.create(small_disk(24) / "collection")
    store.append([molecules(100, "a")])
    before, version = store.table(), store.lance().version
    generator = np.random.default_rng(1)

    def much():
        for number in range(60):
            table = pa.FixedSizeListArray.from_arrays(pa.array(generator.normal(size=4000 * 32).astype("f4")), 32)
            yield record_batch([f"m{number}:{row}" for row in range(4000)], ["ACGU"] * 4000, {"mine": table})

    with pytest.raises(UserError, match=r"The disk is full: .*collection was not written\. Free some space"):
        store.append(much(), run="much")
    for opened in (store, Collection.open(store.path)):
        assert opened.table() == before
        assert opened.schema.names == SCHEMA.names
    assert store.lance().version >= version
    assert len(data_files(store)) == 1  # the room was given back
    assert Collection.open(store.path).append([molecules(5, "b")]).added == 5


def test_a_disk_that_fills_in_an_import(small_disk, refused, run, tmp_path):
    disk = small_disk(2)
    small, large = tmp_path / "small.fasta", tmp_path / "large.fasta"
    small.write_text(">a\nACGU\n")
    letters = np.random.default_rng(2).choice(np.frombuffer(b"ACGUNRYSWKMBDHV", dtype="u1"), 6_000_000).tobytes()
    large.write_bytes(b"".join(b">m%d\n%s\n" % (n, letters[n * 2000 : n * 2000 + 2000]) for n in range(3000)))
    refused(["import", large, "--to", disk / "new"], "The disk is full", "Free some space")
    assert not (disk / "new").exists()
    assert run("import", small, "--to", disk / "old").code == 0
    refused(["import", large, "--to", disk / "old"], "The disk is full")
    assert ids_of(Collection.open(disk / "old")) == ["a"]
