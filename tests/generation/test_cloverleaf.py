"""A covariance model of a small hairpin family tells hairpins from others."""

import pytest

from ribospace.errors import UserError
from ribospace.generation import cloverleaf

STEMS = ["GGCAC", "GCUGG", "CGGAC", "GACUC", "CAGGU", "GUCCA"]
PARTNER = str.maketrans("ACGU", "UGCA")
HAIRPINS = [stem + "GAAA" + stem.translate(PARTNER)[::-1] for stem in STEMS]


def alignment(path, structure="<<<<<....>>>>>"):
    lines = ["# STOCKHOLM 1.0", "", *(f"s{n} {one}" for n, one in enumerate(HAIRPINS))]
    path.write_text("\n".join([*lines, *([f"#=GC SS_cons {structure}"] if structure else []), "//", ""]))
    return path


@pytest.mark.skipif(not cloverleaf.installed(), reason="Infernal is not on the PATH")
def test_what_pairs_scores_higher(tmp_path):
    broken = [one[:5] + "GAAA" + one[:5] for one in HAIRPINS]
    scores = cloverleaf.bit_scores([*HAIRPINS, *broken], alignment(tmp_path / "family.sto"))
    assert scores[:6].min() > scores[6:].max()
    assert cloverleaf.bit_scores([], tmp_path / "family.sto").tolist() == []
    with pytest.raises(UserError, match="SS_cons"):
        cloverleaf.bit_scores(HAIRPINS, alignment(tmp_path / "bare.sto", ""))
    (tmp_path / "no.cm").write_text("nonsense")
    with pytest.raises(UserError, match=r"cmalign does not take .*no\.cm"):
        cloverleaf.bit_scores(HAIRPINS, tmp_path / "no.cm")


def test_what_is_no_model(tmp_path, monkeypatch):
    (tmp_path / "family.txt").write_text("")
    with pytest.raises(UserError, match="no covariance model"):
        cloverleaf.require(tmp_path / "family.txt")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Infernal"):
        cloverleaf.require(alignment(tmp_path / "family.sto"))
