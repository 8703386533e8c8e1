"""Medians over several runs, and the peak memory of the process that made them."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ribospace.files import versions

if TYPE_CHECKING:
    import torch


def measure(what: str, count: int, work: Callable[[], object], runs: int = 5, warm_up: int = 1) -> None:
    """Print molecules a second as one JSON line: the median of `runs`, all of them, and the process's peak memory."""
    rates = []
    for run in range(warm_up + runs):
        began = time.perf_counter()
        work()
        if run >= warm_up:
            rates.append(count / (time.perf_counter() - began))
    report(what, rates)


def report(what: str, rates: list[float], note: str = "", peak: float = 0.0) -> None:
    """Print rates a second as one JSON line, with the peak memory of the process that had them, by default this one."""
    line = {"what": what, "median": median(rates), "runs": rates, "peak_mb": peak or peak_mb(), "note": note}
    print(json.dumps(line), flush=True)


def peak_mb() -> float:
    """Of this process since it began; `ru_maxrss` has what its parent had, too."""
    path = Path("/proc/self/status")
    if not path.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    line = next(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what was done a second in each round, and the peak memory of its process, MB."""

    rates: list[float]
    peak_mb: float

    @property
    def median(self) -> float:
        """Of the rates."""
        return median(self.rates)


def paired(sides: dict[str, tuple[Callable[..., Iterator[int]], tuple[Any, ...]]], rounds: int) -> dict[str, Side]:
    """Let sides work in turn, each in a process of its own, so that none profits or suffers from another's settings.

    Parameters
    ----------
    sides
        By name, a function and its arguments; its iterator does some work for each item, which says how much it was.
    rounds
        That each side works; a first one to warm up is not counted.
    """
    spawn = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    for name, side in sides.items():
        pipes[name], there = spawn.Pipe()
        processes.append(spawn.Process(target=_work, args=(there, *side), daemon=True))
        processes[-1].start()
        there.close()  # so that a side that dies ends the benchmark
        pipes[name].recv()
    rates: dict[str, list[float]] = {name: [] for name in sides}
    peaks = dict.fromkeys(sides, 0.0)
    for number in range(rounds + 1):
        for name, pipe in pipes.items():
            pipe.send(True)
            rate, peaks[name] = pipe.recv()
            if number:
                rates[name].append(rate)
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(False)
        process.join()
    return {name: Side(rates[name], peaks[name]) for name in sides}


def _work(pipe: Connection, begin: Callable[..., Iterator[int]], arguments: tuple[Any, ...]) -> None:
    work = begin(*arguments)
    pipe.send(True)
    while pipe.recv():
        began = time.perf_counter()
        count = next(work)
        pipe.send((count / (time.perf_counter() - began), peak_mb()))


def matrix_rate(kind: torch.dtype) -> float:
    """FLOP/s of a product of two large matrices, said and given."""
    import torch

    a, b = torch.randn(4096, 4096).to(kind), torch.randn(4096, 4096).to(kind)
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - began)
    rate = 2 * 4096**3 / median(seconds[1:])
    print(json.dumps({"said": f"large matrices are multiplied at {rate / 1e9:,.0f} GFLOP/s in {kind}"}), flush=True)
    return rate


def machine() -> str:
    """What it was measured on."""
    said = ", ".join(f"{name} {one}" for name, one in versions("torch", "lancedb", "numpy").items())
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    return f"{model}, {os.cpu_count()} cores; {said}"
