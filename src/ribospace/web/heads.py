"""Two molecules compared by attention head, as the API answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ribospace.errors import UserError
from ribospace.progress import Progress, silent
from ribospace.web.refusing import Refusal

if TYPE_CHECKING:
    import threading

    from ribospace.analysis.heads import HeadSpace
    from ribospace.encoders import Encoder
    from ribospace.web.served import Served
    from ribospace.web.shapes import HeadsAsk

#: Molecules, drawn once, whose pairs are chance; of at most so many nt, asked so many at a time.
DRAWN, LONGEST, PART = 300, 2000, 16


def encoder_with_heads(served: Served, name: str | None) -> str:
    """The embedding that is meant; a 409 where its encoder is not there, or has no heads that can be asked."""
    from ribospace.encoders.base import no_heads

    embedding = served.embedding(name)
    encoder, _ = served.encoder(embedding)
    if not encoder.layers:
        raise Refusal(409, str(no_heads(encoder.name)))
    return embedding


def answer(served: Served, ask: HeadsAsk, progress: Progress = silent) -> dict[str, Any]:
    """Say in which heads two molecules are alike, beside random pairs of the collection."""
    from ribospace.alphabet import tokenize
    from ribospace.analysis.heads import profile, standing

    embedding = served.embedding(ask.embedding)
    encoder, lock = served.encoder(embedding)
    pair = served.space.sequences([ask.a, ask.b])
    longest = max(len(one) for one in pair)
    if longest > served.limits.length:
        raise UserError(f"One of the two has {longest:,} nt; {served.limits.length:,} at most are compared here.")
    if embedding not in served.head_spaces:
        served.head_spaces[embedding] = _space(served, encoder, lock, progress)
    space = served.head_spaces[embedding]
    with lock:
        units = space.place(encoder.head_outputs(tokenize(pair)))
    similarity = profile(units[0], units[1])
    p = standing(similarity, space.units)
    ids = [one["id"] for one in served.molecules([ask.a, ask.b])]
    return {
        "a": {"row": ask.a, "id": ids[0]}, "b": {"row": ask.b, "id": ids[1]},
        "embedding": embedding, "layers": space.layers, "heads": space.heads, "molecules": len(space.units),
        "similarity": similarity.round(4).tolist(), "p": p.round(6).tolist(),
    }  # fmt: skip


def _space(served: Served, encoder: Encoder, lock: threading.Lock, progress: Progress) -> HeadSpace:
    """What heads say of some molecules of the collection, not too long ones, always the same."""
    from ribospace.alphabet import tokenize
    from ribospace.analysis.heads import HeadSpace

    short = np.flatnonzero(served.space.head["length"].to_numpy() <= LONGEST)
    rows = np.sort(np.random.default_rng(0).permutation(short)[:DRAWN])
    if len(rows) < 3:
        raise UserError("Chance is told by random pairs, and the collection has too few molecules for them.")
    sequences, said = served.space.sequences(rows), []
    for start in range(0, len(sequences), PART):
        progress(start, len(sequences), "asking the heads")
        with lock:  # others who embed wait no longer than for this part
            said.append(encoder.head_outputs(tokenize(sequences[start : start + PART])))
    return HeadSpace.fit(np.concatenate(said))
