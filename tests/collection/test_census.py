"""The census agrees with plain Python over the records, whatever the batches."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.collection import Collection
from ribospace.collection import census as module
from ribospace.collection.census import census, together
from ribospace.collection.summary import weighted_quantiles
from ribospace.errors import UserError
from ribospace.records import record_batch
from ribospace.sources.sample import read_sample

SHARES = [0.0, 0.05, 0.25, 0.5, 0.95, 1.0]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The sample, and some molecules with other letters, of no type."""
    store = Collection.create(tmp_path_factory.mktemp("census") / "sample")
    store.append(read_sample())
    store.append([record_batch(["n1", "n2", "n3"], ["NNN", "ACGUNRY", "GGC"], {"rna_type": [None, "", "tRNA"]})])
    return store


def agrees(tally, records):
    """Whether a tally is what a loop over its records says."""
    sequences = [one["sequence"] for one in records]
    assert tally.molecules == len(sequences)
    assert dict(zip(tally.lengths.tolist(), tally.counts.tolist(), strict=True)) == Counter(map(len, sequences))
    assert tally.lengths.tolist() == sorted(tally.lengths.tolist())
    letters = Counter("".join(sequences))
    bases = [letters.pop(one, 0) for one in "ACGU"]
    assert tally.letters.tolist() == [*bases, sum(letters.values())]
    known = [(one.count("G") + one.count("C"), sum(map(one.count, "ACGU"))) for one in sequences]
    shares = [1000 * strong // every for strong, every in known if every]
    assert {share: count for share, count in enumerate(tally.gc.tolist()) if count} == Counter(shares)
    assert tally.length_quantiles(SHARES) == pytest.approx(np.quantile([len(one) for one in sequences], SHARES))
    if shares:
        assert tally.gc_share == pytest.approx(sum(a for a, _ in known) / sum(b for _, b in known))
        assert tally.gc_quantiles(SHARES) == pytest.approx(np.quantile(shares, SHARES) / 1000)
    else:
        assert np.isnan([tally.gc_share, *tally.gc_quantiles(SHARES)]).all()


@pytest.mark.parametrize("batch_rows", [1, 7, 100, 8192])
@pytest.mark.parametrize(
    ("by", "most", "where"), [("rna_type", 15, None), ("species", 4, "length < 200"), ("id", 2, None)]
)
def test_it_is_what_a_loop_says(store, by, most, where, batch_rows):
    records = store.table(["sequence", by], where).to_pylist()
    sizes = Counter(one[by] or "" for one in records)
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    told = order if len(order) <= most else order[: most - 1]
    found = census(store, by, where, most=most, batch_rows=batch_rows)
    assert [one.name for one in found[: len(told)]] == told
    for one in found[: len(told)]:
        agrees(one, [record for record in records if (record[by] or "") == one.name])
    rest = found[len(told) :]
    assert [one.name for one in rest] == ([f"{len(order) - len(told)} others"] if len(order) > len(told) else [])
    for one in rest:
        agrees(one, [record for record in records if (record[by] or "") not in told])
    agrees(together(found), records)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_quantiles_are_numpys(numbers, shares):
    values, counts = np.unique(numbers, return_counts=True)
    assert weighted_quantiles(values, counts, shares) == pytest.approx(np.quantile(numbers, shares))


def test_what_is_refused(store, tmp_path, monkeypatch):
    for by, words in [("rna_typ", "Did you mean rna_type"), ("taxid", "of int32, not text. Choose one of text: id,")]:
        with pytest.raises(UserError, match=words):
            census(store, by)
    with pytest.raises(UserError, match="none where length > 1000000"):
        census(store, where="length > 1000000")
    with pytest.raises(UserError, match="is not a condition"):
        census(store, where="length >")
    with pytest.raises(UserError, match="ribospace import"):
        census(Collection.create(tmp_path / "empty"))
    monkeypatch.setattr(module, "MOST_VALUES", 100)
    with pytest.raises(UserError, match="more than 100 values"):
        census(store, "id")
