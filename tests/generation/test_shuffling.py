"""Shuffles keep what they say, and reach what they can."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ribospace.generation.shuffling import random_like, shuffle_all, shuffled


@given(st.text("ACGU", min_size=1, max_size=120), st.integers(0, 9))
def test_a_shuffle_keeps_dinucleotides_and_ends(sequence, seed):
    made = shuffled(sequence, np.random.default_rng(seed))
    assert Counter(pairwise(made)) == Counter(pairwise(sequence))
    assert (made[0], made[-1], len(made)) == (sequence[0], sequence[-1], len(sequence))


def test_all_molecules_with_these_pairs_are_equally_likely():
    generator = np.random.default_rng(0)
    seen = Counter(shuffled("AGACAUAGCA", generator) for _ in range(6000))
    counts = np.array(list(seen.values()))
    assert len(seen) > 10
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 2 * len(seen)  # chi-square, far above its mean


def test_a_molecule_depends_on_seed_number_and_place_alone():
    some = ["GGACUUCGGUCCAACG"] * 3
    assert shuffle_all(some, 1) == [*shuffle_all(some[:2], 1), shuffle_all(some, 1)[2]]
    assert len({*shuffle_all(some, 1), *shuffle_all(some, 2), *shuffle_all(some, 1, 1)}) > 5
    assert list(map(len, random_like(["GG", "A" * 50], 3))) == [2, 50]
