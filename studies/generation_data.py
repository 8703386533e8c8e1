"""The molecules that the generation study learns from: python -m studies.generation_data --source FOLDER.

All real molecules of `studies.data`, and of those sampled from covariance models the types whose name says what they
are: tRNAs, and up to 8,000 of each of the others, evenly over their families. Sampled misc_RNA, sRNA, ncRNA, other and
antisense_RNA are left out: over a thousand families under names that a molecule cannot be known by, with some dozen
molecules each. At most 205 nt, equal sequences once, split by cluster.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from studies.data import LONGEST, real, ribospace

UNNAMED = ("misc_RNA", "sRNA", "ncRNA", "other", "antisense_RNA")
MOST = {"tRNA": 15_000}
MOST_OF_OTHERS = 8_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/generation"), help="the collection")
    arguments = parser.parse_args()
    if not (arguments.source / "nrc_train.fasta").exists():
        sys.exit(f"{arguments.source} has no nrc_train.fasta. Say with --source where the data are.")
    table = pl.concat([real(arguments.source).drop("nrc_class"), sampled(arguments.source)])
    table = table.filter(pl.col("sequence").str.len_chars() <= LONGEST).unique(
        "sequence", keep="first", maintain_order=True
    )
    with tempfile.TemporaryDirectory() as folder:
        table.write_parquet(Path(folder) / "molecules.parquet")
        ribospace("import", Path(folder) / "molecules.parquet", "--to", arguments.to)
    ribospace("split", arguments.to, "--identity", 0.8, "--ratios", "8:1:1", "--engine", "sketch")


def sampled(folder: Path) -> pl.DataFrame:
    """Sampled molecules of the types that are named, evenly over their families."""
    table = pl.read_parquet(folder / "cm_sampled.parquet").filter(~pl.col("rna_type").is_in(UNNAMED)).sort("id")
    table = table.filter(pl.col("sequence").str.len_chars() <= LONGEST)
    table = table.with_columns(pl.Series("lot", np.random.default_rng(0).random(len(table)))).sort("lot")
    table = table.with_columns(pl.int_range(pl.len()).over("family").alias("turn")).sort("turn", "lot")
    most = pl.col("rna_type").replace_strict(MOST, default=MOST_OF_OTHERS, return_dtype=pl.Int64)
    table = table.filter(pl.int_range(pl.len()).over("rna_type") < most)
    return table.select("id", "sequence", "rna_type", pl.lit("sampled").alias("source"))


if __name__ == "__main__":
    main()
