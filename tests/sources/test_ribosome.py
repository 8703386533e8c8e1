import csv
import itertools
from importlib.resources import files

import pytest

from ribospace.sources.ribosome import read_regions, read_ribosome

DATA = files("ribospace") / "data"
# Lengths and defined nucleotides as FACTS gives them.
LENGTHS = {
    "PTC2": (549, 78), "PTC3": (564, 146), "PTC4": (583, 198), "PTC5": (583, 247),
    "SymR_P": (444, 89), "SymR_A": (109, 89), "SymR_PA": (553, 178),
}  # fmt: skip


@pytest.fixture(scope="module")
def constructs():
    (batch,) = read_ribosome()
    return {row["id"]: row for row in batch.to_pylist()}


def table(name):
    with (DATA / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def defined(sequence, start=0):
    return {start + place: letter for place, letter in enumerate(sequence) if letter != "N"}


def test_lengths_and_defined_nucleotides(constructs):
    assert list(constructs) == list(LENGTHS)
    found = {name: (row["length"], len(defined(row["sequence"]))) for name, row in constructs.items()}
    assert found == LENGTHS
    assert set("".join(row["sequence"] for row in constructs.values())) == set("ACGUN")


def test_symr_pa_is_p_followed_by_a(constructs):
    p, a, pa = (constructs[f"SymR_{name}"]["sequence"] for name in ("P", "A", "PA"))
    assert pa == p + a


def test_each_ptc_holds_the_more_conserved_ones_at_the_same_positions(constructs):
    rows = table("ptc_conservation.tsv")
    ranks = ["PTC2", "PTC3", "PTC4", "PTC5"]
    placed = {}
    for number, name in enumerate(ranks):
        own = {int(row["position"]): row["nucleotide"] for row in rows if ranks.index(row["first_in"]) <= number}
        placed[name] = defined(constructs[name]["sequence"], min(own))
        assert placed[name] == own
        assert constructs[name]["sequence"][0] != "N" != constructs[name]["sequence"][-1]
    for smaller, larger in itertools.pairwise(ranks):
        assert placed[smaller].items() < placed[larger].items()
    assert (min(placed["PTC5"]), max(placed["PTC5"])) == (2043, 2625)


@pytest.mark.parametrize("site", ["P", "A"])
def test_symr_positions(constructs, site):
    own = {int(row["position"]): row["nucleotide"] for row in table("symr.tsv") if row["site"] == site}
    assert defined(constructs[f"SymR_{site}"]["sequence"], min(own)) == own


def test_where_both_are_defined_ptc_and_symr_agree(constructs):
    ptc = defined(constructs["PTC5"]["sequence"], 2043)
    symr = {int(row["position"]): row["nucleotide"] for row in table("symr.tsv")}
    shared = ptc.keys() & symr.keys()
    assert len(shared) > 50
    assert [place for place in shared if ptc[place] != symr[place]] == []


def test_records_of_the_constructs(constructs):
    for name, row in constructs.items():
        assert (row["rna_type"], row["taxid"], row["species"]) == ("rRNA", 562, "Escherichia coli")
        assert row["family"] == name[: 3 if name.startswith("PTC") else 4]
        assert row["description"]


def test_the_shipped_tables():
    rows = table("ptc_conservation.tsv")
    assert len({row["position"] for row in rows}) == len(rows) == 247
    for row in rows:
        band = {"PTC2": "100%", "PTC3": "90-99.9%", "PTC4": "70-89.9%", "PTC5": "50-69.9%"}
        assert row["conservation"] == band[row["first_in"]]
    assert [row["base"] for row in table("nucleobases.tsv")] == ["A", "G", "C", "U"]
    relations = table("talk_relations.tsv")
    assert len(relations) == 9
    assert sum(row["angle_degrees"] != "" for row in relations) == 5
    fasta = (DATA / "talk_rnas.fasta").read_text(encoding="utf-8")
    names = {line[1:].split()[0] for line in fasta.splitlines() if line.startswith(">")}
    assert len(names) == 25
    assert {row[letter] for row in relations for letter in "abc"} == names


def test_regions_are_what_the_constructs_are_of():
    regions = {one["id"]: one["sequence"] for batch in read_regions() for one in batch.to_pylist()}
    made = {one["id"]: one["sequence"] for batch in read_ribosome() for one in batch.to_pylist()}
    for name, construct, start, least in (
        ("Eco_PTC", "PTC2", 17, 1.0),  # conserved in all, so in E. coli
        ("Eco_PTC", "PTC5", 0, 0.9),  # consensus of many
        ("Eco_SymR_P", "SymR_P", 0, 0.9),
        ("Eco_SymR_A", "SymR_A", 0, 0.85),
    ):
        there = regions[name][start : start + len(made[construct])]
        same = [a == b for a, b in zip(there, made[construct], strict=True) if b != "N"]
        assert sum(same) / len(same) >= least
    assert {"Tin_PTC", "Sce_PTC"} <= set(regions)
    assert all(550 < len(sequence) < 650 for name, sequence in regions.items() if "_PTC" in name)
    assert len(set(regions.values())) == len(regions)
