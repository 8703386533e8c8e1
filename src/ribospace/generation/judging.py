"""How well a surrogate tells what it was taught, on molecules that it never saw, beside chance."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, spearmanr

from ribospace.generation.properties import UNKNOWN, Targets
from ribospace.models.surrogate import SIGNS, SurrogateConfig, Told
from ribospace.training.metrics import f1_scores

Figures: TypeAlias = "dict[str, Any]"
Floats: TypeAlias = "npt.NDArray[np.float64]"
INTERVALS = (0.5, 0.9)


def judged(config: SurrogateConfig, told: Told, noised: Told, test: Targets, train: Targets) -> Figures:
    """Judge a surrogate.

    Parameters
    ----------
    config
        Of the surrogate.
    told, noised
        What it says of the test molecules by their latents, and by these under the most noise it was trained with.
    test, train
        What these molecules are; what those trained on are, which gives the chance figures.

    Returns
    -------
    dict
        `values`: by name R², Spearman's ρ, RMSE beside the standard deviation (the RMSE of always saying the mean), the
        share of molecules inside the intervals of 50 % and 90 %, R² under noise. `types`: accuracy and macro-F1 beside
        those of always saying the commonest. `structure`: accuracy over nucleotides beside that of always saying the
        commonest sign; share of lengths that are right.
    """
    figures: Figures = {}
    if told.mean is not None and told.deviation is not None and noised.mean is not None:
        columns = (told.mean.T, told.deviation.T, noised.mean.T)
        said = [[one.double().numpy() for one in column] for column in columns]
        figures["values"] = {
            name: value_figures(test.values[:, row], said[0][row], said[1][row], said[2][row])
            for row, name in enumerate(config.values)
        }
    if told.classes is not None and (known := test.labels != UNKNOWN).any():
        figures["types"] = _type_figures(test.labels[known], told.classes.argmax(dim=1).numpy()[known], train.labels)
    if told.signs is not None and test.signs is not None and train.signs is not None:
        figures["structure"] = _sign_figures(test.signs, told.signs.argmax(dim=2).numpy(), train.signs)
    return figures


def value_figures(true: Floats, mean: Floats, deviation: Floats, noised: Floats) -> Figures:
    """(n,) true values beside what was told; NaN among the true ones are left out.

    Examples
    --------
    >>> one = np.arange(4.0)
    >>> found = value_figures(one, one, np.ones(4), one[::-1])
    >>> found["r2"], found["spearman"], found["noised_r2"], found["inside_50"]
    (1.0, 1.0, -3.0, 1.0)
    """
    known = np.isfinite(true)
    true, mean, deviation, noised = true[known], mean[known], deviation[known], noised[known]
    spread = float(true.std())
    ranks = float(spearmanr(true, mean).statistic) if spread and np.ptp(mean) else 0.0
    off = np.abs(true - mean) / deviation
    return {
        "molecules": len(true),
        "r2": _r2(true, mean),
        "noised_r2": _r2(true, noised),
        "spearman": round(ranks, 4),
        "rmse": float(np.sqrt(np.mean((true - mean) ** 2))),
        "standard_deviation": spread,
        **{f"inside_{round(100 * share)}": _inside(off, share) for share in INTERVALS},
    }


def _inside(off: Floats, share: float) -> float:
    return round(float((off <= norm.ppf(0.5 + share / 2)).mean()), 4)


def _r2(true: Floats, said: Floats) -> float:
    return round(1 - float(np.mean((true - said) ** 2)) / max(float(true.var()), 1e-300), 4)


def _type_figures(true: npt.NDArray[np.int64], said: npt.NDArray[np.int64], trained: npt.NDArray[np.int64]) -> Figures:
    common = np.full_like(true, np.bincount(trained[trained != UNKNOWN]).argmax())
    found, chance = f1_scores(true, said), f1_scores(true, common)
    return {
        "molecules": len(true),
        "accuracy": round(found["micro_f1"], 4),
        "chance_accuracy": round(chance["micro_f1"], 4),
        "macro_f1": round(found["macro_f1"], 4),
        "chance_macro_f1": round(chance["macro_f1"], 4),
    }


def _sign_figures(true: npt.NDArray[np.int8], said: npt.NDArray[np.int64], trained: npt.NDArray[np.int8]) -> Figures:
    nothing = SIGNS.index(" ")
    at = (true != nothing) & (true != UNKNOWN)
    there = trained[(trained != nothing) & (trained != UNKNOWN)]
    common = int(np.bincount(there.astype(np.int64)).argmax())
    known = (true != UNKNOWN).all(axis=1)
    ends = [(one[known] != nothing).sum(axis=1) for one in (true, said)]
    return {
        "molecules": int(known.sum()),
        "accuracy": round(float((said == true)[at].mean()), 4),
        "chance_accuracy": round(float((true[at] == common).mean()), 4),
        "lengths_right": round(float((ends[0] == ends[1]).mean()), 4),
    }
