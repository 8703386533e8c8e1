"""What other systems lack, taken away here: glibc, a console in UTF-8, a home folder, a folder that may be written."""

import ast
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ribospace
from ribospace import files
from ribospace.models import device

SOURCE = Path(ribospace.__file__).parent
#: What is not on every system; a module that needs one says so here.
POSIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "syslog"}
POSIX_CALLS = {"fork", "sched_getaffinity", "getuid", "geteuid", "uname", "killpg", "setsid", "statvfs", "O_DIRECTORY"}


@pytest.mark.parametrize("error", [TypeError, OSError, AttributeError])
def test_without_glibc_memory_is_left_alone(monkeypatch, error):
    def library(name):
        raise error("there is none")

    monkeypatch.setattr(ctypes, "CDLL", library)
    assert device.keep_freed_memory() is False


def test_what_is_flushed_may_be_written(tmp_path, monkeypatch):
    """Windows refuses to flush a file that was opened for reading."""
    fcntl = pytest.importorskip("fcntl")

    flushed = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE))
    with files.written_whole(tmp_path / "a.txt") as beside:
        beside.write_text("whole", encoding="utf-8")
    assert flushed == [os.O_RDWR]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_a_console_without_utf8_is_no_failure(encoding):
    env = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    call = [sys.executable, "-m", "ribospace", "--help"]
    done = subprocess.run(call, capture_output=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert b"RNA1 = " in done.stdout


def test_without_a_home(tmp_path):
    """No HOME, and a working folder that knows nothing."""
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR")}
    (tmp_path / "m.fasta").write_text(">a\nACGU\n", encoding="utf-8")
    call = [sys.executable, "-m", "ribospace", "embed", "m.fasta", "--model", "kmer2", "--out", "v.npy"]
    done = subprocess.run(call, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_of_one_system_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {one.name for one in node.names} & POSIX_ONLY
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in POSIX_ONLY
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert not (node.value.id == "os" and node.attr in POSIX_CALLS), ast.unparse(node)
            assert not (node.value.id == "signal" and node.attr in ("SIGKILL", "SIGHUP", "SIGALRM")), ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "open":
            mode = ast.unparse(node.args[1]) if len(node.args) > 1 else "'r'"
            said = {one.arg for one in node.keywords}
            assert "b" in mode or "encoding" in said, f"line {node.lineno}: which encoding?"


def test_names_differ_by_more_than_case():
    """A checkout on macOS or Windows folds case."""
    names = [str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if "__pycache__" not in path.parts]
    assert len({name.lower() for name in names}) == len(names)
