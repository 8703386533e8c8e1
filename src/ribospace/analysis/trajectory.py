"""Trajectories: clusters of molecules, how far each is from a root, where ways from there end.

Inspired by VIA (Stassen et al. 2021) and made anew: exact neighbours, everything but Leiden's order without chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components, dijkstra

from ribospace.analysis import graph as graphs
from ribospace.analysis.neighbours import Neighbours, distinct, neighbours
from ribospace.analysis.walks import ends, forward, hitting_times, lineages, way
from ribospace.errors import UserError
from ribospace.progress import Progress, silent

if TYPE_CHECKING:
    from anndata import AnnData

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Method: TypeAlias = Literal["way", "hitting", "dpt"]
METHODS: tuple[str, ...] = get_args(Method)
FEWEST, _WIDEST, _SMOOTHED = 20, 50, 4


@dataclass(frozen=True)
class Trajectory:
    """What is known of a set of molecules seen from a root.

    Attributes
    ----------
    clusters
        (n,) numbered from the largest.
    pseudotime
        (n,) 0 at the root, 1 at the latest; NaN where no way leads from the root.
    ends
        (m,) rows of the terminal states, the most outstanding first.
    lineages
        (n, m) chance that a walk forward in time ends at each.
    between
        (clusters, clusters) weights.
    graph
        Which molecules are neighbours, weighed by how many neighbours they share.
    root
        Row.
    """

    clusters: Ints
    pseudotime: Floats
    ends: Ints
    lineages: Floats
    between: sp.csr_matrix
    graph: sp.csr_matrix
    root: int

    def cluster_times(self) -> Floats:
        """(clusters,) mean pseudotime; NaN where no molecule has one."""
        known = np.isfinite(self.pseudotime)
        many = self.between.shape[0]
        total = np.bincount(self.clusters[known], self.pseudotime[known], many)
        count = np.bincount(self.clusters[known], minlength=many)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def follow(
    vectors: Vectors,
    found: Neighbours,
    root: int | None = None,
    *,
    method: str = "way",
    seed: int = 0,
    resolution: float = 1.0,
    smallest: int = 10,
    height: float = 0.05,
    fewest: int = FEWEST,
) -> Trajectory:
    """Follow molecules from a root.

    Pseudotime by `method`: "way", how far walks have come that come nearer with every step, along edges between vectors
    that are averaged four times over their neighbours, in their first 50 principal components; "hitting", hitting times
    of the graph of clusters, the walks refined on it, averaged over each molecule's neighbours, as VIA's; "dpt",
    scanpy's diffusion pseudotime (Haghverdi et al. 2016).

    Parameters
    ----------
    vectors
        (n, width) all different.
    found
        Their neighbours.
    root
        A row; None: the end of a longest way, so that the direction means nothing.
    method
        See above.
    seed
        Of Leiden and of the diffusion map.
    resolution, smallest
        Of the clusters, see `graph.cluster`.
    height
        Least height of a terminal state, see `walks.ends`.
    fewest
        Molecules that are asked for.

    Raises
    ------
    UserError
        For fewer than `fewest` molecules, or an unknown method.
    """
    if len(vectors) < fewest:
        raise UserError(f"A trajectory needs {fewest} different molecules; here are {len(vectors)}.")
    if method not in METHODS:
        raise UserError(f"Unknown method {method!r} of pseudotime: way, hitting or dpt.")
    close = graphs.neighbour_graph(found)
    pruned = graphs.pruned(close)
    clusters = graphs.cluster(pruned, seed, resolution, smallest)
    between = graphs.cluster_graph(close.affinity.multiply(pruned > 0).tocsr(), clusters)
    lengths = _lengths(vectors, close.jaccard)
    root = _far_end(lengths) if root is None else root
    times = way(lengths, root)
    if method == "hitting":
        times = np.where(np.isfinite(times), _hitting(between, clusters, close.jaccard, root), np.inf)
    elif method == "dpt":
        from ribospace.analysis.paga import paga

        between, diffused = paga(vectors, found, clusters, root, seed)
        times = np.where(np.isfinite(times), diffused, np.inf)
    tops, belongs = ends(close.jaccard, times, height, smallest)
    latest = times[np.isfinite(times)].max() or 1.0
    times = np.where(np.isfinite(times), times / latest, np.nan)
    return Trajectory(clusters, times, tops, lineages(close.jaccard, times, belongs), between, pruned, int(root))


def _lengths(vectors: Vectors, graph: sp.csr_matrix) -> sp.csr_matrix:
    """Lengths of the edges after averaging, which takes away noise across the way."""
    from sklearn.decomposition import PCA

    places = vectors - vectors.mean(axis=0)
    if vectors.shape[1] > _WIDEST:
        few = min(_WIDEST, len(vectors) - 1)
        places = PCA(few, svd_solver="covariance_eigh").fit_transform(places)
    lengths = graphs.lengths(graph, graphs.averaged(graph, places.astype(np.float64), _SMOOTHED))
    lengths += 1e-6 * lengths.mean() + 1e-300
    return sp.csr_matrix((lengths, graph.indices, graph.indptr), shape=graph.shape)


def _far_end(lengths: sp.csr_matrix) -> int:
    """The end of a longest way in the largest part, found from its molecule of most neighbours."""
    part = connected_components(lengths, directed=False)[1]
    inside = part == np.argmax(np.bincount(part))
    middle = int(np.argmax(np.where(inside, np.diff(lengths.indptr), -1)))
    come = dijkstra(lengths, indices=middle)
    return int(np.argmax(np.where(np.isfinite(come), come, -1)))


def _hitting(between: sp.csr_matrix, clusters: Ints, graph: sp.csr_matrix, root: int) -> Floats:
    """Hitting times of clusters, refined by walks forward in time, and averaged over each molecule's neighbours."""
    part = connected_components(between, directed=False)[1]
    here = np.flatnonzero(part == part[clusters[root]])
    inside = between[here][:, here]
    start = int(np.flatnonzero(here == clusters[root])[0])
    times = hitting_times(inside, start)
    lengths = forward(inside, times)
    lengths.data = 1 / np.maximum(lengths.data, 1e-12)
    refined = np.zeros(between.shape[0])
    refined[here] = dijkstra(lengths, indices=start)
    return graphs.averaged(graph, refined[clusters][:, None], 2)[:, 0]


def middle_of(vectors: Vectors, rows: npt.ArrayLike) -> int:
    """The one of some rows that lies nearest to their mean."""
    rows = np.asarray(rows)
    chosen = vectors[rows].astype(np.float64)
    return int(rows[np.argmin(((chosen - chosen.mean(axis=0)) ** 2).sum(axis=1))])


@dataclass(frozen=True)
class Stability:
    """How alike runs are that begin with another seed and leave out a tenth of the molecules.

    Attributes
    ----------
    clusters
        (runs,) adjusted Rand index with the clusters of all molecules (Hubert and Arabie 1985): 1 the same, 0 chance.
    pseudotime
        (runs,) Spearman's correlation with the pseudotime of all.
    ends
        (runs,) how many terminal states.
    """

    clusters: Floats
    pseudotime: Floats
    ends: Ints


def stability(
    vectors: Vectors,
    found: Neighbours,
    whole: Trajectory,
    runs: int,
    *,
    seed: int = 0,
    progress: Progress = silent,
    anew: bool = False,
    **options: Any,
) -> Stability:
    """Follow again, `runs` times, with other seeds and without a tenth of the molecules, drawn at random.

    Parameters
    ----------
    vectors, found, whole
        As given to and by `follow`; left-out molecules leave a place in others' lists of neighbours.
    runs
        How many.
    seed
        The first run's is the next.
    progress
        Told how many runs are done.
    anew
        Find the root anew each time, as where none was given; the direction means nothing then, so the correlation is
        taken without its sign.
    options
        Of `follow`.
    """
    from scipy.stats import spearmanr
    from sklearn.metrics import adjusted_rand_score

    rows = []
    for run in range(runs):
        drop = np.random.default_rng([seed, run]).random(len(vectors)) < 0.1
        drop[whole.root] &= anew
        kept = np.flatnonzero(~drop)
        root = None if anew else int(np.searchsorted(kept, whole.root))
        one = follow(vectors[kept], found.without(drop), root, seed=seed + 1 + run, fewest=2, **options)
        both = np.isfinite(one.pseudotime) & np.isfinite(whole.pseudotime[kept])
        rho = spearmanr(one.pseudotime[both], whole.pseudotime[kept][both])[0] if both.sum() > 2 else np.nan
        rows.append((adjusted_rand_score(whole.clusters[kept], one.clusters), abs(rho) if anew else rho, len(one.ends)))
        progress(run + 1, runs)
    table = np.array(rows, dtype=np.float64).reshape(runs, 3)
    return Stability(table[:, 0], table[:, 1], table[:, 2].astype(np.int64))


def flow(one: Trajectory, places: Floats) -> Floats:
    """Where pseudotime grows to on a map: (n, 2) mean step to later neighbours; NaN where there is none."""
    rows = graphs.rows_of(one.graph)
    with np.errstate(invalid="ignore"):
        later = one.pseudotime[one.graph.indices] > one.pseudotime[rows]
    rows, ahead = rows[later], one.graph.indices[later]
    many = np.bincount(rows, minlength=len(places))[:, None]
    total = np.stack([np.bincount(rows, places[ahead, axis], len(places)) for axis in range(places.shape[1])], axis=1)
    return np.where(many > 0, total / np.maximum(many, 1) - places, np.nan)


def search(
    vectors: Vectors, k: int, approximate: bool = False, seed: int = 0, progress: Progress = silent
) -> tuple[Ints, Ints, Neighbours]:
    """Neighbours among different vectors: the rows of these, the place of each vector among them, and their lists.

    Raises
    ------
    UserError
        If all vectors are equal, or there are too few for k.
    """
    first, place = distinct(vectors)
    if len(first) == 1:
        raise UserError(f"All {len(vectors):,} vectors are equal: there is nothing to follow. Choose another model.")
    return first, place, neighbours(vectors[first], k, approximate, seed, progress)


def spread(one: Trajectory, first: Ints, place: Ints, root: int | None = None) -> Trajectory:
    """A trajectory of different vectors, for all: copies get what their like has, and an edge to it.

    `root` is the row that was asked for, where that may be a copy.
    """
    copies = np.setdiff1d(np.arange(len(place)), first)
    small = one.graph.tocoo()
    rows = np.concatenate([first[small.row], copies, first[place[copies]]])
    columns = np.concatenate([first[small.col], first[place[copies]], copies])
    weights = np.concatenate([small.data, np.ones(2 * len(copies), dtype=small.data.dtype)])
    return replace(
        one,
        clusters=one.clusters[place],
        pseudotime=one.pseudotime[place],
        ends=first[one.ends],
        lineages=one.lineages[place],
        graph=sp.csr_matrix((weights, (rows, columns)), shape=(len(place),) * 2),
        root=int(first[one.root]) if root is None else int(root),
    )


def trajectory(
    data: AnnData,
    root: int | Sequence[int] | None = None,
    *,
    k: int = 30,
    method: str = "way",
    approximate: bool = False,
    seed: int = 0,
    resolution: float = 1.0,
    key: str = "trajectory",
) -> Trajectory:
    """Follow the molecules of an AnnData, from its X.

    Parameters
    ----------
    data
        n molecules, a vector each.
    root
        A row; several: the one nearest to their mean; None: an end of the longest way.
    k
        Neighbours of each.
    method, seed, resolution
        See `follow`.
    approximate
        See `neighbours.neighbours`.
    key
        Of what is written.

    Returns
    -------
    Trajectory
        And in `data`: obs[f"{key}_cluster"] (categories), obs[f"{key}_pseudotime"], obsm[f"{key}_lineages"],
        obsp["connectivities"], obsp["distances"] and uns["neighbors"] for scanpy, uns["iroot"], and uns[key] with the
        rows of the ends, the graph of clusters and what was asked.

    Examples
    --------
    >>> import anndata
    >>> points = np.linspace(0, 1, 60)[:, None] * np.ones((1, 3), dtype=np.float32)
    >>> data = anndata.AnnData(points.astype(np.float32))
    >>> found = trajectory(data, 0, k=5)
    >>> len(found.ends), bool(data.obs["trajectory_pseudotime"].iloc[-1] > 0.95)
    (1, True)
    """
    vectors = np.asarray(data.X, dtype=np.float32)
    first, place, found = search(vectors, k, approximate, seed)
    at = root if root is None or isinstance(root, int | np.integer) else middle_of(vectors, root)
    small = follow(
        vectors[first], found, None if at is None else int(place[at]), method=method, seed=seed, resolution=resolution
    )
    one = spread(small, first, place, at)
    asked = {"k": k, "method": method, "seed": seed, "resolution": resolution, "neighbours_recall": found.recall}
    write(data, one, key, asked)
    return one


def write(data: AnnData, one: Trajectory, key: str, asked: dict[str, object]) -> None:
    """Write a trajectory into an AnnData, as `trajectory` says."""
    import pandas as pd

    data.obs[f"{key}_cluster"] = pd.Categorical(
        [str(c) for c in one.clusters], [str(c) for c in range(one.between.shape[0])]
    )
    data.obs[f"{key}_pseudotime"] = one.pseudotime
    data.obsm[f"{key}_lineages"] = one.lineages
    data.obsp["connectivities"] = one.graph
    apart = np.maximum(graphs.lengths(one.graph, np.asarray(data.X, dtype=np.float64)), 1e-12)
    data.obsp["distances"] = sp.csr_matrix((apart, one.graph.indices, one.graph.indptr), shape=one.graph.shape)
    data.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": {"n_neighbors": asked["k"], "method": "umap", "metric": "euclidean"},
    }
    data.uns["iroot"] = one.root
    data.uns[key] = {
        "ends": one.ends,
        "cluster_graph": one.between.toarray(),
        "cluster_pseudotime": one.cluster_times(),
        "asked": dict(asked),
    }
