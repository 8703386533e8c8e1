"""What other systems lack, taken away here: glibc, a console in UTF-8, a home folder, a folder that may be written."""

import ast
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ribospace
from ribospace import files
from ribospace.models import device

SOURCE, TESTS = Path(ribospace.__file__).parent, Path(__file__).parents[1]
#: What is not on every system, or another thing there: `os.kill` of Windows ends a process, whatever the signal.
POSIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"}
POSIX_NAMES = {
    "os": {"fork", "kill", "sched_getaffinity", "getuid", "geteuid", "uname", "killpg", "setsid", "statvfs", "mkfifo", "O_DIRECTORY"},
    "signal": {"SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "alarm", "setitimer"},
}  # fmt: skip
#: What keeps a piece of a test module from systems that lack something; and what keeps a whole test from them.
ASKED = ("hasattr(", "sys.platform", "importorskip(", "/proc/")
MARKED = (*ASKED, "posix_only(", "mark.slow")


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


def of_one_system(tree: ast.AST) -> list[str]:
    """What is imported or named there that not every system has, or does otherwise."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [one.name for one in names if one.name in POSIX_ONLY]
            case ast.ImportFrom(module=module, names=names):
                few = POSIX_NAMES.get(module, ())
                found += [f"{module}.{one.name}" for one in names if module in POSIX_ONLY or one.name in few]
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in POSIX_NAMES.get(module, ()):
                found.append(f"{module}.{name}")
            case ast.Attribute(attr="send_signal"):
                found.append("send_signal")  # Windows takes SIGTERM alone
            case ast.Call(func=ast.Name(id="open")):
                mode = ast.unparse(node.args[1]) if len(node.args) > 1 else "'r'"
                if "b" not in mode and "encoding" not in {one.arg for one in node.keywords}:
                    found.append(f"{ast.unparse(node)}: which encoding?")
    return found


def pieces(body: list[ast.stmt]) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """Each piece of a module that is run by itself, and the words of which one keeps it from some systems."""
    for node in body:
        match node:
            case ast.ClassDef():
                yield from pieces(node.body)
            case ast.FunctionDef():
                yield from ((one, ASKED) for one in (*node.decorator_list, node.args))
                yield node, MARKED
            case _:
                yield node, ASKED


def unguarded(source: str, functions: bool = True) -> set[str]:
    """What of one system alone a test module has where it is imported, or in functions that run everywhere."""
    slow = "\npytestmark = pytest.mark.slow\n" in source
    found: set[str] = set()
    for piece, words in pieces(ast.parse(source).body):
        runs = not isinstance(piece, ast.FunctionDef) or (functions and not slow)
        if runs and not any(word in ast.unparse(piece) for word in words):
            found.update(of_one_system(piece))
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_of_one_system_alone(path):
    assert of_one_system(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_quick_tests_are_for_every_system(path):
    """Slow ones too are imported everywhere; those of `faults` and their helpers need a fork, and skip without it."""
    assert unguarded(path.read_text(encoding="utf-8"), functions=TESTS / "faults" not in path.parents) == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import resource", ["resource"]),
        ("from signal import SIGKILL", ["signal.SIGKILL"]),
        ("@each(signal.SIGKILL)\n@posix_only('x')\ndef test_x(): ...", ["signal.SIGKILL"]),
        ("def test_x(how=os.O_DIRECTORY): ...", ["os.O_DIRECTORY"]),
        ("class A:\n    how = signal.SIGHUP", ["signal.SIGHUP"]),
        ("\npytestmark = pytest.mark.slow\nimport fcntl\ndef test_x(): os.fork()", ["fcntl"]),
        ("def test_x():\n    import pwd\n    os.mkfifo('x')", ["pwd", "os.mkfifo"]),
        ("def test_x(): open('x', 'w')", ["open('x', 'w'): which encoding?"]),
        ("@posix_only('x')\ndef test_x(): os.mkfifo('x')", []),
        ("@skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0)\ndef test_x(): ...", []),
    ],
)
def test_what_is_of_one_system_is_found(source, found):
    assert unguarded(source) == set(found)


def test_names_differ_by_more_than_case():
    """A checkout on macOS or Windows folds case."""
    names = [str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if "__pycache__" not in path.parts]
    assert len({name.lower() for name in names}) == len(names)
