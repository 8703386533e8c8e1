"""Train, validation and test without near copies across them: whole clusters go to one or the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ribospace.clusters import LEAST_IDENTITY, Sketch, mmseqs_clusters, mmseqs_version, near_copies, sketch_clusters
from ribospace.collection import Collection
from ribospace.collection.rows import refuse_broken_import, require_free_column, rows_where, write_columns
from ribospace.errors import UserError, nearest
from ribospace.files import versions, written_whole
from ribospace.hygiene.dedupe import BATCH_ROWS, first_rows
from ribospace.progress import Progress, silent

Rows: TypeAlias = "npt.NDArray[np.int64]"

SPLITS = ("train", "validation", "test")
ENGINES = ("auto", "sketch", "mmseqs")
MANY = 200_000
MOST_CHECKED = 10_000
MADE_BY = "ribospace split"


@dataclass(frozen=True)
class SplitPlan:
    """How a collection is split.

    Attributes
    ----------
    identity
        Molecules at least this identical belong together, 0.7 to 1.
    ratios
        Of train, validation and test; each above 0, or 0 for none.
    seed
        Of the order in which clusters are dealt out, and of the sketch.
    engine
        "sketch" finds more pairs, "mmseqs" takes more molecules; "auto" is the sketch up to 200,000 distinct
        sequences, above them MMseqs2 where it is installed.
    column
        Where the split is written; the cluster goes to COLUMN_cluster.
    where
        An SQL condition; the other molecules get null.
    """

    identity: float = 0.8
    ratios: tuple[float, float, float] = (8, 1, 1)
    seed: int = 0
    engine: str = "auto"
    column: str = "split"
    where: str | None = None

    def __post_init__(self) -> None:
        if not LEAST_IDENTITY <= self.identity <= 1:
            raise UserError(
                f"An identity of {self.identity:g} is out of reach: below {LEAST_IDENTITY:g} few near copies are "
                f"found, above 1 there are none. Choose one from {LEAST_IDENTITY:g} to 1."
            )
        if len(self.ratios) != len(SPLITS) or not all(0 <= one <= 1e9 for one in self.ratios) or self.ratios[0] <= 0:
            raise UserError(
                f"{':'.join(f'{one:g}' for one in self.ratios)} are no ratios of train, validation and test. "
                "Give three numbers, such as 8:1:1."
            )
        if self.engine not in ENGINES:
            raise UserError(f"--engine cannot be {self.engine!r}. {nearest(self.engine, ENGINES)}")


def report_file(collection: Collection, column: str) -> Path:
    """Where the report of a split into this column stands."""
    return collection.home / f"split-{column}.json"


def split(collection: Collection, plan: SplitPlan, *, threads: int = 1, progress: Progress = silent) -> dict[str, Any]:
    """Write a column that says train, validation or test, and one with each molecule's cluster, in one commit.

    A cluster is called by the id of its first molecule. The largest go first, each to the split that lacks most of
    what the ratios ask for, of the cluster's commonest type and of all. Then up to 10,000 distinct molecules of
    validation and test are compared with train by a sketch of more and shorter words than the one that clustered.

    Parameters
    ----------
    collection
        What to split.
    plan
        How.
    threads
        How many to compare with.
    progress
        Told how it stands.

    Returns
    -------
    dict
        The report, which is also written as split-COLUMN.json into the collection's folder.

    Raises
    ------
    UserError
        If nothing is there to split, the column is something else's, an import is broken off, or the disk is full.
    """
    columns = (plan.column, f"{plan.column}_cluster")
    with collection.writing():
        refuse_broken_import(collection)
        for column in columns:
            require_free_column(collection, column, MADE_BY)
        first = first_rows(collection, plan.where, progress)
        if not len(first):
            raise UserError(f"{collection.uri} has no molecule{f' where {plan.where}' if plan.where else ''} to split.")
        distinct = np.flatnonzero(first == np.arange(len(first)))
        labels, engine = _labels(collection, plan, distinct, threads, progress)
        cluster = distinct[labels][np.searchsorted(distinct, first)]
        types, names = _types(collection, plan.where)
        parts = deal(cluster, types, plan.ratios, plan.seed)
        check = _check(collection, plan, distinct, parts[distinct], threads, progress)
        write_columns(collection, _columns(collection, plan.where, columns, parts, cluster), MADE_BY)
        report = {
            **asdict(plan),
            "collection": collection.uri,
            "version": int(collection.lance().version),
            **engine,
            "molecules": len(first),
            "distinct_sequences": len(distinct),
            "clusters": len(np.unique(cluster)),
            "largest_cluster": int(np.bincount(cluster).max()),
            "counts": dict(zip(SPLITS, np.bincount(parts, minlength=3).tolist(), strict=True)),
            "counts_by_type": _counts(types, names, parts),
            "near_copies": check,
            "versions": versions("numpy", "scipy", "rapidfuzz", "pylance"),
        }
        with written_whole(report_file(collection, plan.column)) as beside:
            beside.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        return report


def deal(cluster: Rows, types: Rows, ratios: tuple[float, float, float], seed: int) -> Rows:
    """Deal whole clusters out to train, validation and test.

    Parameters
    ----------
    cluster
        (n,) the cluster of each molecule.
    types
        (n,) its type, from 0.
    ratios
        See `SplitPlan`.
    seed
        Of the order of clusters of one size.

    Returns
    -------
    ndarray
        (n,) int64, number of the split.

    Examples
    --------
    >>> deal(np.array([0, 0, 2, 2, 0, 0]), np.zeros(6, dtype=int), (4, 2, 0), seed=0).tolist()
    [0, 0, 1, 1, 0, 0]
    """
    _, number, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    width = int(types.max(initial=0)) + 1
    pair, times = np.unique(number * width + types, return_counts=True)
    by_times = np.argsort(times, kind="stable")
    main = np.empty(len(sizes), dtype=np.int64)
    main[pair[by_times] // width] = pair[by_times] % width  # the last written is the commonest
    shares = np.array(ratios) / sum(ratios)
    lacks = np.outer(np.bincount(types, minlength=width), shares).tolist()
    lacks_all = (len(types) * shares).tolist()
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    dealt = np.empty(len(sizes), dtype=np.int64)
    asked = [part for part, share in enumerate(ratios) if share]
    for one, size, kind in zip(order.tolist(), sizes[order].tolist(), main[order].tolist(), strict=True):
        lack = lacks[kind]
        part = max(asked, key=lambda which: lack[which] + lacks_all[which])
        lack[part] -= size
        lacks_all[part] -= size
        dealt[one] = part
    return dealt[number]


def _labels(
    collection: Collection, plan: SplitPlan, distinct: Rows, threads: int, progress: Progress
) -> tuple[Rows, dict[str, str]]:
    engine = plan.engine
    if engine == "auto":
        engine = "mmseqs" if len(distinct) > MANY and mmseqs_version() else "sketch"
    sequences = _sequences(collection, plan.where, distinct)
    if engine == "mmseqs":
        labels = mmseqs_clusters(sequences, plan.identity, threads=threads, progress=progress)
        said = "identical / aligned columns of a local alignment that covers at least 80 % of both molecules (MMseqs2)"
        return labels, {"used": f"MMseqs2 {mmseqs_version()}", "identity_is": said}
    sketch = Sketch(seed=plan.seed)
    labels = sketch_clusters(sequences, plan.identity, sketch=sketch, threads=threads, progress=progress)
    said = "1 - edit distance / length of the longer; beyond 4,096 nt estimated from shared 16-mers"
    return labels, {"used": "sketch", "identity_is": said}


def _sequences(collection: Collection, where: str | None, rows: Rows) -> Iterator[pa.StringArray]:
    """Sequences of some of the molecules that a condition holds for."""
    start = 0
    for batch in collection.read(["sequence"], where):
        some = rows[slice(*np.searchsorted(rows, [start, start + batch.num_rows]))]
        yield batch.column("sequence").take(pa.array(some - start))
        start += batch.num_rows


def _types(collection: Collection, where: str | None) -> tuple[Rows, list[str]]:
    names: dict[str, int] = {}
    codes = []
    for batch in collection.read(["rna_type"], where, BATCH_ROWS):
        found = batch.column("rna_type").fill_null("").dictionary_encode()
        numbers = np.array(
            [names.setdefault(name, len(names)) for name in found.dictionary.to_pylist()], dtype=np.int64
        )
        codes.append(numbers[found.indices.to_numpy()])
    return np.concatenate(codes), list(names)


def _check(
    collection: Collection, plan: SplitPlan, distinct: Rows, parts: Rows, threads: int, progress: Progress
) -> dict[str, dict[str, int]]:
    """How many of validation and test are near copies of a molecule in train, by a finer sketch of another seed."""
    held = np.flatnonzero(parts > 0)
    if len(held) > MOST_CHECKED:
        held = np.sort(np.random.default_rng(plan.seed).choice(held, MOST_CHECKED, replace=False))
    texts = [one for batch in _sequences(collection, plan.where, distinct[held]) for one in batch.to_pylist()]
    train = _sequences(collection, plan.where, distinct[parts == 0])
    finer = Sketch(words=128, rounds=6, seed=plan.seed + 1)
    copied = near_copies(texts, train, plan.identity, sketch=finer, threads=threads, progress=progress)
    return {
        name: {"checked": int((parts[held] == part).sum()), "found": int(copied[parts[held] == part].sum())}
        for part, name in enumerate(SPLITS)
        if part
    }


def _counts(types: Rows, names: list[str], parts: Rows) -> dict[str, dict[str, int]]:
    table = np.bincount(types * len(SPLITS) + parts, minlength=len(names) * len(SPLITS)).reshape(-1, len(SPLITS))
    rows = {name: dict(zip(SPLITS, row, strict=True)) for name, row in zip(names, table.tolist(), strict=True)}
    return dict(sorted(rows.items()))


def _columns(
    collection: Collection, where: str | None, names: tuple[str, str], parts: Rows, cluster: Rows
) -> Iterator[pa.RecordBatch]:
    """Both columns for every molecule of the collection, null where the condition does not hold."""
    chosen = rows_where(collection, where)
    number = np.full(len(chosen), -1)
    number[chosen] = np.arange(len(parts))
    ids = pa.concat_arrays([batch.column("id") for batch in collection.read(["id"], where, BATCH_ROWS)])
    for start in range(0, len(chosen), BATCH_ROWS):
        some = number[start : start + BATCH_ROWS]
        null = some < 0
        split_of = pa.array(SPLITS).take(pa.array(parts[some], mask=null))
        yield pa.record_batch([split_of, ids.take(pa.array(cluster[some], mask=null))], names=list(names))
