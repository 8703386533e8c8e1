"""What each attention head sees of known properties, with significance corrected for asking every head.

A ridge regression reads a property off what one head says of molecules, and is judged on molecules that it has not
seen. Molecules should be no near copies of each other: then permuting the property among them is a fair chance. The
largest score of all heads in each permutation corrects for their number (Westfall and Young 1993).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ribospace.errors import UserError
from ribospace.progress import Progress, silent

Floats = npt.NDArray[np.floating]
Answers = npt.NDArray[np.float64] | npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
FOLDS = 5
RIDGE = 1.0  # per molecule learned from, of standardised numbers, times 1/100
LEAST = 40  # molecules with a value
RAREST = 10  # molecules of a label, for it to be asked
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Seen:
    """How well heads tell one property.

    Attributes
    ----------
    name
        Of the property.
    measure
        "R²" of a number, "balanced accuracy" of a label.
    molecules
        How many were asked.
    scores
        (A,) of each head, on molecules not learned from.
    chance
        (A,) mean of the scores with the property permuted.
    p
        (A,) of the score, corrected for all heads.
    control
        Score of composition and length alone.
    p_control
        (A,) that a head tells more than that, molecule by molecule, corrected for all heads; NaN where the property is
        a part of the control itself.
    p_typical
        (A,) that a head tells more than the head of median score, the lower of two, corrected for all heads.
    """

    name: str
    measure: str
    molecules: int
    scores: npt.NDArray[np.float64]
    chance: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    control: float
    p_control: npt.NDArray[np.float64]
    p_typical: npt.NDArray[np.float64]

    def named(self) -> npt.NDArray[np.bool_]:
        """(A,) which heads tell more than chance, more than the control and more than the median head."""
        beyond = np.isnan(self.p_control) | (self.p_control <= SIGNIFICANT)
        return (self.p <= SIGNIFICANT) & beyond & (self.p_typical <= SIGNIFICANT) & (self.scores > 0)


def probe_heads(
    said: Floats,
    properties: Mapping[str, npt.NDArray[np.generic]],
    control: Floats,
    *,
    inside: Sequence[str] = ("length", "GC"),
    permutations: int = 199,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Seen]:
    """Ask every head for every property.

    Parameters
    ----------
    said
        (n, A, E) what heads say of n molecules that are no near copies.
    properties
        By name (n,) numbers (NaN: not known) or labels ("": not known). Labels of fewer than 10 molecules are left
        out; so is a property that fewer than 40 molecules have, or that does not differ.
    control
        (n, F) composition and length, from which a head should not merely be guessing.
    inside
        Properties that the control holds itself.
    permutations, seed
        Of chance.
    progress
        Told of properties.

    Returns
    -------
    list of Seen
        In the order of the properties, without those left out.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> said = rng.normal(size=(200, 3, 4))
    >>> seen, = probe_heads(said, {"sign": np.where(said[:, 1, 0] > 0, "a", "b")}, rng.normal(size=(200, 2)))
    >>> np.flatnonzero(seen.named()).tolist()
    [1]
    """
    if said.ndim != 3 or len(said) != len(control):
        raise UserError(f"Heads say an array (n, heads, E) of {len(control)} molecules, not {said.shape}.")
    rng = np.random.default_rng(seed)
    found = []
    for number, (name, values) in enumerate(properties.items()):
        progress(number, len(properties), name)
        target = _target(values)
        if target is not None:
            rows, answer, measure = target
            found.append(_seen(name, measure, said[rows], answer, control[rows], name in inside, permutations, rng))
    return found


def _target(values: npt.NDArray[np.generic]) -> tuple[Rows, Answers, str] | None:
    """Which rows are asked, their numbers or label numbers, and the measure; None where too few have a value."""
    if values.dtype.kind in "fiub":
        numbers = values.astype(np.float64)
        rows = np.flatnonzero(np.isfinite(numbers))
        if len(rows) < LEAST or np.ptp(numbers[rows]) < 1e-12:
            return None
        return rows, numbers[rows], "R²"
    names, code, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    kept = (counts >= RAREST) & (names != "")
    rows = np.flatnonzero(kept[code])
    if len(rows) < LEAST or kept.sum() < 2:
        return None
    return rows, np.unique(code[rows], return_inverse=True)[1], "balanced accuracy"


def _seen(
    name: str,
    measure: str,
    said: Floats,
    answer: Answers,
    control: Floats,
    is_inside: bool,
    permutations: int,
    rng: np.random.Generator,
) -> Seen:
    fold = rng.permutation(len(answer)) % FOLDS
    orders = [np.arange(len(answer)), *(rng.permutation(len(answer)) for _ in range(permutations))]
    asked = np.stack([answer[order] for order in orders], axis=1)  # (n, 1 + permutations)
    scores, wins = [], []
    for head in range(said.shape[1]):
        score, win = _judged(said[:, head], asked, fold, measure)
        scores.append(score)
        wins.append(win)
    table = np.array(scores)  # (A, 1 + permutations)
    highest = table[:, 1:].max(axis=0)
    p = (1 + (highest[None] >= table[:, :1] - 1e-12).sum(axis=1)) / (1 + permutations)
    control_score, control_win = _judged(control, asked[:, :1], fold, measure)
    won = np.array(wins)  # (A, n): what each molecule adds to a head's score
    p_control = np.full(len(won), np.nan)
    if not is_inside:
        p_control = _better(won - control_win, permutations, rng)
    median_head = table[:, 0].argsort(kind="stable")[(len(won) - 1) // 2]
    p_typical = _better(won - won[median_head], permutations, rng)
    return Seen(
        name, measure, len(answer), table[:, 0], table[:, 1:].mean(axis=1), p,
        float(control_score[0]), p_control, p_typical,
    )  # fmt: skip


def _judged(
    said: Floats, asked: Answers, fold: Rows, measure: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Scores of (n, C) answers read off (n, E), and (n,) what each molecule adds to the first one's."""
    if measure == "R²":
        told = np.empty(asked.shape)
        for learned, judged, solve in _folds(said, fold):
            told[judged] = solve(asked[learned].astype(np.float64))
        squared = (asked - told) ** 2
        spread = ((asked - asked.mean(axis=0)) ** 2).sum(axis=0)
        return 1 - squared.sum(axis=0) / spread, -squared[:, 0] / spread[0] * len(asked)
    labels = int(asked.max()) + 1
    right = np.empty(asked.shape, dtype=bool)
    for learned, judged, solve in _folds(said, fold):
        one_hot = np.eye(labels)[asked[learned].astype(np.int64)]  # (learned, C, labels)
        weight = 1 / np.maximum(one_hot.sum(axis=0), 1)  # rare labels count as common ones do
        votes = solve((one_hot * weight).reshape(len(learned), -1)).reshape(len(judged), asked.shape[1], labels)
        prior = weight * one_hot.sum(axis=0) / len(learned)
        right[judged] = (votes - prior).argmax(axis=2) == asked[judged]
    counts = np.bincount(asked[:, 0].astype(np.int64), minlength=labels)
    share = 1 / (counts[asked.astype(np.int64)] * labels)  # balanced accuracy is the sum of these over those right
    return (right * share).sum(axis=0), right[:, 0] * share[:, 0] * len(asked)


def _folds(said: Floats, fold: Rows) -> Iterator[tuple[Rows, Rows, _Solve]]:
    for number in range(FOLDS):
        learned, judged = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        yield learned, judged, _Solve(said[learned], said[judged])


class _Solve:
    """Ridge regression of many answers at once: learned on some molecules, told of others."""

    def __init__(self, learned: Floats, judged: Floats) -> None:
        mean, spread = learned.mean(axis=0), learned.std(axis=0)
        scale = np.where(spread > 1e-9, spread, 1.0)
        self.known = ((learned - mean) / scale).astype(np.float64)
        gram = self.known.T @ self.known + RIDGE / 100 * len(learned) * np.eye(learned.shape[1])
        self.told = np.linalg.solve(gram, ((judged - mean) / scale).T).T.astype(np.float64)

    def __call__(self, answers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(learned, C) answers → (judged, C) what is told."""
        mean = answers.mean(axis=0)
        return self.told @ (self.known.T @ (answers - mean)) + mean  # type: ignore[no-any-return]


def _better(gain: npt.NDArray[np.float64], draws: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(A,) p that heads gain over another, by (A, n) gains of each molecule whose signs are drawn; corrected for A."""
    spread = gain.std(axis=1) + 1e-12
    seen = gain.mean(axis=1) / spread
    signs = rng.choice([-1.0, 1.0], size=(draws, gain.shape[1]))
    highest = ((signs @ gain.T) / gain.shape[1] / spread).max(axis=1)
    return (1 + (highest[None] >= seen[:, None] - 1e-12).sum(axis=1)) / (1 + draws)  # type: ignore[no-any-return]
