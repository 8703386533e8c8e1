"""How good the shipped weights are, beside k-mers, structure and chance: python -m studies.benchmark --source FOLDER.

Three tasks by `ribospace compare`, each with a linear probe, retrieval and neighbours:
nrc: nRC's molecules of 13 classes, each sequence once, near copies (80 % identity) in one fold;
nrc_anyhow: the same, folds at random, as others divide them (exact duplicates are left out all the same);
sample: the shipped sample's RNA types.
And by `ribospace evaluate`, writing molecules again from latents, on real molecules whose clusters training never saw.

With --train and --test, nRC's published files, the probe learns from the one and is judged by the other: as they are,
and without those test molecules whose very sequence is in the training file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ribospace.alphabet import tokenize
from ribospace.analysis.evaluation import told_by_probe
from ribospace.encoders import find_encoder
from ribospace.files import versions, written_whole
from studies.data import fasta, real, ribospace

MODELS = "mini,mini-latent,kmer3,kmer4,structure,random"
MOST = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--to", type=Path, default=Path("studies/benchmark"), help="folder of all that is made")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--train", type=Path, help="nRC's published training file")
    parser.add_argument("--test", type=Path, help="nRC's published test file")
    arguments = parser.parse_args()
    models = arguments.models.split(",")
    if arguments.train and arguments.test:
        published(arguments.train, arguments.test, models, arguments.to)
        return
    nrc, sample = arguments.to / "molecules", arguments.to / "sample"
    if not nrc.exists():
        prepare(arguments.source, nrc)
    if not sample.exists():
        ribospace("import", "sample", "--to", sample)
    tasks = {
        "nrc": (nrc, "nrc_class", ["--clusters", "split_cluster"]),
        "nrc_anyhow": (nrc, "nrc_class", ["--clusters", "id"]),
        "sample": (sample, "rna_type", []),
    }
    for name, (data, label, clusters) in tasks.items():
        options = ["--label", label, *clusters, "--limit", MOST, "--out", arguments.to / name]
        ribospace("compare", data, "--models", ",".join(models), *options)
    if "mini-latent" in models:
        ribospace(
            "evaluate", "mini-latent", "--data", nrc, "--where", "length <= 205", "--out", arguments.to / "written"
        )


def prepare(source: Path, data: Path) -> None:
    """Put nRC's molecules, each sequence once, into a collection with clusters at 80 % identity."""
    data.parent.mkdir(parents=True, exist_ok=True)
    table = real(source).filter(pl.col("source") == "nRC").unique("sequence", keep="first", maintain_order=True)
    table.write_parquet(data.parent / "molecules.parquet")
    ribospace("import", data.parent / "molecules.parquet", "--to", data)
    ribospace("split", data, "--identity", 0.8, "--ratios", "8:1:1", "--engine", "sketch")


def published(train: Path, test: Path, models: list[str], to: Path) -> None:
    """Learn from one file and judge by another, with and without exact duplicates."""
    (learned, classes), (judged, true) = labelled(train), labelled(test)
    is_new = ~np.isin(judged, learned)
    rows: list[dict[str, Any]] = []
    for model in models:
        encoder = find_encoder(model)
        told = told_by_probe(encoder.encode(tokenize(learned)), classes, encoder.encode(tokenize(judged)))
        right = told == np.array(true)
        rows.append({"model": model, "all": float(right.mean()), "new": float(right[is_new].mean())})
    said = {"train": len(learned), "test": len(judged), "new": int(is_new.sum()), "rows": rows}
    with written_whole(to / "published.json") as beside:
        beside.write_text(json.dumps({**said, "versions": versions("torch", "scikit-learn")}, indent=1))
    print(f"| model | {len(judged):,} test molecules | {is_new.sum():,} whose sequence is new |\n|---|---|---|")
    for row in rows:
        print(f"| {row['model']} | {row['all']:.2%} | {row['new']:.2%} |")


def labelled(path: Path) -> tuple[list[str], list[str]]:
    """Sequences in U and classes, the last word of each header."""
    records = fasta(path)
    return [one.upper().replace("T", "U") for _, one in records], [name.split()[-1] for name, _ in records]


if __name__ == "__main__":
    main()
