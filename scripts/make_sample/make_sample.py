"""Make the sample: real ncRNAs of three genomes, and the RNAs of the talk, each with where it is from.

Run it through run.sh, which installs the tools; see README.md.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from annotate import HERE, INFERNAL, press_models, rfam_loci, rrna_loci, scan, trna_loci
from genomes import GENOMES, Genome, Locus, place

DATA = HERE.parents[1] / "src" / "ribospace" / "data"
COLUMNS = (
    *("id", "sequence", "rna_type", "description", "taxid", "species", "source"),
    *("family", "isotype", "anticodon", "genome", "start", "end", "strand", "tool", "score"),
)
SOURCE = "pybarrnap genomes"

TALK = re.compile(
    r"(?P<species>.+?)(?: \([^)]*\))? "
    r"(?P<product>tRNA-\w+.*|transfer RNA .*|5S ribosomal RNA|(?:mir-\d+ )?microRNA .*)"
)
AMINO_ACID = re.compile(r"tRNA-(?P<code>[A-Z][a-z]{2})|transfer RNA (?P<name>\w+)")
ANTICODON = re.compile(r"\((?:anticodon )?(?P<anticodon>[ACGUTacgut]{3})\)")
CODE_OF = {"threonine": "Thr"}


def resolve(loci: Iterable[Locus]) -> list[Locus]:
    """Keep, of loci that overlap on one strand, the one of lowest rank."""
    kept: list[Locus] = []
    for locus in sorted(loci, key=lambda one: (one.rank, one.genome, one.start, one.strand, one.family)):
        if not any(locus.overlaps(other) for other in kept):
            kept.append(locus)
    return sorted(kept, key=lambda one: (one.genome, one.start, one.strand))


def genome_rows(genome: Genome, loci: Iterable[Locus]) -> Iterator[dict[str, str]]:
    """Write the loci of a genome as rows of the sample."""
    for locus in loci:
        yield {
            "id": place(locus.genome, locus.start, locus.end, locus.strand),
            "sequence": locus.sequence,
            "rna_type": locus.rna_type,
            "description": f"{genome.species} {locus.product}",
            "taxid": str(genome.taxid),
            "species": genome.species,
            "source": SOURCE,
            "family": locus.family,
            "isotype": locus.isotype,
            "anticodon": locus.anticodon,
            "genome": locus.genome,
            "start": str(locus.start),
            "end": str(locus.end),
            "strand": locus.strand,
            "tool": locus.tool,
            "score": locus.score,
        }


def talk_rows(fasta: Path) -> Iterator[dict[str, str]]:
    """Read the RNAs of the talk: `>URS rna_type description`, one line of sequence each."""
    for block in fasta.read_text(encoding="utf-8").split(">")[1:]:
        header, sequence = block.split("\n", 1)
        identifier, rna_type, description = header.split(" ", 2)
        parts = TALK.fullmatch(description)
        if parts is None:
            raise SystemExit(f"{identifier}: no species is seen in {description!r}.")
        acid, anticodon = AMINO_ACID.search(parts["product"]), ANTICODON.search(parts["product"])
        isotype = "" if acid is None else acid["code"] or CODE_OF[acid["name"]]
        family = {"tRNA": "tRNA", "rRNA": "5S_rRNA"}.get(rna_type, "")
        yield dict.fromkeys(COLUMNS, "") | {
            "id": identifier,
            "sequence": "".join(sequence.split()),
            "rna_type": rna_type,
            "description": description,
            "species": parts["species"],
            "source": "RNAcentral",
            "family": family,
            "isotype": isotype,
            "anticodon": "" if anticodon is None else anticodon["anticodon"].upper().replace("T", "U"),
        }


def annotate(genome: Genome, hits: Path, models: Path) -> list[dict[str, str]]:
    """Annotate one genome with the three tools, given cmscan's table of it."""
    loci = [*trna_loci(genome), *rrna_loci(genome), *rfam_loci(genome, hits, models)]
    return list(genome_rows(genome, resolve(loci)))


def make(cm_directory: Path, work: Path, jobs: int) -> str:
    """Make the sample.

    Parameters
    ----------
    cm_directory
        The folder of prokka's Rfam models.
    work
        A folder for the database and cmscan's tables.
    jobs
        Genomes scanned at one time; the result is the same for any number.

    Returns
    -------
    str
        The table, tab-separated, one line a row.
    """
    check_infernal()
    models = press_models(cm_directory, work)
    with ThreadPoolExecutor(jobs) as pool:
        # the longest genome first, so that two jobs end at about the same time
        scans = list(pool.map(lambda genome: scan(genome, models, work), reversed(GENOMES)))
    # one genome after the other: ARAGORN keeps global state, and two threads of it corrupt one another
    scanned = zip(GENOMES, reversed(scans), strict=True)
    rows = [row for genome, hits in scanned for row in annotate(genome, hits, models)]
    rows += talk_rows(DATA / "talk_rnas.fasta")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def check_infernal() -> None:
    """Refuse any Infernal but the one whose hits are shipped."""
    if shutil.which("cmscan") is None:
        raise SystemExit("cmscan is not found. Use run.sh, or install Debian's package infernal.")
    usage = subprocess.run(["cmscan", "-h"], check=True, capture_output=True, text=True).stdout
    if f"INFERNAL {INFERNAL} " not in usage:
        raise SystemExit(f"cmscan is not of Infernal {INFERNAL}.")


def summary(table: str) -> str:
    """Count rows by type and genome, as a Markdown table."""
    rows = list(csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE))
    genomes = [*(genome.species for genome in GENOMES), "the talk"]
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        genome = row["species"] if row["genome"] else "the talk"
        counts.update(itertools.product((row["rna_type"], "all"), (genome, "all")))
    lines = [f"| rna_type | {' | '.join(genomes)} | all |", "|---" * (len(genomes) + 2) + "|"]
    for rna_type in [*sorted({row["rna_type"] for row in rows}, key=str.lower), "all"]:
        lines.append(f"| {rna_type} | {' | '.join(str(counts[rna_type, g]) for g in [*genomes, 'all'])} |")
    distinct = len({row["sequence"] for row in rows})
    return "\n".join([*lines, "", f"{len(rows)} rows, {distinct} distinct sequences, {len(table)} bytes"])


def main() -> None:
    """Read the command line and make or check the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path, help="the table to write, or to check")
    parser.add_argument("--models", type=Path, required=True, help="prokka's folder of Rfam models, db/cm")
    parser.add_argument("--work", type=Path, required=True, help="a folder for what is made on the way")
    parser.add_argument("--jobs", type=int, default=1, help="genomes scanned at one time")
    parser.add_argument("--check", action="store_true", help="compare with the table in place of writing it")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    table = make(given.models, given.work, given.jobs)
    print(summary(table))
    if given.check:
        if given.table.read_bytes() != table.encode():
            raise SystemExit(f"{given.table} differs from what the tools give.")
        print(f"{given.table} is what the tools give, byte for byte.")
    else:
        unfinished = given.table.with_suffix(".unfinished")
        unfinished.write_bytes(table.encode())
        unfinished.rename(given.table)


if __name__ == "__main__":
    main()
