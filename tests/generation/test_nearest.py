from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from ribospace.generation.nearest import nearest

molecules = st.lists(st.text("ACGU", min_size=1, max_size=12), min_size=1, max_size=20)


@given(molecules, molecules)
def test_it_is_the_nearest_of_all(queries, references):
    rows, distances = nearest(queries, references)
    for query, row, distance in zip(queries, rows, distances, strict=True):
        each = [Levenshtein.distance(query, one) for one in references]
        assert distance == min(each)
        assert row == each.index(min(each))


def test_many_references_of_other_lengths():
    references = ["A" * 50] * 2000 + ["C" * 10] * 2000 + ["ACGUACGUAC"]
    rows, distances = nearest(["ACGUACGUAU", "A" * 49], references)
    assert rows.tolist() == [4000, 0]
    assert distances.tolist() == [1, 1]
