"""How long work tells that it is under way: a function that whoever waits may pass in."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with what is done, of how much (None: not known), and a word on how it stands."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        """Take note."""


def silent(done: int, total: int | None, note: str = "") -> None:
    """Tell nobody."""


def within(progress: Progress, step: int, steps: int | None, what: str) -> Progress:
    """Progress of work inside a step of other work: told as a note, so that the steps stay the steps.

    Examples
    --------
    >>> within(lambda done, total, note="": print(done, total, note), 3, 9, "judging {} windows")(5, 1000)
    3 9 judging 5 of 1,000 windows
    """

    def report(done: int, total: int | None, note: str = "") -> None:
        progress(step, steps, what.format(f"{done:,}" if total is None else f"{done:,} of {total:,}"))

    return report
