"""Draw tRNAs of at most 205 nt from cm_sampled.parquet with their isotype and domain, for `ribospace import`.

They are sampled from covariance models: realistic in sequence and structure, but not natural.
`python -m studies.sampled_trnas CM_SAMPLED.parquet trna.tsv [20000]`
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

DOMAINS = {"bacterial": "Bacteria", "archaeal": "Archaea", "eukaryotic": "Eukaryota"}
NAMED = r"^(bacterial|archaeal|eukaryotic) tRNA-(\S+)"


def main() -> None:
    source, out, many = Path(sys.argv[1]), Path(sys.argv[2]), int((*sys.argv[3:], 20_000)[0])
    named = pl.col("description").str.extract
    molecules = (
        pl.read_parquet(source, columns=["id", "sequence", "rna_type", "description"])
        .filter((pl.col("rna_type") == "tRNA") & pl.col("description").str.contains(NAMED))
        .filter(pl.col("sequence").str.len_chars() <= 205)
        .with_columns(isotype=named(NAMED, 2), domain=named(NAMED, 1).replace_strict(DOMAINS))
    )
    rows = np.random.default_rng(0).choice(len(molecules), min(many, len(molecules)), replace=False)
    molecules[np.sort(rows)].write_csv(out, separator="\t")


if __name__ == "__main__":
    main()
