import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.errors import UserError
from ribospace.sources.stockholm import paired_columns, read_stockholm

BLOCKS = """# STOCKHOLM 1.0
#=GF AU    Somebody

one      GG.AA
#=GR one SS <<...
two-2    gcNt.
#=GC SS_cons <<...

one      A-CC
#=GR one SS ..>>
two-2    AAGC
#=GC SS_cons ..>>
//
"""


def test_blocks_are_put_together(tmp_path):
    path = tmp_path / "family.sto"
    path.write_text(BLOCKS)
    found = read_stockholm(path)
    assert found.ids == ["one", "two-2"]
    assert found.rows == ["GG.AAA-CC", "gcNt.AAGC"]
    assert found.consensus == "<<.....>>"
    assert found.structures == {"one": "<<.....>>"}
    assert found.molecule(0) == ("GGAAACC", [(0, 6), (1, 5)])
    assert found.molecule(1) == ("GCNUAAGC", [(0, 7), (1, 6)])


def test_a_pair_that_lost_a_nucleotide_is_none(tmp_path):
    path = tmp_path / "family.sto"
    path.write_text("# STOCKHOLM 1.0\none .GAC\n#=GC SS_cons (())\n//\n")
    assert read_stockholm(path).molecule(0) == ("GAC", [(0, 1)])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "does not begin with"),
        (">one\nACGU\n", "does not begin with"),
        ("# STOCKHOLM 1.0\n//\n", "no molecules"),
        ("# STOCKHOLM 1.0\none ACGU\ntwo AC\n//\n", "rows of different lengths"),
        ("# STOCKHOLM 1.0\none\n//\n", "line 2 is no name and its letters"),
        ("# STOCKHOLM 1.0\none ACGU\n#=GC SS_cons ((..)\n", "rows of different lengths"),
    ],
)
def test_what_is_no_alignment_is_refused(tmp_path, text, what):
    path = tmp_path / "family.sto"
    path.write_text(text)
    with pytest.raises(UserError, match=what):
        read_stockholm(path)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.sto"):
        read_stockholm(tmp_path / "nothing.sto")
    (tmp_path / "binary.sto").write_bytes(b"# STOCKHOLM 1.0\n\xff\xfe")
    with pytest.raises(UserError, match="is no text"):
        read_stockholm(tmp_path / "binary.sto")


@pytest.mark.parametrize("structure", ["(", ")", "(()", "(]"])
def test_brackets_without_partner_are_refused(structure):
    with pytest.raises(UserError, match="partner"):
        paired_columns(structure)


@given(st.text("()<>.[]Aa", max_size=30))
def test_columns_are_paired_once_or_refused(structure):
    try:
        found = paired_columns(structure)
    except UserError:
        return
    columns = [column for pair in found for column in pair]
    assert len(set(columns)) == len(columns)
    assert all(one < other for one, other in found)
    assert len(columns) == sum(sign in "()<>[]" for sign in structure)
