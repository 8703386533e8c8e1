import textwrap

import numpy as np
import pytest

from ribospace.collection import Collection
from ribospace.encoders import embed_collection
from ribospace.encoders.kmer import KmerEncoder
from ribospace.errors import UserError
from ribospace.hygiene import dedupe
from ribospace.hygiene.dedupe import first_rows
from ribospace.records import md5_of, record_batch


@pytest.fixture
def repeated(tmp_path):
    """Three hundred molecules of forty sequences, in three fragments, with an embedding."""
    generator = np.random.default_rng(3)
    distinct = ["".join(generator.choice(list("ACGU"), 20)) for _ in range(40)]
    store = Collection.create(tmp_path / "repeated")
    for part in range(3):
        chosen = generator.integers(0, 20 + 10 * part, 100)
        types = [["tRNA", "rRNA", None][one % 3] for one in chosen]
        ids = [f"{part}:{row}" for row in range(100)]
        store.append([record_batch(ids, [distinct[one] for one in chosen], {"rna_type": types})])
    embed_collection(store, KmerEncoder(2))
    return store


def firsts(rows):
    seen = {}
    for row in rows:
        seen.setdefault(row["sequence"], row)
    return seen


def test_the_first_of_each_sequence_stays_with_all_it_has(repeated):
    before = repeated.table(repeated.schema.names)
    kept = firsts(before.to_pylist())
    done = dedupe(repeated)
    assert (done.molecules, done.removed) == (300, 300 - len(kept))
    assert Collection.open(repeated.uri).table(before.schema.names).to_pylist() == list(kept.values())
    assert repeated.embeddings["kmer2"].encoder == "kmer2"


def test_the_table_says_which_stands_for_which(repeated):
    rows = repeated.table().to_pylist()
    kept = firsts(rows)
    done = dedupe(repeated)
    assert done.table.parent == repeated.home
    header, *lines = [line.split("\t") for line in done.table.read_text(encoding="utf-8").splitlines()]
    assert header == ["id", "kept_id", "rna_type", "md5"]
    assert lines == [
        [row["id"], kept[row["sequence"]]["id"], row["rna_type"] or "", md5_of(row["sequence"])]
        for row in rows
        if kept[row["sequence"]] is not row
    ]


def test_a_second_time_there_is_nothing_to_do(repeated):
    dedupe(repeated)
    version, files = repeated.lance().version, sorted(repeated.home.iterdir())
    done = dedupe(repeated)
    assert (done.removed, done.table) == (0, None)
    assert (repeated.lance().version, sorted(repeated.home.iterdir())) == (version, files)
    repeated.append([record_batch(["new"], repeated.table(["sequence"])["sequence"].slice(3, 1).combine_chunks())])
    assert dedupe(repeated).removed == 1
    assert len(list(repeated.home.glob("removed-*.tsv"))) == 2


def test_a_dry_run_changes_nothing(repeated):
    version, files = repeated.lance().version, sorted(repeated.home.iterdir())
    would = dedupe(repeated, dry_run=True)
    assert would.table is None
    assert (repeated.lance().version, sorted(repeated.home.iterdir())) == (version, files)
    assert dedupe(repeated).removed == would.removed > 0


def test_nothing_and_all_the_same(tmp_path):
    store = Collection.create(tmp_path / "c")
    assert dedupe(store).molecules == 0
    store.append([record_batch([f"{n}" for n in range(9)], ["ACGU"] * 9)])
    assert dedupe(store).removed == 8
    assert store.table(["id"]).to_pylist() == [{"id": "0"}]


def test_first_rows_under_a_condition(repeated):
    rows = repeated.table(where="rna_type = 'tRNA'").to_pylist()
    first = first_rows(repeated, "rna_type = 'tRNA'")
    names = [row["sequence"] for row in rows]
    assert first.tolist() == [names.index(name) for name in names]


def test_refused_while_an_import_is_broken_off(repeated):
    (repeated.home / "import.json").write_text("{}")
    with pytest.raises(UserError, match="broken off"):
        dedupe(repeated)
    assert len(repeated) == 300
    assert not list(repeated.home.glob("removed-*"))


PROGRAM = """
from ribospace.collection import Collection
from ribospace.hygiene import dedupe

print("begin", flush=True)
print(dedupe(Collection.open({path!r}), progress=lambda *said: print(said, flush=True)), flush=True)
"""


def test_killed_while_it_removes(repeated, killed_again_and_again):
    """After each kill all are there, or each sequence once; what is gone stands in a table."""
    everything = repeated.table().to_pylist()
    kept = [row["id"] for row in firsts(everything).values()]

    def check():
        there = Collection.open(repeated.uri).table(["id"])["id"].to_pylist()
        assert there in (kept, [row["id"] for row in everything])
        if there == kept:
            (table,) = repeated.home.glob("removed-*.tsv")
            assert len(table.read_text(encoding="utf-8").splitlines()) == 1 + 300 - len(kept)

    assert killed_again_and_again(textwrap.dedent(PROGRAM).format(path=str(repeated.uri)), [1, 2, 2, 2], check) >= 2
    assert Collection.open(repeated.uri).table(["id"])["id"].to_pylist() == kept
