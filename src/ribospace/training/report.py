"""What the logs show of a model: how good it is, samples, who is taken for whom, and vectors for the projector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from sklearn.metrics import confusion_matrix

from ribospace.models.latent import Model
from ribospace.training.data import Examples
from ribospace.training.logs import Logs
from ribospace.training.validation import Judged, scores, vectors_of

#: Windows that a look during training judges, and that the projector gets.
MOST_JUDGED, MOST_SHOWN = 200, 2000
SAMPLES, LINE = 4, 80
PIXELS, SMALLEST_CELL, GRID = 400, 20, 160
MOST_NAMED = 60  # types; of more, a pixel each and no table
GAP, UNKNOWN = "-", "not known"


def report(logs: Logs, name: str, judged: Judged, classes: Sequence[str], step: int) -> None:
    """Log what a model makes of molecules, as far as it has the parts for it.

    Parameters
    ----------
    logs, name
        Where to; the name goes before each tag, such as "validation" in "validation/cer".
    judged
        What the model made of (n) molecules; the samples are four of them, evenly laid.
    classes
        Names of the model's types.
    step
        Optimiser steps taken.
    """
    logs.numbers({f"{name}/{one}": value for one, value in scores(judged).items()}, step)
    if judged.written:
        logs.text(f"{name}/samples", sample_lines(judged, classes), step)
    known = judged.labels >= 0
    if judged.probabilities is not None and known.any():
        told = judged.probabilities[known].argmax(axis=1)
        counts = confusion_matrix(judged.labels[known], told, labels=range(len(classes)))
        logs.image(f"{name}/confusion", confusion_pixels(counts, classes), step)
        if len(classes) <= MOST_NAMED:
            logs.text(f"{name}/confusion_counts", confusion_lines(counts, classes), step)


def show_vectors(logs: Logs, name: str, model: Model, examples: Examples, step: int) -> None:
    """Log the molecules' whitened vectors (mean pooling), with their types and lengths, for the projector."""
    classes = model.config.classes
    about = {
        "label": [_name(label, classes) for label in examples.labels],
        "length": examples.tokens.lengths.tolist(),
    }
    logs.vectors(name, vectors_of(model, examples), about, step)


def some_of(examples: Examples, most: int, seed: int) -> Examples:
    """At most so many of the examples, in their order; the seed decides which."""
    count = min(most, len(examples))
    return examples.take(np.sort(np.random.default_rng(seed).choice(len(examples), count, replace=False)))


def sample_lines(judged: Judged, classes: Sequence[str]) -> list[str]:
    """Four molecules as they are and as they were written, errors marked, in lines of 80 letters."""
    lines: list[str] = []
    for row in np.unique(np.linspace(0, len(judged.true) - 1, SAMPLES).round().astype(int)):
        both = aligned(judged.true[row], judged.written[row])
        label = _name(judged.labels[row], classes)
        lines.append(f"{label}, {len(judged.true[row])} nt, errors: {both[2].count('^')}")
        for start in range(0, len(both[0]), LINE):
            names = ("true     ", "written  ", "         ")
            lines += [f"{name}{one[start : start + LINE]}".rstrip() for name, one in zip(names, both, strict=True)]
        lines.append("")
    return lines


def aligned(true: str, written: str) -> tuple[str, str, str]:
    r"""Lay two sequences above each other with the fewest edits, gaps as "-"; and mark each edit with "^".

    Returns
    -------
    true, written, marks : str
        All of one length; as many marks as the edit distance.

    Examples
    --------
    >>> print(*aligned("GGAC", "GACG"), sep="\n")
    GGAC-
    G-ACG
     ^  ^
    """
    above, below, marks = "", "", ""
    for edit in Levenshtein.opcodes(true, written):
        one, other = true[edit.src_start : edit.src_end], written[edit.dest_start : edit.dest_end]
        width = max(len(one), len(other))
        above, below = above + one.ljust(width, GAP), below + other.ljust(width, GAP)
        marks += (" " if edit.tag == "equal" else "^") * width
    return above, below, marks


def confusion_pixels(counts: npt.NDArray[np.int64], classes: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Draw (n, n) counts: the darker, the larger the share of the true type (rows) that was told so (columns).

    Returns
    -------
    ndarray
        (height, width) brightness; names and numbers to the left, numbers above; of many types one pixel each.
    """
    from PIL import Image, ImageDraw, ImageFont  # TensorBoard needs it too

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shades = (255 * (1 - shares)).round().astype(np.uint8)
    if len(counts) > MOST_NAMED:
        return shades
    side = max(SMALLEST_CELL, PIXELS // len(counts))
    cells = shades.repeat(side, axis=0).repeat(side, axis=1)
    cells[::side] = cells[:, ::side] = GRID
    names, font = [f"{name}  {number}" for number, name in enumerate(classes)], ImageFont.load_default(12)
    left = round(max(map(font.getlength, names))) + 8
    page = Image.new("L", (left + cells.shape[1], side + cells.shape[0]), 255)
    page.paste(Image.fromarray(cells), (left, side))
    draw = ImageDraw.Draw(page)
    for number, name in enumerate(names):
        middle = side * (number + 0.5)
        draw.text((left - 4, side + middle), name, 0, font, anchor="rm")
        draw.text((left + middle, side / 2), str(number), 0, font, anchor="mm")
    return np.asarray(page)


def confusion_lines(counts: npt.NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    r"""Table of (n, n) counts, rows the true types; columns, what they were taken for, have the numbers of the rows.

    Examples
    --------
    >>> print(*confusion_lines(np.array([[3, 1], [0, 12]]), ["rRNA", "tRNA"]), sep="\n")
    true / told   0   1
    0 rRNA        3   1
    1 tRNA        0  12
    """
    names = [f"{number} {name}" for number, name in enumerate(classes)]
    left = max(map(len, ["true / told", *names]))
    width = len(str(max(counts.max(), len(classes)))) + 2
    rows = zip(["true / told", *names], [range(len(classes)), *counts.tolist()], strict=True)
    return [f"{name:<{left}}" + "".join(f"{one:{width}}" for one in row) for name, row in rows]


def _name(label: int, classes: Sequence[str]) -> str:
    return classes[label] if 0 <= label < len(classes) else UNKNOWN
