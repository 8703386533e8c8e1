"""Every molecule's nearest others by cosine, as a file carries them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ribospace.progress import Progress, silent


def nearest_by_cosine(
    vectors: npt.NDArray[np.float32], k: int, progress: Progress = silent
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Find every vector's k nearest others, exactly.

    Parameters
    ----------
    vectors
        (n, width); a zero vector has no direction, hence no neighbours and is none.
    k
        How many.
    progress
        Told how many are done.

    Returns
    -------
    rows : ndarray
        (n, k) int64, the nearest first; −1 where there are no more.
    distances : ndarray
        (n, k) float32 cosine distances, from 0 to 2; NaN where there are no more.

    Examples
    --------
    >>> rows, distances = nearest_by_cosine(np.array([[1, 0], [0, 2], [1, 1], [0, 0]], np.float32), 2)
    >>> rows.tolist()
    [[2, 1], [2, 0], [0, 1], [-1, -1]]
    >>> distances[0].astype(float).round(3).tolist()
    [0.293, 1.0]
    """
    from ribospace.analysis.neighbours import neighbours

    rows = np.full((len(vectors), k), -1, dtype=np.int64)
    distances = np.full((len(vectors), k), np.nan, dtype=np.float32)
    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    pointing = np.flatnonzero(sizes[:, 0] > 0)
    most = min(k, len(pointing) - 1)
    if most >= 1:
        found = neighbours(vectors[pointing] / sizes[pointing], most, progress=progress)
        rows[pointing, :most] = pointing[found.rows]
        distances[pointing, :most] = np.minimum(found.distances**2 / 2, 2)  # |a − b|² = 2 − 2 cos, of unit vectors
    return rows, distances
