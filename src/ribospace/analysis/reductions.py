"""Reductions of one space by several methods, dimensions and seeds, and what each keeps of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ribospace.analysis.fidelity import Fidelity, fidelity
from ribospace.analysis.projection import Projection
from ribospace.errors import UserError, nearest

Vectors = npt.NDArray[np.float32]
Reduce = Callable[[Vectors, int, int], Vectors]

#: Most dimensions of a t-SNE: beyond, its trees of cells are of no use.
TSNE_DIMS = 3


def _by_projection(method: str) -> Reduce:
    return lambda vectors, dims, seed: Projection(method, dims, seed, any_dims=True).fit(vectors).coordinates


def _random(vectors: Vectors, dims: int, seed: int) -> Vectors:
    """A Gaussian random projection (Johnson and Lindenstrauss 1984)."""
    matrix = np.random.default_rng(seed).normal(size=(vectors.shape[1], dims)) / np.sqrt(dims)
    return (vectors @ matrix).astype(np.float32)  # type: ignore[no-any-return]


def _parametric(vectors: Vectors, dims: int, seed: int) -> Vectors:
    from ribospace.models.parametric_umap import ParametricUmap

    return ParametricUmap(dims, seed=seed).fit(vectors).apply(vectors)


def _noise(vectors: Vectors, dims: int, seed: int) -> Vectors:
    """Points that know nothing of the vectors: what chance keeps."""
    return np.random.default_rng(seed).normal(size=(len(vectors), dims)).astype(np.float32)


METHODS: dict[str, Reduce] = {
    "pca": _by_projection("pca"),
    "umap": _by_projection("umap"),
    "tsne": _by_projection("tsne"),
    "random": _random,
    "parametric-umap": _parametric,
    "noise": _noise,
}


@dataclass(frozen=True)
class Kept:
    """What one reduction keeps.

    Attributes
    ----------
    method, dims
        Which.
    runs
        One for each seed.
    seconds
        That a run took, on average; 0 for a reduction that was given.
    """

    method: str
    dims: int
    runs: list[Fidelity]
    seconds: float


def require_methods(names: Sequence[str]) -> None:
    """Refuse a method that there is not; the nearest is named."""
    for name in names:
        if name not in METHODS:
            raise UserError(f"Unknown reduction {name!r}. {nearest(name, METHODS)}")


def compare_reductions(
    full: Vectors,
    methods: Sequence[str] = tuple(METHODS),
    dims: Sequence[int] = (2, 3, 10, 40),
    seeds: int = 3,
    given: dict[str, Vectors] | None = None,
    seed: int = 0,
) -> Iterator[Kept]:
    """Reduce a space in several ways, and measure each.

    Parameters
    ----------
    full
        (n, width) float32. Rows are brought to length 1, so that what UMAP and t-SNE call near, by cosine, is what the
        measures do.
    methods, dims
        All of each with all of the other, but t-SNE above 3 dimensions and what is not narrower than the space.
    seeds
        So many runs each; PCA and what is given run once.
    given
        Reductions that are there already, (n, dims) each, such as a latent model's summary.
    seed
        The first of the seeds.
    """
    require_methods(methods)
    unit = full / np.maximum(np.linalg.norm(full, axis=1, keepdims=True), 1e-12)
    for name, reduced in (given or {}).items():
        yield Kept(name, reduced.shape[1], [fidelity(unit, reduced, seed=seed)], 0.0)
    for method in methods:
        for many in dims:
            if many >= full.shape[1] or (method == "tsne" and many > TSNE_DIMS):
                continue
            began = time.perf_counter()
            made = [METHODS[method](unit, many, seed + one) for one in range(1 if method == "pca" else seeds)]
            seconds = (time.perf_counter() - began) / len(made)
            runs = [fidelity(unit, one, seed=seed + number) for number, one in enumerate(made)]
            yield Kept(method, many, runs, seconds)
