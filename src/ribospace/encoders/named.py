"""Columns of vectors as a user means them, and the encoder that makes more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ribospace.encoders.base import Encoder
from ribospace.encoders.registry import find_encoder, names_place
from ribospace.errors import UserError, nearest

if TYPE_CHECKING:
    from ribospace.collection import Collection, EmbeddingInfo

POOLINGS = ("mean", "first", "summary", "latents")


def find_column(store: Collection, model: str, pool: str) -> EmbeddingInfo:
    """The embedding column that a user means by its name, by its encoder's name or by where its encoder lies."""
    if pool and pool not in POOLINGS:
        raise UserError(f"--pool cannot be {pool!r}. {nearest(pool, POOLINGS)}")
    known, pooled = store.embeddings, f" --pool {pool}" if pool else ""
    if model in known:
        return known[model]
    if names_place(model) or ":" in model:
        encoder = find_encoder(model, pool)
        same = [i for i in known.values() if i.encoder == encoder.name and i.pooling == encoder.pooling]
        for info in same:
            if info.revision == encoder.revision:
                return info
        if same:
            raise UserError(
                f"{store.uri} holds vectors of an earlier {encoder.name} (revision {same[0].revision}), not of the "
                f"model in {model} ({encoder.revision}). "
                f"Renew them: ribospace embed {store.uri} --model {model}{pooled} --overwrite"
            )
        raise UserError(
            f"{store.uri} has no {pool or 'vectors'} of {model}. "
            f"Make them: ribospace embed {store.uri} --model {model}{pooled}"
        )
    named = [
        i
        for i in known.values()
        if model in (i.encoder, i.location.removesuffix(":0"))  # `random` is random:0
        and i.pooling in (*((pool,) if pool else ("mean", "summary")), "none", "given")
    ]
    return named[0] if named else store.require_embedding(model)


def encoder_of(info: EmbeddingInfo, model: str = "") -> Encoder:
    """Find the encoder that made a column; `model` says where it lies, if it was named by that.

    Raises
    ------
    UserError
        If the column was made elsewhere, or the encoder is gone or is another by now.
    """
    from ribospace.collection.projections import POOLING as PROJECTION

    if info.pooling == PROJECTION:
        raise UserError(
            f"{info.column!r} is a stored map: a new sequence has no vector in it. Query by a molecule's id."
        )
    if info.pooling == "given":
        raise UserError(
            f"{info.column!r} was made elsewhere: a new sequence cannot be embedded. Query by a molecule's id."
        )
    encoder = find_encoder(model if model and names_place(model) else info.location or info.encoder, info.pooling)
    if encoder.revision != info.revision:
        raise UserError(
            f"The vectors {info.column!r} were made by revision {info.revision} of {info.encoder}, but the model there "
            f"now is {encoder.revision}. Renew them: ribospace embed … --overwrite"
        )
    return encoder
