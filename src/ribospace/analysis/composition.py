"""What a cluster of molecules is made of, against the background: isotypes, anticodons, CCA ends, lengths, species."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import fisher_exact

from ribospace.analysis.chance import benjamini_hochberg
from ribospace.errors import UserError

#: The 20 standard amino acids and selenocysteine, by the names that tRNA genes have; all else is OTHER.
ISOTYPES = (
    *("Ala", "Arg", "Asn", "Asp", "Cys", "Gln", "Glu", "Gly", "His", "Ile", "Leu"),
    *("Lys", "Met", "Phe", "Pro", "Ser", "Thr", "Trp", "Tyr", "Val", "Sec"),
)
OTHER = "OTHER"
_MET = frozenset({"iMet", "fMet", "Ini", "Met"})
#: Edges of length classes, nt.
LENGTHS = (0, 50, 60, 70, 80, 90, 100, 125, 150, 200, 500, 1000)

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Composition:
    """How often a property has each of its values in a cluster, and in the background.

    Attributes
    ----------
    values
        Names, k of them.
    cluster, background
        (k,) counts of molecules; the background is all that are not in the cluster.
    shares, low, high
        (k,) share in the cluster, and its 95 % interval (Wilson 1927).
    expected
        (k,) share in the background.
    odds_ratio
        (k,) of having the value, in the cluster over the background; half a molecule is added to each count (Haldane
        and Anscombe).
    p, q
        (k,) Fisher's exact test, two-sided, and Benjamini and Hochberg over the values.
    unknown
        Molecules in the cluster and in the background whose value is not known; they are not counted.
    """

    values: tuple[str, ...]
    cluster: Counts
    background: Counts
    shares: Floats
    low: Floats
    high: Floats
    expected: Floats
    odds_ratio: Floats
    p: Floats
    q: Floats
    unknown: tuple[int, int]


def composition(
    labels: Sequence[str | None], inside: npt.NDArray[np.bool_], values: Sequence[str] | None = None
) -> Composition:
    """Compare a cluster with the background.

    Parameters
    ----------
    labels
        (n,) the property of each molecule; None or "" is not known.
    inside
        (n,) which molecules are in the cluster.
    values
        Which to count, in their order; by default all there are, the commonest first.

    Raises
    ------
    UserError
        If the cluster or the background is empty.

    Examples
    --------
    >>> labels = ["Gly"] * 8 + ["Ala"] * 2 + ["Gly"] * 10 + ["Ala"] * 80
    >>> found = composition(labels, np.arange(100) < 10)
    >>> found.values, found.cluster.tolist(), found.shares.tolist(), bool(found.q[1] < 0.001)
    (('Ala', 'Gly'), [2, 8], [0.2, 0.8], True)
    """
    inside = np.asarray(inside, dtype=bool)
    if not inside.any() or inside.all():
        raise UserError(
            f"A cluster of {int(inside.sum()):,} among {len(inside):,} molecules has no background to be held against. "
            "Choose a smaller cluster, or more molecules."
        )
    names = np.array([one or "" for one in labels])
    known = names != ""
    there, many = np.unique(names[known], return_counts=True)
    chosen = tuple(values) if values is not None else tuple(there[np.lexsort((there, -many))].tolist())
    cluster = np.array([int((names[inside] == one).sum()) for one in chosen])
    background = np.array([int((names[~inside] == one).sum()) for one in chosen])
    here, elsewhere = int((known & inside).sum()), int((known & ~inside).sum())
    p = np.array([_fisher(a, here - a, b, elsewhere - b) for a, b in zip(cluster, background, strict=True)])
    low, high = wilson(cluster, here)
    odds = (cluster + 0.5) * (elsewhere - background + 0.5) / ((here - cluster + 0.5) * (background + 0.5))
    return Composition(
        values=chosen,
        cluster=cluster,
        background=background,
        shares=cluster / max(1, here),
        low=low,
        high=high,
        expected=background / max(1, elsewhere),
        odds_ratio=odds,
        p=p,
        q=benjamini_hochberg(p, len(p)) if len(p) else p,
        unknown=(int((~known & inside).sum()), int((~known & ~inside).sum())),
    )


def compositions(molecules: pa.Table, inside: npt.NDArray[np.bool_], columns: Sequence[str]) -> dict[str, Composition]:
    """Compositions by property: columns of labels that have any, isotypes as they are counted, 3' ends, lengths.

    Parameters
    ----------
    molecules
        With `sequence`, `length` (nt) and the columns.
    inside
        (n,) which molecules are in the cluster.
    columns
        Names of columns of text.
    """
    found = {}
    for name in columns:
        labels = molecules[name].to_pylist()
        if not any(labels):
            continue
        if name == "isotype":
            found[name] = composition(isotypes(labels), inside, (*ISOTYPES, OTHER))
        else:
            found[name] = composition(labels, inside)
    found["3' end"] = composition(cca_ends(molecules["sequence"].to_pylist()), inside, ("CCA", "other end"))
    found["length"] = composition(length_classes(molecules["length"].to_numpy()), inside)
    return found


def values_of(found: Mapping[str, Composition]) -> Iterator[dict[str, Any]]:
    """A row for each value of each property, as tables have them."""
    for name, one in found.items():
        for row, value in enumerate(one.values):
            yield {
                "property": name,
                "value": value,
                "cluster": int(one.cluster[row]),
                "background": int(one.background[row]),
                "share": float(one.shares[row]),
                "low": float(one.low[row]),
                "high": float(one.high[row]),
                "expected": float(one.expected[row]),
                "odds_ratio": float(one.odds_ratio[row]),
                "p": float(one.p[row]),
                "q": float(one.q[row]),
            }


def _fisher(a: int, b: int, c: int, d: int) -> float:
    return float(fisher_exact([[a, b], [c, d]]).pvalue)


def wilson(count: Counts, total: int, z: float = 1.959964) -> tuple[Floats, Floats]:
    """95 % interval of a share (Wilson 1927).

    Examples
    --------
    >>> low, high = wilson(np.array([5]), 10)
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.237, 0.763)
    """
    if not total:
        return np.zeros(len(count)), np.ones(len(count))
    share = count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return np.maximum(0, middle - half), np.minimum(1, middle + half)


def isotypes(names: Sequence[str | None]) -> list[str | None]:
    """Amino acids as they are counted: initiators are Met, what is none of the 21 is OTHER, None stays.

    Examples
    --------
    >>> isotypes(["Gly", "fMet", "SeC", "Undet", None])
    ['Gly', 'Met', 'Sec', 'OTHER', None]
    """
    known = {one.lower(): one for one in ISOTYPES}
    return [
        None if not one else "Met" if one in _MET else known.get(one.lower().rstrip("0123456789"), OTHER)
        for one in names
    ]


def cca_ends(sequences: Sequence[str]) -> list[str]:
    """Whether each ends in CCA, as a tRNA that can be charged does: "CCA" or "other end"."""
    return ["CCA" if one.endswith("CCA") else "other end" for one in sequences]


def length_classes(lengths: npt.ArrayLike) -> list[str]:
    """The class of each length, such as "70-79".

    Examples
    --------
    >>> length_classes([75, 76, 1200])
    ['70-79', '70-79', '1000-']
    """
    place = np.searchsorted(LENGTHS, np.asarray(lengths), side="right") - 1
    ends = [f"{low}-{high - 1}" for low, high in pairwise(LENGTHS)]
    names = [*ends, f"{LENGTHS[-1]}-"]
    return [names[one] for one in place]
