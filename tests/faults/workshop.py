"""Commands run by the zygote, and what a folder holds, in a form that can be compared."""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ribospace.collection import Collection

ZYGOTE = Path(__file__).with_name("zygote.py")
#: Keys that differ from run to run.
VOLATILE = {
    "version",
    "seconds",
    "made",
    "asked",
    "date",
    "molecules_per_second",
    "tokens_per_second",
    "molecules_a_second",
}
HIDDEN_LEFT = re.compile(r"(^|/)\.[^/]+\.[a-z0-9_]{8}(/|$)")


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str
    moments: int = 0
    peak_mb: float = 0.0

    def require_one_sentence(self) -> str:
        """The one line of an error; anything else fails."""
        assert self.code in (1, 2), self
        assert "Traceback" not in self.err, self.err
        said = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(said) == 1, self.err
        assert "please report it" not in said[0], said[0]
        return said[0]


class Zygote:
    """Starts commands in forks of a process that has loaded everything."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.number = folder, 0
        self.said = open(folder / "zygote.err", "w")  # noqa: SIM115  closed with it
        few = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LANCE_LOG": "error", "MPLBACKEND": "agg"}
        self.process = subprocess.Popen(
            [sys.executable, str(ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            env={**os.environ, **few, **environment},
        )
        self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        assert line, (self.folder / "zygote.err").read_text()
        return json.loads(line)

    def _ask(self, **asked: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def start(self, cwd: Path, args: tuple[str, ...], *, at: int | None = None, count: bool = False, **more: Any):
        """Fork a command; `finish` waits for it."""
        self.number += 1
        files = {name: str(self.folder / f"{self.number}.{name}") for name in ("out", "err", "counted")}
        asked = {**files, "counted": files["counted"] if count else ""}
        pid = self._ask(do="start", cwd=str(cwd), args=[str(one) for one in args], at=at, **asked, **more)["pid"]
        return pid, files

    def finish(self, started) -> Ended:
        """Wait for a command, and see to it that what it started has ended with it."""
        pid, files = started
        code = self._ask(do="wait", pid=pid)["code"]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        counted = Path(files["counted"])
        seen = json.loads(counted.read_text()) if counted.exists() else {}
        said = [Path(files[name]).read_text(errors="replace") for name in ("out", "err")]
        return Ended(code, *said, **seen)

    def run(self, cwd: Path, args: tuple[str, ...], **more: Any) -> Ended:
        """Run a command to its end."""
        return self.finish(self.start(cwd, args, **more))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.said.close()


def contents(folder: Path, loose: tuple[str, ...] = ()) -> dict[str, Any]:
    """What every file and collection of a folder says, without what differs from run to run.

    A collection counts by its rows, one without a first version as none; files that match `loose` by being there and
    not being empty.
    """
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if any(part.endswith(".lance") for part in path.parts) or path.is_dir() or path.name in (".lock", "lock"):
            continue
        if name.endswith(".lock"):
            continue
        found[name] = bool(path.stat().st_size) if any(path.match(one) for one in loose) else _said(path)
    for table in sorted(folder.rglob("molecules.lance")):
        if any(one.is_file() for one in table.rglob("*")):
            found[str(table.parent.relative_to(folder))] = rows_of(table.parent)
    return found


def rows_of(place: Path) -> dict[str, Any]:
    """All rows of a collection by column, in their order."""
    store = Collection.open(place)
    whole = store.table(store.schema.names)
    return {name: whole[name].to_pylist() for name in sorted(whole.schema.names)}


def _said(path: Path) -> Any:
    if path.suffix == ".json":
        return _plain(json.loads(path.read_text()))
    if path.suffix in (".tsv", ".csv", ".md", ".txt", ".fasta"):
        return path.read_text()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(value: Any) -> Any:
    """Without what differs from run to run, and places by their names alone."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if key not in VOLATILE}
    if isinstance(value, str) and value.startswith("/"):
        return Path(value).name
    return [_plain(one) for one in value] if isinstance(value, list) else value


def left_over(folder: Path) -> list[str]:
    """Temporary files and folders that nobody will take away."""
    return [
        str(one.relative_to(folder)) for one in folder.rglob("*") if HIDDEN_LEFT.search(str(one.relative_to(folder)))
    ]
