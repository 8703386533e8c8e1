"""How large a network may be said to be; what is beyond is a slip, or hostile: refused before it takes memory."""

from __future__ import annotations

import dataclasses
from typing import Any

MOST_LAYERS = 1000
WIDEST = 2**16
LARGEST = 2**20  # of any other size; the longest molecules of RNAcentral have a million nucleotides


def require_sizes(config: Any) -> None:
    """Refuse a config of a network whose whole numbers are beyond any that is made.

    Parameters
    ----------
    config
        A dataclass; layers and mixers may be 1,000, heads and whatever is a width 65,536, others 1,048,576.

    Raises
    ------
    ValueError
        It names the size.

    Examples
    --------
    >>> from ribospace.models.transformer import BlockConfig
    >>> require_sizes(BlockConfig(width=64, heads=4, feedforward=256))
    >>> require_sizes(BlockConfig(width=10**9, heads=4, feedforward=256))
    Traceback (most recent call last):
        ...
    ValueError: width 1000000000 is more than 65,536, the most that is made
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, int) and value > most(field.name):
            raise ValueError(f"{field.name} {value} is more than {most(field.name):,}, the most that is made")


def most(name: str) -> int:
    """The greatest value of a size."""
    if "layers" in name or name == "mixers":
        return MOST_LAYERS
    return WIDEST if "width" in name or "heads" in name or name in ("hidden", "queries", "latents") else LARGEST
