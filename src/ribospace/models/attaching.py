"""Who is whose neighbour: molecules joined to the nodes of a graph, by their vectors, by their sequences, or by both.

A molecule that is a node already (the same vector, or the same sequence) is never its own neighbour; so a node that is
attached anew gets the neighbours that it has.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist
from torch import Tensor
from torch.nn import functional as F

from ribospace.alphabet import FIRST_LETTER, LETTERS, Tokens, detokenize
from ribospace.models.graph import FEATURES, Edges, GraphConfig, similarity
from ribospace.progress import Progress, silent

COSINES = 1 << 25  # held at once, 128 MB
SAME = 1 - 1e-5  # cosine from which two vectors are one
SHORTLIST = 4  # times as many molecules are compared letter by letter as can be neighbours
WORD = 4
BASES = [LETTERS.index(base) + FIRST_LETTER for base in "ACGU"]


def attach(
    config: GraphConfig,
    vectors: Tensor,
    tokens: Tokens,
    nodes: Tensor,
    known: Tokens | None,
    progress: Progress = silent,
) -> Edges:
    """Find the neighbours of molecules among the nodes of a graph.

    Parameters
    ----------
    config
        What makes neighbours, and how many.
    vectors, tokens
        (B, W) of the encoder, and the B molecules.
    nodes, known
        (n, W) of the nodes, and the n molecules themselves; None where identity is not asked for.
    progress
        Told of molecules.

    Returns
    -------
    Edges
        (B, k), the nearest first.
    """
    by_words = None if known is None else (_words(tokens), _words(known))
    letters = None if known is None else np.array(detokenize(known), dtype=object)
    parts, at_once = [], max(1, COSINES // max(1, len(nodes)))
    for start in range(0, len(vectors), at_once):
        progress(start, len(vectors))
        rows = slice(start, start + at_once)
        cosine = similarity(vectors[rows], nodes)
        some = tokens.take(np.arange(len(tokens))[rows])
        near, features = _by_vectors(config, cosine) if config.edges != "identity" else _none(len(some), config)
        if letters is not None and by_words is not None:
            near, features = _with_identity(config, cosine, some, letters, by_words[0][rows] @ by_words[1].T, near)
        parts.append(Edges(near, features))
    if not parts:
        return Edges(*_none(0, config))
    return Edges(torch.cat([one.near for one in parts]), torch.cat([one.features for one in parts]))


def _none(rows: int, config: GraphConfig) -> tuple[Tensor, Tensor]:
    return torch.full((rows, config.neighbours), -1), torch.zeros(rows, config.neighbours, FEATURES)


def _by_vectors(config: GraphConfig, cosine: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest by cosine, but for what is the same, or has no direction (cosine 0 with all)."""
    near, features = _none(len(cosine), config)
    empty = ~cosine.any(dim=1, keepdim=True) | ~cosine.any(dim=0, keepdim=True)
    found = cosine.masked_fill((cosine >= SAME) | empty, -torch.inf).topk(min(config.neighbours, cosine.shape[1]))
    there = found.values > -torch.inf
    width = found.indices.shape[1]
    near[:, :width] = found.indices.masked_fill(~there, -1)
    features[:, :width, 0] = found.values.masked_fill(~there, 0.0)
    return near, features


def _with_identity(
    config: GraphConfig, cosine: Tensor, tokens: Tokens, known: npt.NDArray[np.object_], words: Tensor, near: Tensor
) -> tuple[Tensor, Tensor]:
    """Neighbours by identity first, half of them where vectors make neighbours too; and the identity of all."""
    own = np.array(detokenize(tokens), dtype=object)
    listed = min(SHORTLIST * config.neighbours, len(known))
    alike = words.topk(listed).indices
    candidates = torch.cat([alike, near], dim=1)
    identity = _identity(own, known, candidates)
    by_identity = identity[:, :listed].masked_fill(
        (identity[:, :listed] < config.least_identity) | (identity[:, :listed] == 1), -1.0
    )
    share = config.neighbours if config.edges == "identity" else (config.neighbours + 1) // 2
    best = by_identity.topk(min(share, listed))
    first = candidates.gather(1, best.indices).masked_fill(best.values < 0, -1)
    both = torch.cat([first, near], dim=1)
    told = torch.cat([best.values, identity[:, listed:]], dim=1)
    again = ((both[:, :, None] == both[:, None, :]) & _before(both.shape[1])).any(dim=2)
    both = both.masked_fill(again | (told == 1), -1)
    order = (both < 0).int().argsort(dim=1, stable=True)[:, : config.neighbours]
    near = F.pad(both.gather(1, order), (0, max(0, config.neighbours - order.shape[1])), value=-1)
    told = F.pad(told.gather(1, order), (0, near.shape[1] - order.shape[1]))
    features = torch.stack([cosine.gather(1, near.clamp(min=0)), told], dim=2)
    return near, features.masked_fill((near < 0)[..., None], 0.0)


def _before(width: int) -> Tensor:
    """(1, width, width) True where the column stands before the row."""
    return torch.ones(width, width, dtype=torch.bool).tril(-1)[None]


def _identity(own: npt.NDArray[np.object_], known: npt.NDArray[np.object_], candidates: Tensor) -> Tensor:
    """(B, c) 1 − edits / longer length of molecules and their candidates; 0 where there is none."""
    there = (candidates >= 0).numpy()
    row, column = np.nonzero(there)
    pairs = own[row].tolist(), known[candidates.numpy()[row, column]].tolist()
    found = np.zeros(there.shape, dtype=np.float32)
    if len(row):
        found[row, column] = cpdist(*pairs, scorer=Levenshtein.normalized_similarity, workers=-1)
    return torch.from_numpy(found)


def _words(tokens: Tokens) -> Tensor:
    """(n, 256) shares of the 4-mers over A C G U, of length 1."""
    code = np.full(256, -1)
    code[BASES] = range(4)
    value = code[tokens.ids]
    whole = np.full(len(value), -1)
    if len(value) >= WORD:
        stacked = np.stack([value[place : len(value) - WORD + 1 + place] for place in range(WORD)])
        whole[: stacked.shape[1]] = np.where((stacked >= 0).all(axis=0), 4 ** np.arange(WORD)[::-1] @ stacked, -1)
    molecule = np.repeat(np.arange(len(tokens)), tokens.lengths)
    place = np.arange(len(value)) - tokens.offsets[:-1][molecule]
    inside = (whole >= 0) & (place <= tokens.lengths[molecule] - WORD)
    counts = np.zeros((len(tokens), 4**WORD), dtype=np.float32)
    np.add.at(counts, (molecule[inside], whole[inside]), 1)
    return F.normalize(torch.from_numpy(counts), dim=1)
