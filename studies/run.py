"""Run a study: python -m studies.run NAME. Trainings that are there are not made again; broken-off ones go on.

A study is a folder with a study.toml: a title, the budget in minutes, settings that all its runs share ([base]) and the
runs, each with a name, a preset, settings and a seed of its own, and the task, autoencoder or classifier. Every run is
trained and judged by the commands that anyone would type, one thread each, as many at once as --jobs says; the
collection's part `train` is learned from, `validation` looked at while training, `test` judged by and seen by no
training.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ribospace.config import from_mapping, laid_over
from ribospace.files import sha256, written_whole
from ribospace.training.config import TASKS, TrainConfig, read_preset
from studies.tables import write_results

HOME = Path(__file__).parent
SAID_OF_RUN = ("name", "task", "preset", "talk")  # all else is the config's
JUDGED = {"real": "source <> 'sampled'", "sampled": "source = 'sampled'", "nrc": "source = 'nRC'"}


@dataclass(frozen=True)
class Run:
    """One training of a study.

    Attributes
    ----------
    name, task, preset
        Task is "autoencoder" or "classifier".
    settings
        Sections over the preset.
    talk
        The talk's figure, to stand beside.
    folder
        Where its model and reports go.
    """

    name: str
    task: str
    preset: str
    settings: dict[str, Any]
    talk: str
    folder: Path


def read_study(name: str) -> tuple[dict[str, Any], list[Run]]:
    """A study's title and budget, and its runs."""
    path = HOME / name / "study.toml"
    if not path.exists():
        known = ", ".join(sorted(one.parent.name for one in HOME.glob("*/study.toml")))
        sys.exit(f"There is no study {name!r}. There are: {known}")
    study = tomllib.loads(path.read_text(encoding="utf-8"))
    runs = []
    for one in study.pop("run"):
        settings = {key: value for key, value in one.items() if key not in SAID_OF_RUN}
        slug = "".join(letter if letter.isalnum() else "-" for letter in one["name"].lower())
        said = {"task": study.get("task", "autoencoder"), "preset": "default", "talk": "", **one}
        settings = laid_over(study.get("base", {}), settings)
        folder = HOME / name / "runs" / slug
        runs.append(Run(one["name"], said["task"], said["preset"], settings, said["talk"], folder))
    return study, runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="a folder of studies/")
    parser.add_argument("--data", type=Path, default=HOME / "data", help="the collection that studies.data made")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, one thread each")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"There is no collection at {arguments.data}. Make it first: python -m studies.data --source FOLDER")
    study, runs = read_study(arguments.study)
    began = time.perf_counter()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for run, minutes in zip(runs, pool.map(lambda one: finish(one, arguments.data, study), runs), strict=True):
            print(f"{run.name}: {minutes:.1f} min", flush=True)
    minutes = (time.perf_counter() - began) / 60
    write_results(arguments.study, study, runs, arguments.data)
    print(f"{arguments.study}: {minutes:.1f} min, of a budget of {study['minutes']}")


def finish(run: Run, data: Path, study: dict[str, Any]) -> float:
    """Train and judge, unless that was done with the same settings; the minutes that it took, now or then."""
    preset = laid_over(read_preset(run.preset), TASKS[run.task])
    config = from_mapping(TrainConfig, laid_over(preset, run.settings), run.name)
    said = {"config": json.loads(json.dumps(asdict(config))), "judged": study["judged"], "data": fingerprint(data)}
    note = run.folder / "run.json"
    if note.exists():
        before = json.loads(note.read_text(encoding="utf-8"))
        if before["said"] == said:
            return float(before["minutes"])
    began = time.perf_counter()
    run.folder.mkdir(parents=True, exist_ok=True)
    words = [word for key, value in flat(run.settings) for word in ("--set", f"{key}={value}")]
    ribospace(run, "train", run.task, "--data", data, "--out", run.folder / "model", "--preset", run.preset, *words)
    for part in study["judged"]:
        where = JUDGED[part]
        ribospace(
            run, "evaluate", run.folder / "model", "--data", data, "--where", where, "--split", "test",
            "--out", run.folder / part,
        )  # fmt: skip
    minutes = (time.perf_counter() - began) / 60
    with written_whole(note) as beside:
        beside.write_text(json.dumps({"said": said, "minutes": minutes}, indent=1) + "\n", encoding="utf-8")
    return minutes


def fingerprint(data: Path) -> str:
    """What tells two collections apart: the report of their split."""
    return sha256(data / "split-split.json")[:12]


def flat(settings: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value).lower() if isinstance(value, bool) else value


def ribospace(run: Run, *words: object) -> None:
    """A command with one thread, its output appended to the run's log."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ribospace", *map(str, words)]
    with open(run.folder / "log.txt", "a", encoding="utf-8") as log:
        log.write("$ ribospace " + " ".join(command[3:]) + "\n")
        log.flush()
        if subprocess.run(command, stdout=log, stderr=log, env=environment, check=False).returncode:
            raise SystemExit(f"{run.name} failed; see {run.folder / 'log.txt'}")


if __name__ == "__main__":
    main()
