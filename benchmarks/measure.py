"""Medians over several runs, and the peak memory of the process that made them."""

from __future__ import annotations

import json
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

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


def report(what: str, rates: list[float], note: str = "") -> None:
    """Print rates a second as one JSON line, with the process's peak memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    line = {"what": what, "median": median(rates), "runs": rates, "peak_mb": peak, "note": note}
    print(json.dumps(line), flush=True)


def paired(sides: dict[str, Callable[[], int]], rounds: int) -> dict[str, list[float]]:
    """Molecules a second of every side, in rounds that take each in turn, after a round to warm up."""
    runs: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, work in sides.items():
            began = time.perf_counter()
            count = work()
            if number:
                runs[name].append(count / (time.perf_counter() - began))
    return runs


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
