"""Structure and composition: ViennaRNA's own values, and structures counted by hand."""

import builtins

import numpy as np
import pytest

from ribospace.alphabet import detokenize, tokenize
from ribospace.batching import cut_windows
from ribospace.encoders import find_encoder, structure
from ribospace.encoders.structure import NAMES, StructureEncoder, count_loops
from ribospace.errors import UserError

RNA = pytest.importorskip("RNA", reason="needs ViennaRNA: pip install 'ribospace[structure]'")
TRNA = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"
HAIRPIN = "GGGGAAAACCCC"


def encode(*sequences):
    return [dict(zip(NAMES, row.tolist(), strict=True)) for row in StructureEncoder().encode(tokenize(list(sequences)))]


@pytest.mark.parametrize("sequence", [TRNA, HAIRPIN, "ACGU", "GGGAAACCCAGGGAAACCC" * 4])
def test_energies_are_viennas(sequence):
    (found,) = encode(sequence)
    folded, mfe = RNA.fold(sequence)
    assert found["mfe"] == pytest.approx(mfe, abs=1e-4)
    assert found["mfe_per_nt"] == pytest.approx(mfe / len(sequence), abs=1e-6)
    fold = RNA.fold_compound(sequence)
    fold.exp_params_rescale(mfe)
    assert found["ensemble_energy"] == pytest.approx(fold.pf()[1], abs=1e-3)
    assert found["ensemble_energy"] <= found["mfe"] + 1e-4
    assert found["paired"] == pytest.approx(1 - folded.count(".") / len(sequence))
    for name, count in count_loops(folded).items():
        assert found[name] == count


def test_a_hairpin_by_hand():
    (found,) = encode("GGGGAAAACCCCR")
    assert [found[name] for name in structure.LOOPS] == [1, 0, 0, 0, 1]
    assert found["paired"] == pytest.approx(8 / 13)
    assert [found[name] for name in ("gc", "a", "c", "g", "u")] == pytest.approx([8 / 13, 4 / 13, 4 / 13, 4 / 13, 0])
    assert found["log_length"] == pytest.approx(np.log(13))


@pytest.mark.parametrize(
    ("drawn", "counts"),
    [
        ("", [0, 0, 0, 0, 0]),
        ("....", [0, 0, 0, 0, 0]),
        ("(...)", [1, 0, 0, 0, 1]),
        ("((...))..((...))", [2, 0, 0, 0, 2]),
        ("((.((...))))", [1, 1, 0, 0, 2]),
        ("((((...)).))", [1, 1, 0, 0, 2]),
        ("((.((...))..))", [1, 0, 1, 0, 2]),
        ("((..((...))..((...))..))", [2, 0, 0, 1, 3]),
        ("(((...)(...)))", [2, 0, 0, 1, 3]),
        ("(((((((..((((........)))).(((((.......))))).....(((((.......))))))))))))....", [3, 0, 0, 1, 4]),
    ],
)
def test_loops_by_hand(drawn, counts):
    assert list(count_loops(drawn).values()) == counts


def test_a_vector_is_its_molecules_own():
    sequences = [TRNA, HAIRPIN, "A", "NNN"]
    encoder = StructureEncoder()
    together = encoder.encode(tokenize(sequences))
    assert together.shape == (4, encoder.width)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together[::-1], encoder.encode(tokenize(sequences[::-1])))
    for one, row in zip(sequences, together, strict=True):
        np.testing.assert_array_equal(encoder.encode(tokenize([one]))[0], row)
    assert encoder.encode(tokenize([])).shape == (0, 15)


def test_ambiguity_codes_pair_with_nothing():
    read, plain = encode("GGGGRAAYCCCC", "GGGGNAANCCCC")
    assert read == plain
    assert encode("NNNNNNNNNNNN")[0]["paired"] == 0


def test_long_molecules_are_folded_in_windows(monkeypatch):
    """What is averaged and multiplied by the length is what the windows say alone."""
    long = TRNA + HAIRPIN * 3 + TRNA[::-1]
    windows, _ = cut_windows(tokenize([long]), 80, 20)
    assert len(windows) == 3
    alone = encode(*detokenize(windows))
    monkeypatch.setattr(structure, "WINDOW", 80)
    (cut,) = encode(long)
    for name in ("mfe", "ensemble_energy", *structure.LOOPS):
        assert cut[name] == pytest.approx(np.mean([one[name] for one in alone]) / 80 * len(long), abs=0.01)
    for name in ("mfe_per_nt", "paired"):
        assert cut[name] == pytest.approx(np.mean([one[name] for one in alone]), abs=1e-5)
    assert cut["log_length"] == pytest.approx(np.log(len(long)))
    assert cut["gc"] == pytest.approx(sum(letter in "GC" for letter in long) / len(long))


def test_found_by_name():
    encoder = find_encoder("structure")
    assert (encoder.name, encoder.pooling, encoder.width, encoder.column) == ("structure", "none", 15, "structure")
    assert encoder.revision == f"1-viennarna{RNA.__version__}"
    with pytest.raises(UserError, match="takes no 'x'"):
        find_encoder("structure:x")


def test_without_viennarna_the_extra_is_named(monkeypatch):
    there = builtins.__import__

    def without(name, *arguments, **words):
        if name == "RNA":
            raise ImportError(name)
        return there(name, *arguments, **words)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'ribospace\[structure\]'"):
        find_encoder("structure")
