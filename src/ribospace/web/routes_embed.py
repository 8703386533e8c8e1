"""New sequences and neighbours: search, embed, neighbours, fold."""

from __future__ import annotations

import numpy as np

from ribospace.errors import UserError
from ribospace.web.refusing import Refusal
from ribospace.web.routing import Here, api_router
from ribospace.web.served import PLACING
from ribospace.web.shapes import (
    MOST_SEQUENCES,
    EmbedAsk,
    Embedded,
    FoldAsk,
    Found,
    Neighbourhood,
    NeighboursAsk,
    SearchAsk,
    Structure,
)

router = api_router("vectors and structures")


@router.post("/search")
def search(here: Here, ask: SearchAsk) -> Found:
    """Embed new sequences (plain letters, or FASTA), find their neighbours and place them on a map among those."""
    embedding = here.embedding(ask.embedding)
    projection = here.space.projection(ask.projection).name if here.space.projections else None
    names, sequences = records_of(ask.query)
    letters = here.cleaned(sequences, names)
    vectors = here.encode(embedding, letters)
    rows, distances = here.searcher(embedding).search(vectors, max(ask.k, PLACING))
    queries = [
        {
            "id": name,
            "length": len(one),
            "place": here.place(near, far, projection) if projection else None,
            "neighbours": here.near(near[: ask.k], far[: ask.k], one),
        }
        for name, one, near, far in zip(names, letters, rows, distances, strict=True)
    ]
    return Found.model_validate({"embedding": embedding, "projection": projection, "queries": queries})


@router.post("/embed")
def embed(here: Here, ask: EmbedAsk) -> Embedded:
    """Turn sequences into vectors."""
    embedding = here.embedding(ask.embedding)
    names = [one.id or f"sequence {number}" for number, one in enumerate(ask.sequences, 1)]
    letters = here.cleaned([one.sequence for one in ask.sequences], names)
    vectors = here.encode(embedding, letters)
    return Embedded(embedding=embedding, width=vectors.shape[1], ids=names, vectors=vectors.tolist())


@router.post("/neighbours")
def neighbours(here: Here, ask: NeighboursAsk) -> Neighbourhood:
    """Find the nearest neighbours of a molecule of the collection; itself is left out."""
    embedding = here.embedding(ask.embedding)
    row = here.row_of(ask.row, ask.id)
    rows, vectors = here.space.vectors(embedding)
    at = int(np.searchsorted(rows, row))
    if at == len(rows) or rows[at] != row:
        raise Refusal(409, f"This molecule has no vector of {embedding} yet: ribospace embed makes those that lack.")
    near, far = here.searcher(embedding).search(vectors[at : at + 1], ask.k + 1)
    others = np.flatnonzero(near[0] != row)[: ask.k]
    found = here.near(near[0][others], far[0][others], here.space.sequences([row])[0])
    return Neighbourhood.model_validate({"row": row, "embedding": embedding, "neighbours": found})


@router.post("/fold")
def fold(here: Here, ask: FoldAsk) -> Structure:
    """Fold a molecule by ViennaRNA, at 37 °C, and draw it."""
    if ask.sequence is not None:
        letters = here.cleaned([ask.sequence], ["sequence"])[0]
    else:
        letters = here.space.sequences([here.row_of(ask.row, ask.id)])[0]
    structure, energy, svg = here.folder.fold(letters)
    return Structure(structure=structure, mfe=round(energy, 2), svg=svg, length=len(letters))


def records_of(query: str) -> tuple[list[str], list[str]]:
    r"""Names and sequences of a text that is FASTA, or else one sequence.

    Examples
    --------
    >>> records_of(">a tRNA\nACGU\nAC\n>b\nGG")
    (['a', 'b'], ['ACGUAC', 'GG'])
    >>> records_of("ACGU")
    (['query'], ['ACGU'])
    """
    text = query.strip()
    if not text.startswith(">"):
        return ["query"], [text]
    names, sequences = [], []
    for number, record in enumerate(text[1:].split("\n>"), 1):
        header, *lines = record.splitlines() or [""]
        names.append((header.split() or [f"sequence {number}"])[0][:200])
        sequences.append("".join(lines))
    if len(names) > MOST_SEQUENCES:
        raise UserError(f"{len(names):,} sequences are too many: {MOST_SEQUENCES} at most at a time.")
    return names, sequences
