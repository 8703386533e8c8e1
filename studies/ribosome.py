"""The collection of the ribosome study: tRNAs, all words of at most 8 letters, the PTC constructs and natural regions.

Real tRNAs of 50 to 125 nt (the shipped sample, Rfam's seed RF00005, the 1,415 of tRNAdb with known structure, nRC's)
and, up to 100,000 in all, tRNAs sampled from covariance models, which are not natural; each sequence once, a real one
where there is one. Column `origin` says which: real, sampled, construct, region, control; words have none. The isotype
is of the sample's annotation, of the sampled model's name, or the second letter of tRNAdb's names (Sprinzl and
Vassilenko 2005).

`python -m studies.ribosome --source FOLDER --to ribosome [--trnas 100000]`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from ribospace.sources.ribosome import ptc_sequences, read_regions, read_ribosome, symr_sequences
from ribospace.sources.sample import read_sample
from studies.data import fasta, ribospace, stockholm
from studies.sampled_trnas import DOMAINS, NAMED

AMINO_ACIDS = {
    **{"A": "Ala", "C": "Cys", "D": "Asp", "E": "Glu", "F": "Phe", "G": "Gly", "H": "His", "I": "Ile", "K": "Lys"},
    **{"L": "Leu", "M": "Met", "N": "Asn", "P": "Pro", "Q": "Gln", "R": "Arg", "S": "Ser", "T": "Thr", "V": "Val"},
    **{"W": "Trp", "X": "Met", "Y": "Tyr", "Z": "Sec"},
}
COLUMNS = ("id", "sequence", "rna_type", "description", "species", "family", "isotype", "anticodon", "domain", "origin")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/ribosome_data"), help="the collection")
    parser.add_argument("--trnas", type=int, default=100_000, help="how many tRNAs, the sampled ones among them")
    arguments = parser.parse_args()
    if not (arguments.source / "RF00005.fasta").exists():
        sys.exit(f"{arguments.source} has no RF00005.fasta. Say with --source where the data are.")
    trnas = pl.concat([real(arguments.source), sampled(arguments.source)], how="diagonal").unique(
        "sequence", keep="first", maintain_order=True
    )
    between = pl.col("sequence").str.len_chars().is_between(50, 125)
    parts = [trnas.filter(between).head(arguments.trnas), ptc(), controls()]
    table = pl.concat(parts, how="diagonal").select(COLUMNS)
    print(table.group_by("origin", "rna_type").len().sort("len", descending=True))
    with tempfile.TemporaryDirectory() as folder:
        table.write_parquet(Path(folder) / "molecules.parquet")
        ribospace("import", Path(folder) / "molecules.parquet", "--to", arguments.to)
    ribospace("synthesize", "words", "--max-length", 8, "--letters", "ACGUN", "--to", arguments.to)


def real(folder: Path) -> pl.DataFrame:
    """Real tRNAs."""
    sample = [one for batch in read_sample() for one in batch.to_pylist() if one["rna_type"] == "tRNA"]
    rows = [{**{name: one.get(name) for name in COLUMNS}, "domain": domain(one)} for one in sample]
    for name, sequence in fasta(folder / "RF00005.fasta"):
        rows.append({"id": f"Rfam:{name.split()[0]}", "sequence": sequence})
    for name, sequence in stockholm(folder / "tRNA1415G.sto"):
        rows.append({"id": f"tRNAdb:{name}", "sequence": sequence, "isotype": AMINO_ACIDS.get(name[1])})
    for number, (name, sequence) in enumerate(fasta(folder / "nrc_train.fasta")):
        if name.split()[-1] == "tRNA":
            rows.append({"id": f"nRC:{number}", "sequence": sequence})
    letters = pl.col("sequence").str.to_uppercase().str.replace_all("T", "U")
    schema = dict.fromkeys(COLUMNS, pl.String)
    return pl.DataFrame(rows, schema=schema).with_columns(letters, rna_type=pl.lit("tRNA"), origin=pl.lit("real"))


def domain(one: dict[str, str]) -> str | None:
    """Of a tRNA of the sample's three genomes; not known of the few others."""
    genome = one["genome"] or ""
    return "Bacteria" if genome in ("U00096.2", "CP002683.1") else "Eukaryota" if genome.startswith("BK0069") else None


def sampled(folder: Path) -> pl.DataFrame:
    """TRNAs sampled from covariance models, in random order."""
    named = pl.col("description").str.extract
    table = (
        pl.read_parquet(folder / "cm_sampled.parquet", columns=["id", "sequence", "rna_type", "description"])
        .filter((pl.col("rna_type") == "tRNA") & pl.col("description").str.contains(NAMED))
        .with_columns(isotype=named(NAMED, 2), domain=named(NAMED, 1).replace_strict(DOMAINS), origin=pl.lit("sampled"))
    )
    return table[np.random.default_rng(0).permutation(len(table))]


def ptc() -> pl.DataFrame:
    """The constructs, and the natural regions they are of."""
    rows = [
        {**{name: one.get(name) for name in COLUMNS}, "origin": origin}
        for origin, batches in (("construct", read_ribosome()), ("region", read_regions()))
        for batch in batches
        for one in batch.to_pylist()
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))


def controls() -> pl.DataFrame:
    """Constructs whose defined nucleotides have changed places among themselves: N stays where it stood."""
    generator = np.random.default_rng(0)
    rows = []
    for name, sequence in (ptc_sequences() | symr_sequences()).items():
        letters = np.array(list(sequence))
        defined = letters != "N"
        for number in (1, 2):
            letters[defined] = generator.permutation(letters[defined])
            if name in ("PTC2", "PTC5", "SymR_P", "SymR_A"):
                rows.append({"id": f"{name}_mixed{number}", "sequence": "".join(letters)})
    schema = dict.fromkeys(COLUMNS, pl.String)
    said = {"rna_type": "synthetic", "family": "control", "origin": "control"}
    return pl.DataFrame(rows, schema=schema).with_columns(**{name: pl.lit(one) for name, one in said.items()})


if __name__ == "__main__":
    main()
