"""What a training tells TensorBoard, where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


class Logs:
    """Writes event files to a folder, or nothing where TensorBoard is missing (`pip install ribospace[tensorboard]`).

    Parameters
    ----------
    folder
        Where to; None: nowhere.
    step
        Forget what an earlier run logged from this step on, as it comes again.
    """

    def __init__(self, folder: Path | None, step: int = 0) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder), purge_step=step or None)

    @property
    def are_kept(self) -> bool:
        """Whether anything is written."""
        return self._writer is not None

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Scalars by name, such as "loss/written"."""
        for name, value in values.items() if self._writer else ():
            self._writer.add_scalar(name, value, step)

    def text(self, name: str, lines: list[str], step: int) -> None:
        """Lines in a fixed-width font."""
        if self._writer:
            self._writer.add_text(name, "\n".join(f"    {line}" for line in lines), step)

    def figure(self, name: str, figure: Any, step: int) -> None:
        """A matplotlib figure."""
        if self._writer:
            self._writer.add_figure(name, figure, step)

    def vectors(self, name: str, vectors: npt.NDArray[np.float32], labels: list[str], step: int) -> None:
        """(n, width) vectors and (n,) labels for the projector."""
        if self._writer:
            self._writer.add_embedding(vectors, labels, tag=name, global_step=step)

    def close(self) -> None:
        """Write what waits."""
        if self._writer:
            self._writer.close()
