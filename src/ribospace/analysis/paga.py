"""Scanpy's way to a trajectory: PAGA, an abstraction of the graph, and diffusion pseudotime.

Scanpy is handed the exact neighbours that Ribospace found: its own search fails beside some versions of pynndescent.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ribospace.analysis.neighbours import Neighbours
from ribospace.errors import UserError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass
class _Given:
    """Known neighbours behind the interface that scanpy asks for them."""

    found: Neighbours

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"n_neighbors": self._many() + 1}

    def fit_transform(self, vectors: object) -> sp.csr_matrix:
        """(n, n) distances of each and its neighbours, itself among them; all lists as long as the shortest."""
        n, many = len(self.found.rows), self._many()
        first = np.argsort(self.found.rows < 0, axis=1, kind="stable")[:, :many]
        rows = np.take_along_axis(self.found.rows, first, axis=1)
        distances = np.maximum(np.take_along_axis(self.found.distances, first, axis=1), 1e-12)
        rows = np.column_stack([np.arange(n, dtype=np.int32), rows])
        distances = np.column_stack([np.zeros(n, dtype=np.float32), distances])
        return sp.csr_matrix((distances.ravel(), rows.ravel(), np.arange(0, rows.size + 1, many + 1)), shape=(n, n))

    def _many(self) -> int:
        return max(1, int((self.found.rows >= 0).sum(axis=1).min()))


def paga(
    vectors: npt.NDArray[np.float32], found: Neighbours, clusters: Ints, root: int, seed: int = 0
) -> tuple[sp.csr_matrix, Floats]:
    """PAGA's graph of the clusters (Wolf et al. 2019), and the diffusion pseudotime (Haghverdi et al. 2016).

    Parameters
    ----------
    vectors, found
        (n, width), and the neighbours of each.
    clusters
        (n,).
    root
        A row.
    seed
        Of the diffusion map's solver.

    Returns
    -------
    between : (clusters, clusters) CSR
        Connectivities.
    times : (n,) float64
        Infinite where no way leads.

    Raises
    ------
    UserError
        If scanpy or igraph is not installed.
    """
    try:
        import anndata
        import igraph  # noqa: F401
        import scanpy
    except ImportError as error:
        raise UserError(
            "--method dpt needs scanpy and igraph, which are not installed: pip install 'ribospace[scanpy]'."
        ) from error
    data = anndata.AnnData(vectors)
    data.obs["cluster"] = clusters.astype(str)
    data.obs["cluster"] = data.obs["cluster"].astype("category").cat.set_categories(map(str, range(clusters.max() + 1)))
    data.uns["iroot"] = root
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scanpy.pp.neighbors(data, use_rep="X", transformer=_Given(found))
        scanpy.tl.diffmap(data, n_comps=min(15, len(vectors) - 2), random_state=seed)
        scanpy.tl.dpt(data, n_dcs=min(10, len(vectors) - 2))
        if clusters.max() > 0:  # of one cluster there is no graph
            scanpy.tl.paga(data, groups="cluster")
    times = data.obs["dpt_pseudotime"].to_numpy(dtype=np.float64)
    between = data.uns["paga"]["connectivities"] if clusters.max() > 0 else (1, 1)
    return sp.csr_matrix(between), np.where(np.isfinite(times), times, np.inf)
