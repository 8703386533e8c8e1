"""The molecules that the shipped weights learn from: python -m studies.pretrain_data --source FOLDER.

Learned from: molecules sampled from 1,414 covariance models of Rfam, labelled by family, and real 5S and 5.8S rRNAs
and tRNAs of Rfam. Only judged on: nRC's molecules of 13 classes and the shipped sample. All molecules are put into
clusters at 80 % identity, and a cluster that holds a judged molecule is kept out of training whole. Of the others
some clusters are held out to see how training goes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa

from ribospace.collection import Collection
from ribospace.collection.rows import write_columns
from ribospace.sources.sample import read_sample
from studies.data import LONGEST, real, ribospace

JUDGED = ("nRC", "sample")
MADE_BY = "studies.pretrain_data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/pretrain"), help="the collection")
    arguments = parser.parse_args()
    table = pl.concat([real(arguments.source), shipped(), sampled(arguments.source)], how="diagonal")
    table = table.filter(pl.col("sequence").str.len_chars() <= LONGEST)
    table = table.unique("sequence", keep="first", maintain_order=True)
    with tempfile.TemporaryDirectory() as folder:
        table.write_parquet(Path(folder) / "molecules.parquet")
        ribospace("import", Path(folder) / "molecules.parquet", "--to", arguments.to)
    ribospace("split", arguments.to, "--identity", 0.8, "--ratios", "8:1:1", "--engine", "sketch")
    divide(Collection.open(arguments.to))


def shipped() -> pl.DataFrame:
    """The shipped sample; its ids as they are."""
    tables = [pl.from_arrow(pa.Table.from_batches([batch])) for batch in read_sample()]
    table = pl.concat([one for one in tables if isinstance(one, pl.DataFrame)], how="diagonal")
    return table.select("id", "sequence", "rna_type", pl.lit("sample").alias("source"))


def sampled(folder: Path) -> pl.DataFrame:
    """All sampled molecules, with their families."""
    table = pl.read_parquet(folder / "cm_sampled.parquet").sort("id")
    return table.select("id", "sequence", "rna_type", "family", pl.lit("sampled").alias("source"))


def divide(collection: Collection) -> None:
    """Write the column `part`: test where a cluster holds a judged molecule, else validation or train, as `split`."""
    table = collection.table(["source", "split", "split_cluster"]).to_pylist()
    judged = {one["split_cluster"] for one in table if one["source"] in JUDGED}
    values = [
        "test" if one["split_cluster"] in judged else "validation" if one["split"] == "validation" else "train"
        for one in table
    ]
    with collection.writing():
        write_columns(collection, [pa.record_batch({"part": pa.array(values)})], MADE_BY)
    print({part: values.count(part) for part in ("train", "validation", "test")})


if __name__ == "__main__":
    main()
