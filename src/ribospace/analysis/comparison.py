"""Representations of the same molecules side by side: what each knows of a label, of sequences and of structures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import spearmanr

from ribospace.analysis.evaluation import near_copies, neighbour_accuracy, probe, silhouette
from ribospace.analysis.leiden import leiden as communities
from ribospace.errors import UserError

IDENTITY = 0.8  # from which on two molecules are near copies
NEIGHBOURS = 15  # of the graph that is cut into clusters
PAIRS = 20_000  # whose edit distance is taken
FOLDED, LONGEST = 80, 400  # molecules, and nt, whose structures are compared
RESAMPLED = 1000
LEAST = 20  # molecules
FOLDS = 5  # of the probe: so many molecules has the commonest label at least

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """What is known of n molecules, the same for every representation.

    Attributes
    ----------
    labels
        (n,) str.
    clusters
        (n,) int64, molecules of one number are near copies of each other, or linked by such.
    edits, structures
        Pairs of molecules, (m, 2), and (m,) how far they are apart: edits over the longer length; ViennaRNA's tree
        edit distance of the structures of minimum free energy, over the longer length. None without ViennaRNA.
    """

    labels: npt.NDArray[np.str_]
    clusters: Rows
    edits: tuple[Rows, npt.NDArray[np.float64]]
    structures: tuple[Rows, npt.NDArray[np.float64]] | None


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval, by bootstrap over clusters."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """What a representation knows; all but the probe by the cosine distance.

    Attributes
    ----------
    neighbours
        Share of the molecules whose label most of the 5 nearest others have.
    neighbours_apart
        The same where none of the molecule's cluster may vote.
    probe, macro_f1
        Accuracy and macro-F1 of a logistic regression, cross-validated with clusters kept apart.
    silhouette
        Of the labels as clusters.
    ari, nmi
        Agreement of Leiden's clusters with the labels: adjusted Rand index, normalised mutual information.
    retrieval
        Mean average precision: the others ranked by distance, those of the same label are wanted.
    edits, structures
        Spearman's correlation of distances with edit distances and with tree edit distances; None if not computed.
    """

    neighbours: float
    neighbours_apart: float
    probe: Interval
    macro_f1: Interval
    silhouette: float
    ari: float
    nmi: float
    retrieval: float
    edits: float
    structures: float | None


@dataclass(frozen=True)
class Chance:
    """What knowing nothing gives: always the commonest label, and a random order."""

    accuracy: float
    macro_f1: float
    retrieval: float


def truth_of(sequences: Sequence[str], labels: Sequence[str], clusters: Sequence[str] | None, seed: int = 0) -> Truth:
    """Say of molecules what representations are held against.

    Parameters
    ----------
    sequences, labels
        (n,) each; up to a few thousand, as all pairs are compared.
    clusters
        (n,) such as `ribospace split` writes; None: molecules of at least 80 % identity are linked.
    seed
        Of the pairs that are drawn.

    Raises
    ------
    UserError
        For fewer than 20 molecules, fewer than two labels, or fewer than 5 molecules of each.
    """
    names = sorted(set(labels))
    if len(sequences) < LEAST:
        raise UserError(f"{len(sequences)} molecules are too few to compare representations: {LEAST} are needed.")
    if len(names) < 2:
        raise UserError(f"There is nothing to tell apart: all molecules have the label {names[0]!r}.")
    if max(Counter(labels).values()) < FOLDS:
        raise UserError(f"No label has {FOLDS} molecules: a probe cannot be cross-validated. Choose another --label.")
    if clusters is None:
        _, linked = connected_components(csr_matrix(near_copies(sequences, IDENTITY)), directed=False)
    else:
        linked = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1]
    generator = np.random.default_rng(seed)
    i, j = np.triu_indices(len(sequences), 1)
    drawn = generator.choice(len(i), min(PAIRS, len(i)), replace=False)
    pairs = np.stack([i[drawn], j[drawn]], axis=1)
    edits = np.array([Levenshtein.normalized_distance(sequences[a], sequences[b]) for a, b in pairs])
    return Truth(
        np.asarray(labels, dtype=str), linked.astype(np.int64), (pairs, edits), _structures(sequences, generator)
    )


def _structures(
    sequences: Sequence[str], generator: np.random.Generator
) -> tuple[Rows, npt.NDArray[np.float64]] | None:
    try:
        import RNA
    except ImportError:
        return None
    short = np.flatnonzero([len(one) <= LONGEST for one in sequences])
    if len(short) < LEAST:
        return None
    chosen = np.sort(generator.choice(short, min(FOLDED, len(short)), replace=False))
    trees = [RNA.make_tree(RNA.expand_Full(RNA.fold(sequences[one])[0])) for one in chosen]
    i, j = np.triu_indices(len(chosen), 1)
    longer = [max(len(sequences[chosen[a]]), len(sequences[chosen[b]])) for a, b in zip(i, j, strict=True)]
    apart = [RNA.tree_edit_distance(trees[a], trees[b]) for a, b in zip(i, j, strict=True)]
    for tree in trees:
        RNA.free_tree(tree)
    return np.stack([chosen[i], chosen[j]], axis=1), np.array(apart) / np.array(longer)


def chance_of(truth: Truth) -> Chance:
    """What no knowledge at all gives."""
    _, counts = np.unique(truth.labels, return_counts=True)
    n, share = len(truth.labels), counts.max() / len(truth.labels)
    wanted = (counts - 1) / (n - 1)
    several = counts > 1
    return Chance(
        accuracy=float(share),
        macro_f1=float(2 * share / (1 + share) / len(counts)),
        retrieval=float((wanted * counts)[several].sum() / counts[several].sum()),
    )


def measure(vectors: Vectors, truth: Truth, seed: int = 0) -> Measured:
    """Measure a representation.

    Parameters
    ----------
    vectors
        (n, width) float32, in the order of the truth.
    truth
        See `truth_of`.
    seed
        Of folds, clusters and bootstrap.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> sequences = ["".join(generator.choice(list("ACGU"), 30)) for _ in range(60)]
    >>> labels = ["a" if number % 2 else "b" for number in range(60)]
    >>> truth = truth_of(sequences, labels, None)
    >>> apart = np.where(np.array(labels)[:, None] == "a", 1, -1) + 0.1 * generator.normal(size=(60, 4))
    >>> found = measure(apart.astype(np.float32), truth)
    >>> found.neighbours, found.probe.value, found.retrieval
    (1.0, 1.0, 1.0)
    """
    if not np.isfinite(vectors).all():
        raise UserError("A representation holds NaN or infinity. Embed the molecules again.")
    labels = truth.labels.tolist()
    told = probe(vectors, labels, truth.clusters, seed=seed)
    similarity = _similarity(vectors)
    ari, nmi = _agreement(similarity, truth.labels, seed)
    return Measured(
        neighbours=neighbour_accuracy(vectors, labels, k=5).accuracy,
        neighbours_apart=neighbour_accuracy(
            vectors, labels, k=5, excluded=truth.clusters[:, None] == truth.clusters
        ).accuracy,
        **_with_intervals(truth, told, seed),
        silhouette=silhouette(vectors, labels),
        ari=ari,
        nmi=nmi,
        retrieval=average_precision(similarity, truth.labels),
        edits=_correlation(similarity, truth.edits),
        structures=_correlation(similarity, truth.structures) if truth.structures else None,
    )


def _similarity(vectors: Vectors) -> npt.NDArray[np.float32]:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit @ unit.T  # type: ignore[no-any-return]


def average_precision(similarity: npt.NDArray[np.float32], labels: npt.NDArray[np.str_]) -> float:
    """Mean over molecules of the average precision with which others of their label come first.

    Parameters
    ----------
    similarity
        (n, n); ties rank in the order of the molecules.
    labels
        (n,); molecules alone with theirs are left out.
    """
    n, scores = len(labels), []
    order = np.argsort(-similarity, axis=1, kind="stable")
    places = np.arange(1, n)
    for row in range(n):
        ranked = order[row][order[row] != row]
        wanted = labels[ranked] == labels[row]
        if wanted.any():
            scores.append(float((np.cumsum(wanted)[wanted] / places[wanted]).mean()))
    return float(np.mean(scores))


def _agreement(similarity: npt.NDArray[np.float32], labels: npt.NDArray[np.str_], seed: int) -> tuple[float, float]:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    found = leiden(similarity, seed)
    return float(adjusted_rand_score(labels, found)), float(normalized_mutual_info_score(labels, found))


def leiden(similarity: npt.NDArray[np.float32], seed: int = 0, neighbours: int = NEIGHBOURS) -> Rows:
    """Cut the graph of nearest neighbours into clusters (Traag et al. 2019, arXiv 1810.08473).

    Parameters
    ----------
    similarity
        (n, n); each molecule is linked with the so many that are most like it, weight 1.
    seed, neighbours
        Of the algorithm, and links of a molecule.

    Returns
    -------
    ndarray
        (n,) int64, the cluster of each.
    """
    n = len(similarity)
    near = similarity.copy()
    np.fill_diagonal(near, -np.inf)
    links = np.argpartition(-near, min(neighbours, n - 2), axis=1)[:, :neighbours]
    graph = csr_matrix((np.ones(links.size), (np.repeat(np.arange(n), links.shape[1]), links.ravel())), shape=(n, n))
    return communities(graph.maximum(graph.T), seed)


def _correlation(similarity: npt.NDArray[np.float32], known: tuple[Rows, npt.NDArray[np.float64]]) -> float:
    pairs, apart = known
    return float(spearmanr(1 - similarity[pairs[:, 0], pairs[:, 1]], apart).statistic)


def _with_intervals(truth: Truth, told: npt.NDArray[np.str_], seed: int) -> dict[str, Interval]:
    """Accuracy and macro-F1 of what was told, with intervals from clusters drawn again and again."""
    names, true = np.unique(truth.labels, return_inverse=True)
    place = {name: number for number, name in enumerate(names.tolist())}
    guess = np.array([place.get(one, -1) for one in told.tolist()])
    generator = np.random.default_rng(seed)
    clusters = np.unique(truth.clusters, return_inverse=True)[1]
    count = int(clusters.max()) + 1
    found = [_scores(true, guess, np.ones(len(true)), len(names))]
    for _ in range(RESAMPLED):
        drawn = np.bincount(generator.integers(count, size=count), minlength=count)[clusters].astype(float)
        found.append(_scores(true, guess, drawn, len(names)))
    (accuracy, macro), *_ = found
    low, high = np.percentile(np.array(found[1:]), [2.5, 97.5], axis=0)
    return {
        "probe": Interval(accuracy, float(low[0]), float(high[0])),
        "macro_f1": Interval(macro, float(low[1]), float(high[1])),
    }


def _scores(
    true: npt.NDArray[np.intp], guess: npt.NDArray[np.intp], weight: npt.NDArray[np.float64], names: int
) -> tuple[float, float]:
    """Accuracy, and the mean F1 of the labels that are there."""
    right = weight * (true == guess)
    hits, there = np.bincount(true, right, names), np.bincount(true, weight, names)
    said = np.bincount(guess[guess >= 0], weight[guess >= 0], names)
    seen = there > 0
    f1 = 2 * hits[seen] / (there[seen] + said[seen])
    return float(right.sum() / weight.sum()), float(f1.mean())
