"""Folding beside the server: ViennaRNA holds its process while it works, so it has one of its own."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from ribospace.analysis.folding import installed, require_foldable
from ribospace.web.refusing import Refusal


class Folder:
    """Folds molecules one after the other, in a process that begins with the first.

    Parameters
    ----------
    seconds
        A molecule that has not come back by then is given up.
    """

    def __init__(self, seconds: float = 20.0) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def fold(self, sequence: str) -> tuple[str, float, str]:
        """Structure of minimum free energy, its energy (kcal/mol), and its drawing as SVG.

        Raises
        ------
        UserError
            If the molecule is too long, ViennaRNA is not there (409), or it took too long (504).
        """
        if not installed():
            raise Refusal(409, "Folding needs ViennaRNA, which the server has not: pip install 'ribospace[structure]'.")
        require_foldable(sequence)
        with self._lock:
            pool = self._pool = self._pool or ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        try:
            work = pool.submit(drawn, sequence)
            return work.result(self.seconds)
        except TimeoutError as error:
            if not work.cancel():  # it is at work, and would hold up all that come after
                self._end(pool)
            raise Refusal(504, f"Folding took longer than {self.seconds:g} seconds. Ask again later.", 30) from error
        except (BrokenProcessPool, RuntimeError) as error:
            with self._lock:
                self._pool = None
            raise Refusal(503, "Folding broke off. Ask again.", 1) from error

    def _end(self, pool: ProcessPoolExecutor) -> None:
        """End a process in the midst of its work; the next molecule begins another."""
        with self._lock:
            if self._pool is pool:
                self._pool = None
        for process in list((getattr(pool, "_processes", None) or {}).values()):  # 3.14 has terminate_workers
            process.terminate()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = None


def drawn(sequence: str) -> tuple[str, float, str]:
    """Fold and draw a molecule, in this process."""
    from ribospace.analysis.structure import fold, layout
    from ribospace.plots.structures import Structure, structure_svg

    found = fold(sequence)
    marked = [False] * len(sequence)
    one = Structure("molecule", found.energy, found.sequence, layout(found.structure), found.pairs(), marked)
    return found.structure, found.energy, structure_svg(one)
