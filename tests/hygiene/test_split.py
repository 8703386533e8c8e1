import json
import shutil
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.clusters import near_copies, sketch_clusters
from ribospace.collection import Collection
from ribospace.errors import UserError
from ribospace.hygiene import SPLITS, SplitPlan, split
from ribospace.hygiene.split import deal
from ribospace.records import record_batch
from ribospace.sources.sample import read_sample


@pytest.fixture
def real(tmp_path):
    store = Collection.create(tmp_path / "real")
    store.append(read_sample())
    return store


def rows_of(store, *columns):
    return store.table(["id", "sequence", "rna_type", *columns]).to_pylist()


def test_no_cluster_and_no_near_copy_in_two_splits(real):
    report = split(real, SplitPlan())
    rows = rows_of(real, "split", "split_cluster")
    parts = {}
    for row in rows:
        parts.setdefault(row["split_cluster"], set()).add(row["split"])
    assert all(len(one) == 1 for one in parts.values())
    assert len(parts) == report["clusters"]
    of = {part: [row["sequence"] for row in rows if row["split"] == part] for part in SPLITS}
    for one, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        assert not near_copies(of[one], [of[other]], 0.8).any()
    assert {one["found"] for one in report["near_copies"].values()} == {0}


def test_clusters_are_called_by_their_first_molecule(real):
    split(real, SplitPlan())
    rows = rows_of(real, "split_cluster")
    labels = sketch_clusters([[row["sequence"] for row in rows]], 0.8)
    assert [row["split_cluster"] for row in rows] == [rows[label]["id"] for label in labels]


def test_the_ratios_are_met(real):
    report = split(real, SplitPlan(ratios=(8, 1, 1)))
    total = len(real)
    assert report["counts"]["train"] == pytest.approx(0.8 * total, rel=0.02)
    assert report["counts"]["test"] == pytest.approx(0.1 * total, rel=0.05)
    trna = report["counts_by_type"]["tRNA"]
    assert trna["test"] / sum(trna.values()) == pytest.approx(0.1, abs=0.03)


def test_the_report_is_in_a_file(real):
    report = split(real, SplitPlan(identity=0.9, seed=4, column="mine"))
    assert json.loads((real.home / "split-mine.json").read_text(encoding="utf-8")) == {**report, "ratios": [8, 1, 1]}
    assert (report["identity"], report["seed"], report["used"]) == (0.9, 4, "sketch")
    assert report["versions"]["rapidfuzz"]
    counted = {part: real.count(f"mine = '{part}'") for part in SPLITS}
    assert counted == report["counts"]


def test_the_seed_decides(real):
    said = {}
    for seed in (0, 1, 0):
        split(real, SplitPlan(seed=seed))
        said.setdefault(seed, []).append(real.table(["split"])["split"].to_pylist())
    assert said[0][0] == said[0][1]
    assert said[0][0] != said[1][0]


def test_only_those_of_the_condition(real):
    split(real, SplitPlan(where="rna_type = 'tRNA'"))
    for row in rows_of(real, "split", "split_cluster"):
        assert (row["split"] is None) == (row["split_cluster"] is None) == (row["rna_type"] != "tRNA")


def test_identical_molecules_stay_together(tmp_path, molecules):
    store = Collection.create(tmp_path / "c")
    store.append([molecules(40, "a", 1), molecules(40, "b", 1)])
    split(store, SplitPlan(identity=1.0, ratios=(1, 1, 1)))
    parts = store.table(["split"])["split"].to_pylist()
    assert parts[:40] == parts[40:]
    assert set(parts) == set(SPLITS)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    ratios=st.tuples(st.integers(1, 9), st.integers(0, 5), st.integers(0, 5)),
    seed=st.integers(0, 5),
)
def test_dealing(sizes, ratios, seed):
    """Whole clusters; no split is further from what was asked than the largest cluster; none gets what it may not."""
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    shuffled = np.random.default_rng(seed).permutation(len(cluster))
    parts = deal(cluster[shuffled], np.zeros(len(cluster), dtype=int), ratios, seed)
    assert all(len(set(parts[cluster[shuffled] == one])) == 1 for one in range(len(sizes)))
    counts = np.bincount(parts, minlength=3)
    asked = np.array(ratios) / sum(ratios) * len(cluster)
    assert (np.abs(counts - asked) <= 2 * max(sizes)).all()
    assert (counts[np.array(ratios) == 0] == 0).all()


@pytest.mark.skipif(shutil.which("mmseqs") is None, reason="MMseqs2 is not installed")
def test_by_mmseqs(real):
    report = split(real, SplitPlan(engine="mmseqs"))
    assert report["used"].startswith("MMseqs2 ")
    assert 200 < report["clusters"] < len(real)
    assert report["near_copies"]["test"]["found"] < 0.3 * report["near_copies"]["test"]["checked"]
    assert real.count("split IS NULL") == 0


@pytest.mark.parametrize("identity", [0, 0.5, 1.2, float("nan")])
def test_an_identity_that_cannot_be(identity):
    with pytest.raises(UserError, match=r"from 0\.7 to 1"):
        SplitPlan(identity=identity)


@pytest.mark.parametrize("ratios", [(8, 1), (0, 1, 1), (8, -1, 1), (float("inf"), 1, 1), (8, float("nan"), 1)])
def test_ratios_that_cannot_be(ratios):
    with pytest.raises(UserError, match="such as 8:1:1"):
        SplitPlan(ratios=ratios)


def test_what_cannot_be_split(real, tmp_path):
    with pytest.raises(UserError, match=r"--engine cannot be 'mmsek'\. Did you mean mmseqs"):
        SplitPlan(engine="mmsek")
    with pytest.raises(UserError, match="has no molecule to split"):
        split(Collection.create(tmp_path / "empty"), SplitPlan())
    with pytest.raises(UserError, match="has no molecule where length > 99999 to split"):
        split(real, SplitPlan(where="length > 99999"))
    with pytest.raises(UserError, match="'nonsense' is not a condition"):
        split(real, SplitPlan(where="nonsense"))
    with pytest.raises(UserError, match=r"'family' is a column of .* already"):
        split(real, SplitPlan(column="family"))
    assert "split" not in real.schema.names


PROGRAM = """
from ribospace.collection import Collection
from ribospace.hygiene import SplitPlan, split

store = Collection.open({path!r})
for seed in range(1, 4):
    print("begin", flush=True)
    split(store, SplitPlan(seed=seed), progress=lambda *said: print(said, flush=True))
"""


@pytest.mark.slow
def test_killed_while_it_splits(real, killed_again_and_again):
    """Split and cluster are both there, of one run, or both null; the collection is as it was else."""
    before = real.table()
    expected = set()
    for seed in range(4):
        split(real, SplitPlan(seed=seed))
        expected.add(tuple(real.table(["split"])["split"].to_pylist()))

    def check():
        store = Collection.open(real.uri)
        assert store.table(before.schema.names) == before
        assert tuple(store.table(["split"])["split"].to_pylist()) in expected

    program = textwrap.dedent(PROGRAM).format(path=str(real.uri))
    assert killed_again_and_again(program, [1, 5, 9, 12], check) >= 3
    assert json.loads((real.home / "split-split.json").read_text(encoding="utf-8"))["seed"] == 3


def test_long_and_short_and_ambiguous(tmp_path):
    generator = np.random.default_rng(1)
    long = "".join(generator.choice(list("ACGU"), 120_000))
    store = Collection.create(tmp_path / "c")
    store.append([record_batch(["a", "b", "c", "d", "e"], [long, long[:-9], "A", "N" * 300, "N" * 299])])
    split(store, SplitPlan(ratios=(1, 1, 1)))
    clusters = store.table(["split_cluster"])["split_cluster"].to_pylist()
    assert clusters == ["a", "a", "c", "d", "d"]
