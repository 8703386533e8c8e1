"""Generation as the API answers it: molecules that did not exist, placed among those that do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ribospace.analysis.folding import installed
from ribospace.errors import UserError
from ribospace.generation import GUIDANCE
from ribospace.progress import Progress
from ribospace.web.jobs import Work
from ribospace.web.refusing import Refusal
from ribospace.web.served import PLACING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ribospace.generation.generate import Molecule
    from ribospace.web.served import Served
    from ribospace.web.shapes import GenerateAsk

#: Molecules that are made at a time: progress is told, and work may be called off, in between.
BATCH = 16


def planned(served: Served, ask: GenerateAsk) -> Work:
    """The work that makes molecules of a type and length, steered if a reward is named; the same seed, the same ones.

    Raises
    ------
    UserError
        For what cannot be made, before any work; 409 where no generator is served.
    """
    from ribospace.generation.rewards import weighted
    from ribospace.generation.sampling import Sampling

    generator = served.generator
    if generator is None:
        raise Refusal(409, "No generator is served here: ribospace serve COLLECTION --generator mini-diffusion")
    rewards = [generator.reward(ask.reward, folders=False)] if ask.reward else []
    lengths = (0, 0)
    if ask.shortest or ask.longest:
        lengths = ask.shortest or 1, ask.longest or generator.window
        if not lengths[0] <= lengths[1] <= generator.window:
            raise UserError(
                f"Lengths from {lengths[0]:,} to {lengths[1]:,} nt cannot be made: the model writes 1 to "
                f"{generator.window} nt."
            )
    how = Sampling(strength=ask.strength if rewards else 0.0, guidance=GUIDANCE)
    request = generator.request([ask.type] if ask.type else [], lengths, rewards=rewards, how=how)
    loss = weighted(rewards) if rewards else None

    def work(progress: Progress) -> dict[str, Any]:
        made: list[Molecule] = []
        for some in generator.generate(request, range(ask.count), ask.seed, loss, BATCH):
            made += some
            progress(len(made), ask.count, "making molecules")
        return {"molecules": _told(served, made, progress), "about": ask.model_dump()}

    return work


def _told(served: Served, made: Sequence[Molecule], progress: Progress) -> list[dict[str, Any]]:
    molecules = []
    for number, (one, placed) in enumerate(zip(made, _placed(served, [one.sequence for one in made]), strict=True), 1):
        progress(number, len(made), "folding")
        mfe = served.folder.fold(one.sequence)[1] if installed() and one.sequence else None
        about = {"id": f"generated_{one.number + 1}", "sequence": one.sequence, "length": len(one.sequence)}
        molecules.append(
            {**about, "type": one.asked_type, "confidence": round(one.confidence, 4), "mfe": mfe, **placed}
        )
    return molecules


def _placed(served: Served, sequences: Sequence[str]) -> list[dict[str, Any]]:
    """Of each its place on the map and its nearest molecule, None where it has no direction."""
    found: list[dict[str, Any]] = [{"place": None, "nearest": None} for _ in sequences]
    embedding = served.embedding()
    written = [number for number, one in enumerate(sequences) if one]
    if not written or not served.can_embed(served.space.embedding(embedding)):
        return found
    vectors = served.encode(embedding, [sequences[number] for number in written])
    good = np.flatnonzero(np.isfinite(vectors).all(axis=1) & vectors.any(axis=1))
    if len(good):
        for number, rows, far in zip(good, *served.searcher(embedding).search(vectors[good], PLACING), strict=True):
            at = written[number]
            found[at] = {
                "place": served.place(rows, far),
                "nearest": served.near(rows[:1], far[:1], sequences[at])[0],
            }
    return found
