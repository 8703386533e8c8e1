"""Files that are written whole or not at all, and what they say of their making."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

import filelock

from ribospace.errors import UserError, is_disk_full

_HELD, _BEFORE = ".held", "before"
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux's renameat2


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it takes its place.

    Parameters
    ----------
    path
        The file (or folder) to write. Missing parent folders are made.

    Yields
    ------
    Path
        Where to write. It has the ending of `path`. If the block fails, nothing stays. What a killed process leaves is
        taken away by the next that writes into the same folder.

    Raises
    ------
    UserError
        If the folder cannot be written or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "a" / "b.txt"
    >>> with written_whole(out) as beside:
    ...     _ = beside.write_text("whole")
    >>> out.read_text()
    'whole'
    """
    path = Path(path)
    missing = missing_folders(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent.resolve())
        folder, lock = _folder_beside(path)
    except OSError as error:
        remove_empty(missing)
        raise cannot_write(path, error) from error
    beside = folder / path.name
    try:
        yield beside
        if beside.is_file():
            _sync(beside)
        _put(beside, path)
    except Exception as error:
        file = getattr(error, "filename", None)
        ours = isinstance(error, OSError) and (file is None or str(file).startswith(str(folder)))
        if ours or is_disk_full(error):
            raise cannot_write(path, error) from error
        raise
    finally:
        _clear(folder)
        lock.release()
        remove_empty([folder, *missing])  # Windows keeps a file, and so its folder, while it is held


@contextmanager
def written_together(path: Path, companion: Path) -> Iterator[tuple[Path, Path]]:
    """Write a file and one that says what its rows are, as `written_whole` does each.

    A kill between the two leaves no `path` rather than one beside the companion of another.

    Yields
    ------
    beside, other : Path
        Where to write.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_together(folder / "a.npy", folder / "a.ids.txt") as (beside, other):
    ...     _ = beside.write_bytes(b"vectors"), other.write_text("ids")
    >>> sorted(path.name for path in folder.iterdir())
    ['a.ids.txt', 'a.npy']
    """
    with written_whole(path) as beside, written_whole(companion) as other:
        yield beside, other
        if path.is_file():
            for file in (beside, other):
                _sync(file)  # so that a disk that is full is noticed while the old one is there
            path.unlink()


def _sync(path: Path) -> None:
    with open(path, "r+b") as file:  # Windows flushes only what may be written
        os.fsync(file.fileno())


def _folder_beside(path: Path) -> tuple[Path, filelock.BaseFileLock]:
    """A new folder beside `path` and its lock, which says that a living process writes there."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        lock = filelock.FileLock(folder / _HELD, timeout=0)
        try:
            lock.acquire()
            if (folder / _HELD).exists():
                return folder, lock
        except (filelock.Timeout, FileNotFoundError):
            continue  # swept away in the moment before it was held
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@functools.lru_cache(maxsize=64)
def _sweep(parent: Path) -> None:
    """Take away, once a process, what killed ones left of their writing; a folder that one moved aside goes back."""
    for folder in parent.glob(".*.????????"):
        if not re.fullmatch(r"\..+\.[a-z0-9_]{8}", folder.name):
            continue
        if not (folder / _HELD).is_file():
            remove_empty([folder])  # of one killed before it held it; who is about to hold it makes another
            continue
        try:
            with filelock.FileLock(folder / _HELD, timeout=0):
                replaced = parent / folder.name[1:-9]
                if (folder / _BEFORE).exists() and not replaced.exists():
                    (folder / _BEFORE).replace(replaced)
                _clear(folder)
            remove_empty([folder])
        except OSError:
            continue  # it is being written, or is not ours to take away


def _clear(folder: Path) -> None:
    """Take a hidden folder away, its lock last: what a kill leaves of it is then told by the lock, or empty."""
    for one in folder.iterdir():
        if one.name != _HELD:
            shutil.rmtree(one, ignore_errors=True) if one.is_dir() else one.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _put(beside: Path, path: Path) -> None:
    """Let `beside` take the place of `path`; of two that do so at once the last stays."""
    while path.is_dir() and beside.is_dir():
        if _exchange(beside, path):
            return
        before = beside.parent / _BEFORE
        shutil.rmtree(before, ignore_errors=True)
        with suppress(FileNotFoundError):
            path.replace(before)
        try:
            beside.replace(path)
            return
        except OSError:
            if not path.is_dir():  # else another process was faster
                with suppress(OSError):
                    before.replace(path)
                raise
    beside.replace(path)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, so that there is no moment without; False where the system cannot."""
    if sys.platform != "linux":
        return False
    swap = getattr(ctypes.CDLL(None), "renameat2", None)
    return swap is not None and swap(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


@contextmanager
def one_at_a_time(lock: Path, place: Path | str, taken: str) -> Iterator[None]:
    """Hold a lock file, so that one process is at work in a place.

    Parameters
    ----------
    lock
        The file; its folder is there.
    place
        What to name if it cannot be written.
    taken
        What to say if another process holds it.

    Raises
    ------
    UserError
        If it is held, or cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with one_at_a_time(folder / ".lock", folder, "Another is at work."):
    ...     with one_at_a_time(folder / ".lock", folder, "Another is at work."):
    ...         pass
    Traceback (most recent call last):
        ...
    ribospace.errors.UserError: Another is at work.
    """
    held = filelock.FileLock(lock, timeout=0)
    try:
        held.acquire()
    except filelock.Timeout as error:
        raise UserError(taken) from error
    except OSError as error:
        raise cannot_write(place, error) from error
    try:
        yield
    finally:
        held.release()


def missing_folders(path: Path) -> list[Path]:
    """The folders that making `path` would make, the innermost first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def remove_made(path: Path, made: list[Path], *, keep: bool = False) -> None:
    """Remove what was made at `path` (with `keep` only what is in it), and the folders of `made` that are empty."""
    shutil.rmtree(path, ignore_errors=True)
    if keep:
        path.mkdir()
    remove_empty(made)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of the folders that are empty, the innermost first."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def cannot_write(path: Path | str, error: BaseException) -> UserError:
    """Turn a failed write into one clear sentence."""
    if is_disk_full(error):
        return UserError(f"The disk is full: {path} was not written. Free some space and run the command again.")
    reason = getattr(error, "strerror", None) or (str(error).splitlines() or [""])[0]
    return UserError(f"Cannot write {path}: {reason}. Choose a place that you may write to.")


@contextmanager
def disk_full_said(place: Path | str) -> Iterator[None]:
    """Say it in one sentence if the disk is full, whichever library notices; other errors stay as they are."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if is_disk_full(error):
            raise cannot_write(place, error) from error
        raise


def identity_of(path: Path) -> list[str | int]:
    """What tells that a file is the same as before: its place, size and date."""
    said = path.stat()
    return [str(path.resolve()), said.st_size, said.st_mtime_ns]


def is_file(text: str) -> bool:
    """Whether a text names a file; a sequence of many thousand letters does not.

    Examples
    --------
    >>> is_file("ACGU" * 2000)
    False
    """
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a name that is too long, or has a NUL
        return False


def is_folder(text: str) -> bool:
    """Whether a text names a folder; see `is_file`. An empty one names none, though its path would be this folder."""
    try:
        return bool(text) and Path(text).is_dir()
    except (OSError, ValueError):
        return False


def exists(path: Path | str) -> bool:
    r"""Whether there is something at a path; a text that can be no path names nothing.

    Examples
    --------
    >>> exists("ACGU" * 2000), exists("a\0b"), exists(".")
    (False, False, True)
    """
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


#: How files with molecules are named, before an ending of what compressed them.
_MOLECULES = (".fasta", ".fa", ".fna", ".ffn", ".fas", ".fastq", ".fq", ".tsv", ".csv", ".parquet", ".pq")


def is_named_molecules(name: str) -> bool:
    """Whether a name ends as those of files with molecules do.

    Examples
    --------
    >>> is_named_molecules("a/rnas.FASTA.gz"), is_named_molecules("rnas"), is_named_molecules("AC..GU")
    (True, False, False)
    """
    return re.sub(r"\.(gz|bz2|xz|zst)$", "", name.lower()).endswith(_MOLECULES)


def existing_file(path: Path | str) -> Path:
    """Return `path` if it is a file that can be opened, else say what is wrong with it."""
    path = Path(path)
    if not exists(path):
        raise UserError(f"{path} does not exist. Check the path; relative paths start at {Path.cwd()}.")
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file. Name a file in it.")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} may not be read. Change its permissions (chmod +r) or copy it.")
    return path


def require_ending(path: Path, endings: Iterable[str]) -> None:
    """Refuse a file to be written whose ending does not say which kind to write.

    Examples
    --------
    >>> require_ending(Path("map.gif"), [".png", ".html"])
    Traceback (most recent call last):
        ...
    ribospace.errors.UserError: map.gif ends in none of .png, .html: the ending says what to write.
    """
    if path.suffix not in endings:
        raise UserError(f"{path} ends in none of {', '.join(endings)}: the ending says what to write.")


def ids_path(path: Path) -> Path:
    """Where the ids of an .npy or .faiss file stand.

    Examples
    --------
    >>> ids_path(Path("vectors.npy")).name
    'vectors.ids.txt'
    """
    return path.with_suffix(".ids.txt")


def sha256(*paths: Path) -> str:
    """SHA-256 of the files' bytes, one after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, Ribospace and the named packages, to be written beside a result."""
    found = {"python": platform.python_version()}
    for name in ("ribospace", *packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
