"""Parametric UMAP (Sainburg et al. 2021, arXiv 2009.12981): a small network that lays points as UMAP's graph asks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

HIDDEN = 128
BATCH = 256
STRANGERS = 5  # for each pair of neighbours


class ParametricUmap:
    """UMAP's objective, by stochastic gradient descent on a network of two hidden layers.

    Parameters
    ----------
    dims
        Of the answer.
    steps
        Of 256 edges each.
    seed
        Of the graph, the weights and the edges drawn.
    neighbours
        Of the graph, by cosine distance.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    >>> ParametricUmap(2, steps=5).fit(points).apply(points[:3]).shape
    (3, 2)
    """

    def __init__(self, dims: int = 2, steps: int = 500, seed: int = 0, neighbours: int = 15) -> None:
        self.dims, self.steps, self.seed, self.neighbours = dims, steps, seed, neighbours

    def fit(self, vectors: npt.NDArray[np.float32]) -> ParametricUmap:
        """Fit on (n, width) vectors."""
        from umap.umap_ import find_ab_params, fuzzy_simplicial_set

        neighbours = min(self.neighbours, len(vectors) - 1)
        graph, *_ = fuzzy_simplicial_set(vectors, neighbours, np.random.RandomState(self.seed), "cosine")
        edges = graph.tocoo()
        a, b = find_ab_params(1.0, 0.1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._learn(vectors, torch.from_numpy(np.stack([edges.row, edges.col])).long(), edges.data, a, b)
        return self

    def apply(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(m, width) → (m, dims) float32."""
        with torch.inference_mode():
            return self._network(self._scaled(vectors)).numpy()  # type: ignore[no-any-return]

    def _scaled(self, vectors: npt.NDArray[np.float32]) -> torch.Tensor:
        return (torch.from_numpy(np.ascontiguousarray(vectors)).float() - self._mean) / self._scale

    def _learn(
        self,
        vectors: npt.NDArray[np.float32],
        edges: torch.Tensor,
        weights: npt.NDArray[np.float32],
        a: float,
        b: float,
    ) -> None:
        given = torch.from_numpy(vectors).float()
        self._mean, self._scale = given.mean(dim=0), given.std().clamp(min=1e-9)
        points = self._scaled(vectors)
        self._network = nn.Sequential(
            nn.Linear(points.shape[1], HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, self.dims),
        )
        optimizer = torch.optim.Adam(self._network.parameters(), 2e-3)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        chances = torch.from_numpy(np.asarray(weights, dtype=np.float64))
        for _ in range(self.steps):
            drawn = edges[:, torch.multinomial(chances, BATCH, replacement=True)]
            strangers = torch.randint(len(points), (BATCH * STRANGERS,))
            laid = self._network(points[torch.cat([drawn[0], drawn[1], strangers])])
            one, other, far = laid[:BATCH], laid[BATCH : 2 * BATCH], laid[2 * BATCH :]
            near = (one - other).square().sum(dim=1)
            apart = (one.repeat(STRANGERS, 1) - far).square().sum(dim=1)
            loss = _surprise(near, a, b, True).mean() + STRANGERS * _surprise(apart, a, b, False).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rate.step()


def _surprise(squared: torch.Tensor, a: float, b: float, near: bool) -> torch.Tensor:
    """Cross-entropy of q = 1 / (1 + a d^2b) against 1 (near) or 0, from squared distances."""
    logit = -(np.log(a) + b * (squared + 1e-6).log())  # of q
    return -F.logsigmoid(logit if near else -logit)
