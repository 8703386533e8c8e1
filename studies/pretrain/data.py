"""The molecules that the shipped weights learn from: python -m studies.pretrain.data --source FOLDER.

Learned from: molecules sampled from 1,414 covariance models of Rfam and tRNA isotypes, at most 1,000 of each, labelled
by family, and real 5S and 5.8S rRNAs and tRNAs of Rfam and tRNAdb. At most 512 nt. Only judged on: nRC's molecules of
13 classes and the shipped sample. All molecules are put into clusters at 80 % identity, and a cluster that holds a
judged molecule is kept out of training whole. Of the others some clusters are held out to see how training goes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from ribospace.collection import Collection
from ribospace.collection.rows import write_columns
from ribospace.sources.sample import read_sample
from studies.data import real, ribospace

JUDGED = ("nRC", "sample")
MADE_BY = "studies.pretrain.data"
LONGEST = 512
MOST = 1000  # molecules of a family
#: Types of families by what their descriptions say, in lower case; the first that fits.
TYPES = {
    "riboswitch": "riboswitch",
    "leader": "leader",
    "thermo": "thermoregulator",
    "ribozyme": "ribozyme",
    "group i catalytic": "group I intron",
    "group ii catalytic": "group II intron",
    "entry site": "IRES",
    "microrna": "microRNA",
    "nucleolar": "snoRNA",
    "snorna": "snoRNA",
    "signal recognition": "SRP RNA",
    "rnase": "RNase P RNA",
    "crispr": "CRISPR repeat",
    "frameshift": "frameshift element",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/pretrain/runs/data"), help="the collection")
    arguments = parser.parse_args()
    table = pl.concat([real(arguments.source), shipped(), sampled(arguments.source)], how="diagonal")
    table = table.filter(pl.col("sequence").str.len_chars() <= LONGEST)
    table = table.with_columns(pl.coalesce("family", pl.col("nrc_class").replace("tRNA", None)).alias("family"))
    table = table.with_columns(type_of_family())
    table = table.unique("sequence", keep="first", maintain_order=True)
    with tempfile.TemporaryDirectory() as folder:
        table.write_parquet(Path(folder) / "molecules.parquet")
        ribospace("import", Path(folder) / "molecules.parquet", "--to", arguments.to)
    ribospace("split", arguments.to, "--identity", 0.8, "--ratios", "8:1:1", "--engine", "sketch")
    divide(Collection.open(arguments.to))


def type_of_family() -> pl.Expr:
    """The type that a family's description names, or that real molecules have; "sRNA" and "other" for the rest."""
    said = pl.col("description").str.to_lowercase()
    rest = pl.when(pl.col("rna_type") == "sRNA").then(pl.lit("sRNA")).otherwise(pl.lit("other"))
    kind = pl.when(pl.col("source") == "sampled").then(rest).otherwise(pl.col("nrc_class"))
    for word, name in reversed(TYPES.items()):
        kind = pl.when(said.str.contains(word, literal=True)).then(pl.lit(name)).otherwise(kind)
    return pl.when(pl.col("rna_type") == "tRNA").then(pl.lit("tRNA")).otherwise(kind).alias("type")


def shipped() -> pl.DataFrame:
    """The shipped sample; its ids as they are."""
    tables = [pl.from_arrow(pa.Table.from_batches([batch])) for batch in read_sample()]
    table = pl.concat([one for one in tables if isinstance(one, pl.DataFrame)], how="diagonal")
    return table.select("id", "sequence", "rna_type", pl.lit("sample").alias("source"))


def sampled(folder: Path) -> pl.DataFrame:
    """Sampled molecules, with their families."""
    table = pl.read_parquet(folder / "cm_sampled.parquet").sort("id")
    table = table.with_columns(pl.Series("lot", np.random.default_rng(0).random(len(table)))).sort("lot")
    table = table.filter(pl.int_range(pl.len()).over("family") < MOST)
    return table.select("id", "sequence", "rna_type", "family", "description", pl.lit("sampled").alias("source"))


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
