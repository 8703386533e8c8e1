"""The nearest molecule is that which brute force finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from ribospace.generation.nearest import nearest

RNA = st.text("ACGUN", max_size=150)


def brute(queries, references):
    edits = cdist(queries, references, scorer=Levenshtein.distance, dtype=np.int64)
    return edits.argmin(axis=1), edits.min(axis=1)


@given(st.lists(RNA, max_size=6), st.lists(RNA, min_size=1, max_size=80))
def test_as_brute_force_and_of_several_the_first(queries, references):
    for found, true in zip(nearest(queries, references), brute(queries, references), strict=True):
        if queries:
            assert found.tolist() == true.tolist()


@pytest.mark.parametrize("length", [1, 63, 64, 65, 128, 129, 400])
def test_words_of_64_rows_join(length):
    generator = np.random.default_rng(length)
    references = ["".join(generator.choice(list("ACGU"), n)) for n in generator.integers(1, 2 * length + 2, 300)]
    queries = ["".join(generator.choice(list("ACGU"), length)) for _ in range(4)]
    near = references[7][: len(references[7]) // 2] + "GA" + references[7][len(references[7]) // 2 :]
    for found, true in zip(nearest([*queries, near], references), brute([*queries, near], references), strict=True):
        assert found.tolist() == true.tolist()


def test_progress_and_no_references():
    said = []
    nearest(["AC"] * 40, ["AC", "AC"], lambda done, total, note="": said.append((done, total)))
    assert said[-1] == (40, 40)
    with pytest.raises(ValueError, match="no references"):
        nearest(["AC"], [])
