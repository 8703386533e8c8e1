"""What several tests share: the command line in this process, small collections, a disk that fills."""

import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from ribospace.collection import Collection
from ribospace.records import record_batch

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # two workers on two cores; threads that wait for each other only lose time

settings.register_profile(
    "ribospace",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.differing_executors],
)
settings.load_profile("ribospace")


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch):
    """Run `ribospace ARGUMENTS` in this process; however slow the machine is, no line says how far it has come."""
    from ribospace.cli import main

    monkeypatch.setattr("ribospace.cli.output.QUIET_SECONDS", math.inf)

    def command(*arguments: object, stdin: bytes = b"") -> Answer:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["ribospace", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code or 0
        return Answer(int(code), out.getvalue(), err.getvalue())

    return command


@pytest.fixture
def refused(run):
    """Run a command that must end as a user's mistake: code 2, one line, each of the given words in it."""

    def command(arguments: list[object], *words: str, stdin: bytes = b"") -> str:
        answer = run(*arguments, stdin=stdin)
        assert answer.code == 2, answer
        assert answer.out == ""
        assert answer.err.startswith("Error: ")
        assert answer.err.count("\n") == 1
        assert "Traceback" not in answer.err
        for word in words:
            assert word in answer.err, (word, answer.err)
        return answer.err

    return command


@pytest.fixture
def molecules():
    """Make n random molecules of 5 to 40 nt with ids PREFIX0, PREFIX1, … as one batch."""

    def make(n: int, prefix: str = "m", seed: int = 0, **columns: Any):
        generator = np.random.default_rng(seed)
        sequences = ["".join(generator.choice(list("ACGUN"), length)) for length in generator.integers(5, 41, n)]
        return record_batch([f"{prefix}{number}" for number in range(n)], sequences, columns)

    return make


@pytest.fixture
def collection(tmp_path, molecules):
    """Fifty molecules, half of them tRNA, in two fragments."""
    store = Collection.create(tmp_path / "collection")
    store.append([molecules(25, "a", 1, rna_type="tRNA")])
    store.append([molecules(25, "b", 2, rna_type="rRNA")])
    return store


@pytest.fixture
def killed_again_and_again(tmp_path):
    """Run a Python program until it ends well, with SIGKILL in between.

    The program prints a line per step; each run is killed some milliseconds after as many lines as the next of `after`
    says, the last is not. `check` is called after each kill. Gives the number of kills that met a live program.
    """

    if sys.platform == "win32":
        pytest.skip("not on Windows: a process that was killed does not say so")

    def execute(program: str, after: list[int], check) -> int:
        path = tmp_path / "program.py"
        path.write_text(program, encoding="utf-8")
        kills, generator = 0, np.random.default_rng(after)
        for lines in [*after, None]:
            process = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if lines is None:
                _, said = process.communicate()
                assert process.returncode == 0, said.decode()
                return kills
            for _ in range(lines):
                process.stdout.readline()
            time.sleep(generator.uniform(0, 0.02))
            process.kill()
            process.communicate()
            kills += process.returncode == -signal.SIGKILL
            check()
        raise AssertionError("unreachable")

    return execute


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of some megabytes; skips where that is not allowed."""
    mounted = []

    def mount(megabytes: int):
        if not sys.platform.startswith("linux") or os.geteuid():
            pytest.skip("a disk that fills needs root on Linux: a tmpfs has to be mounted")
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a disk that fills needs a tmpfs: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
