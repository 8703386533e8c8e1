"""The molecules of the studies, in one collection, split by cluster: python -m studies.data --source FOLDER.

Real: nRC's training set (13 classes), Rfam's seeds of 5S rRNA and tRNA, 5.8S rRNAs, tRNAs with known structure.
Sampled from covariance models, so realistic but not natural: a part of cm_sampled.parquet, evenly over its families.
Molecules of more than 205 nt are left out, as in the talk, and one of several equal sequences is kept, a real one where
there is one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

LONGEST = 205
#: nRC's classes in the INSDC vocabulary.
RNA_TYPE = {
    "5S_rRNA": "rRNA",
    "5_8S_rRNA": "rRNA",
    "tRNA": "tRNA",
    "ribozyme": "ribozyme",
    "CD-box": "snoRNA",
    "HACA-box": "snoRNA",
    "scaRNA": "scaRNA",
    "miRNA": "pre_miRNA",
    "Intron_gpI": "autocatalytically_spliced_intron",
    "Intron_gpII": "autocatalytically_spliced_intron",
    "IRES": "misc_RNA",
    "leader": "misc_RNA",
    "riboswitch": "misc_RNA",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/data"), help="the collection")
    parser.add_argument("--sampled", type=int, default=40_000, help="how many sampled molecules")
    arguments = parser.parse_args()
    if not (arguments.source / "nrc_train.fasta").exists():
        sys.exit(f"{arguments.source} has no nrc_train.fasta. Say with --source where the data are.")
    table = pl.concat([real(arguments.source), sampled(arguments.source, arguments.sampled)])
    table = table.filter(pl.col("sequence").str.len_chars() <= LONGEST).unique(
        "sequence", keep="first", maintain_order=True
    )
    print(table.group_by("source").len().sort("len", descending=True))
    with tempfile.TemporaryDirectory() as folder:
        table.write_parquet(Path(folder) / "molecules.parquet")
        ribospace("import", Path(folder) / "molecules.parquet", "--to", arguments.to)
    ribospace("split", arguments.to, "--identity", 0.8, "--ratios", "8:1:1", "--engine", "sketch")


def ribospace(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "ribospace", *map(str, words)], check=True)


def real(folder: Path) -> pl.DataFrame:
    """All real molecules: id, sequence, rna_type, nrc_class, source."""
    nrc = [(name.split()[-1], sequence) for name, sequence in fasta(folder / "nrc_train.fasta")]
    rows = [(f"nrc:{number}", one, name, "nRC") for number, (name, one) in enumerate(nrc)]
    for file, label, source in (
        ("RF00001.fasta", "5S_rRNA", "Rfam"),
        ("RF00005.fasta", "tRNA", "Rfam"),
        ("rfam_5.8S.fasta", "5_8S_rRNA", "Rfam"),
    ):
        rows += [(f"{source}:{label}:{name}", one, label, source) for name, one in fasta(folder / file)]
    rows += [(f"tRNA1415G:{name}", one, "tRNA", "tRNA1415G") for name, one in stockholm(folder / "tRNA1415G.sto")]
    return pl.DataFrame(
        [(name, one.upper().replace("T", "U"), RNA_TYPE[label], label, source) for name, one, label, source in rows],
        schema=["id", "sequence", "rna_type", "nrc_class", "source"],
        orient="row",
    )


def sampled(folder: Path, count: int) -> pl.DataFrame:
    """Sampled molecules, evenly over the families; they have no nrc_class."""
    table = pl.from_arrow(pq.read_table(folder / "cm_sampled.parquet"))
    assert isinstance(table, pl.DataFrame)
    table = table.filter(pl.col("sequence").str.len_chars() <= LONGEST).sort("id")
    lots = np.random.default_rng(0).random(len(table))
    table = table.with_columns(pl.Series("lot", lots)).sort("lot")
    table = table.with_columns(pl.int_range(pl.len()).over("family").alias("turn")).sort("turn", "lot").head(count)
    return table.select(
        "id", "sequence", "rna_type", pl.lit(None, pl.String).alias("nrc_class"), pl.lit("sampled").alias("source")
    )


def fasta(path: Path) -> list[tuple[str, str]]:
    """Names and sequences; names may come more than once."""
    records = path.read_text(encoding="utf-8").split(">")[1:]
    return [(one.split("\n", 1)[0], one.split("\n", 1)[1].replace("\n", "")) for one in records]


def stockholm(path: Path) -> list[tuple[str, str]]:
    """Names and sequences without gaps."""
    sequences: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "//")):
            name, part = line.split()
            sequences[name] = sequences.get(name, "") + part.replace(".", "").replace("-", "")
    return list(sequences.items())


if __name__ == "__main__":
    main()
