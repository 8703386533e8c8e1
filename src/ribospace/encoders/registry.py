"""Encoders by name or folder."""

from __future__ import annotations

import re
from pathlib import Path

from ribospace.encoders.base import Encoder
from ribospace.errors import UserError, nearest

NAMES = tuple(f"kmer{k}" for k in range(1, 9))


def find_encoder(model: str, pooling: str = "mean") -> Encoder:
    """Find an encoder by its name, or by the folder that a training wrote.

    Parameters
    ----------
    model
        `kmer1` to `kmer8`, or a model's folder.
    pooling
        "mean" or "first", for models with token embeddings.

    Returns
    -------
    Encoder

    Raises
    ------
    UserError
        For an unknown name (the nearest is offered), or a folder without a model.

    Examples
    --------
    >>> find_encoder("kmer3").width
    64
    """
    if match := re.fullmatch(r"kmer(\d+)", model):
        from ribospace.encoders.kmer import KmerEncoder

        return KmerEncoder(int(match[1]))
    if Path(model).is_dir():
        from ribospace.encoders.adapters import AutoencoderEncoder

        return AutoencoderEncoder(model, pooling)
    raise UserError(f"There is no model {model!r}: no encoder has this name, and no folder. {nearest(model, NAMES)}")
