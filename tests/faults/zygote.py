"""A process that has loaded everything once and forks for each command: a second a case less than a new Python.

It reads requests, a JSON object a line, and answers each with one. `start` forks a command (or a `program`) and gives
its process id; `wait` gives its status. One that is started with a moment (`at`) kills itself, by SIGKILL, before its
n-th change of the folder it works in: a file opened for writing, a folder made, a rename, a removal, or a file of
Lance's that has appeared. With `counted` it says how many there were, and its peak of memory. What it says goes to files.
"""

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

PRELOADED = (
    "lance", "lancedb", "polars", "matplotlib.pyplot", "torch", "safetensors.torch", "accelerate", "ribospace.cli.app",
)  # fmt: skip
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
POLL_SECONDS = 0.0005


def inside(path: str | bytes | os.PathLike, folder: str) -> bool:
    """Whether a path is of a folder; without a look at the disk."""
    return os.path.abspath(os.fsdecode(path)).startswith(f"{folder}/")  # noqa: PTH100


class Moments:
    """Counts what a command changes on disk, and ends it at one of these changes."""

    def __init__(self, folder: str, at: int | None, counted: str) -> None:
        self.folder, self.at, self.counted, self.count = folder, at, counted, 0
        self.lock = threading.Lock()

    def one(self) -> None:
        with self.lock:
            self.count += 1
            if self.count == self.at:
                os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, event: str, args: tuple) -> None:
        if event == "open":
            path, _, flags = args
            if not isinstance(flags, int) or not flags & WRITING:
                return
        elif event in CHANGES:
            path = args[0]
        else:
            return
        if isinstance(path, str | bytes | os.PathLike) and inside(path, self.folder):
            self.one()

    def watch(self) -> None:
        """Look for new files of Lance's, which Python does not see being written."""
        known = self._lance_files()
        while True:
            time.sleep(POLL_SECONDS)
            now = self._lance_files()
            for _ in now - known:
                self.one()
            known |= now

    def _lance_files(self) -> set[str]:
        return {
            entry.path
            for table in Path(self.folder).glob("*/*.lance")
            for part in ("_versions", "_transactions", "data", "_indices", "_deletions")
            if (table / part).is_dir()
            for entry in os.scandir(table / part)
        }


def peak_mb() -> float:
    """Most memory that this process has had, since it was forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def execute(asked: dict) -> None:
    """Be the command; never returns."""
    os.setsid()
    os.chdir(asked["cwd"])
    for stream, number in ((asked["out"], 1), (asked["err"], 2)):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(asked.get("env", {}))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["ribospace", *asked["args"]]
    moments = Moments(asked["cwd"], asked.get("at"), asked.get("counted", ""))
    if asked.get("at") or moments.counted:
        threading.Thread(target=moments.watch, daemon=True).start()
        sys.addaudithook(moments)
    code = 70
    try:
        from ribospace.cli import main

        exec(asked["program"], {}) if "program" in asked else main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if moments.counted:
            Path(moments.counted).write_text(json.dumps({"moments": moments.count, "peak_mb": peak_mb()}))
        os._exit(code)


def main() -> None:
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # an extra that is not installed
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    print(json.dumps({"ready": os.getpid()}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "start":
            pid = os.fork()
            if not pid:
                execute(asked)
            answer = {"pid": pid}
        else:
            _, status = os.waitpid(asked["pid"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
