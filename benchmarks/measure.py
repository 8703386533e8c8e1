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

from ribospace.files import versions


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


def machine() -> str:
    """What it was measured on."""
    said = ", ".join(f"{name} {one}" for name, one in versions("torch", "lancedb", "numpy").items())
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    return f"{model}, {os.cpu_count()} cores; {said}"
