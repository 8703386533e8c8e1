"""Trees with a known time: points about a stem and the branches that leave its end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tree:
    """Points of a tree.

    Attributes
    ----------
    vectors
        (n, width) float32.
    time
        (n,) way along the tree from its root.
    branch
        (n,) 0 is the stem.
    root
        Row of the earliest point.
    """

    vectors: npt.NDArray[np.float32]
    time: npt.NDArray[np.float64]
    branch: npt.NDArray[np.int64]
    root: int

    def late(self, row: int) -> float:
        """How far along its branch a point lies, 0 to 1."""
        own = self.time[self.branch == self.branch[row]]
        return float((self.time[row] - own.min()) / np.ptp(own))


def tree(n: int, seed: int, branches: int = 3, width: int = 30, noise: float = 0.6) -> Tree:
    """Draw a tree: stem and branches of random lengths (6 to 12), bent, as dense everywhere, with noise all around.

    Parameters
    ----------
    n
        Points.
    seed
        Of everything.
    branches
        That leave the stem's end; each ends in a terminal state.
    width
        Numbers of each point.
    noise
        Standard deviation of each number. At 0.6 and width 30 points lie 3.3 off their branch.
    """
    generator = np.random.default_rng(seed)
    axes = np.linalg.qr(generator.normal(size=(width, width)))[0]
    lengths = generator.uniform(6, 12, size=branches + 1)
    branch = generator.choice(branches + 1, size=n, p=lengths / lengths.sum())
    along = generator.random(n) * lengths[branch]
    time = np.where(branch == 0, along, lengths[0] + along)
    points = np.minimum(time, lengths[0])[:, None] * axes[0]
    for one in range(1, branches + 1):
        on = branch == one
        bend = 1.5 * np.sin(np.pi * along[on] / lengths[one])
        points[on] += along[on, None] * axes[one] + bend[:, None] * axes[branches + one]
    points += noise * generator.normal(size=points.shape)
    return Tree(points.astype(np.float32), time, branch, int(np.argmin(time)))
