"""The molecules that the shipped weights learn from: python -m studies.pretrain_data --source FOLDER.

Learned from: molecules sampled from 1,414 covariance models of Rfam, labelled by family, and real 5S and 5.8S rRNAs
and tRNAs of Rfam. Only judged on: nRC's molecules of 13 classes and the shipped sample. All molecules are put into
clusters at 80 % identity, and a cluster that holds a judged molecule is kept out of training whole. A twentieth of the
other clusters is held out to see how training goes.
"""

from __future__ import annotations

import argparse
import hashlib
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
    """Write the column `part`: judged, or train and validation by cluster."""
    table = collection.table(["source", "split_cluster"])
    clusters = table["split_cluster"].to_pylist()
    judged = {
        cluster for cluster, source in zip(clusters, table["source"].to_pylist(), strict=True) if source in JUDGED
    }
    parts = {
        cluster: "validation" if hashlib.md5(cluster.encode(), usedforsecurity=False).digest()[0] < 13 else "train"
        for cluster in clusters
    }
    values = ["test" if cluster in judged else parts[cluster] for cluster in clusters]
    with collection.writing():
        write_columns(collection, [pa.record_batch({"part": pa.array(values)})], MADE_BY)
    print({part: values.count(part) for part in ("train", "validation", "test")})


if __name__ == "__main__":
    main()
