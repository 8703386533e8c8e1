"""Projections: many numbers a molecule to two or three, fitted on one set and applied to another."""

from __future__ import annotations

import warnings
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError, nearest

Method: TypeAlias = Literal["pca", "umap", "tsne"]
METHODS: tuple[str, ...] = get_args(Method)
FEWEST = 5

Vectors: TypeAlias = "npt.NDArray[np.float32]"


class Projection:
    """A projection, once fitted.

    PCA is scikit-learn's; UMAP is umap-learn's with 15 neighbours and the cosine distance; t-SNE is openTSNE's with
    perplexity 30 (less for small sets), the cosine distance and a PCA start. One seed, the same result.

    Parameters
    ----------
    method
        "pca", "umap" or "tsne".
    dims
        2 or 3.
    seed
        Of UMAP and t-SNE, and of PCA's solver.
    any_dims
        Allow more than 3 dimensions: a reduction to be measured, not to be looked at.

    Examples
    --------
    >>> vectors = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    >>> projection = Projection("pca").fit(vectors)
    >>> projection.coordinates.shape, projection.apply(vectors[:3]).shape
    ((20, 2), (3, 2))
    """

    coordinates: Vectors

    def __init__(self, method: str = "umap", dims: int = 2, seed: int = 0, any_dims: bool = False) -> None:
        if method not in METHODS:
            raise UserError(f"Unknown projection {method!r}. {nearest(method, METHODS)}")
        if dims not in (2, 3) and not any_dims:
            raise UserError(f"A map has 2 or 3 dimensions, not {dims}.")
        self.method, self.dims, self.seed = method, dims, seed
        self._fitted: Any = None

    def fit(self, vectors: Vectors) -> Projection:
        """Fit on (n, width) vectors; their coordinates, (n, dims) float32, are then in `coordinates`.

        Raises
        ------
        UserError
            For fewer than five molecules, or vectors that are not finite.
        """
        if len(vectors) < FEWEST or vectors.shape[1] < self.dims:
            raise UserError(
                f"A {self.dims}-D map needs {FEWEST} molecules and vectors of width {self.dims} or more; "
                f"here are {len(vectors)} of width {vectors.shape[1]}."
            )
        if not np.isfinite(vectors).all():
            raise UserError("The vectors hold NaN or infinity: nothing can be projected. Embed the molecules again.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = {"pca": self._fit_pca, "umap": self._fit_umap, "tsne": self._fit_tsne}[self.method]
            self.coordinates = np.asarray(fit(vectors), dtype=np.float32)
        return self

    def apply(self, vectors: Vectors) -> Vectors:
        """Lay other vectors, (m, width), into the fitted projection: (m, dims) float32."""
        if self._fitted is None:
            raise ValueError("fit the projection before applying it")
        if not len(vectors):
            return np.empty((0, self.dims), dtype=np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(self._fitted.transform(vectors), dtype=np.float32)

    def _fit_pca(self, vectors: Vectors) -> Any:
        from sklearn.decomposition import PCA

        self._fitted = PCA(self.dims, random_state=self.seed).fit(vectors)
        return self._fitted.transform(vectors)

    def _fit_umap(self, vectors: Vectors) -> Any:
        from umap import UMAP

        neighbours = min(15, len(vectors) - 1)
        start = "spectral" if len(vectors) > 50 else "random"
        self._fitted = UMAP(
            n_neighbors=neighbours,
            n_components=self.dims,
            metric="cosine",
            random_state=self.seed,
            n_jobs=1,
            init=start,
        ).fit(vectors)
        return self._fitted.embedding_

    def _fit_tsne(self, vectors: Vectors) -> Any:
        from openTSNE import TSNE

        self._fitted = TSNE(
            n_components=self.dims,
            perplexity=min(30, (len(vectors) - 1) / 3),
            metric="cosine",
            random_state=self.seed,
            negative_gradient_method="fft" if self.dims == 2 and len(vectors) > 5000 else "bh",
        ).fit(vectors)
        return self._fitted


def umap_of(
    vectors: Vectors, rows: npt.NDArray[np.int32], distances: Vectors, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Lay out a 2-D UMAP on neighbours that are known.

    Parameters
    ----------
    vectors
        (n, width).
    rows, distances
        (n, k) of each one's nearest others; 15 are taken.
    seed
        One seed, one map.

    Returns
    -------
    (n, 2) float32
    """
    from umap import UMAP

    many = min(14, rows.shape[1])
    own = np.arange(len(rows))[:, None]
    near = np.hstack([own, rows[:, :many]]), np.hstack([np.zeros_like(own, dtype=np.float32), distances[:, :many]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = UMAP(
            n_neighbors=many + 1,
            random_state=seed,
            n_jobs=1,
            init="spectral" if len(vectors) > 50 else "random",
            precomputed_knn=(*near, None),
        ).fit(vectors)
    return np.asarray(fitted.embedding_, dtype=np.float32)
