import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.alphabet import BASES_OF, END, FIRST_LETTER, LETTERS
from ribospace.errors import UserError
from ribospace.generation.template import allowed_of, cleaned, drawn, keeps, length_range

WINDOW = 30


@given(st.text(alphabet=LETTERS + "T", min_size=1, max_size=WINDOW))
def test_a_template_lets_be_what_it_says_and_nothing_else(template):
    table = allowed_of(WINDOW, template=cleaned(template, WINDOW)).numpy()
    for place, letter in enumerate(cleaned(template, WINDOW)):
        assert {LETTERS[one - FIRST_LETTER] for one in np.flatnonzero(table[place])} == set(BASES_OF[letter])
    assert np.flatnonzero(table[len(template)]).tolist() == [END]


@given(st.integers(1, WINDOW), st.integers(1, WINDOW))
def test_a_molecule_ends_where_it_may(one, other):
    shortest, longest = sorted((one, other))
    ends = allowed_of(WINDOW, shortest, longest)[: longest + 1, END].numpy()
    assert ends.tolist() == [place >= shortest for place in range(longest + 1)]
    assert allowed_of(WINDOW, shortest, longest)[longest].sum() == 1


@pytest.mark.parametrize("text", ["70:", "٣", ":80", "a", "0:3", "10:5", "5:31", "1:2:3", "-4", "", "7.5"])
def test_impossible_lengths_are_refused(text):
    with pytest.raises(UserError, match="--length"):
        length_range(text, WINDOW)


@pytest.mark.parametrize("template", ["", "GAZ", "GA-C", "A" * (WINDOW + 1)])
def test_impossible_templates_are_refused(template):
    with pytest.raises(UserError, match="template"):
        cleaned(template, WINDOW)


def test_types_and_lengths_are_drawn_as_they_are_found():
    counts = np.zeros((3, WINDOW + 1))
    counts[0, 10], counts[1, 20], counts[2, 15] = 1, 3, 100
    generator = np.random.default_rng(0)
    found = [drawn(counts, [0, 1], 1, WINDOW, generator) for _ in range(2000)]
    assert set(found) == {(0, 10), (1, 20)}
    assert found.count((1, 20)) / 2000 == pytest.approx(0.75, abs=0.04)


def test_lengths_that_no_molecule_has_are_all_as_likely():
    counts = np.zeros((1, WINDOW + 1))
    counts[0, 10] = 5
    found = {drawn(counts, [0], 3, 5, np.random.default_rng(one))[1] for one in range(50)}
    assert found == {3, 4, 5}


def test_keeping_a_template():
    assert keeps("GACU", "GAYN")
    assert not keeps("GACU", "GARN")
    assert not keeps("GACUA", "GRYN")
