"""What a command says: a few lines for a person, or one JSON object for a machine; progress goes to stderr."""

from __future__ import annotations

import csv
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ribospace.errors import UserError
from ribospace.progress import Progress

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object on standard output.")]

CollectionAt = Annotated[
    str, typer.Argument(metavar="COLLECTION", help="The collection: a folder, or a URI such as s3://bucket/rnas.")
]

QUIET_SECONDS = 10.0


def say(as_json: bool, answer: Mapping[str, Any], *lines: str) -> None:
    """Print the lines, or the answer as JSON."""
    if as_json:
        print(json.dumps(answer, default=str))
    else:
        for line in lines:
            print(line)


def warn(line: str) -> None:
    """Tell a person at once what they should know, on stderr."""
    print(line, file=sys.stderr, flush=True)


def table(rows: Sequence[Sequence[object]], header: Sequence[str], right: Sequence[int] = ()) -> str:
    """Rows as aligned text; the columns in `right` are numbers."""
    cells = [list(header), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(f"  {line}" for line in lines)


def write_rows(
    path: Path, rows: Sequence[Mapping[str, Any]], header: Sequence[str] = (), about: Mapping[str, Any] | None = None
) -> None:
    """Write rows as .tsv, by default with the first row's keys as header, below a line `about` them if there is one.

    None is an empty cell.
    """
    with open(path, "w", encoding="utf-8", newline="") as file:
        if about is not None:
            file.write(f"# {json.dumps(about)}\n")
        writer = csv.DictWriter(file, list(header or rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def require_own(out: Path, files: Iterable[str], key: str, what: str) -> None:
    """Refuse a folder to be written anew that holds anything but an earlier result, whose results.json has a key."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        mine = {file.name for file in out.iterdir()} <= set(files)
        mine = mine and key in json.loads((out / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        mine = False
    if not mine:
        raise UserError(f"{out} exists and is no {what}. Choose a new folder for it.")


@contextmanager
def progress_bar(what: str, unit: str = "molecules") -> Iterator[Progress]:
    """Show progress on stderr: a bar on a terminal, else a line every ten seconds, also where work tells of none."""
    if not sys.stderr.isatty():
        with _Lines(what, unit).telling() as lines:
            yield lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    console = Console(stderr=True)
    with Bar(SpinnerColumn(), *columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, said="")

        def report(done: int, total: int | None, note: str = "") -> None:
            said = f"{done:,}{'' if total is None else f'/{total:,}'} {note or unit}"
            bar.update(task, completed=done, total=total, said=said)

        yield report


class _Lines:
    """Progress for a log file: every ten seconds how far the work has come, if it tells, and how long it took."""

    def __init__(self, what: str, unit: str) -> None:
        self.what, self.unit = what, unit
        self.told: tuple[int, int | None, str] | None = None

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        self.told = (done, total, note)

    @contextmanager
    def telling(self) -> Iterator[_Lines]:
        """Print meanwhile."""
        ended, began = threading.Event(), time.monotonic()

        def tell() -> None:
            while not ended.wait(min(QUIET_SECONDS, threading.TIMEOUT_MAX)):
                line = f"{self.what}: {self._said()}{time.monotonic() - began:.0f} s"
                print(line, file=sys.stderr, flush=True)

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield self
        finally:
            ended.set()
            teller.join()

    def _said(self) -> str:
        if self.told is None:
            return ""
        done, total, note = self.told
        of = f" of {total:,}" if total is not None else ""
        return f"{done:,}{of} {self.unit} {note}".rstrip() + ", "
