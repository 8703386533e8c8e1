"""Additive relations: beside the talk's way at 800 molecules, then against the number of molecules and the dimensions.

The talk's way forms all pair sums, puts a KD-tree over them and asks it for each molecule. Writes
benchmarks/results/relations.jsonl and docs/images/relations_cost.png. `python -m benchmarks relations [quick]`
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from benchmarks.measure import machine, paired, peak_mb
from ribospace.analysis.equations import Question, question
from ribospace.analysis.joins import kernel
from ribospace.analysis.relations import find, find_approximately

TALK, TARGETS, TOLERANCE = 800, 8, 0.05
RESULTS = Path(__file__).parent / "results" / "relations.jsonl"
FIGURE = Path(__file__).parent.parent / "docs" / "images" / "relations_cost.png"
Floats = npt.NDArray[np.float64]


def clusters(n: int, width: int, seed: int = 0) -> Floats:
    """Points about twenty centres, as a projection of RNAs has them."""
    generator = np.random.default_rng(seed)
    centres = 8 * generator.normal(size=(20, width))
    return centres[generator.integers(20, size=n)] + 0.7 * generator.normal(size=(n, width))


def gauss(n: int, width: int, seed: int = 0) -> Floats:
    """Points without structure: the hardest, as no bound tells any apart."""
    return np.random.default_rng(seed).normal(size=(n, width))


def all_pair_sums(points: Floats, targets: int, tolerance: float) -> int:
    """The talk's way: how many pair sums, with all signs, lie within the tolerance of the targets."""
    i, j = np.triu_indices(len(points), 1)
    signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    sums = np.concatenate([a * points[i] + b * points[j] for a, b in signs])
    tree = cKDTree(sums)
    return sum(len(found) for found in tree.query_ball_point(points[:targets], tolerance))


def loops(points: Floats, targets: int, tolerance: float) -> int:
    """The same with the sums formed one by one, as in the talk's notebook."""
    sums = []
    for one, other in combinations(points, 2):
        sums += [one + other, one - other, -one + other, -one - other]
    tree = cKDTree(np.array(sums))
    return sum(len(tree.query_ball_point(point, tolerance)) for point in points[:targets])


def talks_way(count: Callable[[Floats, int, float], int]) -> Iterator[int]:
    """Rounds of the talk's way."""
    points = clusters(TALK, 2)
    while True:
        count(points, TARGETS, TOLERANCE)
        yield TARGETS


def ours() -> Iterator[int]:
    """Rounds of the join."""
    asked = question(clusters(TALK, 2), np.arange(TARGETS), measure="residual", within=TOLERANCE)
    kernel()
    while True:
        find(asked)
        yield TARGETS


def main() -> None:
    lines: list[dict[str, Any]] = []

    def note(**line: Any) -> None:
        lines.append(line)
        print(json.dumps(line), flush=True)

    note(machine=machine())
    sides = {"as in the talk": (talks_way, (loops,)), "vectorised": (talks_way, (all_pair_sums,)), "join": (ours, ())}
    found = paired(sides, rounds=3)  # type: ignore[arg-type]
    seconds = {name: TARGETS / side.median for name, side in found.items()}
    ratio = {name: seconds[name] / seconds["join"] for name in seconds}
    peaks = {name: round(side.peak_mb) for name, side in found.items()}
    note(what=f"{TALK} molecules, 2-D, {TARGETS} targets", seconds=seconds, ratio=ratio, peak_mb=peaks)
    quick = "quick" in sys.argv
    warm = question(gauss(2000, 8), [0], measure="angle", best=10)
    find(warm)
    for what, points, limit, targets in _cases(quick):
        _time(note, what, question(points, np.arange(targets), **limit), runs=1 if len(points) > 200_000 else 3)
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        draw(lines)


def _cases(quick: bool) -> Iterator[tuple[str, Floats, dict[str, Any], int]]:
    tight: dict[str, Any] = {"measure": "residual", "within": 1e-4}
    best: dict[str, Any] = {"measure": "residual", "best": 1000}
    angle: dict[str, Any] = {"measure": "angle", "best": 1000}
    near: dict[str, Any] = {"measure": "angle", "within": 3.0}
    for n in (800, 10_000) if quick else (800, 3_200, 10_000, 32_000, 100_000, 1_000_000):
        yield "2-D, tolerance 1e-4", clusters(n, 2), tight, 8 if n <= 100_000 else 2
        yield "2-D, the best 1,000", clusters(n, 2), best, 8 if n <= 100_000 else 2
    for n in (800, 3_200) if quick else (800, 3_200, 10_000, 32_000, 100_000):
        yield "40-D without structure, the best 1,000", gauss(n, 40), best, 2
        yield "40-D clusters, the best 1,000", clusters(n, 40), best, 2
        yield "40-D without structure, angular, the best 1,000", gauss(n, 40), angle, 2
        yield "40-D clusters, angular, the best 1,000", clusters(n, 40), angle, 2
        yield "40-D without structure, within 3°", gauss(n, 40), near, 2


def _time(note: Any, what: str, asked: Question, runs: int) -> None:
    n, width = asked.vectors.shape
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        found = find(asked)
        seconds.append((time.perf_counter() - began) / len(asked.targets))
    line = {"what": what, "molecules": n, "width": width, "s_per_target": median(seconds), "found": len(found)}
    if width > 3 and n >= 100_000 and asked.best:
        began = time.perf_counter()
        _, recall, share = find_approximately(asked)
        took = (time.perf_counter() - began) / len(asked.targets)
        line |= {"approximate_s_per_target": took, "recall": recall, "share_looked_at": share}
    note(**line, peak_mb=round(peak_mb()))


def draw(lines: list[dict[str, Any]]) -> None:
    """Seconds a target against molecules."""
    from matplotlib.figure import Figure

    from ribospace.plots import COLOURS, MARKERS

    figure = Figure(figsize=(9, 5), dpi=150, layout="constrained")
    panel = figure.subplots()
    names = list(dict.fromkeys(line["what"] for line in lines if "s_per_target" in line))
    for number, name in enumerate(names):
        points = [(line["molecules"], line["s_per_target"]) for line in lines if line.get("what") == name]
        style: dict[str, Any] = {"color": COLOURS[number % 8], "marker": MARKERS[number % 8]}
        panel.plot(*zip(*points, strict=True), label=name, ms=5, lw=1.4, **style)
    seconds = next(line for line in lines if "ratio" in line)["seconds"]
    for name, marker in (("as in the talk", "*"), ("vectorised", "P")):
        style = {"marker": marker, "ls": "", "color": "0.2", "ms": 10}
        panel.plot(TALK, seconds[name] / TARGETS, label=f"2-D, all pair sums, {name}", **style)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("molecules")
    panel.set_ylabel("seconds a target, all signs")
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    panel.set_title("Cost of a search among n molecules, 2 cores", loc="left", fontsize=11)
    figure.savefig(FIGURE)


if __name__ == "__main__":
    main()
