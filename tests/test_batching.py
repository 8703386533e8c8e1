import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.alphabet import Tokens, offsets_of, tokenize
from ribospace.batching import cut_windows, token_budget_batches

lengths_lists = st.lists(st.integers(0, 60), max_size=40)


@given(lengths_lists, st.integers(1, 200), st.one_of(st.none(), st.integers(0, 5)))
def test_every_row_once_and_the_budget_kept(lengths, budget, seed):
    lengths = np.array(lengths, dtype=np.int64)
    generator = None if seed is None else np.random.default_rng(seed)
    batches = token_budget_batches(lengths, budget, generator)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) >= 1
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget


@given(lengths_lists, st.integers(1, 200))
def test_longest_first_and_no_batch_that_could_take_its_neighbour(lengths, budget):
    lengths = np.array(lengths, dtype=np.int64)
    batches = token_budget_batches(lengths, budget)
    walked = [int(lengths[row]) for batch in batches for row in batch]
    assert walked == sorted(walked, reverse=True)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * max(1, lengths[batch].max()) > budget


def test_a_generator_mixes_and_its_seed_repeats():
    lengths = np.random.default_rng(0).integers(50, 60, 300)

    def mixed(seed):
        return [batch.tolist() for batch in token_budget_batches(lengths, 500, np.random.default_rng(seed))]

    assert mixed(1) == mixed(1)
    assert mixed(1) != mixed(2)
    assert {tuple(sorted(batch)) for batch in mixed(1)} != {tuple(sorted(batch)) for batch in mixed(2)}


@given(lengths_lists, st.integers(1, 20), st.data())
def test_windows_cover_overlap_and_are_full(lengths, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    ids = np.concatenate([np.arange(length) for length in lengths] or [[]]).astype(np.uint8)  # a letter is its position
    tokens = Tokens(ids, offsets_of(np.array(lengths, dtype=np.int64)))
    windows, molecule = cut_windows(tokens, window, overlap)
    assert len(windows) == len(molecule)
    assert (np.diff(molecule) >= 0).all()
    pieces = [windows.ids[start:end].tolist() for start, end in zip(windows.offsets, windows.offsets[1:], strict=False)]
    for number, length in enumerate(lengths):
        own = [piece for piece, of in zip(pieces, molecule, strict=True) if of == number]
        if length <= window:
            assert own == [list(range(length))]
            continue
        starts = [piece[0] for piece in own]
        assert own == [list(range(start, start + window)) for start in starts]
        assert (starts[0], starts[-1] + window) == (0, length)
        steps = np.diff(starts)
        assert (steps > 0).all()
        assert (steps <= window - overlap).all()  # neighbours share what was asked, so nothing between is left out
        assert steps.max() - steps.min() <= 1  # evenly laid
        assert (len(own) - 2) * (window - overlap) + window < length  # one window fewer would not do


def test_molecules_that_fit_are_handed_through():
    tokens = tokenize(["ACGU", "", "GG"])
    windows, molecule = cut_windows(tokens, 4, 1)
    assert windows is tokens
    assert molecule.tolist() == [0, 1, 2]


@pytest.mark.parametrize("budget", [1, 10])
def test_no_molecules_no_batches(budget):
    assert token_budget_batches(np.array([], dtype=np.int64), budget) == []


def test_batches_hold_molecules_of_like_length():
    lengths = np.random.default_rng(0).integers(20, 206, 20_000)
    batches = token_budget_batches(lengths, 8192, np.random.default_rng(1))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert lengths.sum() / padded > 0.97
