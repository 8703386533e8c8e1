"""The graph of neighbours: pruned, cut into clusters, and the graph of these clusters.

As VIA does it (Stassen et al. 2021, doi 10.1038/s41467-021-25773-3), by sparse matrices and one seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import prange
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from ribospace.analysis.compiled import compiled
from ribospace.analysis.leiden import by_size, leiden
from ribospace.analysis.neighbours import Neighbours

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_LARGEST_SHARE, _DEEPEST = 0.4, 5


@dataclass(frozen=True)
class Graph:
    """Molecules and which of them are neighbours, in both directions.

    Attributes
    ----------
    jaccard
        (n, n) symmetric CSR, the share of neighbours that two molecules have in common.
    affinity
        (n, n) of the same places: nearness, times that share.
    """

    jaccard: sp.csr_matrix
    affinity: sp.csr_matrix


def neighbour_graph(found: Neighbours, local: float = 1.0) -> Graph:
    """Make a graph of lists of neighbours, and weigh its edges.

    A neighbour farther than the list's mean and `local` standard deviations is dropped. Nearness is m² / (d + least d),
    m being the list's mean distance.

    Parameters
    ----------
    found
        Lists of n points; −1 is no neighbour.
    local
        Standard deviations.

    Examples
    --------
    >>> rows = np.array([[1, 2], [0, 2], [1, 0]], dtype=np.int32)
    >>> graph = neighbour_graph(Neighbours(rows, np.ones((3, 2), dtype=np.float32)))
    >>> graph.jaccard.toarray().round(2).tolist()[0]
    [0.0, 1.0, 1.0]
    """
    n = len(found.rows)
    there = found.rows >= 0
    many = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = np.where(there, found.distances, 0).sum(axis=1, keepdims=True) / many
    deviation = np.sqrt((np.where(there, found.distances - mean, 0) ** 2).sum(axis=1, keepdims=True) / many)
    near = there & (found.distances <= mean + local * deviation)
    least = np.where(there, found.distances, np.inf).min(axis=1, keepdims=True)
    nearness = mean**2 / np.maximum(found.distances + least, 1e-12)
    starts = np.concatenate([[0], np.cumsum(near.sum(axis=1))])
    directed = sp.csr_matrix((nearness[near].astype(np.float32), found.rows[near], starts), shape=(n, n))
    directed.sort_indices()
    both = sp.csr_matrix(directed.maximum(directed.T))
    both.sort_indices()
    shared = _shared(directed.indptr, directed.indices, both.indptr, both.indices)
    everything = np.ones(len(shared), dtype=bool)
    return Graph(with_edges(both, everything, shared), with_edges(both, everything, shared * both.data))


def pruned(graph: Graph, deviations: float = 0.15) -> sp.csr_matrix:
    """Drop edges whose ends have few neighbours in common: fewer than the mean less some standard deviations.

    Edges that hold together what the graph holds together are kept.

    Returns
    -------
    (n, n) symmetric CSR of Jaccard's indices
    """
    shared = graph.jaccard.data
    keep = shared > shared.mean() - deviations * shared.std()
    keep |= _holding(graph.jaccard, shared, keep)
    return with_edges(graph.jaccard, keep, shared)


def rows_of(graph: sp.csr_matrix) -> npt.NDArray[np.int64]:
    """(edges,) the row of each edge, as `indices` are their columns."""
    return np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))


def with_edges(graph: sp.csr_matrix, keep: npt.NDArray[np.bool_], weights: npt.NDArray[np.floating]) -> sp.csr_matrix:
    """The same graph with some of its edges, and other weights."""
    starts = np.concatenate([[0], np.cumsum(keep)])[graph.indptr]
    return sp.csr_matrix((weights[keep], graph.indices[keep], starts), shape=graph.shape)


@compiled(parallel=True)
def _shared(starts: Ints, ends: Ints, edge_starts: Ints, edges: Ints) -> npt.NDArray[np.float32]:  # pragma: no cover
    """Jaccard's index of each edge's ends, each of which counts as its own neighbour."""
    n = len(starts) - 1
    out = np.zeros(len(edges), dtype=np.float32)
    pieces = 64
    for piece in prange(pieces):
        mine = np.full(n, -1, dtype=np.int32)  # whose neighbour a node was last found to be
        for one in range(piece * n // pieces, (piece + 1) * n // pieces):
            mine[one] = one
            for i in range(starts[one], starts[one + 1]):
                mine[ends[i]] = one
            for edge in range(edge_starts[one], edge_starts[one + 1]):
                other = edges[edge]
                both = int(mine[other] == one)
                for j in range(starts[other], starts[other + 1]):
                    both += mine[ends[j]] == one
                sizes = starts[one + 1] - starts[one] + starts[other + 1] - starts[other] + 2
                out[edge] = both / (sizes - both)
    return out


def _holding(
    both: sp.csr_matrix, shared: npt.NDArray[np.floating], keep: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """The strongest edges between parts that pruning has cut off, as few as join them again."""
    parts = connected_components(with_edges(both, keep, shared), directed=False)[1]
    if parts.max() == connected_components(both, directed=False)[0] - 1:
        return np.zeros(len(keep), dtype=bool)
    rows, n = rows_of(both), both.shape[0]
    cut = np.flatnonzero((parts[rows] != parts[both.indices]) & (rows < both.indices))
    cost = 2.0 - shared[cut].astype(np.float64)
    order = np.lexsort((cut, cost))  # of several edges between two parts the strongest
    one, other = np.sort(np.stack([parts[rows[cut]], parts[both.indices[cut]]]), axis=0)[:, order]
    pairs, first = np.unique(one.astype(np.int64) * (parts.max() + 1) + other, return_index=True)
    between = sp.csr_matrix((cost[order][first], np.divmod(pairs, parts.max() + 1)), shape=(parts.max() + 1,) * 2)
    tree = minimum_spanning_tree(between).tocoo()
    chosen = cut[order][first][np.isin(pairs, tree.row.astype(np.int64) * (parts.max() + 1) + tree.col)]
    edges = np.minimum(rows, both.indices) * n + np.maximum(rows, both.indices)  # the same in both directions
    return np.isin(edges, edges[chosen])


def cluster(graph: sp.csr_matrix, seed: int = 0, resolution: float = 1.0, smallest: int = 10) -> Ints:
    """Cut a graph into clusters by Leiden (Traag et al. 2019), numbered from the largest.

    Clusters of more than 40 % of the molecules are cut again; those of fewer than `smallest` go to the cluster that
    they have the strongest edges to, unless they have none to any.

    Parameters
    ----------
    graph
        (n, n) symmetric weights.
    seed
        Of the order in which molecules are looked at.
    resolution
        Above 1: more clusters.
    smallest
        Molecules a cluster has at least.

    Returns
    -------
    (n,) int64
    """
    labels = leiden(graph, seed, resolution)
    for _ in range(_DEEPEST):
        large = np.flatnonzero(np.bincount(labels) > max(_LARGEST_SHARE * len(labels), 2 * smallest))
        before = labels.max()
        for one in large:
            inside = np.flatnonzero(labels == one)
            parts = leiden(graph[inside][:, inside], seed, resolution)
            labels[inside] = np.where(parts == 0, one, labels.max() + parts)
        if labels.max() == before:
            break
    return by_size(_merged(graph, labels, smallest))


def _merged(graph: sp.csr_matrix, labels: Ints, smallest: int) -> Ints:
    """Small clusters, the smallest first, given to the neighbours they have the strongest edges to."""
    while True:
        labels = np.unique(labels, return_inverse=True)[1]
        sizes, between = np.bincount(labels), joined(graph, labels)
        open_ = [one for one in np.argsort(sizes, kind="stable") if sizes[one] < smallest and between[one].nnz]
        if not open_:
            return labels.astype(np.int64)
        weights = between[open_[0]].toarray().ravel()
        labels[labels == open_[0]] = int(np.argmax(weights))


def joined(graph: sp.csr_matrix, labels: Ints) -> sp.csr_matrix:
    """(clusters, clusters) sums of the weights between clusters; none within one."""
    many = int(labels.max()) + 1
    member = sp.csr_matrix((np.ones(len(labels)), (np.arange(len(labels)), labels)), shape=(len(labels), many))
    total = sp.csr_matrix(member.T @ graph @ member)
    total.setdiag(0)
    total.eliminate_zeros()
    return total


def cluster_graph(affinity: sp.csr_matrix, labels: Ints, weakest: float = 0.15) -> sp.csr_matrix:
    """The graph of clusters: weights between them, each over the sizes of both.

    Parameters
    ----------
    affinity
        (n, n) weights between molecules.
    labels
        (n,) clusters.
    weakest
        Edges weaker than the mean less so many standard deviations are dropped, but not those that hold it together.

    Returns
    -------
    (clusters, clusters) symmetric CSR; 1 is the mean weight of all edges before weak ones are dropped.
    """
    total = joined(affinity, labels).tocoo()
    if not total.nnz:
        return sp.csr_matrix(total)
    sizes = np.bincount(labels)
    weights = total.data * (sizes[total.row] + sizes[total.col]) / (sizes[total.row] * sizes[total.col])
    whole = sp.csr_matrix((weights / weights.mean(), (total.row, total.col)), shape=total.shape)
    strong = sp.csr_matrix((1 / whole.data, whole.indices, whole.indptr), shape=whole.shape)
    tree = minimum_spanning_tree(strong)
    tree = tree + tree.T
    keep = whole.data >= whole.data.mean() - weakest * whole.data.std()
    return sp.csr_matrix(with_edges(whole, keep, whole.data).maximum(whole.multiply(tree > 0)))


def averaged(graph: sp.csr_matrix, values: Floats, rounds: int = 1) -> Floats:
    """Means of (n, m) values over each node and its neighbours, again and again."""
    for _ in range(rounds):
        values = _means(graph.indptr, graph.indices, np.ascontiguousarray(values))
    return values


@compiled(parallel=True)
def _means(starts: Ints, edges: Ints, values: Floats) -> Floats:  # pragma: no cover
    out = values.copy()
    for one in prange(len(starts) - 1):
        for edge in range(starts[one], starts[one + 1]):
            for column in range(values.shape[1]):
                out[one, column] += values[edges[edge], column]
        out[one] /= starts[one + 1] - starts[one] + 1
    return out


def lengths(graph: sp.csr_matrix, places: Floats) -> Floats:
    """(edges,) Euclidean distance between the ends of each edge, for (n, m) places."""
    return _lengths(graph.indptr, graph.indices, np.ascontiguousarray(places))


@compiled(parallel=True)
def _lengths(starts: Ints, edges: Ints, places: Floats) -> Floats:  # pragma: no cover
    out = np.zeros(len(edges))
    for one in prange(len(starts) - 1):
        for edge in range(starts[one], starts[one + 1]):
            total = 0.0
            for column in range(places.shape[1]):
                total += (places[one, column] - places[edges[edge], column]) ** 2
            out[edge] = np.sqrt(total)
    return out
