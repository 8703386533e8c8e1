"""What a training tells TensorBoard, where that is installed."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@functools.cache
def _hush_writers() -> None:
    """No traceback of TensorBoard's thread that a full disk ended: the training says it itself, in a sentence."""
    otherwise = threading.excepthook

    def said(raised: threading.ExceptHookArgs) -> None:
        if not (isinstance(raised.exc_value, OSError) and type(raised.thread).__name__ == "_AsyncWriterThread"):
            otherwise(raised)

    threading.excepthook = said


class Logs:
    """Writes event files to a folder, or nothing where TensorBoard is missing (`pip install ribospace[tensorboard]`).

    Parameters
    ----------
    folder
        Where to; None: nowhere.
    step
        The last step that is done; forget what an earlier run logged of later ones, as they come again.
    """

    def __init__(self, folder: Path | None, step: int = 0) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        _hush_writers()
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    @property
    def are_kept(self) -> bool:
        """Whether anything is written."""
        return self._writer is not None

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Scalars by name, such as "loss/written"."""
        for name, value in values.items() if self._writer else ():
            self._writer.add_scalar(name, value, step)

    def text(self, name: str, lines: Sequence[str], step: int) -> None:
        """Lines in a fixed-width font."""
        if self._writer:
            self._writer.add_text(name, "\n".join(f"    {line}" for line in lines), step)

    def image(self, name: str, pixels: npt.NDArray[np.uint8], step: int) -> None:
        """(height, width) brightness."""
        if self._writer:
            self._writer.add_image(name, pixels, step, dataformats="HW")

    def vectors(
        self, name: str, vectors: npt.NDArray[np.float32], about: Mapping[str, Sequence[object]], step: int
    ) -> None:
        """(n, width) vectors for the projector, and what is known of them: columns of (n,) values by name."""
        if self._writer:
            rows = [[" ".join(str(value).split()) for value in row] for row in zip(*about.values(), strict=True)]
            with contextlib.redirect_stdout(io.StringIO()):  # where it complains of an earlier training's vectors
                self._writer.add_embedding(vectors, rows, None, step, name, list(about))

    def flush(self) -> None:
        """Write what waits."""
        if self._writer:
            self._writer.flush()

    def close(self) -> None:
        """Write what waits, and nothing more."""
        if self._writer:
            self._writer.close()
