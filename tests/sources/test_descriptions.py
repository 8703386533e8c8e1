import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ribospace.records import RNA_TYPES
from ribospace.sources.descriptions import Description, read_description, read_descriptions
from ribospace.sources.sample import read_sample

COLUMNS = ["species", "rna_type", "isotype", "anticodon"]


def trna(species, isotype=None, anticodon=None):
    return Description(species, "tRNA", isotype, anticodon)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Homo sapiens (human) tRNA-Leu (anticodon TAA) 1-1", trna("Homo sapiens", "Leu", "UAA")),
        ("Homo sapiens tRNA-Leu-CAA-1-1", trna("Homo sapiens", "Leu", "CAA")),
        ("Escherichia coli str. K-12 substr. MG1655 tRNA-Gln(ttg)", trna("Escherichia coli", "Gln", "UUG")),
        ("transfer RNA threonine (anticodon UGU)", trna(None, "Thr", "UGU")),
        ("Mus musculus transfer RNA aspartic acid 3 (anticodon GTC)", trna("Mus musculus", "Asp", "GUC")),
        ("Drosophila melanogaster transfer RNA:Leucine-CAG 1-1", trna("Drosophila melanogaster", "Leu", "CAG")),
        ("Saccharomyces cerevisiae S288C tRNA-Ala", trna("Saccharomyces cerevisiae", "Ala")),
        ("tRNA Cordylochernes scorpioides tRNA-Gly", trna("Cordylochernes scorpioides", "Gly")),
        ("tRNA Schistocerca serialis cubense (Grasshoppers) tRNA-Thr", trna("Schistocerca serialis", "Thr")),
        ("tRNA Owenweeksia sp. TMED14 tRNA-Gln(ttg)", trna("Owenweeksia sp. TMED14", "Gln", "UUG")),
        ("tRNA Nitrososphaeraceae archaeon tRNA-OTHER", trna("Nitrososphaeraceae archaeon")),
        ("tRNA-OTHER(cca)", trna(None, None, "CCA")),
        ("tRNA-OTHER", trna(None)),
        ("tRNA-fMet", trna(None, "fMet")),
        ("tRNA-iMet-CAT-1-1", trna(None, "iMet", "CAU")),
        ("tRNA-SeC(TCA)", trna(None, "Sec", "UCA")),
        ("tRNA-Sec (UCA)", trna(None, "Sec", "UCA")),
        ("tRNA-Pyl", trna(None, "Pyl")),
        ("tRNA-Ile2 (CAU)", trna(None, "Ile2", "CAU")),
        ("tRNA-Leu2", trna(None, "Leu")),
        ("tRNA-Undet (NNN)", trna(None, "Undet")),
        ("tRNA-Sup (CUA)", trna(None, "Sup", "CUA")),
        ("tRNA-glutamic acid", trna(None, "Glu")),
        ("Candidatus Thioglobus singularis tRNA-Ser", trna("Candidatus Thioglobus singularis", "Ser")),
        ("Candidatus Eiseniibacteriota bacterium tRNA-Leu", trna("Candidatus Eiseniibacteriota bacterium", "Leu")),
        ("Deltaproteobacteria bacterium SM23_61 tRNA-Leu", trna("Deltaproteobacteria bacterium SM23_61", "Leu")),
        ("Musa x paradisiaca tRNA-Leu", trna("Musa x paradisiaca", "Leu")),
        ("Mus musculus piRNA piR-mmu-123", Description("Mus musculus")),
        ("pre_miRNA Myotis brandtii mir-9229 microRNA precursor family", Description("Myotis brandtii", "pre_miRNA")),
        ("[Candida] auris 5S ribosomal RNA", Description("[Candida] auris")),
        ("Streptomyces sp. NRRL B-1234 partial 16S rRNA", Description("Streptomyces sp. NRRL B-1234")),
    ],
)
def test_what_is_said_is_read(text, expected):
    assert read_description(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tRNA from 12 species", trna(None)),
        ("rRNA from 1 species", Description(rna_type="rRNA")),
        ("uncultured bacterium partial 16S ribosomal RNA", Description()),
        ("Bacillus sp. tRNA-Leu", trna(None, "Leu")),
        ("Bacillus sp. (in: Bacteria) tRNA-Leu", trna(None, "Leu")),
        ("Bacillus cf. pumilus tRNA-Leu", trna(None, "Leu")),
        ("Candidatus Thioglobus tRNA-Leu", trna(None, "Leu")),
        ("Cobalamin riboswitch", Description()),
        ("Enterobacteria rnk leader", Description()),
        ("Small nucleolar RNA snR39", Description()),
        ("Threonine operon leader", Description()),
        ("Tobacco mosaic virus tRNA-like structure", Description()),
        ("Human immunodeficiency virus 1 TAR", Description()),
        # codons, not anticodons
        ("Homo sapiens mitochondrially encoded tRNA leucine 1 (UUA/G)", trna("Homo sapiens", "Leu")),
        ("tRNA-Ser (UCN)", trna(None, "Ser")),
        ("tRNA-Leu act", trna(None, "Leu")),
        ("tRNA-Leu and tRNA-Phe", Description()),
        ("Homo sapiens tRNA-Gly-GCC derived fragment", Description("Homo sapiens")),
        ("piRNA Homo sapiens piR-1 in tRNA-Gly", Description("Homo sapiens", "piRNA")),
        ("", Description()),
        (None, Description()),
    ],
)
def test_what_is_not_said_is_not_guessed(text, expected):
    assert read_description(text) == expected


def test_the_sample_agrees():
    """Where the parser speaks it says what the annotators did; ARAGORN writes Sec."""
    for batch in read_sample():
        said = read_descriptions(batch.column("description")).to_pylist()
        for row, one in zip(batch.to_pylist(), said, strict=True):
            if row["isotype"]:
                assert (one["isotype"], one["anticodon"]) == (row["isotype"], row["anticodon"])
            else:
                assert one["anticodon"] is None
            assert one["species"] is None or row["species"].startswith(one["species"])
            assert one["species"] or row["source"] != "pybarrnap genomes"


words = st.sampled_from(
    [*sorted(RNA_TYPES)[:4], "tRNA-", "transfer RNA ", "Leu", "(ttg)", "Homo", "sapiens", "sp.", " ", "[", "(", "\n"]
)


@given(st.lists(st.one_of(st.none(), st.text(), st.lists(words).map("".join))))
def test_it_takes_any_text(texts):
    said = read_descriptions(pa.array(texts, pa.string()))
    assert said.num_rows == len(texts)
    assert said.schema == pa.schema([(name, pa.string()) for name in COLUMNS])
    for text, one in zip(texts, said.to_pylist(), strict=True):
        assert one["species"] is None or one["species"] in text
        assert one["anticodon"] is None or set(one["anticodon"]) <= set("ACGU")
        assert Description(**one) == read_description(text)
