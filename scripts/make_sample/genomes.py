"""The genomes of the sample, and one annotated place on them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from Bio import SeqIO
from pybarrnap.utils import load_example_fasta_file

COMPLEMENT = str.maketrans("ACGT", "UGCA")


@dataclass(frozen=True)
class Genome:
    """A genome that the package pybarrnap carries, and how to annotate it.

    Attributes
    ----------
    file
        Name of the FASTA file in pybarrnap.
    sha256
        Of that file; anything else is refused.
    accession
        INSDC accession for a header that names none; empty where the headers do.
    species, taxid
        NCBI taxonomy.
    kingdom
        pybarrnap's set of rRNA models.
    code
        NCBI genetic code, which ARAGORN reads anticodons with.
    circular
        Whether each sequence closes on itself.
    """

    file: str
    sha256: str
    accession: str
    species: str
    taxid: int
    kingdom: str
    code: int
    circular: bool

    @property
    def path(self) -> Path:
        """Where pybarrnap keeps the file."""
        return Path(load_example_fasta_file(self.file))

    @property
    def stem(self) -> str:
        """A short name for files made from this genome."""
        return self.file.removesuffix(".fna")

    def sequences(self) -> dict[str, str]:
        """Read the sequences by the name they have in the file, once its checksum is right."""
        found = hashlib.sha256(self.path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise SystemExit(f"{self.path}: sha256 is {found}, not {self.sha256}. Install requirements.txt.")
        return {record.id: str(record.seq).upper() for record in SeqIO.parse(self.path, "fasta")}

    def accession_of(self, name: str) -> str:
        """INSDC accession of a sequence, from its name in the file ("gi|335358205|gb|CP002683.1|")."""
        return self.accession or name.split("|")[3]


GENOMES = (
    Genome(
        file="bacteria.fna",
        sha256="0be0f148fa1516c2a84cc473fa20320ccc97e203d3d1f9585e85058ddb6b5077",
        accession="U00096.2",
        species="Escherichia coli str. K-12 substr. MG1655",
        taxid=511145,
        kingdom="bac",
        code=11,
        circular=True,
    ),
    Genome(
        file="archaea.fna",  # pybarrnap's name for it, but Thermodesulfatator is a bacterium
        sha256="7a878982459e41ef6592e4cc32d1194919e64837a191abcbab905f9f8ac34bf1",
        accession="",
        species="Thermodesulfatator indicus DSM 15286",
        taxid=667014,
        kingdom="bac",
        code=11,
        circular=True,
    ),
    Genome(
        file="fungus.fna",
        sha256="595038afb28c29e31282d39aff5165a8b6ecd3cc6f6855639bad9d5c93195d24",
        accession="",
        species="Saccharomyces cerevisiae S288C",
        taxid=559292,
        kingdom="euk",
        code=1,
        circular=False,
    ),
)


@dataclass(frozen=True)
class Locus:
    """One ncRNA gene on a genome, as one tool found it.

    Attributes
    ----------
    genome
        INSDC accession with version.
    start, end
        1-based, inclusive, start <= end, on the forward strand.
    strand
        "+" or "-".
    sequence
        Sense strand, upper case, in U.
    tool
        Program and version.
    score
        As the tool gives it, written as text.
    rank
        What decides between overlapping loci: the lower wins. (0,) for tRNA and tmRNA, (1,) for rRNA,
        (2, E-value, -bits) for Rfam families.
    """

    genome: str
    start: int
    end: int
    strand: str
    sequence: str
    rna_type: str
    family: str
    product: str
    tool: str
    score: str
    rank: tuple[float, ...]
    isotype: str = ""
    anticodon: str = ""

    def overlaps(self, other: Locus) -> bool:
        """Whether the two share at least one nucleotide of one strand."""
        same = (self.genome, self.strand) == (other.genome, other.strand)
        return same and self.start <= other.end and other.start <= self.end


def cut(sequence: str, start: int, end: int, strand: str) -> str:
    """Take a place out of a genome as RNA, 5' to 3'.

    Examples
    --------
    >>> cut("AACGT", 2, 4, "+"), cut("AACGT", 2, 4, "-")
    ('ACG', 'CGU')
    """
    piece = sequence[start - 1 : end]
    return piece.translate(COMPLEMENT)[::-1] if strand == "-" else rna(piece)


def rna(dna: str) -> str:
    """Write DNA letters as upper-case RNA letters."""
    return dna.upper().replace("T", "U")


def place(genome: str, start: int, end: int, strand: str) -> str:
    """Name a place as Rfam does, from the RNA's 5' end to its 3' end.

    Examples
    --------
    >>> place("U00096.2", 5, 9, "+"), place("U00096.2", 5, 9, "-")
    ('U00096.2/5-9', 'U00096.2/9-5')
    """
    return f"{genome}/{start}-{end}" if strand == "+" else f"{genome}/{end}-{start}"
