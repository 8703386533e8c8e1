import itertools
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.errors import UserError
from ribospace.records import md5_of
from ribospace.sources import synthetic
from ribospace.sources.synthetic import BATCH_RECORDS, hairpins, symmetric, words

PARTNER = dict(zip("ACGU", "UGCA", strict=True))


def rows_of(batches):
    return [row for batch in batches for row in batch.to_pylist()]


def sequences_of(batches):
    return [sequence for batch in batches for sequence in batch.column("sequence").to_pylist()]


def every(length, letters):
    return ["".join(word) for word in itertools.product(letters, repeat=length)]


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(("k", "letters"), [(1, "A"), (4, "ACGU"), (3, "ACGUN"), (5, "UN"), (2, "GA")])
def test_words_are_all_words_in_order(k, letters):
    rows = rows_of(words(k, letters))
    assert [row["sequence"] for row in rows] == [word for length in range(1, k + 1) for word in every(length, letters)]
    assert [row["id"] for row in rows] == [f"word:{row['sequence']}" for row in rows]
    assert {(row["rna_type"], row["family"], row["source"]) for row in rows} == {("synthetic", "word", "synthetic")}
    assert all(row["md5"] == md5_of(row["sequence"]) and row["length"] == len(row["sequence"]) for row in rows)


def test_the_488_280_molecules_of_up_to_8_nt():
    seen, lengths, largest = set(), Counter(), 0
    for batch in words(8, "ACGUN"):
        largest = max(largest, batch.num_rows)
        seen.update(batch.column("sequence").to_pylist())
        lengths.update(batch.column("length").to_pylist())
    assert sum(lengths.values()) == 488_280
    assert len(seen) == 488_280
    assert lengths == {k: 5**k for k in range(1, 9)}
    assert set("".join(seen)) == set("ACGUN")
    assert largest <= BATCH_RECORDS


def test_words_are_made_when_they_are_asked_for():
    batches = words(30, "ACGU")  # 10**18 molecules
    assert sum(next(batches).num_rows for _ in range(12)) <= 12 * BATCH_RECORDS


@pytest.mark.parametrize("letters", ["", "AA", "ACGT", "acgu", "AZ", "A C"])
def test_an_alphabet_that_is_none(letters):
    with pytest.raises(UserError, match="is no alphabet: name each letter once"):
        next(words(2, letters))


@pytest.mark.parametrize("length", [0, -1])
def test_a_length_that_gives_nothing(length):
    for maker in (words, symmetric):
        with pytest.raises(UserError, match="gives no molecule"):
            next(maker(length))


# ---------------------------------------------------------------- symmetric


def reference(max_length, letters):
    """(form, molecule) in the order of the definition, by itertools."""
    for length in range(1, max_length + 1):
        blocks = every(length, letters)
        for form in ("ABAB", "ABBA"):
            for a, b in itertools.product(blocks, blocks):
                if form == "ABAB" or a != b:
                    yield form, "".join({"A": a, "B": b}[name] for name in form)


@pytest.mark.parametrize(("k", "letters"), [(1, "ACGUN"), (2, "ACGU"), (2, "AN"), (3, "AC"), (1, "A")])
def test_symmetric_molecules(k, letters):
    rows = rows_of(symmetric(k, letters))
    expected = list(reference(k, letters))
    assert [(row["family"], row["sequence"]) for row in rows] == expected
    assert [row["id"] for row in rows] == [f"{form}:{sequence}" for form, sequence in expected]
    assert len({row["sequence"] for row in rows}) == len(rows)


@pytest.mark.parametrize(("k", "letters"), [(1, "ACGUN"), (2, "ACG"), (2, "AN"), (3, "AC")])
def test_halves_that_differ_only_in_n(k, letters):
    rows = rows_of(symmetric(k, letters, undefined=True))
    expected = [
        (form, whole[:place] + "N" + whole[place + 1 :])
        for form, whole in reference(k, letters)
        for place in range(len(whole) // 2, len(whole))
        if whole[place] != "N"
    ]
    assert [(row["family"], row["sequence"]) for row in rows] == expected
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        half, quarter = row["length"] // 2, row["length"] // 4
        first, second = row["sequence"][:half], row["sequence"][half:]
        whole = first if row["family"] == "ABAB" else first[quarter:] + first[:quarter]
        differ = [(x, y) for x, y in zip(whole, second, strict=True) if x != y]
        assert len(differ) == 1
        assert differ[0][1] == "N"


def test_symmetric_batches_are_bounded(monkeypatch):
    monkeypatch.setattr(synthetic, "BATCH_RECORDS", 100)
    sizes = [batch.num_rows for batch in symmetric(2, "ACGU")]
    assert sum(sizes) == 16 + 12 + 256 + 240
    assert max(sizes) <= 100
    assert max(batch.num_rows for batch in symmetric(2, "ACGU", undefined=True)) <= 100 * 4


# ---------------------------------------------------------------- hairpins

LENGTHS = re.compile(r"stem (\d+) nt, loop (\d+) nt, tails (\d+) and (\d+) nt")


def check_hairpin(row, stem, loop, tails):
    s, p, five, three = map(int, LENGTHS.fullmatch(row["description"]).groups())
    sequence = row["sequence"]
    assert stem[0] <= s <= stem[1]
    assert loop[0] <= p <= loop[1]
    assert 0 <= five <= 4 * tails
    assert 0 <= three <= 4 * tails
    up = sequence[five : five + s]
    down = "".join(PARTNER[base] for base in reversed(up))
    assert sequence == "U" * five + up + "U" * p + down + "U" * three
    assert set(sequence) <= set("ACGU")
    return s, p, five, three


@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 6), st.integers(0, 6), st.integers(1, 5), st.integers(0, 5))
def test_a_hairpin_folds(seed, tails, shortest, more, least, further):
    stem, loop = (shortest, shortest + more), (least, least + further)
    rows = rows_of(hairpins(40, seed=seed, stem=stem, loop=loop, tails=tails))
    assert [row["id"] for row in rows] == [f"hairpin:{seed}:{number}" for number in range(40)]
    for row in rows:
        check_hairpin(row, stem, loop, tails)
        assert (row["rna_type"], row["family"]) == ("synthetic", "hairpin")


@pytest.mark.parametrize("tails", [True, False])
def test_hairpins_use_all_lengths_and_bases(tails):
    rows = rows_of(hairpins(3000, seed=4, tails=tails))
    found = [check_hairpin(row, (3, 12), (2, 8), tails) for row in rows]
    stems, loops, fives, threes = map(set, zip(*found, strict=True))
    assert stems == set(range(3, 13))
    assert loops == set(range(2, 9))
    assert fives == threes == (set(range(5)) if tails else {0})
    bases = Counter(base for row, (s, _, f, _) in zip(rows, found, strict=True) for base in row["sequence"][f : f + s])
    assert set(bases) == set("ACGU")
    assert max(bases.values()) < 1.1 * min(bases.values())


def test_a_seed_gives_the_same_molecules_however_many_are_asked_for():
    many = rows_of(hairpins(9000, seed=7))
    assert len(many) == 9000
    for count in (1, 100, 4096, 4097, 8999):
        assert rows_of(hairpins(count, seed=7)) == many[:count]
    assert sequences_of(hairpins(100, seed=8)) != [row["sequence"] for row in many[:100]]


def test_hairpins_are_made_when_they_are_asked_for():
    batches = hairpins(10**12)
    assert next(batches).num_rows <= BATCH_RECORDS
    assert list(hairpins(0)) == []
