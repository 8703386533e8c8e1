"""Properties that follow from a sequence alone: what a surrogate is taught, and what stands beside what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ribospace.analysis.folding import Folded, fold_many, installed, pairs_of
from ribospace.clusters import sketch_clusters
from ribospace.hygiene.split import deal
from ribospace.models.surrogate import SIGNS
from ribospace.progress import Progress, silent
from ribospace.training.data import class_numbers

Floats: TypeAlias = "npt.NDArray[np.float64]"
Rows: TypeAlias = "npt.NDArray[np.int64]"
#: The built-in properties that are numbers, and their units.
UNITS = {"mfe": "kcal/mol per nt", "gc": "share", "length": "nt"}
UNKNOWN = -1  # of a label or a sign
IDENTITY = 0.8


@dataclass(frozen=True)
class Targets:
    """What n molecules are known to be.

    Attributes
    ----------
    values, names, units
        (n, V) numbers, NaN where unknown; what they are and in which unit.
    labels, classes
        (n,) int64, number of the class, -1 where unknown; the classes' names.
    signs
        (n, S) int8, the place in `SIGNS` of what stands at each slot, -1 where unknown; None: no structures.
    """

    values: Floats
    names: tuple[str, ...]
    units: tuple[str, ...]
    labels: Rows
    classes: tuple[str, ...] = ()
    signs: npt.NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Rows) -> Targets:
        """Some of them."""
        signs = None if self.signs is None else self.signs[rows]
        return Targets(self.values[rows], self.names, self.units, self.labels[rows], self.classes, signs)


def natural_targets(
    sequences: Sequence[str],
    rna_types: Sequence[str | None],
    slots: int,
    processes: int = 0,
    progress: Progress = silent,
) -> Targets:
    """Compute the built-in properties of molecules.

    Parameters
    ----------
    sequences
        (n,) in U, each at most `slots` nt.
    rna_types
        (n,) names; None where unknown. Fewer than two names are no classes.
    slots
        S of the surrogate, see `SurrogateConfig.slots`.
    processes
        That fold; 0: one for each core.
    progress
        Told how many molecules are folded.

    Returns
    -------
    Targets
        Without mfe and structure where ViennaRNA is not installed.

    Examples
    --------
    >>> natural_targets(["GGCC", "AU"], ["tRNA", "rRNA"], slots=5).labels.tolist()
    [1, 0]
    """
    known = {"gc": gc(sequences), "length": lengths(sequences)}
    signs = None
    if installed():
        folded = list(fold_many(sequences, processes=processes, progress=progress))
        known = {"mfe": np.array([one.energy for one in folded]) / known["length"], **known}
        signs = signs_of([one.structure for one in folded], slots)
    names = sorted({one for one in rna_types if one})
    classes = tuple(names) if len(names) > 1 else ()
    units = tuple(UNITS[name] for name in known)
    return Targets(
        np.column_stack(list(known.values())), tuple(known), units, class_numbers(rna_types, classes), classes, signs
    )


def gc(sequences: Sequence[str]) -> Floats:
    """(n,) share of G and C among A, C, G and U; NaN where there are none.

    Examples
    --------
    >>> gc(["GCAN", ""]).round(2).tolist()
    [0.67, nan]
    """
    strong = np.array([one.count("G") + one.count("C") for one in sequences], dtype=np.float64)
    known = strong + [one.count("A") + one.count("U") for one in sequences]
    return np.divide(strong, known, out=np.full(len(known), np.nan), where=known > 0)


def lengths(sequences: Sequence[str]) -> Floats:
    """(n,) nt; NaN for an empty sequence."""
    return np.array([len(one) or np.nan for one in sequences], dtype=np.float64)


def folded_where_there(sequences: Sequence[str]) -> list[Folded | None]:
    """(n,) structures by ViennaRNA; None for an empty sequence."""
    found = fold_many([one for one in sequences if one])
    return [next(found) if one else None for one in sequences]


def mfe(sequences: Sequence[str], folded: Sequence[Folded | None] | None = None) -> Floats:
    """(n,) minimum free energy per nucleotide, kcal/mol; NaN for an empty sequence; `folded` where they are already."""
    folded = folded or folded_where_there(sequences)
    return np.array([one.energy / len(one.sequence) if one else np.nan for one in folded], dtype=np.float64)


def signs_of(structures: Sequence[str], slots: int) -> npt.NDArray[np.int8]:
    """(n, S) int8 places in `SIGNS` of what stands at each slot.

    Examples
    --------
    >>> signs_of(["(.)"], 5)
    array([[1, 0, 2, 3, 3]], dtype=int8)
    """
    ascii_of = np.zeros(128, dtype=np.int8)
    for place, sign in enumerate(SIGNS):
        ascii_of[ord(sign)] = place
    flat = "".join(one.ljust(slots) for one in structures).encode("ascii")
    return ascii_of[np.frombuffer(flat, dtype=np.uint8)].reshape(len(structures), slots)


def pair_similarity(structure: str, target: str) -> float:
    """F1 of the base pairs of two structures, by their places from the 5' end; 1 where neither has any.

    Examples
    --------
    >>> pair_similarity("((..))", "(....)")
    0.6666666666666666
    """
    one, other = set(pairs_of(structure)), set(pairs_of(target))
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def parts_by_cluster(
    sequences: Sequence[str], ratios: tuple[float, float, float] = (8, 1, 1), seed: int = 0, progress: Progress = silent
) -> Rows:
    """Deal molecules out to train, validation and test (0, 1, 2), near copies to the same.

    Parameters
    ----------
    sequences
        (n,) in U. Those at least 80 % identical, and what is joined by them, stay together.
    ratios, seed
        See `hygiene.SplitPlan`.
    progress
        Told of the pairs compared.

    Returns
    -------
    ndarray
        (n,) int64.

    Examples
    --------
    >>> parts_by_cluster(["ACGUACGUAC", "ACGUACGUAU"] * 2).tolist()
    [0, 0, 0, 0]
    """
    cluster = sketch_clusters([list(sequences)], IDENTITY, progress=progress)
    return deal(cluster, np.zeros(len(cluster), dtype=np.int64), ratios, seed)
