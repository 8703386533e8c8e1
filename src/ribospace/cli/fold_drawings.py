"""What `ribospace fold --draw` writes: which drawings, in which form, coloured by what, under which names."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ribospace.cli.given import one_of
from ribospace.cli.output import progress_bar
from ribospace.errors import UserError
from ribospace.files import existing_file, written_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ribospace.analysis.structure import Folded

DRAWINGS = ("layout", "circle", "arc", "mountain")
FORMATS = {"svg": ("svg",), "png": ("png",), "both": ("svg", "png")}
#: Most molecules of a collection that are drawn at a time.
MOST_OF_COLLECTION = 50
LONGEST_NAME = 100

Given = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Asked:
    """What is to be drawn.

    Attributes
    ----------
    folder
        Where to.
    drawings, formats
        Some of DRAWINGS, and the endings of their files.
    colour
        "plain", "pairing", or what `values` are.
    values
        By id and place from 0, what bases are coloured by.
    """

    folder: Path
    drawings: Sequence[str]
    formats: Sequence[str]
    colour: str
    values: Given

    @property
    def pairs(self) -> bool:
        """Whether the ensemble's pairs are needed."""
        return self.colour == "pairing" or bool({"arc", "mountain"} & set(self.drawings))


def asked_for(folder: Path | None, drawing: str, form: str, colour: str) -> Asked | None:
    """Read the options, before anything is folded; None where nothing is to be drawn."""
    if folder is None:
        if (drawing, form, colour) != ("layout", "svg", "plain"):
            raise UserError("--drawing, --format and --colour say how to draw. Say where to with --draw FOLDER.")
        return None
    drawings = list(dict.fromkeys(one.strip() for one in drawing.split(",") if one.strip()))
    for one in drawings or [""]:
        one_of("--drawing", one, DRAWINGS)
    one_of("--format", form, FORMATS)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file. Name a folder for the drawings with --draw.")
    if not colour.endswith(".tsv"):
        one_of("--colour", colour, ("plain", "pairing", "FILE.tsv"))
        return Asked(folder, drawings, FORMATS[form], colour, {})
    return Asked(folder, drawings, FORMATS[form], Path(colour).stem, read_values(existing_file(colour)))


def read_values(path: Path) -> dict[str, dict[int, float]]:
    """Read a table of values for bases.

    Parameters
    ----------
    path
        A .tsv with columns id, position (from 1) and value.

    Returns
    -------
    dict
        By id, the value of each place from 0.

    Raises
    ------
    UserError
        For a column that is missing, a position or value that is no number, or a position given twice.
    """
    found: dict[str, dict[int, float]] = {}
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no table of text. Write id, position and value, divided by tabs.") from error
    if not rows or not {"id", "position", "value"} <= set(rows[0]):
        raise UserError(f"{path} has no rows with the columns id, position and value. Name them in its first line.")
    for number, row in enumerate(rows, 2):
        where = f"{path}, line {number}"
        place, value = _number(row["position"], f"{where}: position"), _number(row["value"], f"{where}: value")
        if place < 1 or place != int(place):
            raise UserError(f"{where}: position {row['position']!r} is none. Positions are whole numbers from 1.")
        values = found.setdefault(row["id"], {})
        if int(place) - 1 in values:
            raise UserError(f"{where}: position {int(place)} of {row['id']} is given twice. Keep one of the two.")
        values[int(place) - 1] = value
    return found


def _number(text: str | None, what: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{what} {text!r} is no number. Leave out the lines of what has no value.")
    return value


def require_fitting(asked: Asked | None, ids: Sequence[str], sequences: Sequence[str]) -> None:
    """Refuse values that fit no molecule, or lie beyond the end of one."""
    if asked is None or not asked.values or not ids:
        return
    lengths = dict(zip(ids, map(len, sequences), strict=True))
    if not set(lengths) & set(asked.values):
        raise UserError(
            f"--colour: none of its ids, such as {next(iter(asked.values))!r}, is among the molecules, "
            f"such as {ids[0]!r}. Give values for these."
        )
    for one, values in asked.values.items():
        if one in lengths and max(values) >= lengths[one]:
            raise UserError(f"--colour: position {max(values) + 1} of {one} is beyond its {lengths[one]} nt. Mend it.")


def file_names(ids: Sequence[str]) -> list[str]:
    """Names of files for ids, without endings, no two alike also where capitals do not count, none that Windows keeps.

    Examples
    --------
    >>> file_names(["NUL"])
    ['NUL-2']
    >>> file_names(["a/1", "a_1", "A_1", "..", "a/1"])
    ['a_1', 'a_1-2', 'A_1-3', '_', 'a_1-4']
    """
    names, taken = [], {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
    for one in ids:
        plain = re.sub(r"[^A-Za-z0-9._-]|^\.+", "_", one)[:LONGEST_NAME] or "_"
        name, number = plain, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def draw(asked: Asked, ids: Sequence[str], found: Sequence[Folded]) -> str:
    """Draw the molecules into files NAME.DRAWING.svg or .png; a line on what was drawn."""
    from matplotlib import rc_context

    drawn = [value for one in set(ids) & set(asked.values) for value in asked.values[one].values()]
    scale = (min(drawn), max(drawn)) if drawn else (0.0, 1.0)
    files = 0
    with progress_bar("Drawing") as progress, rc_context({"svg.fonttype": "none", "svg.hashsalt": "ribospace"}):
        for done, (one, name, folded) in enumerate(zip(ids, file_names(ids), found, strict=True), 1):
            for what, figure in _figures(asked, one, folded, scale):
                for ending in asked.formats:
                    with written_whole(asked.folder / f"{name}.{what}.{ending}") as beside:
                        figure.savefig(beside, metadata={"Date": None} if ending == "svg" else None)
                    files += 1
            progress(done, len(ids))
    return f"Drew {len(ids):,} structures into {asked.folder}: {files:,} files"


def _figures(asked: Asked, name: str, folded: Folded, scale: tuple[float, float]) -> Iterator[tuple[str, Figure]]:
    from ribospace import plots
    from ribospace.analysis.structure import expected_heights, heights, layout, positional_entropy

    n = len(folded.sequence)
    one = plots.Structure(
        name, folded.energy, folded.sequence, layout(folded.structure), folded.pairs(), np.zeros(n, dtype=bool).tolist()
    )
    values = _values(asked, name, folded, scale)
    for what in asked.drawings:
        if what == "layout":
            yield what, plots.layout_figure(one, values)
        elif what == "circle":
            yield what, plots.circle_figure(one, values)
        elif what == "arc":
            yield what, plots.arc_figure(one, values, folded.probable)
        else:
            mountains = {
                "minimum free energy": heights(folded.structure),
                "centroid": heights(folded.centroid),
                "ensemble (expected)": expected_heights(folded.probable, n),
            }
            yield what, plots.mountain_figure(name, mountains, positional_entropy(folded.probable, n))


def _values(asked: Asked, name: str, folded: Folded, scale: tuple[float, float]) -> Any:
    """What a molecule's bases are coloured by, on one scale for all that are drawn."""
    from ribospace.analysis.structure import paired
    from ribospace.plots import Values

    n = len(folded.sequence)
    if asked.colour == "pairing" and not asked.values:
        return Values("probability of being paired", paired(folded.probable, n), (0.0, 1.0))
    if not asked.values:
        return None
    given: npt.NDArray[np.float64] = np.full(n, np.nan)
    for place, value in asked.values.get(name, {}).items():
        given[place] = value
    return Values(asked.colour, given, scale)
