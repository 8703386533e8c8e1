"""What `ribospace info --figure` writes: the figure, and beside it the table of what is drawn."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ribospace.cli.output import progress_bar
from ribospace.collection import Collection
from ribospace.collection.census import BASES, Tally, census, together
from ribospace.errors import UserError
from ribospace.files import require_ending, versions, written_whole

ENDINGS = (".png", ".svg", ".pdf")
_SHARES = {"min": 0.0, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}


def table_beside(out: Path) -> Path:
    """The table of a figure.

    Examples
    --------
    >>> table_beside(Path("rnas.png")).name
    'rnas.types.tsv'
    """
    return out.with_suffix(".types.tsv")


def write_summary_figure(store: Collection, out: Path, by: str, where: str | None) -> Path:
    """Count, draw and write the figure and its table; give the table's path.

    Raises
    ------
    UserError
        For another ending, a column that is not there or not text, a condition that is not SQL, or no molecule.
    """
    require_ending(out, ENDINGS)
    if out.is_dir():
        raise UserError(f"{out} is a folder. Name a file for the figure.")
    with progress_bar("Counting") as progress:
        tallies = census(store, by, where, progress=progress)
    if len(tallies) > 1:
        tallies = [together(tallies), *tallies]
    total = tallies[0].molecules
    which = f", where {where}" if where else ""
    title = f"{store.uri}: {total:,} molecule{'' if total == 1 else 's'}, {int(tallies[0].letters.sum()):,} nt{which}"
    said = {
        "collection": store.uri, "by": by, "where": where or "", "molecules": total, "command": sys.argv[1:],
        "versions": versions("numpy", "matplotlib"),
    }  # fmt: skip
    beside = table_beside(out)
    with written_whole(beside) as table, written_whole(out) as figure:
        _write_table(table, tallies, by, said)
        _draw(figure, tallies, title, by)
    return beside


def _draw(path: Path, tallies: Sequence[Tally], title: str, by: str) -> None:
    from ribospace.plots import MARKED, Spread, summary_figure

    names = [_label(one) for one in tallies]
    lengths = [Spread(one.lengths.astype(float), one.counts, one.length_quantiles(MARKED)) for one in tallies]
    letters = np.stack([one.letters / one.letters.sum() for one in tallies])
    gc = []
    for one in tallies:
        there = np.flatnonzero(one.gc)
        gc.append(Spread(there / (len(one.gc) - 1), one.gc[there], one.gc_quantiles(MARKED)))
    summary_figure(names, lengths, letters, gc, title, by).savefig(path)


def _write_table(path: Path, tallies: Sequence[Tally], by: str, said: dict[str, Any]) -> None:
    """One row a type; shares from 0 to 1, an empty cell where a type has no A, C, G and U."""
    quantiles = list(_SHARES.values())
    header = [by, "molecules", "nucleotides", *(f"length_{name}" for name in _SHARES)]
    header += [*(f"share_{base}" for base in BASES), "share_other", "gc", *(f"gc_{name}" for name in _SHARES)]
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(f"# {json.dumps(said)}\n")
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        for one in tallies:
            nucleotides = int(one.letters.sum())
            lengths = [f"{value:.10g}" for value in one.length_quantiles(quantiles)]
            shares = [*(one.letters / nucleotides), one.gc_share, *one.gc_quantiles(quantiles)]
            cells = ["" if np.isnan(value) else f"{value:.6f}" for value in shares]
            writer.writerow([_label(one), one.molecules, nucleotides, *lengths, *cells])


def _label(one: Tally) -> str:
    return one.name or "not known"
