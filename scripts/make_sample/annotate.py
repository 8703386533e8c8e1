"""Find ncRNA genes: tRNA and tmRNA with ARAGORN, rRNA with pybarrnap, all else with Infernal and Rfam."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyaragorn
import pybarrnap
from genomes import Genome, Locus, cut, place, rna
from pyaragorn import TMRNAGene, TRNAGene

HERE = Path(__file__).parent
RFAM_SETS = ("Bacteria", "Archaea", "Viruses")
INFERNAL = "1.1.4"
MODEL_START = "INFERNAL1/a"
LEFT_OUT = "-"

#: ARAGORN's score below which a tRNA is left out. In E. coli, 110 parts its 86 tRNA genes (113.9 and more)
#: from two other hits (104.5, 105.8); in yeast, the intronless tRNA genes (111.1 and more) from three genes
#: of tRNA-Tyr folded with their intron in place (100.7).
TRNA_SCORE = 110.0

#: Three G-C pairs under the anticodon loop, the mark of initiator tRNAs in every domain of life.
INITIATOR = "GGGCUCAUAACCC"

RRNA = {
    "5S_rRNA": ("5S_rRNA", "5S ribosomal RNA"),
    "5_8S_rRNA": ("5.8S_rRNA", "5.8S ribosomal RNA"),
    "16S_rRNA": ("16S_rRNA", "16S ribosomal RNA"),
    "18S_rRNA": ("18S_rRNA", "18S ribosomal RNA"),
    "23S_rRNA": ("23S_rRNA", "23S ribosomal RNA"),
    "28S_rRNA": ("25S_rRNA", "25S ribosomal RNA"),  # 28S is the tool's word for any eukaryote; yeast's is 25S
}


def trna_loci(genome: Genome) -> Iterator[Locus]:
    """Find tRNA and tmRNA genes with ARAGORN, without introns."""
    finder = pyaragorn.RNAFinder(genome.code, linear=not genome.circular)
    isotypes = read_table(HERE / "isotypes.tsv")
    for name, dna in genome.sequences().items():
        accession = genome.accession_of(name)
        for gene in finder.find_rna(dna.encode()):
            if gene.type == "tRNA" and gene.energy < TRNA_SCORE:
                continue
            strand = "+" if gene.strand == 1 else "-"
            sequence = cut(dna, gene.begin, gene.end, strand)
            known = isotypes.get(place(accession, gene.begin, gene.end, strand), {})
            isotype, anticodon, product = describe(gene, sequence, known)
            yield Locus(
                genome=accession,
                start=gene.begin,
                end=gene.end,
                strand=strand,
                sequence=sequence,
                rna_type=gene.type,
                family=gene.type,
                product=product,
                tool=f"pyaragorn {pyaragorn.__version__} (ARAGORN {pyaragorn.ARAGORN_VERSION})",
                score=f"{gene.energy:.1f}",
                rank=(0,),
                isotype=isotype,
                anticodon=anticodon,
            )


def describe(gene: TRNAGene | TMRNAGene, sequence: str, known: dict[str, str]) -> tuple[str, str, str]:
    """Name the isotype, anticodon and product of a tRNA ("tRNA-Met (CAU), initiator") or a tmRNA.

    Parameters
    ----------
    gene
        What ARAGORN found.
    sequence
        The same place cut out of the genome; a tRNA has to be equal to it.
    known
        The gene's row in isotypes.tsv, if it has one: what a CAU anticodon alone does not tell.
    """
    if isinstance(gene, TMRNAGene):
        return "", "", "transfer-messenger RNA" + (", permuted" if gene.permuted else "")
    if rna(gene.sequence()) != sequence:
        raise SystemExit(f"{gene}: ARAGORN's sequence is not the genome's.")
    isotype = known.get("isotype") or gene.amino_acid.replace("SeC", "Sec")
    anticodon = rna(gene.anticodon)
    initiator = anticodon == "CAU" and INITIATOR in sequence
    note = known.get("note") or ("initiator" if initiator else "")
    return isotype, anticodon, f"tRNA-{isotype} ({anticodon})" + (f", {note}" if note else "")


def rrna_loci(genome: Genome) -> Iterator[Locus]:
    """Find whole rRNA genes with pybarrnap's accurate mode, which is Infernal with Rfam's rRNA models."""
    dna = genome.sequences()
    result = pybarrnap.Barrnap(genome.path, kingdom=genome.kingdom, accurate=True).run()
    for hit in result.mdl_records:
        if hit.is_partial():
            continue
        family, product = RRNA[hit.query_name]
        yield Locus(
            genome=genome.accession_of(hit.target_name),
            start=hit.start,
            end=hit.end,
            strand=hit.strand,
            sequence=cut(dna[hit.target_name], hit.start, hit.end, hit.strand),
            rna_type="rRNA",
            family=family,
            product=product,
            tool=f"pybarrnap {pybarrnap.__version__} (cmscan {INFERNAL})",
            score=f"{hit.score:.1f}",
            rank=(1,),
        )


def rfam_loci(genome: Genome, table: Path, models: Path) -> Iterator[Locus]:
    """Read cmscan's table: hits over a family's gathering threshold that cover its model from end to end.

    A family without a row in rfam_types.tsv is an error; one whose rna_type there is "-" is left out.
    """
    dna = genome.sequences()
    types = read_table(HERE / "rfam_types.tsv")
    length = model_lengths(models)
    for line in table.read_text().splitlines():
        if line.startswith("#"):
            continue
        field = line.split(maxsplit=26)
        name, accession, query = field[1], field[2], field[3]
        model_from, model_to, seq_from, seq_to = map(int, field[7:11])
        strand, truncated, bits, e_value = field[11], field[12], field[16], field[17]
        if truncated != "no" or (model_from, model_to) != (1, length[accession]):
            continue
        if accession not in types:
            raise SystemExit(f"{accession} ({name}) has a hit in {query}: give it a row in rfam_types.tsv.")
        if types[accession]["rna_type"] == LEFT_OUT:
            continue
        start, end = sorted((seq_from, seq_to))
        yield Locus(
            genome=genome.accession_of(query),
            start=start,
            end=end,
            strand=strand,
            sequence=cut(dna[query], start, end, strand),
            rna_type=types[accession]["rna_type"],
            family=f"{accession} {name}",
            product=types[accession]["description"],
            tool=f"cmscan {INFERNAL}",
            score=bits,
            rank=(2, float(e_value), -float(bits)),
        )


def scan(genome: Genome, models: Path, work: Path) -> Path:
    """Run cmscan over a genome as Rfam does; a finished table in the work directory is used again.

    Parameters
    ----------
    genome
        What to scan.
    models
        A pressed database of covariance models.
    work
        Where the table goes.

    Returns
    -------
    Path
        cmscan's table (format 2).
    """
    table = work / f"{genome.stem}.tblout"
    if table.exists():
        return table
    megabases = 2 * sum(map(len, genome.sequences().values())) / 1e6
    unfinished = table.with_suffix(".unfinished")
    command: list[str | Path] = ["cmscan", "--cpu", "1", "--rfam", "--nohmmonly", "--cut_ga", "--noali"]
    command += ["--fmt", "2", "-Z", f"{megabases:.6f}", "--tblout", unfinished, models, genome.path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return unfinished.rename(table)


def press_models(cm_directory: Path, work: Path) -> Path:
    """Join the Rfam models of prokka's sets, each family once, into a database that cmscan reads."""
    finished, unfinished = work / "models", work / "models.unfinished"
    if not finished.exists():
        models: dict[str, str] = {}
        for name in RFAM_SETS:
            command: list[str | Path] = ["cmconvert", cm_directory / name]
            text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            for model in _split(text):
                models.setdefault(_field(model, "ACC"), model)
        unfinished.mkdir(exist_ok=True)
        database = unfinished / "rfam.cm"
        database.write_text("".join(models[accession] for accession in sorted(models)))
        subprocess.run(["cmpress", "-F", database], check=True, stdout=subprocess.DEVNULL)
        unfinished.rename(finished)
    return finished / "rfam.cm"


def model_lengths(models: Path) -> dict[str, int]:
    """Consensus length of each model, by Rfam accession."""
    return {_field(model, "ACC"): int(_field(model, "CLEN")) for model in _split(models.read_text())}


def _split(text: str) -> list[str]:
    """Part a file into its models, each a covariance model and the HMM that filters for it."""
    return [MODEL_START + model for model in text.split(MODEL_START)[1:]]


def _field(model: str, name: str) -> str:
    found = re.search(rf"^{name} +(\S+)", model, re.MULTILINE)
    if found is None:
        raise SystemExit(f"A model without {name}: {model[:80]!r}")
    return found[1]


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """Read a hand-kept table by its first column."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return {next(iter(row.values())): row for row in rows}
