"""Alignments of three, and structures."""

import numpy as np
import pytest

from ribospace.analysis.alignment import LONGEST, align
from ribospace.analysis.structure import fold
from ribospace.errors import UserError


def test_rows_are_the_sequences_with_gaps():
    generator = np.random.default_rng(0)
    one = "".join(generator.choice(list("ACGU"), 70))
    sequences = [one, one[5:40] + one[45:], "N" + one[:60] + "RYX"]
    found = align(sequences)
    assert [row.replace("-", "") for row in found.rows] == sequences
    assert len({len(row) for row in found.rows}) == 1 == len({len(found.conserved), len(found.rows[0])})
    for place, same in enumerate(found.conserved):
        column = {row[place] for row in found.rows}
        assert same == (len(column) == 1 and column <= set("ACGU"))
    assert sum(found.conserved) >= 50


def test_shifted_copies_are_laid_over_each_other():
    core = "GGGAUCCGAUUACGGCAUUGCAUCGGAUC"
    found = align([core, "AAAA" + core, core + "CCC"])
    assert sum(found.conserved) == len(core)


def test_what_is_too_long_is_refused():
    with pytest.raises(UserError, match="too long to align"):
        align(["A" * (LONGEST + 1), "A"])


def test_a_trnas_structure():
    pytest.importorskip("RNA")
    sequence = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"
    found = fold(sequence)
    assert found.structure.count("(") == found.structure.count(")") == len(found.pairs())
    assert found.energy == pytest.approx(-22.4, abs=0.5)  # yeast tRNA-Phe, RNAfold 2.x
    pairs = {sequence[i] + sequence[j] for i, j in found.pairs()}
    assert pairs <= {"GC", "CG", "AU", "UA", "GU", "UG"}
    assert fold("NNRYX").pairs() == []
