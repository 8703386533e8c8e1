"""What an RNAcentral description says: the species, the type, and of a tRNA its isotype and anticodon.

Descriptions are written by some fifty databases. Only what is said clearly is taken; all else is null, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ribospace.records import RNA_TYPES

_AMINO_ACIDS = {
    "Ala": "alanine", "Arg": "arginine", "Asn": "asparagine", "Asp": "aspartate", "Cys": "cysteine",
    "Gln": "glutamine", "Glu": "glutamate", "Gly": "glycine", "His": "histidine", "Ile": "isoleucine",
    "Leu": "leucine", "Lys": "lysine", "Met": "methionine", "Phe": "phenylalanine", "Pro": "proline",
    "Ser": "serine", "Thr": "threonine", "Trp": "tryptophan", "Tyr": "tyrosine", "Val": "valine",
    "Sec": "selenocysteine", "Pyl": "pyrrolysine", "fMet": "formylmethionine", "iMet": "initiator methionine",
    "Sup": "suppressor", "Undet": "undetermined",
}  # fmt: skip
_ISOTYPES = {form.lower(): isotype for isotype, name in _AMINO_ACIDS.items() for form in (isotype, name)}
_ISOTYPES |= {"aspartic acid": "Asp", "glutamic acid": "Glu", "ile2": "Ile2"}

_TYPE, _REST = r"^\s*(?P<type>\S*)", r"(?s)^\s*\S*\s*(?P<rest>.*)$"

# "OTHER" is no isotype, but an anticodon may follow it
_NAMES = "|".join(sorted({*_ISOTYPES, "other"}, key=len, reverse=True))
_TRNA = rf"(?is)\b(?:tRNA|transfer RNA)[-: ]+(?:N-)?(?P<name>{_NAMES})(?P<copy>\d*)\b(?P<rest>.*)$"
_ANTICODON = (
    r"(?is)^(?:[ -]\d+)? ?(?:\( ?(?:anticodon[ :]+)?|-|,? ?anticodon[ :]+)(?P<anticodon>[ACGTU]{3})(?:[^a-z/].*)?$"
)
_PART_OF_TRNA = r"(?i)\b(?:fragments?|hal(?:f|ves)|derived|like)\b"

_GENUS = r"(?:Candidatus )?(?P<genus>\[?[A-Z][a-z]+(?:-[a-z]+)?\]?)"
_BINOMIAL = rf"^(?P<name>{_GENUS} (?:x )?(?P<epithet>[a-z]+(?:-[a-z]+)*))(?: (?P<next>[A-Za-z]+)|[^A-Za-z.]|$)"
_PRODUCT = (
    r"(?:[a-z]*tRNA|tmRNA|transfer|transfer-messenger|partial|mitochondrial|chloroplast|[\d.]+S|ribosomal|[rmsm]i?RNA|"
    r"piRNA|small|large|long|signal|microRNA|pre-microRNA|[Bb]acterial|[Aa]rchaeal|RNase|ribonuclease|SRP|[a-z]*RNA)"
)
_PLACED = (  # known by a strain, or only by a higher taxon: "Owenweeksia sp. TMED14", "Gaiellaceae bacterium"
    rf"^(?P<name>{_GENUS} (?:sp\. [^( ][^(]*?|(?:bacterium|archaeon)(?: [^( ][^(]*?)?)) (?:\(.*\) )?{_PRODUCT}\b"
)


def _words(text: str) -> pa.StringArray:
    return pa.array(text.split(), pa.string())


_NO_GENUS = _words(
    "Alpha Antisense Archaeal Bacterial Beta Cyanobacterial Delta Environmental Epsilon Eukaryotic Fungal Gamma Human "
    "Hammerhead Intergenic Large Long Mammalian Metazoan Micro Mitochondrial Mouse Novel Nuclear Nucleolar Partial "
    "Plant Plasmid Predicted Putative Ribosomal Short Signal Small Soft Spliceosomal Spot Synthetic Telomerase "
    "Transfer Uncharacterised Uncharacterized Unclassified Uncultured Unidentified Unknown Unnamed Vault "
    "Vertebrate Viral " + " ".join(_AMINO_ACIDS.values()).title()
)
_NO_EPITHET = _words(
    "aff and antitoxin bacterium archaeon binding candidate cf clone conserved domain element enrichment environmental "
    "family for from gene group in intergenic intron large leader like long metagenome microbial mosaic motif non "
    "nuclear nucleolar of operon or organism partial phage precursor predicted probable promoter protein pseudoknot "
    "putative region regulatory ribosomal ribosome riboswitch ribozyme rna sequence signal similar site small "
    "spacer sp spliceosomal spp strain structure subunit switch telomerase terminator thermometer thermoregulator "
    "to transfer type uncultured unclassified unidentified upstream variant viroid virus vault with"
)
_NO_SPECIES_BEFORE = _words("virus viroid phage satellite operon")


@dataclass(frozen=True)
class Description:
    """What a description says; None where it does not.

    Attributes
    ----------
    species
        Genus and epithet; strain and subspecies are left out, so that a species has one name. A species that has no
        epithet has its full name: "Owenweeksia sp. TMED14", "Gaiellaceae bacterium". What is uncultured has none.
    rna_type
        The leading word if it is of the INSDC vocabulary, else "tRNA" where one is named, such as tRNA-Leu.
    isotype
        Three letters, also fMet, iMet, Ile2, Sec, Pyl, Sup and Undet. None for OTHER.
    anticodon
        Three upper-case letters in U.
    """

    species: str | None = None
    rna_type: str | None = None
    isotype: str | None = None
    anticodon: str | None = None


def read_description(text: str | None) -> Description:
    """Read one description; for many use `read_descriptions`.

    Parameters
    ----------
    text
        Such as RNAcentral gives.

    Returns
    -------
    Description

    Examples
    --------
    >>> read_description("Homo sapiens (human) tRNA-Leu (anticodon TAA) 1-1")
    Description(species='Homo sapiens', rna_type='tRNA', isotype='Leu', anticodon='UAA')
    >>> read_description("tRNA from 12 species")
    Description(species=None, rna_type='tRNA', isotype=None, anticodon=None)
    """
    return Description(**read_descriptions(pa.array([text], pa.string())).to_pylist()[0])


def read_descriptions(texts: pa.StringArray) -> pa.RecordBatch:
    """Read descriptions, each distinct one once.

    Parameters
    ----------
    texts
        (n,) descriptions, null where there is none.

    Returns
    -------
    pa.RecordBatch
        (n rows) the string columns species, rna_type, isotype and anticodon; see `Description`.

    Examples
    --------
    >>> said = read_descriptions(pa.array(["Escherichia coli str. K-12 tRNA-Gln(ttg)", None]))
    >>> said.to_pylist()[0]
    {'species': 'Escherichia coli', 'rna_type': 'tRNA', 'isotype': 'Gln', 'anticodon': 'UUG'}
    """
    encoded = texts.dictionary_encode()
    return _read(encoded.dictionary.cast(pa.string())).take(encoded.indices)


def _read(texts: pa.StringArray) -> pa.RecordBatch:
    types = pc.struct_field(pc.extract_regex(texts, _TYPE), "type")
    known = pc.fill_null(pc.is_in(types, pa.array(sorted(RNA_TYPES))), False)
    rest = pc.struct_field(pc.extract_regex(pc.if_else(known, texts, None), _REST), "rest")
    types, rest = pc.if_else(known, types, None), pc.coalesce(rest, texts)
    may_be = pc.fill_null(pc.equal(types, "tRNA"), True)
    named, isotypes, anticodons = _trna(pc.if_else(may_be, rest, None))
    columns = [_species(rest), pc.if_else(named, "tRNA", types), isotypes, anticodons]
    return pa.RecordBatch.from_arrays(columns, ["species", "rna_type", "isotype", "anticodon"])


def _trna(texts: pa.StringArray) -> tuple[pa.BooleanArray, pa.StringArray, pa.StringArray]:
    """Whether it is a tRNA, isotype, anticodon; not for a part of one, nor where two different ones are named."""
    whole = pc.and_(pc.match_substring(texts, "RNA"), pc.invert(pc.match_substring_regex(texts, _PART_OF_TRNA)))
    found = pc.extract_regex(pc.if_else(whole, texts, None), _TRNA)
    rest = pc.struct_field(found, "rest")
    isotypes, others = _isotype(found), _isotype(pc.extract_regex(rest, _TRNA))
    one = pc.fill_null(pc.equal(isotypes, others), True)
    anticodons = pc.struct_field(pc.extract_regex(rest, _ANTICODON), "anticodon")
    anticodons = pc.replace_substring(pc.ascii_upper(anticodons), "T", "U")
    named = pc.and_(pc.is_valid(found), one)
    return named, pc.if_else(one, isotypes, None), pc.if_else(one, anticodons, None)


def _isotype(found: pa.StructArray) -> pa.StringArray:
    names = pc.ascii_lower(pc.struct_field(found, "name"))
    second = pc.and_(pc.is_in(names, pa.array(["ile"])), pc.equal(pc.struct_field(found, "copy"), "2"))
    rows = pc.index_in(pc.if_else(second, "ile2", names), pa.array(list(_ISOTYPES)))
    return pa.array(list(_ISOTYPES.values())).take(rows)


def _species(texts: pa.StringArray) -> pa.StringArray:
    found = pc.extract_regex(texts, _BINOMIAL)
    epithets = pc.struct_field(found, "epithet")
    good = pc.invert(pc.is_in(pc.struct_field(found, "genus"), _NO_GENUS))
    good = pc.and_(good, pc.invert(pc.is_in(epithets, _NO_EPITHET)))
    good = pc.and_(good, pc.match_substring_regex(epithets, "^.*[aeiouy].*$"))  # no gene's name, such as rnk
    good = pc.and_(good, pc.invert(pc.is_in(pc.struct_field(found, "next"), _NO_SPECIES_BEFORE)))
    names = pc.if_else(good, pc.struct_field(found, "name"), None)
    unnamed = pc.match_substring_regex(texts, r" (?:sp\.|bacterium|archaeon) ")
    placed = pc.extract_regex(pc.if_else(unnamed, texts, None), _PLACED)
    fits = pc.invert(pc.is_in(pc.struct_field(placed, "genus"), _NO_GENUS))
    return pc.coalesce(names, pc.if_else(fits, pc.struct_field(placed, "name"), None))
