"""Mountains, entropy and folding: definitions by brute force, ViennaRNA's own values, bad input."""

import numpy as np
import pytest

from ribospace.alphabet import LETTERS
from ribospace.analysis import folding
from ribospace.analysis.structure import (
    expected_heights,
    fold,
    fold_many,
    heights,
    layout,
    pair_probabilities,
    paired,
    pairs_of,
    positional_entropy,
)
from ribospace.errors import UserError

RNA = pytest.importorskip("RNA")
TRNA = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"  # yeast tRNA-Phe, 1EHZ


@pytest.fixture(scope="module")
def trna():
    return fold(TRNA, pairs=True)


def test_known_values_of_yeast_trna_phe(trna):
    assert trna.structure == RNA.fold(TRNA)[0]
    assert trna.energy == pytest.approx(-22.4, abs=0.05)
    assert trna.ensemble == pytest.approx(RNA.pf_fold(TRNA)[1], abs=1e-3)
    assert (0, 71) in trna.pairs()


def test_heights_are_the_pairs_around_a_place(trna):
    counted = [sum(i < k < j for i, j in trna.pairs()) for k in range(len(TRNA))]
    assert heights(trna.structure).tolist() == counted
    weighed = [sum(p for i, j, p in trna.probable if i < k < j) for k in range(len(TRNA))]
    np.testing.assert_allclose(expected_heights(trna.probable, len(TRNA)), weighed, atol=1e-9)


def test_expected_heights_are_the_mean_of_sampled_structures():
    sequence = TRNA[:40]
    model = RNA.md()
    model.uniq_ML = 1
    compound = RNA.fold_compound(sequence, model)
    compound.exp_params_rescale(compound.mfe()[1])
    compound.pf()
    RNA.init_rand(1)
    sampled = np.mean([heights(one) for one in compound.pbacktrack(4000)], axis=0)
    expected = expected_heights(fold(sequence, pairs=True).probable, 40)
    np.testing.assert_allclose(sampled, expected, atol=0.15)


def test_entropy_is_viennas(trna):
    compound = RNA.fold_compound(TRNA)
    compound.exp_params_rescale(trna.energy)
    compound.pf()
    ours = positional_entropy(trna.probable, len(TRNA))
    np.testing.assert_allclose(ours, compound.positional_entropy()[1:], atol=1e-3)
    np.testing.assert_allclose(paired(trna.probable, len(TRNA)), pair_probabilities(TRNA).sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("sequence", ["A", "N", "N" * 30, "acgt", "ACGU"])
def test_what_cannot_pair_has_flat_mountains(sequence):
    found = fold(sequence, pairs=True)
    assert set(found.sequence) <= set("ACGUN")
    n = len(sequence)
    assert (found.structure, found.centroid) == ("." * n, "." * n)
    for one in (heights(found.structure), expected_heights(found.probable, n), positional_entropy(found.probable, n)):
        assert one.tolist() == [0.0] * n
    assert np.isfinite(layout(found.structure)).all()
    assert layout("").shape == (0, 2)


@pytest.mark.parametrize(
    ("sequence", "said"), [("", "without a sequence"), ("ACG!", "'!' is not a letter"), ("A" * 5001, "5,001 nt")]
)
def test_what_is_refused(sequence, said):
    for ask in (lambda: fold(sequence), lambda: list(fold_many(["ACGU", sequence]))):
        with pytest.raises(UserError, match=said):
            ask()


def test_letters_are_the_alphabets():
    assert frozenset(LETTERS) == folding._LETTERS
    assert fold("GGGGAAAATCCCC").energy == fold("GGGGAAAAUCCCC").energy


def test_pieces_hold_each_molecule_once_the_longest_first():
    lengths = np.random.default_rng(0).integers(1, 900, 300)
    pieces = list(folding._pieces(["A" * length for length in lengths]))
    assert sorted(row for piece in pieces for row in piece) == list(range(300))
    assert len(pieces) > 20
    flat = [lengths[row] for piece in pieces for row in piece]
    assert flat == sorted(flat, reverse=True)


def test_pairs_of_a_structure():
    assert pairs_of("((..)).()") == [(0, 5), (1, 4), (7, 8)]
