"""Generation as the API answers it: molecules that did not exist, placed among those that do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ribospace.analysis.folding import installed
from ribospace.progress import Progress, silent
from ribospace.web.refusing import Refusal
from ribospace.web.served import PLACING

if TYPE_CHECKING:
    from ribospace.generation.generate import Molecule
    from ribospace.web.served import Served
    from ribospace.web.shapes import GenerateAsk

#: Molecules that are made at a time: progress is told, and work may be called off, in between.
BATCH = 16
#: As `ribospace generate` has it.
GUIDANCE = 2.0


def answer(served: Served, ask: GenerateAsk, progress: Progress = silent) -> dict[str, Any]:
    """Make molecules of a type and length, steered if a reward is named; the same seed gives the same ones."""
    from ribospace.generation.generate import Request
    from ribospace.generation.rewards import find_reward, weighted
    from ribospace.generation.sampling import Sampling

    generator = served.generator
    if generator is None:
        raise Refusal(409, "No generator is served here: ribospace serve COLLECTION --generator DIR.")
    rewards = []
    if ask.reward:
        size = generator.model.latent.config
        latent, shape = generator.model.config.latent, (size.queries, size.width)
        rewards = [find_reward(ask.reward, generator.model.surrogate, latent=latent, shape=shape)]
    request = Request(
        types=(ask.type,) if ask.type else (),
        shortest=(ask.shortest or 1) if ask.shortest or ask.longest else 0,
        longest=(ask.longest or generator.window) if ask.shortest or ask.longest else 0,
        unsaid_type=any(one.wish.name == "type" for one in rewards),
        unsaid_length=any(one.wish.name == "length" for one in rewards),
        how=Sampling(strength=ask.strength if rewards else 0.0, guidance=GUIDANCE),
    )
    loss = weighted(rewards) if rewards else None
    made: list[Molecule] = []
    for first in range(0, ask.count, BATCH):
        progress(first, ask.count, "making molecules")
        numbers = range(first, min(first + BATCH, ask.count))
        for some in generator.generate(request, numbers, ask.seed, loss, BATCH):
            made += some
    molecules = []
    for number, one in enumerate(made):
        progress(number, len(made), "folding and placing")
        molecules.append(_told(served, one))
    return {"molecules": molecules, "about": {**ask.model_dump(), "note": "Made by a generator; none is natural."}}


def _told(served: Served, one: Molecule) -> dict[str, Any]:
    folds = installed() and one.sequence
    return {
        "id": f"generated_{one.number + 1}", "sequence": one.sequence, "length": len(one.sequence),
        "type": one.asked_type, "confidence": round(one.confidence, 4),
        "mfe": served.folder.fold(one.sequence)[1] if folds else None, **_placed(served, one.sequence),
    }  # fmt: skip


def _placed(served: Served, sequence: str) -> dict[str, Any]:
    embedding = served.embedding(None)
    if not sequence or not served.can["embed"]:
        return {"place": None, "nearest": None}
    vector = served.encode(embedding, [sequence])
    if not np.isfinite(vector).all() or not vector.any():
        return {"place": None, "nearest": None}
    rows, far = (one[0] for one in served.searcher(embedding).search(vector, PLACING))
    first = served.near(rows[:1], far[:1], sequence)[0]
    longer = max(len(sequence), first["length"])
    edits = None if first["identity"] is None else round((1 - first["identity"]) * longer)
    return {"place": served.place(rows, far), "nearest": {"row": first["row"], "id": first["id"], "edits": edits}}
