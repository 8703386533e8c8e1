"""Files that are written whole or not at all, and what they say of their making."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

from ribospace.errors import UserError, is_disk_full


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
        Where to write. It has the ending of `path`. If the block fails, nothing stays.

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
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise cannot_write(path, error) from error
    beside = folder / path.name
    try:
        yield beside
        if beside.is_file():
            with open(beside, "rb") as file:
                os.fsync(file.fileno())
        if path.is_dir() and beside.is_dir():
            path.replace(folder / "before")
        beside.replace(path)
    except OSError as error:
        if error.filename is not None and not str(error.filename).startswith(str(folder)) and not is_disk_full(error):
            raise
        raise cannot_write(path, error) from error
    finally:
        remove_made(folder, missing)


def missing_folders(path: Path) -> list[Path]:
    """The folders that making `path` would make, the innermost first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def remove_made(path: Path, made: list[Path], *, keep: bool = False) -> None:
    """Remove what was made at `path` (with `keep` only what is in it), and the folders of `made` that are empty."""
    shutil.rmtree(path, ignore_errors=True)
    if keep:
        path.mkdir()
    for folder in made:
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
