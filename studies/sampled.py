"""Molecules sampled from covariance models, not natural: python -m studies.sampled --rfam FOLDER --to FILE.

FOLDER is `usr/share/prokka/db/cm` of Debian's package prokka (`apt-get download prokka`, `dpkg-deb -x`): Rfam 14.1's
models (CC0) of archaea, bacteria and viruses, and what type each is. --trna takes the folder of tRNAscan-SE 2's models
by isotype, from its release. Infernal's cmemit samples. The file that the docs' figures rest on was given to us: of the
same families, other molecules, and another type for 16 % of the families.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ribospace.files import written_whole

KINGDOMS = ("Archaea", "Bacteria", "Viruses")
OF_FAMILY = 160
#: Files of tRNAscan-SE 2 and how many molecules of each model.
TRNA = {"arch-iso": 1500, "bact-iso": 1500, "euk-iso": 1500, "mito-mammal": 300, "mito-vert": 300}
WHOSE = {"arch": "archaeal", "bact": "bacterial", "euk": "eukaryotic"} | {
    "mito-mammal": "mammalian mitochondrial",
    "mito-vert": "vertebrate mitochondrial",
}
#: rna_type in the INSDC vocabulary by words of Rfam's description or type; the first that fits.
RNA_TYPES = {
    "hammerhead": "hammerhead_ribozyme",
    "rnase mrp": "RNase_MRP_RNA",
    "rnase p": "RNase_P_RNA",
    "rnasep": "RNase_P_RNA",
    "signal recognition": "SRP_RNA",
    "telomerase": "telomerase_RNA",
    "snorna;": "snoRNA",
    "snrna;": "snRNA",
    "mirna;": "pre_miRNA",
    "ribozyme;": "ribozyme",
    "antisense;": "antisense_RNA",
    " srna;": "sRNA",
    "crispr;": "other",
    "intron;": "autocatalytically_spliced_intron",
    "cis-reg;": "misc_RNA",
    "gene;": "ncRNA",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rfam", type=Path, required=True, help="the folder with Archaea, Bacteria and Viruses")
    parser.add_argument("--trna", type=Path, help="the folder with arch-iso, bact-iso, … of tRNAscan-SE 2")
    parser.add_argument("--of-family", type=int, default=OF_FAMILY, help="molecules of each family of Rfam")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, required=True, help="the Parquet file")
    arguments = parser.parse_args()
    rows = [
        row for kingdom in KINGDOMS for row in of_rfam(arguments.rfam, kingdom, arguments.of_family, arguments.seed)
    ]
    if arguments.trna:
        rows += [row for name in TRNA for row in of_trnas(arguments.trna, name, arguments.seed)]
    table = pl.DataFrame(rows, schema=["id", "sequence", "rna_type", "family", "description"], orient="row")
    with written_whole(arguments.to) as beside:
        table.write_parquet(beside)
    print(table.group_by("rna_type").len().sort("len", descending=True))


def of_rfam(folder: Path, kingdom: str, count: int, seed: int) -> Iterator[tuple[str, ...]]:
    """Molecules of all families of a kingdom, of the types that its list says."""
    listed = folder / "__build" / f"Rfam_{kingdom.lower()}_14.1.txt"
    lines = [line.split("\t") for line in listed.read_text(encoding="utf-8").splitlines()]
    families = {accession: (kind, said) for accession, kind, said in (line for line in lines if len(line) == 3)}
    accessions = accessions_of(folder / kingdom)
    for name, sequence in emitted(folder / kingdom, count, seed):
        family = name.rpartition("-sample")[0]
        kind, said = families.get(accessions[family], ("", family))
        yield f"{kingdom}:{name}", sequence, rna_type(kind, said), family, said


def of_trnas(folder: Path, name: str, seed: int) -> Iterator[tuple[str, ...]]:
    """Sample tRNAs by isotype, of a file such as arch-iso or arch-iso.cm."""
    path = next((one for one in (folder / name, folder / f"{name}.cm") if one.exists()), folder / name)
    whose = WHOSE[name.removesuffix("-iso")]
    for model, sequence in emitted(path, TRNA[name], seed):
        isotype = re.sub(r"-sample\d+$", "", model).rpartition("-")[2]
        yield f"{name}:{model}", sequence, "tRNA", f"tRNA-{isotype}", f"{whose} tRNA-{isotype}"


def rna_type(kind: str, description: str) -> str:
    """The type of a family, by Rfam's words.

    Examples
    --------
    >>> rna_type("Gene; ribozyme;", "Bacterial RNase P class A"), rna_type("Gene; snRNA; snoRNA; CD-box;", "sR44")
    ('RNase_P_RNA', 'snoRNA')
    """
    said = f" {description} {kind}".lower()
    return next((name for word, name in RNA_TYPES.items() if word in said), "misc_RNA")


def accessions_of(path: Path) -> dict[str, str]:
    """Rfam's accession of each model of a file, by name."""
    lines = infernal("cmstat", path).splitlines()
    columns = [line.split() for line in lines if not line.startswith("#")]
    return {one[1]: one[2] for one in columns}


def emitted(path: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Names and sequences that cmemit draws of each model of a file."""
    for record in infernal("cmemit", "-N", count, "--seed", seed, path).split(">")[1:]:
        name, _, letters = record.partition("\n")
        yield name.split()[0], letters.replace("\n", "").upper().replace("T", "U")


def infernal(program: str, *words: object) -> str:
    """What a program of Infernal prints of the file that is named last."""
    if not Path(str(words[-1])).exists():
        sys.exit(f"There is no file {words[-1]}. --help says where covariance models are to be had.")
    if shutil.which(program) is None:
        sys.exit(f"Infernal is not installed here: there is no {program} (apt-get install infernal).")
    return subprocess.run([program, *map(str, words)], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
