"""What may stand where in a molecule that is to be written: fixed positions, shortest and longest."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ribospace.alphabet import BASES_OF, END, FIRST_LETTER, LETTERS, VOCABULARY_SIZE
from ribospace.errors import UserError

_BASES = tuple(FIRST_LETTER + LETTERS.index(base) for base in "ACGU")


def cleaned(template: str, window: int) -> str:
    """A template in upper case and U.

    Parameters
    ----------
    template
        As long as the molecules: A C G U (or T) where the base is fixed, other IUPAC codes where it may be one of
        several, N where it is free.
    window
        Most nucleotides that can be written, nt.

    Raises
    ------
    UserError
        For other letters, or a template that is empty or too long.

    Examples
    --------
    >>> cleaned("ttNNr", 205)
    'UUNNR'
    """
    text = "".join(template.split()).upper().replace("T", "U")
    if odd := sorted(set(text) - set(LETTERS)):
        raise UserError(f"The template has {odd[0]!r}: write A C G U where a base is fixed, N where it is free.")
    if not 1 <= len(text) <= window:
        raise UserError(f"A template of {len(text):,} nt is not possible: the model writes 1 to {window} nt.")
    return text


def allowed_of(window: int, shortest: int = 1, longest: int = 0, template: str = "") -> Tensor:
    """What may stand at each place of a molecule.

    Parameters
    ----------
    window
        Most nucleotides that can be written, nt.
    shortest, longest
        nt; 0 as the longest: the window.
    template
        See `cleaned`; it is as long as the molecule.

    Returns
    -------
    Tensor
        (window + 1, vocabulary) bool: the four bases, or of them what the template lets be, and END where the molecule
        may be over.

    Examples
    --------
    >>> allowed_of(4, template="GN").sum(dim=1).tolist()
    [1, 4, 1, 5, 5]
    """
    if template:
        shortest = longest = len(template)
    table = torch.zeros((window + 1, VOCABULARY_SIZE), dtype=torch.bool)
    table[:, _BASES] = True
    for place, letter in enumerate(template):
        table[place] = False
        table[place, [FIRST_LETTER + LETTERS.index(base) for base in BASES_OF[letter]]] = True
    table[shortest:, END] = True
    table[longest or window, :] = False
    table[longest or window, END] = True
    return table


def keeps(sequence: str, template: str) -> bool:
    """Whether a molecule is one that a template asks for.

    Examples
    --------
    >>> keeps("GACU", "GNYN"), keeps("GAGU", "GNYN"), keeps("GA", "GAN")
    (True, False, False)
    """
    if len(sequence) != len(template):
        return False
    return all(base in BASES_OF[letter] for base, letter in zip(sequence, template, strict=True))


def length_range(text: str, window: int) -> tuple[int, int]:
    """Shortest and longest of "70:80" or "76", nt.

    Raises
    ------
    UserError
        If it is none, or reaches beyond what the model writes.

    Examples
    --------
    >>> length_range("70:80", 205), length_range("76", 205)
    ((70, 80), (76, 76))
    """
    first, _, last = text.partition(":")
    if not re.fullmatch(r"[0-9]{1,9}(:[0-9]{1,9})?", text):
        raise UserError(
            f"--length {text!r} is no range of lengths. Write SHORTEST:LONGEST, such as 70:80, or one length."
        )
    shortest, longest = int(first), int(last or first)
    if not 1 <= shortest <= longest <= window:
        raise UserError(f"--length {text} is not possible: the model writes 1 to {window} nt, the shortest first.")
    return shortest, longest


def drawn(
    counts: np.ndarray, rows: Sequence[int], shortest: int, longest: int, generator: np.random.Generator
) -> tuple[int, int]:
    """Draw a type and a length as the training molecules have them together.

    Parameters
    ----------
    counts
        (types, window + 1) training molecules of each type and length.
    rows
        The types that are asked for.
    shortest, longest
        Lengths that are asked for, nt. Where no molecule of these types has one, all of them are as likely.
    generator
        Source of the draw.

    Returns
    -------
    row, length : int
    """
    part = np.asarray(counts, dtype=np.float64)[list(rows), shortest : longest + 1]
    if not part.sum():
        part = np.repeat(np.asarray(counts)[list(rows)].sum(axis=1, keepdims=True), part.shape[1], axis=1) + 1e-9
    place = generator.choice(part.size, p=(part / part.sum()).ravel())
    return rows[place // part.shape[1]], shortest + int(place % part.shape[1])
