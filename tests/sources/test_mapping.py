import gzip
from collections import Counter, defaultdict

import filelock
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ribospace.errors import UserError
from ribospace.sources import mapping as module
from ribospace.sources.mapping import Mapping

numbers = st.integers(0, 12)
row = st.tuples(
    numbers,
    st.sampled_from(["ENA", "Rfam", "GTRNADB"]),
    st.sampled_from([562, 9606, 10090]),
    st.sampled_from(["tRNA", "rRNA", "misc_RNA"]),
)


def urs(number):
    return f"URS{number:010X}"


def write(path, rows):
    path.write_bytes(
        gzip.compress("".join(f"{urs(n)}\t{d}\tx:{n}\t{t}\t{kind}\tgene\n" for n, d, t, kind in rows).encode())
    )
    return path


def expected(rows, number, own, taxids):
    """The rule, written plainly."""
    rows = [(d, t, kind) for n, d, t, kind in rows if n == number and own in (None, t)]
    if not rows:
        return dict.fromkeys(module.JOINED.names)
    types, places = Counter(kind for *_, kind in rows), {t for _, t, _ in rows}
    fitting = places & set(taxids) if taxids else places
    return {
        "rna_type": min(types, key=lambda kind: (-types[kind], kind)),
        "taxid": min(fitting) if len(fitting) == 1 else None,
        "databases": ",".join(sorted({d for d, _, _ in rows})),
        "organisms": len(places),
        "wanted": not taxids or bool(places & set(taxids)),
    }


@settings(max_examples=25)
@given(
    st.lists(row, min_size=1, max_size=40),
    st.lists(st.tuples(numbers, st.sampled_from([None, 562, 9606]))),
    st.sets(st.sampled_from([562, 9606])),
)
def test_it_joins_as_the_rule_says(tmp_path_factory, rows, asked, taxids):
    """In whatever order rows and molecules come, one of them twice among others."""
    folder = tmp_path_factory.mktemp("mapping")
    ids = [urs(number) + (f"_{own}" if own else "") for number, own in asked]
    with Mapping(write(folder / "id_mapping.tsv.gz", rows), folder) as mapping:
        joined = mapping.join(pa.array(ids, pa.string()), sorted(taxids))
    assert joined.schema == module.JOINED
    assert joined.to_pylist() == [expected(rows, number, own, taxids) for number, own in asked]


def test_other_ids_are_not_known(tmp_path):
    with Mapping(write(tmp_path / "m.tsv.gz", [(1, "ENA", 9606, "tRNA")]), tmp_path) as mapping:
        ids = ["x", "URS0000000001_", "urs0000000001", "URS000000001", "", urs(1)]
        assert mapping.join(pa.array(ids))["organisms"].to_pylist() == [None] * 5 + [1]
        assert mapping.join(pa.array(ids[:2]))["organisms"].to_pylist() == [None] * 2
        assert mapping.join(pa.array([], pa.string())).num_rows == 0


def test_an_index_is_made_once(tmp_path, monkeypatch):
    source = write(tmp_path / "m.tsv.gz", [(1, "ENA", 9606, "tRNA")])
    Mapping(source, tmp_path / "cache").close()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_build", None)
        Mapping(source, tmp_path / "cache").close()
    write(source, [(1, "ENA", 9606, "tRNA")] * 3)
    with Mapping(source, tmp_path / "cache") as mapping:
        assert mapping.join(pa.array([urs(1)]))["databases"].to_pylist() == ["ENA"]
    assert len(list((tmp_path / "cache").glob("*.duckdb"))) == 1


def test_what_a_killed_run_left_is_cleared(tmp_path):
    source, cache = write(tmp_path / "m.tsv.gz", [(1, "ENA", 9606, "tRNA")]), tmp_path / "cache"
    with Mapping(source, cache) as mapping:
        name = mapping.path.name
    (cache / name).write_bytes(b"damaged")
    (cache / f".{name}.abc").mkdir()
    Mapping(source, cache).close()
    assert sorted(path.name for path in cache.iterdir()) == [name, f"{name}.lock"]


def test_one_at_a_time(tmp_path):
    source = write(tmp_path / "m.tsv.gz", [(1, "ENA", 9606, "tRNA")])
    with Mapping(source, tmp_path) as mapping:
        lock = filelock.FileLock(f"{mapping.path}.lock")
    with lock, pytest.raises(UserError, match="Another command is indexing"):
        Mapping(source, tmp_path)


GOOD = b"URS0000000001\tENA\tx\t9606\ttRNA\t\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOOD + b"URS00000000ZZ\tENA\tx\t9606\ttRNA\t\n", r"row 2: it is not a row of URS, database"),
        (GOOD + b"URS0000000001\tENA\tx\tman\ttRNA\t\n", r"row 2: it is not a row"),
        (GOOD + b"URS0000000001\tENA\n", r"row 2: it is not a row"),
        (GOOD * 4 + b"URS0000000001\tENA\tx\t9606\ttRNA\t\tmore\n", r"line 5: it is not a row"),
        (GOOD + b"URS0000000001\tENA\tx\t9606\ttR\xffNA\t\n", r"line 2: it is not a row"),
        (b">URS0000000001 tRNA\nACGU\n", r"row 1: it is not a row.*--id-mapping none"),
        (b"", r"is empty: it holds no row"),
        (gzip.compress(GOOD * 10_000)[:-20], r"cannot be read as a table.*Download it again"),
        (b"".join(b"URS0000000001\tdb%d\tx\t9606\ttRNA\t\n" % n for n in range(200)), r"column 2: there are 200"),
    ],
)
def test_a_faulty_mapping_is_refused(tmp_path, data, message):
    path = tmp_path / ("m.tsv.gz" if data.startswith(b"\x1f\x8b") else "m.tsv")
    path.write_bytes(data)
    with pytest.raises(UserError, match=message):
        Mapping(path, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.duckdb"))


def test_a_mapping_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        Mapping(tmp_path / "none.tsv.gz", tmp_path)


def test_as_many_databases_as_fit(tmp_path):
    rows = [(number % 3, f"db{number:03}", 9606, "tRNA") for number in range(module.MOST_DATABASES)]
    with Mapping(write(tmp_path / "m.tsv.gz", rows), tmp_path) as mapping:
        said = mapping.join(pa.array([urs(2)]))["databases"].to_pylist()[0]
    assert said.split(",") == [name for number, name, *_ in rows if number == 2]


def test_it_tells_how_far_it_is(tmp_path):
    said = []
    generator = np.random.default_rng(0)
    rows = [(n, "ENA", int(t), "tRNA") for n, t in enumerate(generator.integers(1, 1000, 300_000))]
    source = write(tmp_path / "m.tsv.gz", rows)
    Mapping(source, tmp_path, lambda done, total, note="": said.append((done, total))).close()
    assert all(0 <= done <= total == source.stat().st_size for done, total in said)


def test_a_disk_that_fills(tmp_path, small_disk):
    generator, by = np.random.default_rng(0), defaultdict(int)
    rows = [(int(n), f"d{by[n]}", int(n) % 100_000, "tRNA") for n in generator.integers(0, 16**10, 150_000)]
    source = write(tmp_path / "m.tsv.gz", rows)
    disk = small_disk(1)
    with pytest.raises(UserError, match=r"The disk is full: .*duckdb was not written"):
        Mapping(source, disk)
    assert not [path for path in disk.iterdir() if path.suffix != ".lock"]
