"""How long work tells that it is under way: a function that whoever waits may pass in."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with what is done, of how much (None: not known), and a word on how it stands."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        """Take note."""


def silent(done: int, total: int | None, note: str = "") -> None:
    """Tell nobody."""
