"""Random walks on graphs of molecules or clusters: hitting times, ways forward in time, and where they end.

Hitting times are those of VIA (Stassen et al. 2021, doi 10.1038/s41467-021-25773-3). What VIA samples by Monte Carlo
walks is solved here, so that nothing of it depends on a seed: walks that never turn back are triangular systems.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import splu, spsolve_triangular

from ribospace.analysis.compiled import compiled
from ribospace.analysis.graph import rows_of, with_edges

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LAZY, TELEPORT = 0.99, 0.99
_AT_ONCE = 512


def hitting_times(graph: sp.csr_matrix, root: int, lazy: float = LAZY, teleport: float = TELEPORT) -> Floats:
    """Expected hitting times of a lazy teleporting random walk from one node to each.

    With β = 2(1 − α)/(2 − α), the symmetric normalised Laplacian L and G = (β + 2x(1 − β)L)⁻¹ the time to v is
    t_vv − t_rv, t = β D^-½ G D^-½ (Chung and Zhao 2010; Stassen et al. 2021); a factor, vol/(1 − α), is left out.

    Parameters
    ----------
    graph
        (n, n) symmetric weights, connected.
    root
        Where the walk begins.
    lazy, teleport
        x, the chance to move, and α, the chance not to jump.

    Returns
    -------
    (n,) float64
        0 at the root.

    Examples
    --------
    >>> chain = sp.csr_matrix(np.eye(4, k=1) + np.eye(4, k=-1))
    >>> times = hitting_times(chain, 0)
    >>> bool(np.all(np.diff(times) > 0)), float(times[0])
    (True, 0.0)
    """
    n = graph.shape[0]
    if n == 1:
        return np.zeros(1)
    beta = 2 * (1 - teleport) / (2 - teleport)
    scale = 1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    laplacian = sp.eye(n) - sp.diags(scale) @ graph @ sp.diags(scale)
    solved = splu(sp.csc_matrix(beta * sp.eye(n) + 2 * lazy * (1 - beta) * laplacian))
    diagonal = np.empty(n)
    for first in range(0, n, _AT_ONCE):
        columns = np.arange(first, min(n, first + _AT_ONCE))
        unit = np.zeros((n, len(columns)))
        unit[columns, np.arange(len(columns))] = 1
        diagonal[columns] = solved.solve(unit)[columns, np.arange(len(columns))]
    start = np.zeros(n)
    start[root] = 1
    times = beta * (diagonal * scale**2 - solved.solve(start) * scale[root] * scale)
    times[root] = 0
    return np.maximum(times, 0)


def forward(graph: sp.csr_matrix, times: Floats, steepness: float = 4.0) -> sp.csr_matrix:
    """Weigh edges forward in time: each over 1 + exp(−b (t_to − t_from)), b being `steepness` standard deviations.

    Parameters
    ----------
    graph
        (n, n) symmetric weights.
    times
        (n,).
    steepness
        0: no bias.
    """
    biased = sp.csr_matrix(graph, dtype=np.float64, copy=True)
    ahead = (times[biased.indices] - times[rows_of(biased)]) * steepness / (times.std() or 1.0)
    biased.data /= 1 + np.exp(-np.clip(ahead, -50, 50))
    return biased


def way(lengths: sp.csr_matrix, root: int, rounds: int = 2) -> Floats:
    """How far walks have come from the root: expected length of walks that come nearer to the root with every step.

    Shortest ways order the nodes. Then a node's way is the mean, over the neighbours before it, of their way and the
    step from them: a triangular system, solved anew in the order that it gave.

    Parameters
    ----------
    lengths
        (n, n) symmetric lengths of edges, positive.
    root
        Where walks begin.
    rounds
        How often it is solved.

    Returns
    -------
    (n,) float64
        0 at the root, infinite where nothing leads.

    Examples
    --------
    >>> chain = sp.csr_matrix(np.eye(4, k=1) + np.eye(4, k=-1))
    >>> way(chain, 0).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    come = dijkstra(lengths, indices=root)
    for _ in range(rounds):
        steps = _earlier(lengths, come)
        mean = np.asarray(steps.sum(axis=1)).ravel() / np.maximum(np.diff(steps.indptr), 1)
        come = np.where(np.isfinite(come), _mean_over(steps, come, mean[:, None])[:, 0], np.inf)
    return come


def _earlier(graph: sp.csr_matrix, times: Floats) -> sp.csr_matrix:
    """The edges that lead to an earlier node."""
    with np.errstate(invalid="ignore"):
        keep = times[rows_of(graph)] > times[graph.indices]
    return with_edges(graph, keep, graph.data)


def _mean_over(steps: sp.csr_matrix, times: Floats, given: Floats) -> Floats:
    """The solution of x = given + mean of x over each node's steps, all of which lead to smaller times; (n, m)."""
    order = np.argsort(times, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    many = np.diff(steps.indptr)
    weights = -1.0 / np.repeat(np.maximum(many, 1), many)
    matrix = sp.csr_matrix((weights, (rank[rows_of(steps)], rank[steps.indices])), shape=steps.shape)
    solved = spsolve_triangular(sp.csr_matrix(sp.eye(len(times)) + matrix), given[order], lower=True)
    return np.asarray(solved)[rank]


def ends(graph: sp.csr_matrix, times: Floats, height: float = 0.05, fewest: int = 10) -> tuple[Ints, Ints]:
    """Terminal states: tops of pseudotime that stand out.

    Nodes are added from the latest to the earliest; a part that begins at a top ends where it meets one with a later
    top. The time between is the top's height (its persistence, Edelsbrunner et al. 2002); noise makes low tops.

    Parameters
    ----------
    graph
        (n, n) symmetric; only where its edges are counts.
    times
        (n,) pseudotime; what is not finite is left out.
    height
        Least height, as a share of the latest time.
    fewest
        Nodes that a part has at least.

    Returns
    -------
    tops : (m,) int64
        Nodes, the highest first.
    belongs : (n,) int64
        For a node with no later neighbour the place of the top it was joined to; −1 for all others.

    Examples
    --------
    >>> chain = sp.csr_matrix(np.eye(5, k=1) + np.eye(5, k=-1))
    >>> ends(chain, np.array([4.0, 2, 0, 1, 3]), fewest=1)[0].tolist()
    [0, 4]
    """
    finite = np.flatnonzero(np.isfinite(times))
    order = finite[np.argsort(-times[finite], kind="stable")]
    rank = np.full(len(times), len(times), dtype=np.int64)
    rank[order] = np.arange(len(order))
    into, met, size = _tops(order, rank, graph.indptr, graph.indices)
    tall = np.where(met >= 0, times - times[np.maximum(met, 0)], np.where(into == -1, times, -np.inf))
    tall[~np.isfinite(tall)] = -np.inf
    chosen = (tall >= height * times[finite].max(initial=0)) & (size >= fewest) & (tall > 0)
    if len(order) and not chosen.any():
        chosen[order[0]] = True
    tops = np.flatnonzero(chosen)
    tops = tops[np.argsort(-tall[tops], kind="stable")]
    place = np.full(len(times), -1, dtype=np.int64)
    place[tops] = np.arange(len(tops))
    belongs = np.full(len(times), -1, dtype=np.int64)
    for top in order[np.isin(order, np.flatnonzero(into >= -1))]:
        up = top
        while place[up] < 0 and into[up] >= 0:
            up = into[up]
        belongs[top] = place[up] if place[up] >= 0 else 0
    return tops, belongs


@compiled()
def _tops(order: Ints, rank: Ints, starts: Ints, edges: Ints) -> tuple[Ints, Ints, Ints]:  # pragma: no cover
    """For each top: the top it is joined to (−1: none; −2: no top), the node where they meet, nodes by then."""
    n = len(rank)
    parent, top = np.full(n, -1), np.full(n, -1)
    count = np.zeros(n, dtype=np.int64)
    into, met, size = np.full(n, -2), np.full(n, -1), np.zeros(n, dtype=np.int64)
    for node in order:
        parent[node], top[node], count[node] = node, node, 1
        into[node] = -1
        for edge in range(starts[node], starts[node + 1]):
            one = edges[edge]
            if rank[one] > rank[node]:
                continue
            while parent[one] != one:
                parent[one] = parent[parent[one]]
                one = parent[one]
            other = node
            while parent[other] != other:
                other = parent[other]
            if one == other:
                continue
            high, low = (one, other) if rank[top[one]] < rank[top[other]] else (other, one)
            if top[low] == node:
                into[node] = -2  # it has a later neighbour
            else:
                into[top[low]], met[top[low]], size[top[low]] = top[high], node, count[low]
            parent[low] = high
            count[high] += count[low]
    for node in order:
        if into[node] == -1:
            root = node
            while parent[root] != root:
                root = parent[root]
            size[node] = count[root]
    return into, met, size


def lineages(graph: sp.csr_matrix, times: Floats, belongs: Ints) -> Floats:
    """Where walks forward in time end: for each node the chance of each terminal state.

    A walk goes on to any later neighbour, all alike, until there is none; tops that do not stand out lead on to the one
    they were joined to.

    Parameters
    ----------
    graph
        (n, n) symmetric; only where its edges are counts.
    times, belongs
        (n,) as `ends` takes and gives them.

    Returns
    -------
    (n, ends) float64
        Rows add up to 1; NaN where times are not finite.

    Examples
    --------
    >>> fork = sp.csr_matrix(np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], dtype=float))
    >>> lineages(fork, np.array([0.0, 1, 1]), np.array([-1, 0, 1])).tolist()
    [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]
    """
    finite = np.isfinite(times)
    late = np.full(len(times), np.inf)
    late[np.flatnonzero(finite)[np.argsort(-times[finite], kind="stable")]] = np.arange(
        finite.sum()
    )  # as `ends`, no ties
    given = np.zeros((len(times), int(belongs.max(initial=0)) + 1))
    at_end = np.flatnonzero(belongs >= 0)
    given[at_end, belongs[at_end]] = 1
    chance = _mean_over(_earlier(graph, late), late, given)
    chance[~np.isfinite(times)] = np.nan
    return chance
