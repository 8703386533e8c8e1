"""Make the tables of the docs again: python -m studies.remake [NAME ...] --source FOLDER.

studies/remake.toml says which commands make which table. What was made is noted in studies/remade.json, so that a run
that was broken off goes on; --again makes the named ones anew, --list only says what there is.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent
NOTE = HOME / "remade.json"
PROGRAMS = {"python": [sys.executable], "ribospace": [sys.executable, "-m", "ribospace"]}


@dataclass(frozen=True)
class Table:
    """A table of the docs: its name, the page, about how many minutes it takes, the commands, and what they need."""

    name: str
    page: str
    minutes: float
    run: list[str]
    needs: str = ""


def main() -> None:
    tables = read()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", choices=[[], *(one.name for one in tables)], help="of tables; all by default"
    )
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="the folder of the files")
    parser.add_argument("--again", action="store_true", help="also what is noted as made")
    parser.add_argument("--list", action="store_true", help="say what there is, and make nothing")
    arguments = parser.parse_args()
    made: dict[str, Any] = json.loads(NOTE.read_text(encoding="utf-8")) if NOTE.exists() else {}
    for table in tables:
        if arguments.names and table.name not in arguments.names:
            continue
        said = f"{table.name:<18}{table.page:<22}{table.minutes:>5} minutes"
        unasked = table.needs and not arguments.names
        if arguments.list or unasked or (table.name in made and not arguments.again):
            needs = f"   if named; needs {table.needs}" if table.needs else ""
            print(said + needs + ("   made" if table.name in made else ""))
            continue
        print(said, flush=True)
        began = time.perf_counter()
        for line in table.run:
            command(line.format(source=arguments.source))
        made[table.name] = {"minutes": round((time.perf_counter() - began) / 60, 1)}
        NOTE.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def read() -> list[Table]:
    """The tables, in the order in which they are made."""
    said = tomllib.loads((HOME / "remake.toml").read_text(encoding="utf-8"))
    return [Table(**one) for one in said["table"]]


def command(line: str) -> None:
    """Run a command with this Python; stop where it fails."""
    print(f"  $ {line}", flush=True)
    settings, words = parts(line)
    if subprocess.run([*PROGRAMS[words[0]], *words[1:]], env=os.environ | settings, check=False).returncode:
        sys.exit(f"It failed: {line}")


def parts(line: str) -> tuple[dict[str, str], list[str]]:
    """A line's settings of the environment, and its words.

    Examples
    --------
    >>> parts("N=5 python -m pytest 'a b'")
    ({'N': '5'}, ['python', '-m', 'pytest', 'a b'])
    """
    words = shlex.split(line)
    settings = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    return settings, words


if __name__ == "__main__":
    main()
