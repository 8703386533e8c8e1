"""How good the shipped weights are, beside k-mers, structure and chance: python -m studies.benchmark --source FOLDER.

Tasks by `ribospace compare`, each with a linear probe, retrieval and neighbours:
nrc: nRC's molecules of 13 classes, each sequence once, near copies (80 % identity) in one fold;
nrc_anyhow: the same, folds at random, as others divide them (exact duplicates are left out all the same);
sample: the shipped sample's RNA types.
nrc_kernel: nRC's classes once more, both ways of folding, by a probe that is not linear.
And by `ribospace evaluate`, writing molecules again from latents, on real molecules whose clusters training never saw.

With --train and --test, nRC's published files, both probes learn from the one and are judged by the other: as they are,
and without those test molecules whose very sequence is in the training file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from ribospace.alphabet import tokenize
from ribospace.analysis.evaluation import probe, told_by_probe
from ribospace.collection import Collection
from ribospace.encoders import find_encoder
from ribospace.files import versions, written_whole
from studies.data import fasta, real, ribospace

MODELS = "mini,mini-latent,kmer3,kmer4,structure,random"
MOST = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument(
        "--to", type=Path, default=Path("studies/benchmark"), help="folder; a comparison that is there is kept"
    )
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--train", type=Path, help="nRC's published training file")
    parser.add_argument("--test", type=Path, help="nRC's published test file")
    arguments = parser.parse_args()
    models = arguments.models.split(",")
    if arguments.train and arguments.test:
        published(arguments.train, arguments.test, models, arguments.to)
        return
    nrc, sample = arguments.to / "molecules", arguments.to / "shipped_sample"
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
        if (arguments.to / name / "results.json").exists():
            continue  # of a run that was broken off
        options = ["--label", label, *clusters, "--limit", MOST, "--out", arguments.to / name]
        ribospace("compare", data, "--models", ",".join(models), *options)
    by_kernel(nrc, models, arguments.to)
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


def by_kernel(data: Path, models: list[str], to: Path) -> None:
    """Tell nRC's classes by a support-vector machine, near copies in one fold and at random."""
    table = Collection.open(data).table(["sequence", "nrc_class", "split_cluster"])
    classes, clusters = table["nrc_class"].to_pylist(), table["split_cluster"].to_pylist()
    rows: list[dict[str, Any]] = []
    for model in models:
        vectors = find_encoder(model).encode(tokenize(table["sequence"]))
        right = [probe(vectors, classes, groups, kind="kernel") == np.array(classes) for groups in (clusters, None)]
        rows.append({"model": model, "apart": float(right[0].mean()), "random": float(right[1].mean())})
    write(to / "nrc_kernel.json", {"molecules": len(table), "rows": rows})
    print(f"| {len(table):,} molecules, kernel | near copies apart | folds at random |\n|---|---|---|")
    for row in rows:
        print(f"| {row['model']} | {row['apart']:.2%} | {row['random']:.2%} |")


def published(train: Path, test: Path, models: list[str], to: Path) -> None:
    """Learn from one file and judge by another, with and without exact duplicates."""
    (learned, classes), (judged, true) = labelled(train), labelled(test)
    is_new = ~np.isin(judged, learned)
    rows: list[dict[str, Any]] = []
    for model in models:
        encoder = find_encoder(model)
        vectors, others = encoder.encode(tokenize(learned)), encoder.encode(tokenize(judged))
        kinds: tuple[Literal["linear"], Literal["kernel"]] = ("linear", "kernel")
        for kind in kinds:
            right = told_by_probe(vectors, classes, others, kind) == np.array(true)
            row = {"model": model, "probe": kind, "all": float(right.mean()), "new": float(right[is_new].mean())}
            rows.append(row)
    write(to / "published.json", {"train": len(learned), "test": len(judged), "new": int(is_new.sum()), "rows": rows})
    print(f"| model | probe | {len(judged):,} test molecules | {is_new.sum():,} whose sequence is new |")
    print("|---|---|---|---|")
    for row in rows:
        print(f"| {row['model']} | {row['probe']} | {row['all']:.2%} | {row['new']:.2%} |")


def write(path: Path, said: dict[str, Any]) -> None:
    """Write figures with the versions that made them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as beside:
        beside.write_text(json.dumps({**said, "versions": versions("torch", "scikit-learn")}, indent=1))


def labelled(path: Path) -> tuple[list[str], list[str]]:
    """Sequences in U and classes, the last word of each header."""
    records = fasta(path)
    return [one.upper().replace("T", "U") for _, one in records], [name.split()[-1] for name, _ in records]


if __name__ == "__main__":
    main()
