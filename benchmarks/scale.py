"""Rates that the costs of 40 million molecules rest on, and whether two processes and two workers do the work of one.

    python -m benchmarks.scale measure            # what has not been measured yet, each part in a process of its own
    python -m benchmarks.scale measure NAME…      # these again
    python -m benchmarks.scale table              # the costs, from the rates and benchmarks/scale_costs.py

Rates are a second of one core's time (user and system, all threads), so that other work on the machine hardly counts;
a second of the clock is noted beside it, with the machine's load. All is written to `--out`, part by part.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measure import machine, peak_mb
from benchmarks.scale_costs import IMPORT_LENGTHS, LENGTHS, TYPICAL, Cluster, Gpu, documented_rates, storage, table
from ribospace.files import written_whole

OUT = Path("benchmarks/results/scale.json")
DOCUMENTED = Path(__file__).with_name("scale_rates.json")  # those of docs/scale.md
SEED = 0
MINI = {"width": 64, "heads": 4, "encoder_layers": 3, "feedforward": 256, "window": 512}
LETTERS = 100_000  # nt embedded in a round by the small model
Report = Callable[..., None]


def rates(count: int, work: Callable[[], object], rounds: int = 5) -> dict[str, Any]:
    """Of `count` things a round, a second of one core and a second of the clock; a first round is not counted."""
    core, clock = [], []
    for number in range(rounds + 1):
        began, used = time.perf_counter(), time.process_time()
        work()
        if number:
            core.append(count / (time.process_time() - used))
            clock.append(count / (time.perf_counter() - began))
    return {"median": median(core), "runs": core, "clock": clock}


def random_sequences(count: int, length: int) -> list[str]:
    """Of this length, from the seed."""
    letters = np.random.default_rng([SEED, length]).choice(np.frombuffer(b"ACGU", dtype=np.uint8), (count, length))
    return [row.tobytes().decode() for row in letters]


# -------------------------------------------------------------------- a part each, in a process of its own


def matrices(say: Report) -> None:
    """FLOP/s of large products."""
    import torch

    torch.set_num_threads(1)
    a = torch.randn(2048, 2048)
    for kind in (torch.float32, torch.bfloat16):
        one = a.to(kind)
        say(f"matrix {str(kind).removeprefix('torch.')}", rates(2 * 2048**3, partial(torch.matmul, one, one)))


def importing(say: Report) -> None:
    """Bulk FASTA in gzip parsed; and cleaned, checked and stored."""
    from ribospace.collection import Collection
    from ribospace.sources.fasta import read_fasta

    def parsed(path: Path) -> int:
        return sum(one.num_rows for one in read_fasta(path))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for length in IMPORT_LENGTHS:
            count = 4_000_000 // length
            path = folder / f"{length}.fasta.gz"
            with gzip.open(path, "wt", compresslevel=4) as file:
                for number, one in enumerate(random_sequences(count, length)):
                    file.write(f">URS{number:010X} Homo sapiens (human) misc_RNA {number}\n{one.replace('U', 'T')}\n")
            say(f"parse {length}", rates(count, partial(parsed, path)))
            places = iter(range(100))

            def store(path: Path = path, places: Any = places, length: int = length) -> None:
                Collection.create(folder / f"c{length}-{next(places)}").append(read_fasta(path))

            say(f"import {length}", rates(count, store))
            stored = sum(one.stat().st_size for one in (folder / f"c{length}-0").rglob("*") if one.is_file())
            say(f"bytes stored of {length} nt", {"median": stored / count, "runs": [stored / count]})


def storing(say: Report) -> None:
    """3-mers, 64 numbers, over a collection: read, counted, written, which is what any encoder has to wait for."""
    from ribospace.collection import Collection
    from ribospace.encoders import embed_collection, find_encoder
    from ribospace.records import record_batch

    count, encoder = 100_000, find_encoder("kmer3")
    with tempfile.TemporaryDirectory() as folder:
        store = Collection.create(Path(folder) / "c")
        store.append([record_batch([f"m{number}" for number in range(count)], random_sequences(count, 80))])

        def again() -> None:
            if "kmer3" in store.embeddings:
                store.drop_column("kmer3")
            embed_collection(store, encoder)

        say("store 64", rates(count, again))


def embedding(say: Report) -> None:
    """`mini` as it ships, by length."""
    import torch

    from ribospace.alphabet import tokenize
    from ribospace.encoders import find_encoder

    torch.set_num_threads(1)
    encoder = find_encoder("mini")
    for length in TYPICAL:
        tokens = tokenize(random_sequences(max(8, LETTERS // length), length))
        say(f"embed mini {length}", rates(len(tokens), partial(encoder.encode, tokens)))


def embedding_rnafm(say: Report) -> None:
    """RNA-FM's sizes, random weights, by length, in the precision that this machine is quickest in."""
    import torch

    from benchmarks.rnafm import _write_random_weights
    from ribospace.alphabet import tokenize
    from ribospace.encoders.rnafm import RnaFmEncoder
    from ribospace.models.rnafm_checkpoint import ORIGINAL_FILE

    with tempfile.TemporaryDirectory() as folder:
        _write_random_weights(Path(folder) / ORIGINAL_FILE)
        encoder = RnaFmEncoder(Path(folder) / ORIGINAL_FILE)
    torch.set_num_threads(1)
    for length in TYPICAL:
        tokens = tokenize(random_sequences(max(1, 1600 // length), length))
        said = rates(len(tokens), partial(encoder.encode, tokens), rounds=3)
        say(f"embed rnafm {length}", said | {"note": encoder.precision})


def projecting(say: Report) -> None:
    """Fitted on 10,000 vectors of width 64, applied to others."""
    from ribospace.analysis.projection import Projection
    from ribospace.models.parametric_umap import ParametricUmap

    generator = np.random.default_rng(SEED)
    centres = generator.standard_normal((50, 64), dtype=np.float32)
    vectors = centres[generator.integers(50, size=110_000)] + generator.standard_normal((110_000, 64), dtype=np.float32)
    fit, others = vectors[:10_000], vectors[10_000:]
    for name, made, many in (
        ("pca", Projection("pca"), 100_000),
        ("parametric-umap", ParametricUmap(), 100_000),
        ("umap", Projection("umap"), 2_000),
    ):
        began = time.process_time()
        made.fit(fit)
        fitted = 1 / (time.process_time() - began)
        say(f"fit {name}", {"median": fitted, "runs": [fitted], "note": "once, compiling included"})
        say(f"project {name}", rates(many, partial(made.apply, others[:many])))


def indexing(say: Report) -> None:
    """An index over a million vectors of width 64, and its recall."""
    from benchmarks.searching import molecules
    from ribospace.collection import Collection
    from ribospace.collection.vector_index import build_index

    count = 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        store = Collection.create(Path(folder) / "c")
        store.append(molecules(count, 64))
        say("index 64", rates(count, lambda: build_index(store, "v"), rounds=3))


def training(say: Report) -> None:
    """See `benchmarks.scale_processes`."""
    from benchmarks.scale_processes import compare_trainings

    compare_trainings(say)


def ray(say: Report) -> None:
    """See `benchmarks.scale_processes`."""
    from benchmarks.scale_processes import compare_engines

    compare_engines(say)


PARTS: dict[str, Callable[[Report], None]] = {
    "matrices": matrices,
    "importing": importing,
    "storing": storing,
    "embedding": embedding,
    "projecting": projecting,
    "indexing": indexing,
    "training": training,
    "ray": ray,
    "embedding_rnafm": embedding_rnafm,
}


# -------------------------------------------------------------------- the whole


def measure(chosen: list[str], out: Path) -> None:
    """Each part that is wanted; what is there already is kept."""
    there = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    for name in chosen or [one for one in PARTS if one not in there]:
        command = [sys.executable, "-m", "benchmarks.scale", "part", name]
        alone = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=alone)
        if done.returncode:
            sys.exit(f"{name} failed")
        said = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
        there[name] = {"machine": machine(), "seed": SEED, "python": sys.version.split()[0], "rates": said}
        out.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(out) as path:
            path.write_text(json.dumps(there, indent=1) + "\n", encoding="utf-8")
        for what, one in said.items():
            print(f"{what:<32}{one['median']:>16,.4g}  load {one['load']:.1f}  {one.get('note', '')}", flush=True)


def part(name: str) -> None:
    """Measure one, and print a line for each rate."""

    def say(what: str, said: dict[str, Any]) -> None:
        print(json.dumps([what, said | {"load": os.getloadavg()[0], "peak_mb": peak_mb()}]), flush=True)

    PARTS[name](say)


def print_table(out: Path, gpu: Gpu, cluster: Cluster, collection: str | None) -> None:
    """Costs as Markdown; lengths those of a collection, or the assumed ones."""
    source = out if out.exists() else DOCUMENTED
    parts = json.loads(source.read_text(encoding="utf-8"))
    here = {what: one["median"] for each in parts.values() for what, one in each["rates"].items()}
    measured = documented_rates() | here
    print(f"Rates: {source}, measured by {', '.join(parts)}; others from docs/benchmarks.md, by arithmetic.")
    lengths = {collection: lengths_of(collection)} if collection else LENGTHS
    for name, shares in lengths.items():
        print(f"\nLengths: {name}, {sum(length * share for length, share in shares.items()):.0f} nt on average\n")
        print("| what | on | hours | dollars | bound by |\n|---|---|---|---|---|")
        for row in table(measured, shares, gpu=gpu, cluster=cluster):
            print(f"| {row.what} | {row.machine} | {row.hours:,.2f} | {row.dollars:,.2f} | {row.limit} |")
        print("\n| kept | GB |\n|---|---|")
        for what, size in storage(shares).items():
            print(f"| {what} | {size / 1e9:,.1f} |")


def lengths_of(collection: str) -> dict[int, float]:
    """Shares of a collection's molecules by the typical length that is nearest, as a ratio."""
    from ribospace.collection import Collection

    counts = dict.fromkeys(TYPICAL, 0)
    typical = np.log(TYPICAL)
    for batch in Collection.open(collection).lance().to_batches(columns=["length"]):
        nearest = np.abs(np.log(batch["length"].to_numpy())[:, None] - typical).argmin(axis=1)
        for place, many in zip(*np.unique(nearest, return_counts=True), strict=True):
            counts[TYPICAL[place]] += int(many)
    total = sum(counts.values())
    return {length: many / total for length, many in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("measure", "table", "part"))
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, default=OUT, help="JSON of rates")
    parser.add_argument("--collection", help="whose lengths to take in place of the assumed ones")
    parser.add_argument("--gpu-price", type=float, default=Gpu.price, help="dollars an hour")
    parser.add_argument("--core-price", type=float, default=Cluster.price, help="dollars a core and hour")
    parser.add_argument("--cores", type=int, default=Cluster.cores)
    options = parser.parse_args()
    if unknown := set(options.names) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.do == "measure":
        measure(options.names, options.out)
    elif options.do == "part":
        part(*options.names)
    else:
        cluster = Cluster(cores=options.cores, price=options.core_price)
        print_table(options.out, Gpu(price=options.gpu_price), cluster, options.collection)


if __name__ == "__main__":
    main()
