"""Communities of a weighted graph by the Leiden algorithm (Traag, Waltman and van Eck 2019).

Written anew: leidenalg and igraph are GPL; scikit-network's (0.33) draws by C's rand(), which its seed does not reach,
and was seen not to end; NetworKit's (11.3) crashed on a graph of a thousand nodes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ribospace.analysis.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_LEAST = 1e-12


def leiden(graph: sp.csr_matrix, seed: int = 0, resolution: float = 1.0, passes: int = 2) -> Ints:
    """Cut a graph into communities of high modularity, each of which hangs together.

    Parameters
    ----------
    graph
        (n, n) symmetric weights, none negative.
    seed
        Of the order in which nodes are looked at.
    resolution
        γ of the modularity Σ_c (w_c − γ K_c² / 2m) (Reichardt and Bornholdt 2006); above 1: more communities.
    passes
        How often at most; each begins with the communities that the last one found. If it finds them again, moving no
        node is better.

    Returns
    -------
    (n,) int64
        From 0, the largest first.

    Examples
    --------
    >>> pair = np.ones((3, 3)) - np.eye(3)
    >>> leiden(sp.csr_matrix(sp.block_diag([pair, pair]))).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    graph = sp.csr_matrix(graph, dtype=np.float64)
    generator = np.random.default_rng(seed)
    found = np.arange(graph.shape[0])
    for _ in range(passes):
        last, found = found, _pass(graph, found, generator, resolution)
        if len(np.unique(np.stack([last, found]), axis=1).T) == len(np.unique(found)) == len(np.unique(last)):
            break
    return by_size(found)


def by_size(labels: Ints) -> Ints:
    """The same communities numbered from the largest.

    Examples
    --------
    >>> by_size(np.array([0, 1, 1, 2, 2, 2])).tolist()
    [2, 1, 1, 0, 0, 0]
    """
    sizes = np.bincount(labels)
    names = np.empty(len(sizes), dtype=np.int64)
    names[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return names[labels]


def _pass(graph: sp.csr_matrix, found: Ints, generator: np.random.Generator, resolution: float) -> Ints:
    """Move, refine, aggregate, until nothing is joined any more."""
    place = np.arange(graph.shape[0])  # the node that each of the first nodes has become
    labels = found
    while True:
        n = graph.shape[0]
        strength = np.asarray(graph.sum(axis=1)).ravel()
        scale = resolution / max(float(strength.sum()), 1e-300)
        edges = (graph.indptr, graph.indices, graph.data, strength, scale)
        labels = _numbered(_moved(*edges, labels.copy(), generator.permutation(n)))
        if labels.max(initial=-1) + 1 == n:
            return labels[place]
        refined = _numbered(_refined(*edges, labels, generator.permutation(n)))
        many = int(refined.max()) + 1
        if many == n:  # nothing could be joined within the communities
            return labels[place]
        member = sp.csr_matrix((np.ones(n), (np.arange(n), refined)), shape=(n, many))
        graph = sp.csr_matrix(member.T @ graph @ member)
        first = np.zeros(many, dtype=np.int64)
        first[refined] = labels
        labels, place = first, refined[place]


def _numbered(labels: Ints) -> Ints:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


@compiled()
def _moved(
    starts: Ints, ends: Ints, weights: Floats, strength: Floats, scale: float, labels: Ints, order: Ints
) -> Ints:  # pragma: no cover
    """Nodes moved to the community they gain most by, until none gains; only who lost a neighbour is asked again."""
    n = len(labels)
    total = np.zeros(n)
    count = np.zeros(n, dtype=np.int64)
    for node in range(n):
        total[labels[node]] += strength[node]
        count[labels[node]] += 1
    free = [one for one in range(n) if count[one] == 0]
    queue, waiting = order.copy(), np.ones(n, dtype=np.bool_)
    head, length = 0, n
    to = np.zeros(n)
    while length > 0:
        node = queue[head]
        head, length = (head + 1) % n, length - 1
        waiting[node] = False
        own = labels[node]
        total[own] -= strength[node]
        for edge in range(starts[node], starts[node + 1]):
            if ends[edge] != node:
                to[labels[ends[edge]]] += weights[edge]
        best, most = own, to[own] - scale * strength[node] * total[own]
        for edge in range(starts[node], starts[node + 1]):
            other = labels[ends[edge]]
            gain = to[other] - scale * strength[node] * total[other]
            if gain > most + _LEAST:
                best, most = other, gain
        if most < -_LEAST and count[own] > 1 and len(free) > 0:
            best = free.pop()  # alone
        for edge in range(starts[node], starts[node + 1]):
            to[labels[ends[edge]]] = 0.0
        total[best] += strength[node]
        if best == own:
            continue
        labels[node] = best
        count[own] -= 1
        count[best] += 1
        if count[own] == 0:
            free.append(own)
        for edge in range(starts[node], starts[node + 1]):
            other = ends[edge]
            if labels[other] != best and not waiting[other]:
                queue[(head + length) % n] = other
                length += 1
                waiting[other] = True
    return labels


@compiled()
def _refined(
    starts: Ints, ends: Ints, weights: Floats, strength: Floats, scale: float, labels: Ints, order: Ints
) -> Ints:  # pragma: no cover
    """Parts of communities: nodes still alone join the part they gain most by, where both are well connected."""
    n = len(labels)
    whole = np.zeros(n)  # strength of each community
    for node in range(n):
        whole[labels[node]] += strength[node]
    parts = np.arange(n)
    total, alone, out = strength.copy(), np.ones(n, dtype=np.bool_), np.zeros(n)
    for node in range(n):
        for edge in range(starts[node], starts[node + 1]):
            if ends[edge] != node and labels[ends[edge]] == labels[node]:
                out[node] += weights[edge]  # from a part to the rest of its community
    to = np.zeros(n)
    for node in order:
        rest = whole[labels[node]]
        if not alone[node] or out[node] < scale * strength[node] * (rest - strength[node]):
            continue
        for edge in range(starts[node], starts[node + 1]):
            other = ends[edge]
            if other != node and labels[other] == labels[node]:
                to[parts[other]] += weights[edge]
        best, most = node, 0.0
        for edge in range(starts[node], starts[node + 1]):
            if ends[edge] == node or labels[ends[edge]] != labels[node]:
                continue
            part = parts[ends[edge]]
            if out[part] >= scale * total[part] * (rest - total[part]):
                gain = to[part] - scale * strength[node] * total[part]
                if gain > most + _LEAST:
                    best, most = part, gain
        if best != node:
            out[best] += out[node] - 2 * to[best]
            total[best] += strength[node]
            parts[node] = best
            alone[best] = False
        for edge in range(starts[node], starts[node + 1]):
            to[parts[ends[edge]]] = 0.0
    return parts
