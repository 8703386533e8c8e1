"""Relations as the API answers them: the best equations of a molecule, a = ±b ±c, and what a sum is nearest to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ribospace.analysis.alignment import align
from ribospace.errors import UserError
from ribospace.progress import Progress, silent

if TYPE_CHECKING:
    from ribospace.web.served import Served
    from ribospace.web.shapes import RelationsAsk

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Most molecules that may be b and c; most sums that say what chance is; longest molecule that is aligned, nt.
MOST_BASE, SUMS, LONGEST = 3000, 500, 2000
MAX_IDENTITY = 0.9
#: Sums that are searched together: others who search wait no longer than for these.
PART = 32
#: From this cosine on two molecules are copies to an embedding; so many of them may be in the way.
SAME, COPIES = 1 - 1e-6, 24


def answer(served: Served, ask: RelationsAsk, progress: Progress = silent) -> dict[str, Any]:
    """Answer a request; see `equations_of` and `sum_of`."""
    embedding = served.embedding(ask.embedding)
    if ask.a is not None:
        return equations_of(served, embedding, ask.a, ask.best, ask.permutations, progress)
    return sum_of(served, embedding, ask.plus, ask.minus, ask.best, progress)


def equations_of(
    served: Served, embedding: str, a: int, best: int, permutations: int, progress: Progress = silent, seed: int = 0
) -> dict[str, Any]:
    """Give the best equations a = ±b ±c by angle, each with how often chance gives one as good.

    Of many molecules 3,000 are drawn, of equal sequences one, as b and c. Chance is that of `ribospace relations`: the
    molecules of each type rotated about their mean.
    """
    from ribospace.analysis.chance import chance, null_model
    from ribospace.analysis.equations import question
    from ribospace.analysis.limits import keeping
    from ribospace.analysis.relations import find

    rows, vectors = _usable(served, embedding)
    target = _place(rows, [a], served, embedding)[0]
    base = _base(served, rows, target, seed)
    sequences = served.space.sequences(rows[base])
    here = int(np.flatnonzero(base == target)[0])
    x = vectors[base].astype(np.float64)
    others = np.delete(np.arange(len(base)), here)
    asked = question(x, [here], others, measure="angle", best=best, keep=keeping(sequences, MAX_IDENTITY))
    progress(0, permutations, "searching")
    found = find(asked)
    types = served.space.records(rows[base], ["rna_type"])["rna_type"].to_pylist()
    level = chance(asked, found, null_model("rotate", x, types), permutations, seed, progress=progress)
    near = _told(served, rows[base])
    equations = []
    for at in range(len(found)):
        b, c = int(found.b[at]), int(found.c[at])
        signs = int(found.sign_b[at]), int(found.sign_c[at])
        equations.append(
            {
                "b": near(b), "c": near(c), "sign_b": signs[0], "sign_c": signs[1],
                "text": f"{'−' if signs[0] < 0 else ''}{near(b)['id']} {'−' if signs[1] < 0 else '+'} {near(c)['id']}",
                "angle": round(float(found.angle[at]), 4), "residual": round(float(found.residual[at]), 6),
                "p": float(level.p[at]), "q": float(level.q[at]),
                "alignment": _aligned([sequences[one] for one in (here, b, c)]) if at < 10 else None,
            }
        )  # fmt: skip
    drawn = "all of unequal sequence" if len(base) < MOST_BASE else f"{len(base):,} drawn at random, unequal sequences"
    return {
        "kind": "equations", "a": served.molecules([a])[0], "space": embedding, "permutations": permutations,
        "base": len(base), "base_said": f"b and c come from {drawn}, of {len(rows):,} molecules with a vector.",
        "equations": equations,
    }  # fmt: skip


def sum_of(
    served: Served,
    embedding: str,
    plus: list[int],
    minus: list[int],
    best: int,
    progress: Progress = silent,
    seed: int = 0,
) -> dict[str, Any]:
    """Give the molecules nearest to a sum, such as a − b + c, by cosine; what went in, and its copies, are left out.

    Vectors are brought to length 1. p is the share of sums of as many molecules drawn at random, with the same signs,
    whose nearest molecule is at least as near: small where the sum comes nearer to something than sums usually do.
    It does not say that the answer means anything.
    """
    from ribospace.analysis.analogies import unit

    every, everything = served.space.vectors(embedding)
    rows, vectors = _usable(served, embedding)
    inputs = _place(rows, [*plus, *minus], served, embedding)
    signs = np.array([1.0] * len(plus) + [-1.0] * len(minus))

    def answers(chosen: Rows, k: int) -> tuple[Rows, Floats]:
        """Nearest rows of the collection to sums, (m, k), and cosine distances; without copies of what went in."""
        terms = unit(vectors[chosen.reshape(-1)]).reshape(*chosen.shape, -1)
        sums = np.einsum("i,nid->nd", signs, terms)
        found, far = served.searcher(embedding).search(sums.astype(np.float32), k + len(signs) + COPIES)
        there = unit(everything[np.searchsorted(every, found).reshape(-1)]).reshape(*found.shape, -1)
        copies = (np.einsum("nkd,nid->nki", there, terms) > SAME).any(axis=2)
        order = np.argsort(copies, axis=1, kind="stable")[:, :k]  # copies last
        kept: Floats = np.where(copies, np.inf, far).astype(np.float64)
        return np.take_along_axis(found, order, axis=1), np.take_along_axis(kept, order, axis=1)

    if np.linalg.norm(signs @ unit(vectors[inputs])) < 1e-9:
        raise UserError("The sum is zero: nothing is near it. Take other molecules.")
    found, far = (one[0] for one in answers(inputs[None], best))
    found, far = found[np.isfinite(far)], far[np.isfinite(far)]
    drawn = np.sort(np.random.default_rng(seed).integers(len(rows), size=(SUMS, len(inputs))), axis=1)
    drawn = drawn[(np.diff(drawn, axis=1) > 0).all(axis=1)]  # of different molecules each
    parts = []
    for begin in range(0, len(drawn), PART):
        progress(begin, len(drawn), "random sums")
        parts.append(answers(drawn[begin : begin + PART], 1)[1][:, 0])
    chance = np.sort(np.concatenate(parts)) if parts else np.empty(0)
    p = (1 + np.searchsorted(chance, far, side="right")) / (1 + len(chance))
    near = served.near(found, far)
    told = served.molecules([*plus, *minus])
    ids = [one["id"] for one in told]
    terms = [f"{'−' if sign < 0 else '+'} {name}" for sign, name in zip(signs, ids, strict=True)]
    sequences = served.space.sequences([*plus, *minus, *found[:1].tolist()])
    aligned = _aligned(sequences)
    return {
        "kind": "sum", "expression": " ".join(terms).removeprefix("+ "), "space": embedding,
        "answers": [
            {**one, "angle": round(float(np.degrees(np.arccos(np.clip(1 - d, -1, 1)))), 4), "p": float(at)}
            for one, d, at in zip(near, far, p, strict=True)
        ],
        "p_said": f"p: how often sums of {len(inputs)} random molecules ({len(chance)} drawn) are as near to one.",
        "alignment": aligned and {**aligned, "ids": [*ids, *(one["id"] for one in near[:1])]},
    }  # fmt: skip


def _usable(served: Served, embedding: str) -> tuple[Rows, npt.NDArray[np.float32]]:
    from ribospace.analysis.equations import usable

    rows, vectors = served.space.vectors(embedding)
    fine = usable(vectors)
    return (rows, vectors) if fine.all() else (rows[fine], vectors[fine])


def _place(rows: Rows, wanted: list[int], served: Served, embedding: str) -> Rows:
    """Where rows of the collection stand among those with a vector."""
    at = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
    for place, row in zip(at, wanted, strict=True):
        if not len(rows) or rows[place] != row:
            raise UserError(f"{served.molecules([row])[0]['id']} has no vector of {embedding} that can be added.")
    return np.asarray(at, dtype=np.int64)


def _base(served: Served, rows: Rows, target: int, seed: int) -> Rows:
    """The target and, of equal sequences one, what may stand beside it: all, or 3,000 drawn."""
    order = np.random.default_rng(seed).permutation(len(rows))[: 2 * MOST_BASE]
    order = np.concatenate([[target], order[order != target]])
    first = np.unique(served.space.sequences(rows[order]), return_index=True)[1]
    return np.sort(order[np.sort(first)[:MOST_BASE]])


def _told(served: Served, rows: Rows) -> Any:
    """What is said of the molecule at a place: its row, id, type, length, description."""
    table = served.space.records(rows, ["id", "rna_type", "length", "description"])

    def near(place: int) -> dict[str, Any]:
        return {"row": int(rows[place]), **{name: table[name][place].as_py() for name in table.column_names}}

    return near


def _aligned(sequences: list[str]) -> dict[str, Any] | None:
    if max(len(one) for one in sequences) > LONGEST:
        return None
    made = align(sequences)
    return {"rows": list(made.rows), "conserved": [bool(one) for one in made.conserved]}
