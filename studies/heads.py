"""What attention heads see: python -m studies.heads --source FOLDER --model FOLDER [--model random ...].

The molecules are real: nRC's of 13 classes, and tRNAs with known structure, whose names hold the amino acid (isotype)
that they carry. Heads are asked for properties on molecules that are no near copies; their attention is laid beside
structures by ViennaRNA and beside the structure that the tRNAs share.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import polars as pl

from studies.data import real, ribospace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/heads"), help="folder of all that is made")
    parser.add_argument("--model", action="append", required=True, help="an encoder with heads; may be repeated")
    parser.add_argument("--limit", type=int, default=3000)
    arguments = parser.parse_args()
    data, began = arguments.to / "molecules", time.perf_counter()
    if not data.exists():
        prepare(arguments.source, data)
    for model in arguments.model:
        ribospace(
            "heads", data, "--model", model, "--label", "nrc_class", "--limit", arguments.limit,
            "--alignment", arguments.source / "tRNA1415G.sto",
            "--out", arguments.to / Path(model).name.replace(":", "_"),
        )  # fmt: skip
    print(f"{(time.perf_counter() - began) / 60:.1f} minutes")


def prepare(source: Path, data: Path) -> None:
    """The collection, each sequence once; of the tRNAs the amino acid, the second letter of a name."""
    data.parent.mkdir(parents=True, exist_ok=True)
    table = real(source).filter(pl.col("source").is_in(["nRC", "tRNA1415G"]))
    acid = pl.col("id").str.extract(r"^tRNA1415G:[DR]([A-Z])", 1)
    table = table.unique("sequence", keep="first", maintain_order=True).with_columns(acid.alias("isotype"))
    table.write_parquet(data.parent / "molecules.parquet")
    ribospace("import", data.parent / "molecules.parquet", "--to", data)


if __name__ == "__main__":
    main()
