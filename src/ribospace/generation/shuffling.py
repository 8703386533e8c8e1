"""Molecules that keep a little of nature: shuffled ones and random ones, each from the seed and its own number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

LETTERS = np.array(list("ACGU"))


def shuffled(sequence: str, generator: np.random.Generator) -> str:
    """Shuffle a molecule so that each pair of neighbours is as frequent as before (Altschul and Erickson 1985).

    The molecule is an Euler walk over its letters. For each letter but the molecule's last one a way out is drawn that
    is taken last; these must lead to the last letter (a tree), or they are drawn anew. All other ways out are put in
    any order. So every molecule with these pairs is as likely as any other; the first and the last letter stay.

    Parameters
    ----------
    sequence
        Any letters.
    generator
        Draws.

    Examples
    --------
    >>> shuffled("GGACUUCGGUCC", np.random.default_rng(1))
    'GGGUCCUUCGAC'
    """
    if len(sequence) < 4:  # nothing can be changed
        return sequence
    ways: dict[str, list[str]] = {}
    for before, behind in itertools.pairwise(sequence):
        ways.setdefault(before, []).append(behind)
    end = sequence[-1]
    letters = [letter for letter in ways if letter != end]
    while True:
        chosen = {letter: int(generator.integers(len(ways[letter]))) for letter in letters}
        if all(_leads({letter: ways[letter][at] for letter, at in chosen.items()}, letter, end) for letter in letters):
            break
    walks = {}
    for letter, out in ways.items():
        others = list(out)
        tail = [others.pop(chosen[letter])] if letter in chosen else []
        walks[letter] = iter([*(others[at] for at in generator.permutation(len(others))), *tail])
    written = [sequence[0]]
    for _ in range(len(sequence) - 1):
        written.append(next(walks[written[-1]]))
    return "".join(written)


def _leads(last: dict[str, str], letter: str, end: str) -> bool:
    """Whether the ways that are taken last lead from a letter to the end."""
    for _ in range(len(last)):
        letter = last.get(letter, letter)
    return letter == end


def shuffle_all(sequences: Sequence[str], seed: int, number: int = 0) -> list[str]:
    """Shuffle molecules; each depends on the seed, the number of the shuffle and its place alone.

    Examples
    --------
    >>> shuffle_all(["GGACUUCGGUCC", "AAAA"], 1) == shuffle_all(["GGACUUCGGUCC"], 1) + ["AAAA"]
    True
    """
    return [shuffled(one, np.random.default_rng([seed, number, row])) for row, one in enumerate(sequences)]


def random_like(sequences: Sequence[str], seed: int) -> list[str]:
    """Molecules as long as these of letters that are equally likely.

    Examples
    --------
    >>> [len(one) for one in random_like(["GGAC", "AU"], 1)]
    [4, 2]
    """
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(LETTERS, len(one))) for one in sequences]
