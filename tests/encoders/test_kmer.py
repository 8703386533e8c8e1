import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.alphabet import tokenize
from ribospace.encoders import find_encoder
from ribospace.encoders.kmer import KmerEncoder
from ribospace.errors import UserError

sequences = st.lists(st.text("ACGUNRX", max_size=15), max_size=8)


def reference(sequence, k):
    """Share of each k-mer among those without an ambiguity code, counted one by one."""
    kmers = [sequence[start : start + k] for start in range(len(sequence) - k + 1)]
    kmers = [kmer for kmer in kmers if set(kmer) <= set("ACGU")]
    return [kmers.count("".join(one)) / max(len(kmers), 1) for one in itertools.product("ACGU", repeat=k)]


@given(sequences, st.integers(1, 4))
def test_frequencies_are_those_counted_one_by_one(molecules, k):
    vectors = KmerEncoder(k).encode(tokenize(molecules))
    assert vectors.shape == (len(molecules), 4**k)
    assert vectors.dtype == np.float32
    expected = np.array([reference(one, k) for one in molecules]).reshape(-1, 4**k)
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)


@given(sequences, st.integers(1, 3), st.randoms())
def test_a_vector_is_of_its_molecule_alone(molecules, k, chance):
    encoder = KmerEncoder(k)
    together = encoder.encode(tokenize(molecules))
    for one, vector in zip(molecules, together, strict=True):
        np.testing.assert_array_equal(encoder.encode(tokenize([one]))[0], vector)
    order = list(range(len(molecules)))
    chance.shuffle(order)
    np.testing.assert_array_equal(encoder.encode(tokenize([molecules[row] for row in order])), together[order])


def test_wide_kmers():
    vector = KmerEncoder(8).encode(tokenize(["ACGUACGUA"]))[0]
    assert vector.shape == (65_536,)
    assert np.flatnonzero(vector).tolist() == [0b00_01_10_11_00_01_10_11, 0b01_10_11_00_01_10_11_00]
    assert vector.sum() == 1


@pytest.mark.parametrize("k", range(1, 9))
def test_found_by_name(k):
    encoder = find_encoder(f"kmer{k}")
    assert (encoder.name, encoder.column, encoder.pooling, encoder.width) == (f"kmer{k}", f"kmer{k}", "none", 4**k)
    assert encoder.revision
    assert encoder.location == ""


@pytest.mark.parametrize("name", ["kmer0", "kmer9", "kmer99"])
def test_other_widths_are_refused(name):
    with pytest.raises(UserError, match="choose kmer1 to kmer8"):
        find_encoder(name)


def test_an_unknown_model_offers_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"There is no model 'kmr4': no encoder has this name.*Did you mean kmer4"):
        find_encoder("kmr4")
    with pytest.raises(UserError, match="model"):
        find_encoder(str(tmp_path))
