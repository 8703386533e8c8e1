"""Draw tRNAs of at most 205 nt from cm_sampled.parquet with their isotype and domain, for `ribospace import`.

They are sampled from covariance models: realistic in sequence and structure, but not natural.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

DOMAINS = {"bacterial": "Bacteria", "archaeal": "Archaea", "eukaryotic": "Eukaryota"}
NAMED = r"^(bacterial|archaeal|eukaryotic) tRNA-(\S+)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("trna.tsv"), help="the table")
    parser.add_argument("--many", type=int, default=20_000)
    arguments = parser.parse_args()
    named = pl.col("description").str.extract
    molecules = (
        pl.read_parquet(arguments.source / "cm_sampled.parquet", columns=["id", "sequence", "rna_type", "description"])
        .filter((pl.col("rna_type") == "tRNA") & pl.col("description").str.contains(NAMED))
        .filter(pl.col("sequence").str.len_chars() <= 205)
        .with_columns(isotype=named(NAMED, 2), domain=named(NAMED, 1).replace_strict(DOMAINS))
    )
    rows = np.random.default_rng(0).choice(len(molecules), min(arguments.many, len(molecules)), replace=False)
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    molecules[np.sort(rows)].write_csv(arguments.to, separator="\t")


if __name__ == "__main__":
    main()
