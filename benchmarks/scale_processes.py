"""Two processes beside one: a training by `accelerate launch` (gloo), an embedding by workers on Ray.

The same steps and the same vectors; how far they differ is said with the rates.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.scale import MINI, SEED, random_sequences
from ribospace.collection import Collection
from ribospace.records import record_batch
from ribospace.sources.sample import read_sample

STEPS, WARM, ROUNDS = 16, 3, 3
MOLECULES, LENGTH = 32_768, 110  # two pieces of an encoder, so that there are two workers
LAUNCH = [
    *("-m", "accelerate.commands.launch"),
    "--multi_gpu",  # without it one process is begun, whatever --num_processes says; there need be no GPU
    *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
    *("--num_processes", "2", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"),
]
Report = Callable[..., None]


# -------------------------------------------------------------------- training


def compare_trainings(say: Report) -> None:
    """Losses of the same steps by one process and by two, and molecules a second of the clock after a warm-up."""
    seen: dict[str, list[dict[str, Any]]] = {"one process": [], "two processes": []}
    with tempfile.TemporaryDirectory() as folder:
        store = Collection.create(Path(folder) / "sample")
        store.append(read_sample())
        for number in range(ROUNDS):
            for name, launch in (("one process", []), ("two processes", LAUNCH)):
                out = Path(folder) / f"{name}{number}".replace(" ", "-")
                command = [sys.executable, *launch, "-m", "benchmarks.scale_processes", str(store.path), str(out)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(done.stderr[-3000:])
                seen[name].append(json.loads(out.with_suffix(".json").read_text(encoding="utf-8")))
    for name, runs in seen.items():
        found = [one["clock"] for one in runs]
        note = f"{runs[0]['world']} process(es), last loss {runs[0]['losses'][-1]:.4f}, a second of the clock"
        say(f"train, {name}", {"median": median(found), "runs": found, "note": note})
        cores = [one["core"] for one in runs]
        note = "a second of the first process's core, which has its share of the molecules"
        say(f"train, {name}, a core", {"median": median(cores), "runs": cores, "note": note})
    pairs = zip(seen["one process"], seen["two processes"], strict=True)
    apart = [float(np.abs(np.subtract(one["losses"], two["losses"])).max()) for one, two in pairs]
    say("train, losses apart at most", {"median": median(apart), "runs": apart, "note": f"of {STEPS} steps"})


def train_and_note(path: str, out: str) -> None:
    """A training of a few steps; losses, and molecules a second behind the warm-up, go to OUT.json."""
    from ribospace.config import from_mapping
    from ribospace.training import loop
    from ribospace.training.config import TrainConfig
    from ribospace.training.train import train

    losses: list[float] = []
    times: list[tuple[float, float, int]] = []
    take = loop.Trainer._take_step

    def noted(self: loop.Trainer) -> None:
        take(self)
        losses.append(float(self.losses[-1]))
        times.append((time.perf_counter(), time.process_time(), self.molecules))

    loop.Trainer._take_step = noted  # type: ignore[method-assign]
    config = from_mapping(
        TrainConfig,
        {
            "seed": SEED,
            "model": MINI | {"decoder_layers": 1, "dropout": 0.0},
            "optimizer": {"steps": STEPS, "warmup": 4, "token_budget": 8192, "precision": "fp32"},
        },
    )
    train(Collection.open(path), out, config)
    if os.environ.get("RANK", "0") != "0":
        return
    world = int(os.environ.get("WORLD_SIZE", "1"))
    (clock, core, before), (clock_end, core_end, all_) = times[WARM - 1], times[-1]
    said = {
        "world": world,
        "losses": losses,
        "clock": (all_ - before) / (clock_end - clock),
        "core": (all_ - before) / world / (core_end - core),
    }
    Path(out).with_suffix(".json").write_text(json.dumps(said), encoding="utf-8")


# -------------------------------------------------------------------- embedding


def compare_engines(say: Report) -> None:
    """The local engine with one thread and two, and two workers of a thread each on a Ray of this machine."""
    import ray
    import torch

    from ribospace.encoders import embed_collection, find_encoder, ray_engine

    ray_engine.THREADS = 1  # of a worker: there are two for two cores
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as folder, _found_by_workers():
        models = ("mini", "kmer3")
        stores = {name: _collection(Path(folder) / name) for name in ("local", "ray")}
        began = time.perf_counter()
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
        ray.init("local", num_cpus=2, object_store_memory=200 << 20, **quiet)
        seconds = time.perf_counter() - began
        say("ray, seconds until it is there", {"median": seconds, "runs": [seconds]})
        for name in models:
            encoder = find_encoder(name)
            engines: dict[str, Callable[[], Any]] = {
                "local, 1 thread": partial(embed_collection, stores["local"], encoder),
                "local, 2 threads": partial(embed_collection, stores["local"], encoder),
                "ray, 2 workers": partial(ray_engine.embed_on_ray, stores["ray"], encoder),
            }
            clock: dict[str, list[float]] = {engine: [] for engine in engines}
            for _ in range(ROUNDS):
                for engine, work in engines.items():
                    torch.set_num_threads(2 if "2 threads" in engine else 1)
                    store = stores[engine.split(",")[0]]
                    if encoder.column in store.embeddings:
                        store.drop_column(encoder.column)
                    began = time.perf_counter()
                    work()
                    clock[engine].append(MOLECULES / (time.perf_counter() - began))
            for engine, found in clock.items():
                note = "molecules a second of the clock"
                say(f"embed {name}, {engine}", {"median": median(found), "runs": found, "note": note})
            vectors = [Collection.open(one.path).embedding(encoder.column) for one in stores.values()]
            assert vectors[0][0] == vectors[1][0]
            apart = float(np.abs(vectors[0][1] - vectors[1][1]).max())
            said = {
                "median": apart,
                "runs": [apart],
                "note": f"the largest number is {np.abs(vectors[0][1]).max():.2f}",
            }
            say(f"embed {name}, vectors apart at most", said)
        ray.shutdown()


def _collection(path: Path) -> Collection:
    store = Collection.create(path)
    ids = [f"m{number}" for number in range(MOLECULES)]
    store.append([record_batch(ids, random_sequences(MOLECULES, LENGTH))])
    return store


@contextmanager
def _found_by_workers() -> Iterator[None]:
    """Workers find Ribospace where this process does."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(one for one in sys.path if one)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


if __name__ == "__main__":
    train_and_note(*sys.argv[1:])
