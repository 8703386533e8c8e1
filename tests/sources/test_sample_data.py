"""The sample that the package ships: real, whole, and what the literature says it is."""

import csv
import itertools
import re
from collections import Counter
from importlib.resources import files

import pytest

DATA = files("ribospace") / "data"
COLUMNS = [
    *("id", "sequence", "rna_type", "description", "taxid", "species", "source"),
    *("family", "isotype", "anticodon", "genome", "start", "end", "strand", "tool", "score"),
]
E_COLI = "U00096.2"
PTC = (2043, 2625)
RRL_A, RRL_D, RRL_H = "U00096.2/4035542-4038446", "U00096.2/3424805-3421902", "U00096.2/225759-228662"

# tRNA genes of E. coli K-12 by amino acid: 86, with the one for selenocysteine (Blattner et al. 1997).
E_COLI_TRNAS = {
    "Ala": 5, "Arg": 7, "Asn": 4, "Asp": 3, "Cys": 1, "Gln": 4, "Glu": 4, "Gly": 6, "His": 1, "Ile": 5,
    "Leu": 8, "Lys": 6, "Met": 6, "Phe": 2, "Pro": 3, "Sec": 1, "Ser": 5, "Thr": 4, "Trp": 1, "Tyr": 3,
    "Val": 7,
}  # fmt: skip

# Genes without an intron among the 274 nuclear tRNA genes of yeast (Hani and Feldmann 1998).
YEAST_TRNAS = {
    "AGC": 11, "UGC": 5, "ACG": 6, "CCG": 1, "CCU": 1, "UCU": 11, "GUU": 10, "GUC": 15, "GCA": 4, "UUG": 9,
    "CUG": 1, "UUC": 14, "CUC": 2, "GCC": 16, "UCC": 3, "CCC": 2, "GUG": 7, "AAU": 13, "UAA": 7, "GAG": 1,
    "CUU": 14, "CAU": 10, "AGG": 2, "AGA": 11, "UGA": 3, "AGU": 11, "CGU": 1, "UGU": 4, "AAC": 14, "CAC": 2,
    "UAC": 2,
}  # fmt: skip


def read(name):
    with (DATA / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def rows():
    return read("sample.tsv")


@pytest.fixture(scope="module")
def found(rows):
    """Rows that a tool found on a genome; the others are the talk's."""
    return [row for row in rows if row["genome"]]


def of(rows, genome=E_COLI, **columns):
    return [r for r in rows if r["genome"].startswith(genome) and all(r[c] == v for c, v in columns.items())]


def test_it_is_a_plain_small_table(rows):
    raw = (DATA / "sample.tsv").read_bytes()
    assert list(rows[0]) == COLUMNS
    assert len(raw) < 400_000
    assert b"\r" not in raw
    assert b'"' not in raw
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == len(rows) + 1
    assert all(None not in row and None not in row.values() for row in rows)


def test_it_has_molecules_and_types_enough(rows):
    assert len({row["sequence"] for row in rows}) >= 300
    assert len({row["rna_type"] for row in rows}) >= 8
    assert len({row["id"] for row in rows}) == len(rows)


def test_sequences_are_upper_case_rna(rows):
    for row in rows:
        assert re.fullmatch("[ACGU]+", row["sequence"]), row["id"]


def test_a_place_agrees_with_id_and_length(found):
    for row in found:
        start, end = int(row["start"]), int(row["end"])
        first, last = (start, end) if row["strand"] == "+" else (end, start)
        assert row["strand"] in "+-"
        assert row["id"] == f"{row['genome']}/{first}-{last}"
        assert end - start + 1 == len(row["sequence"])


def test_every_row_says_where_it_is_from(rows, found):
    for row in rows:
        assert all(row[c] for c in ("id", "sequence", "rna_type", "description", "species", "source"))
    for row in found:
        assert all(row[c] for c in ("taxid", "family", "tool", "score"))
    assert all(row["description"].startswith(row["species"]) for row in rows)
    assert {row["taxid"] for row in found} == {"511145", "667014", "559292"}


def test_no_two_places_overlap_on_a_strand(found):
    at = sorted((row["genome"], row["strand"], int(row["start"]), int(row["end"])) for row in found)
    for before, after in itertools.pairwise(at):
        assert before[:2] != after[:2] or before[3] < after[2], (before, after)


def test_rows_are_in_order(rows, found):
    assert rows[: len(found)] == found
    genomes = list(dict.fromkeys(row["genome"] for row in found))
    key = [(genomes.index(row["genome"]), int(row["start"]), row["strand"]) for row in found]
    assert key == sorted(key)


def test_trnas_name_their_anticodon(rows, found):
    for row in rows:
        if row["rna_type"] != "tRNA":
            assert row["isotype"] == row["anticodon"] == ""
    for row in of(found, "", rna_type="tRNA"):
        assert re.fullmatch("[A-Z][a-z]{2}", row["isotype"])
        assert re.fullmatch("[ACGU]{3}", row["anticodon"])
        assert row["anticodon"] in row["sequence"][25:45]
        assert f"tRNA-{row['isotype']} ({row['anticodon']})" in row["description"]


def test_all_trna_genes_of_e_coli(found):
    trnas = of(found, rna_type="tRNA")
    assert len(trnas) == 86
    assert Counter(row["isotype"] for row in trnas) == E_COLI_TRNAS
    assert sum("initiator" in row["description"] for row in trnas) == 4
    assert all(row["sequence"].endswith("CCA") for row in trnas)


def test_intronless_trna_genes_of_yeast(found):
    trnas = of(found, "BK", rna_type="tRNA")
    assert Counter(row["anticodon"] for row in trnas) == YEAST_TRNAS
    assert sum("initiator" in row["description"] for row in trnas) == 5


def test_a_known_trna(found):
    phe = "GCCCGGAUAGCUCAGUCGGUAGAGCAGGGGAUUGAAAAUCCCCGUGUCCUUGGUUCGAUUCCGAGUCCGGGCACCA"
    same = [row for row in found if row["sequence"] == phe]
    assert [(row["genome"], row["isotype"], row["anticodon"]) for row in same] == [(E_COLI, "Phe", "GAA")] * 2


def test_the_tmrna_of_e_coli(found):
    (ssr_a,) = of(found, rna_type="tmRNA")
    assert ssr_a["id"] == "U00096.2/2753615-2753977"
    assert len(ssr_a["sequence"]) == 363
    assert ssr_a["sequence"].startswith("GGGGCUGAUUCUGGAUUCGACGGGAUUUGCGAAACCCAAGGUGCAUGCCGAGGGGCGGUUGG")
    assert ssr_a["sequence"].endswith("CCA")


@pytest.mark.parametrize(
    ("place", "rna_type", "family", "length"),
    [
        ("U00096.2/3268614-3268238", "RNase_P_RNA", "RF00010 RNaseP_bact_a", 377),
        ("U00096.2/3054005-3054188", "ncRNA", "RF00013 6S", 184),
        ("U00096.2/475680-475776", "SRP_RNA", "RF00169 Bacteria_small_SRP", 97),
        ("U00096.2/2311105-2311198", "antisense_RNA", "RF00033 MicF", 94),
        ("U00096.2/3182740-3182592", "misc_RNA", "RF00050 FMN", 149),
        ("BK006945.2/856709-856919", "snoRNA", "RF01262 snR44", 211),
    ],
)
def test_known_genes(found, place, rna_type, family, length):
    (row,) = [row for row in found if row["id"] == place]
    assert (row["rna_type"], row["family"], len(row["sequence"])) == (rna_type, family, length)


def test_rrna_operons(found):
    count = Counter(row["family"] for row in of(found, rna_type="rRNA"))
    assert count == {"16S_rRNA": 7, "23S_rRNA": 7, "5S_rRNA": 8}
    assert {len(row["sequence"]) for row in of(found, family="16S_rRNA")} == {1542}
    count = Counter(row["family"] for row in of(found, "CP002683.1", rna_type="rRNA"))
    assert count == {"16S_rRNA": 2, "23S_rRNA": 2, "5S_rRNA": 2}
    count = Counter(row["family"] for row in of(found, "BK006945.2", rna_type="rRNA"))
    assert count == {"18S_rRNA": 2, "5.8S_rRNA": 2, "25S_rRNA": 2, "5S_rRNA": 6}


def e_coli_position(row, position):
    """Letter of an E. coli 23S rRNA at a position of its numbering; rrlA has an insertion before the PTC."""
    return row["sequence"][position - 1 + len(row["sequence"]) - 2904]


def test_the_ptc_is_whole_in_every_23s_rrna_of_e_coli(found):
    table = read("ptc_conservation.tsv")
    sure = {int(r["position"]): r["nucleotide"] for r in table if r["conservation"] == "100%"}
    assert len(sure) == 78
    assert PTC[0] <= min(sure) < max(sure) <= PTC[1]
    copies = of(found, family="23S_rRNA")
    differing = {}
    for row in copies:
        assert row["sequence"].startswith("GGUUAAGCGACUAAGCG")
        assert row["sequence"].endswith("CUUAACCUU")
        assert len(row["sequence"]) == (2905 if row["id"] == RRL_A else 2904)
        letters = {position: e_coli_position(row, position) for position in sure}
        differing[row["id"]] = dict(letters.items() - sure.items())
    assert len(copies) == 7
    assert differing[RRL_H] == {}
    assert {gene: odd for gene, odd in differing.items() if odd} == {RRL_D: {2549: "U"}}


def test_the_ptc_of_thermodesulfatator(found):
    sure = [r for r in read("ptc_conservation.tsv") if r["conservation"] == "100%"]
    for row in of(found, "CP002683.1", family="23S_rRNA"):
        assert all(row["sequence"][int(r["position"]) - 1 + 114] == r["nucleotide"] for r in sure)


def test_the_rnas_of_the_talk(rows):
    text = (DATA / "talk_rnas.fasta").read_text(encoding="utf-8")
    talk = {}
    for block in text.split(">")[1:]:
        header, sequence = block.split("\n", 1)
        identifier, rna_type, description = header.split(" ", 2)
        talk[identifier] = (rna_type, description, "".join(sequence.split()))
    last = [row for row in rows if row["source"] == "RNAcentral"]
    shipped = {row["id"]: (row["rna_type"], row["description"], row["sequence"]) for row in last}
    assert len(talk) == 25
    assert rows[-25:] == last
    assert shipped == talk
    assert list(shipped) == list(talk)
    for row in last:
        assert not any(row[c] for c in ("taxid", "genome", "start", "end", "strand", "tool", "score"))
    named = {row["id"]: (row["species"], row["isotype"], row["anticodon"]) for row in last}
    assert named["URS000282ACFD"] == ("Schistocerca serialis cubense", "Thr", "UGU")
    assert named["URS00026EF88A"] == ("Owenweeksia sp. TMED14", "Gln", "UUG")
    assert named["URS00028C35F0"] == ("Nitrososphaeraceae archaeon", "", "")
    assert named["URS00027DF700"] == ("Musca domestica", "", "")
