"""Trajectories on trees with a known time: beside pyVIA 0.2.4 and scanpy, then at the talk's size.

`python -m benchmarks.trajectories --pyvia PYTHON [speed] [accuracy] [large]`, PYTHON that of an environment made by
`pip install pyVIA==0.2.4 "numpy<2" "scipy<1.13" "matplotlib<3.9" dask s_gd2`; without it only Ribospace and scanpy run.
Writes benchmarks/results/trajectories.jsonl, and docs/images/trajectory_accuracy.png of what it holds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from benchmarks.measure import machine, peak_mb
from benchmarks.trees import Tree, tree
from ribospace.analysis.trajectory import follow, search

#: Points, numbers of each, neighbours, and how often.
SIZES = ((1_000, 30, 30, 3), (10_000, 30, 30, 2), (20_000, 640, 200, 1))
RESULTS = Path(__file__).parent / "results" / "trajectories.jsonl"
FIGURE = Path(__file__).parent.parent / "docs" / "images" / "trajectory_accuracy.png"
SIDE = Path(__file__).parent / "pyvia_side.py"
Answer = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["speed"], choices=("speed", "accuracy", "large", "figure"))
    parser.add_argument("--pyvia", type=Path, help="python of pyVIA's environment")
    arguments = parser.parse_args()
    RESULTS.parent.mkdir(exist_ok=True)

    def note(**line: Any) -> None:
        print(json.dumps(line), flush=True)
        with open(RESULTS, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    print(machine())
    ours(tree(400, 0), 30, "way"), ours(tree(400, 0), 30, "dpt")  # compiled and imported
    parts = {"speed": speed, "accuracy": accuracy, "large": large}
    for part in arguments.parts:
        if part != "figure":
            parts[part](note, arguments.pyvia)
    draw([json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()])


def drawn(n: int, width: int, seed: int) -> Tree:
    """As far off their branch at any width."""
    return tree(n, seed, width=width, noise=0.6 * np.sqrt(30 / width))


def ours(one: Tree, k: int, method: str) -> Answer:
    """Ribospace, by a method; its ends are rows."""
    began = time.perf_counter()
    found = search(one.vectors, k)[2]
    seen = follow(one.vectors, found, one.root, method=method)
    return {"seconds": time.perf_counter() - began, "ends": seen.ends.tolist(), **_judged(one, seen.pseudotime)}


def pyvia(one: Tree, k: int, python: Path) -> Answer:
    """PyVIA, by a process of its own; of a terminal cluster the member nearest to its middle is taken."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(given, vectors=one.vectors, root=one.root, k=k)
        subprocess.run([python, SIDE, given, out], check=True, capture_output=True)
        with np.load(out) as found:
            members = [np.flatnonzero(found["clusters"] == cluster) for cluster in found["terminal"]]
            ends = [int(rows[np.argsort(one.time[rows])[len(rows) // 2]]) for rows in members if len(rows)]
            said = {"seconds": float(found["seconds"]), "peak_mb": round(float(found["peak_mb"])), "ends": ends}
            return said | _judged(one, found["pseudotime"])


def _judged(one: Tree, times: npt.NDArray[np.float64]) -> Answer:
    along = [spearmanr(times[one.branch == b], one.time[one.branch == b])[0] for b in range(one.branch.max() + 1)]
    return {"spearman": float(spearmanr(times, one.time)[0]), "along_each": float(np.mean(along))}


def ends_said(one: Tree, ends: list[int], late: float) -> tuple[int, int]:
    """Terminal states found, and those that are none: on the stem, early on a branch, or a second of one branch."""
    there = {int(one.branch[row]) for row in ends if one.branch[row] > 0 and one.late(row) >= late}
    return len(there), len(ends) - len(there)


def speed(note: Any, python: Path | None) -> None:
    """Each in turn, in one run."""
    for n, width, k, rounds in SIZES:
        seconds: dict[str, list[float]] = {}
        for seed in range(rounds):
            one = drawn(n, width, seed)
            sides = {"ribospace": ours(one, k, "way"), "scanpy": ours(one, k, "dpt")}
            if python:
                sides["pyVIA"] = pyvia(one, k, python)
            for name, answer in sides.items():
                seconds.setdefault(name, []).append(answer["seconds"])
                answer["ends"] = ends_said(one, answer["ends"], 0.5)
                note(part="speed", side=name, points=n, width=width, k=k, seed=seed, **answer)
        times = {name: median(each) for name, each in seconds.items()}
        ratio = times["pyVIA"] / times["ribospace"] if python else None
        note(part="speed", points=n, width=width, k=k, median_seconds=times, pyvia_over_ribospace=ratio)


def accuracy(note: Any, python: Path | None) -> None:
    """Ten trees of 1,000 and of 10,000 points, each method."""
    for n in (1_000, 10_000):
        for seed in range(10):
            one = drawn(n, 30, seed)
            sides = {method: ours(one, 30, method) for method in ("way", "hitting", "dpt")}
            if python and (n == 1_000 or seed < 3):
                sides["pyVIA"] = pyvia(one, 30, python)
            for name, answer in sides.items():
                answer["ends"] = ends_said(one, answer["ends"], 0.5 if name == "pyVIA" else 0.8)
                note(part="accuracy", side=name, points=n, seed=seed, **answer)


def large(note: Any, python: Path | None) -> None:
    """The talk's size: 100,000 molecules, 640 numbers, 200 neighbours."""
    one = drawn(100_000, 640, 0)
    answer = ours(one, 200, "way")
    answer["ends"] = ends_said(one, answer["ends"], 0.8)
    note(part="large", points=100_000, width=640, k=200, peak_mb=round(peak_mb()), **answer)


def draw(lines: list[Answer]) -> None:
    """Rank correlation with the true time, by method."""
    from matplotlib.figure import Figure

    from ribospace.plots import COLOURS

    lines = [line for line in lines if line["part"] == "accuracy"]
    if not lines:
        return
    names = {"way": "Ribospace, way", "hitting": "Ribospace, hitting", "dpt": "scanpy, DPT", "pyVIA": "pyVIA 0.2.4"}
    figure = Figure(figsize=(9, 3.4), dpi=150, layout="constrained")
    generator = np.random.default_rng(0)
    for panel, n in zip(figure.subplots(1, 2, sharey=True), (1_000, 10_000), strict=True):
        for place, name in enumerate(names):
            values = [line["spearman"] for line in lines if line["side"] == name and line["points"] == n]
            panel.plot(place + generator.uniform(-0.12, 0.12, len(values)), values, "o", color=COLOURS[place], ms=5)
            if values:
                panel.hlines(np.mean(values), place - 0.3, place + 0.3, color=COLOURS[place], lw=2)
        panel.axhline(0.97, color="0.6", lw=0.8, ls="--")
        panel.set_xticks(range(len(names)), [one.replace(", ", ",\n") for one in names.values()], fontsize=8)
        panel.set_title(f"{n:,} points", loc="left", fontsize=10)
        panel.grid(axis="y", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("Spearman's ρ with the true time")
    figure.savefig(FIGURE)


if __name__ == "__main__":
    main()
