import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.alphabet import (
    END,
    FIRST_LETTER,
    LETTERS,
    MASK,
    PAD,
    START,
    VOCABULARY_SIZE,
    Tokens,
    detokenize,
    letters_of,
    nucleobase_properties,
    tokenize,
)
from ribospace.errors import UserError

# Of the talk, as FACTS gives them.
IDS = {
    "U": 6, "G": 7, "C": 8, "A": 9, "X": 10, "N": 11, "Y": 12, "R": 13,
    "S": 14, "M": 15, "K": 16, "W": 17, "V": 18, "D": 19, "B": 20, "H": 21,
}  # fmt: skip
IUPAC = {
    "A": "A", "C": "C", "G": "G", "U": "U", "N": "ACGU", "X": "ACGU", "R": "AG", "Y": "CU", "S": "CG", "W": "AU",
    "K": "GU", "M": "AC", "B": "CGU", "D": "AGU", "H": "ACU", "V": "ACG",
}  # fmt: skip
PROPERTIES = {
    "A": [0, 5, 5, 5, 96.9, -2779, 135, 2],
    "G": [1, 5, 5, 5, -183.9, -2498.2, 151, 3],
    "C": [1, 3, 4, 5, -221, -2067, 111, 3],
    "U": [2, 2, 4, 4, -424.4, -1721.3, 112, 2],
}
sequences = st.lists(st.text(alphabet="".join(IDS), max_size=30), max_size=12)


def test_the_ids_are_those_of_the_talk():
    assert (START, END, PAD, MASK) == (1, 2, 3, 4)
    assert {letter: FIRST_LETTER + number for number, letter in enumerate(LETTERS)} == IDS
    assert VOCABULARY_SIZE == 22
    assert tokenize(list(IDS)).ids.tolist() == list(IDS.values())


@given(sequences)
def test_detokenize_is_the_inverse(given_sequences):
    tokens = tokenize(given_sequences)
    assert len(tokens) == len(given_sequences)
    assert tokens.lengths.tolist() == [len(one) for one in given_sequences]
    assert tokens.ids.tolist() == [IDS[letter] for one in given_sequences for letter in one]
    assert detokenize(tokens) == given_sequences


@given(sequences, st.randoms())
def test_case_and_t_make_no_difference(given_sequences, chance):
    def disguise(letter):
        letter = "T" if letter == "U" and chance.random() < 0.5 else letter
        return letter.lower() if chance.random() < 0.5 else letter

    disguised = ["".join(map(disguise, one)) for one in given_sequences]
    assert detokenize(tokenize(disguised)) == given_sequences


@given(sequences, st.data())
def test_arrow_equals_lists(given_sequences, data):
    start = data.draw(st.integers(0, len(given_sequences)))
    end = data.draw(st.integers(start, len(given_sequences)))
    array = pa.array(given_sequences, pa.string())
    assert detokenize(tokenize(array)) == given_sequences
    assert detokenize(tokenize(array[start:end])) == given_sequences[start:end]
    chunks = pa.chunked_array([array[:start], array[start:end], array[end:]], pa.string())
    assert detokenize(tokenize(chunks)) == given_sequences
    assert detokenize(tokenize(chunks.slice(start, end - start))) == given_sequences[start:end]


def test_nothing_in_nothing_out():
    for nothing in ([], pa.array([], pa.string()), pa.chunked_array([], pa.string()), pa.array(["A"])[1:]):
        tokens = tokenize(nothing)
        assert len(tokens) == 0
        assert detokenize(tokens) == []
    assert tokenize(["", ""]).padded().tolist() == [[START, END]] * 2
    assert tokenize([]).padded().shape == (0, 2)


@given(sequences.filter(len), st.data(), st.booleans())
def test_padded_rows_do_not_depend_on_their_company(given_sequences, data, ends):
    numbers = st.integers(0, len(given_sequences) - 1)
    rows = np.array(data.draw(st.lists(numbers, min_size=1, max_size=8)))
    table = tokenize(given_sequences).padded(rows, ends=ends)
    longest = max(len(given_sequences[row]) for row in rows)
    assert table.shape == (len(rows), longest + 2 * ends)
    for row, line in zip(rows, table.tolist(), strict=True):
        alone = [IDS[letter] for letter in given_sequences[row]]
        alone = [START, *alone, END] if ends else alone
        assert line == alone + [PAD] * (len(line) - len(alone))


@given(sequences)
def test_letters_of_reads_a_padded_row(given_sequences):
    table = tokenize(given_sequences).padded()
    assert [letters_of(row) for row in table] == given_sequences
    assert [letters_of(row) for row in tokenize(given_sequences).padded(ends=False)] == given_sequences


@given(sequences, st.data(), st.sampled_from("EFILOPQZ*-. 1\néβ🧬\x00"))
def test_an_illegal_letter_is_named_with_its_place(given_sequences, data, letter):
    row = data.draw(st.integers(0, len(given_sequences)))
    before, after = data.draw(st.text("ACGU", max_size=5)), data.draw(st.text("ACGUéZ", max_size=5))
    faulty = [*given_sequences[:row], before + letter + after, *given_sequences[row:]]
    for form in (faulty, pa.array(faulty)):
        with pytest.raises(UserError) as error:
            tokenize(form)
        assert f"Sequence {row + 1}, position {len(before) + 1}: {letter!r} is not an RNA letter" in str(error.value)


@pytest.mark.parametrize("number", [0, START, END, PAD, MASK, 5, VOCABULARY_SIZE, 255])
def test_other_ids_cannot_be_written_as_letters(number):
    with pytest.raises(ValueError, match="cannot be written"):
        detokenize(Tokens(np.array([number], dtype=np.uint8), np.array([0, 1])))


def test_nucleobase_properties():
    names, table = nucleobase_properties()
    assert names[:4] == ("oxygen", "nitrogen", "carbon", "hydrogen")
    assert table.shape == (16, 8) == (len(LETTERS), len(names))
    for letter, bases in IUPAC.items():
        expected = np.mean([PROPERTIES[base] for base in bases], axis=0)
        np.testing.assert_allclose(table[IDS[letter] - FIRST_LETTER], expected)


def test_one_string_is_not_taken_for_molecules_of_one_letter():
    with pytest.raises(UserError, match="come as a list"):
        tokenize("ACGU")
