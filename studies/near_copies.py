"""What a split by clusters misses: python -m studies.near_copies --source FOLDER.

Every pair of a set is compared letter by letter; of the pairs of at least 80 % identity, what share does each engine
put into one cluster? Then 100,000 sampled molecules are split by each, and held-out ones are searched for near copies
in train. MMseqs2 is asked where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from ribospace.clusters import mmseqs_clusters, mmseqs_version, sketch_clusters
from ribospace.collection import Collection
from ribospace.files import versions, written_whole
from ribospace.hygiene.split import SplitPlan, split
from ribospace.sources.sample import read_sample
from studies.data import fasta, ribospace

Rows = npt.NDArray[np.int64]
IDENTITY, AT_A_TIME = 0.8, 500
SPLIT = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/remade/near_copies.json"), help="JSON of the figures")
    arguments = parser.parse_args()
    table = pl.read_parquet(arguments.source / "cm_sampled.parquet").sort("id").sample(fraction=1, shuffle=True, seed=0)
    figures = {
        "pairs": {name: found(name, some) for name, some in sets(arguments.source, table)},
        "split": held_out(table.unique("sequence", keep="first", maintain_order=True).head(SPLIT)),
        "versions": versions("numpy", "rapidfuzz") | {"mmseqs": mmseqs_version()},
    }
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(arguments.to) as beside:
        beside.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def sets(source: Path, table: pl.DataFrame) -> Iterator[tuple[str, list[str]]]:
    """Distinct molecules in U, set by set."""

    def of(*names: str) -> list[str]:
        sequences = [one for name in names for _, one in fasta(source / name)]
        return list(dict.fromkeys(one.upper().replace("T", "U") for one in sequences))

    natural = [one for batch in read_sample() for one in batch["sequence"].to_pylist()]
    yield "the sample's", list(dict.fromkeys(natural))
    yield "tRNAs and 5S rRNAs of Rfam", of("RF00001.fasta", "RF00005.fasta")
    yield "5.8S rRNAs", of("rfam_5.8S.fasta")[:3000]
    yield "sampled from covariance models", table["sequence"].unique(maintain_order=True).head(20_000).to_list()


def found(name: str, sequences: list[str]) -> dict[str, object]:
    """The share of the pairs of near copies that each engine puts into one cluster; printed as a row."""
    one, other = pairs(sequences)
    figures: dict[str, object] = {"molecules": len(sequences), "pairs": len(one)}
    for engine, cluster in engines().items():
        labels = cluster(sequences)
        figures[engine] = round(float((labels[one] == labels[other]).mean()), 4)
    print(name, figures, flush=True)
    return figures


def pairs(sequences: Sequence[str]) -> tuple[Rows, Rows]:
    """All pairs of at least 80 % identity, 1 - edits / length of the longer; by itself, as it judges the sketch.

    Examples
    --------
    >>> [one.tolist() for one in pairs(["ACGUACGUAC", "GGGGG", "ACGUACGUAU"])]
    [[0], [2]]
    """
    lengths = np.array([len(one) for one in sequences])
    by_length = np.argsort(lengths, kind="stable")
    texts = [sequences[row] for row in by_length.tolist()]
    lengths = lengths[by_length]
    found: list[tuple[Rows, Rows]] = []
    for start in range(0, len(texts), AT_A_TIME):
        block = slice(start, min(start + AT_A_TIME, len(texts)))
        end = int(np.searchsorted(lengths, lengths[block.stop - 1] / IDENTITY, side="right"))
        edits = process.cdist(
            texts[block],
            texts[start:end],
            scorer=Levenshtein.distance,
            score_cutoff=int((1 - IDENTITY) * lengths[end - 1] + 1e-9),
            workers=os.cpu_count() or 1,
            dtype=np.int32,
        )
        most = np.floor((1 - IDENTITY) * np.maximum(lengths[block, None], lengths[None, start:end]) + 1e-9)
        one, other = np.nonzero(np.triu(edits <= most, 1))
        found.append((by_length[start + one], by_length[start + other]))
    one, other = (np.concatenate(rows) for rows in zip(*found, strict=True))
    return np.minimum(one, other), np.maximum(one, other)


def engines() -> dict[str, Callable[[list[str]], Rows]]:
    """What clusters, by name."""
    both: dict[str, Callable[[list[str]], Rows]] = {"sketch": lambda some: sketch_clusters([some], IDENTITY)}
    if mmseqs_version():
        both["mmseqs"] = lambda some: mmseqs_clusters([some], IDENTITY)
    return both


def held_out(table: pl.DataFrame) -> dict[str, object]:
    """Near copies in train of up to 10,000 held-out molecules, as `split` checks them, by engine; printed."""
    figures: dict[str, object] = {"molecules": len(table)}
    with tempfile.TemporaryDirectory() as folder:
        file, place = Path(folder) / "molecules.parquet", Path(folder) / "molecules"
        table.select("id", "sequence", "rna_type").write_parquet(file)
        ribospace("import", file, "--to", place)
        for engine in engines():
            report = split(Collection.open(place), SplitPlan(identity=IDENTITY, engine=engine, column=engine))
            figures[engine] = report["near_copies"]
            print(engine, report["near_copies"], flush=True)
    return figures


if __name__ == "__main__":
    main()
