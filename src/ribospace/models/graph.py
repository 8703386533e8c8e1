"""A graph of molecules, and what refines their vectors by it: graph attention, or the plain mean over neighbours.

Shapes: n nodes (the molecules of the graph), k neighbours at most, W numbers of an encoder's vector, D of a refined
one. The lists of neighbours are a table (n, k), −1 where there are fewer; so a part of the graph is some rows of a
table, and a molecule that comes later is attached by a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.alphabet import FIRST_LETTER, VOCABULARY_SIZE
from ribospace.errors import UserError
from ribospace.models.latent import TokenSource
from ribospace.models.sizes import require_sizes

EDGES = ("embedding", "identity", "both")
REFINEMENTS = ("attention", "mean")
FEATURES = 2  # of an edge: cosine of the encoder's vectors, identity of the sequences (0 where it was not asked for)
AT_ONCE = 4096  # nodes refined at once


@dataclass(frozen=True)
class GraphConfig:
    """How molecules are joined, and how their vectors are refined.

    Attributes
    ----------
    edges
        What makes neighbours: "embedding" (cosine of the encoder's vectors), "identity" (of sequences) or "both".
    neighbours
        k, most neighbours of a molecule.
    least_identity
        Of sequences that are neighbours by identity; 1 − edits / longer length.
    refine
        "attention" (GATv2, Brody et al. 2022, arXiv 2105.14491), or "mean": the plain mean of a molecule and its
        neighbours, which learns nothing.
    layers
        How often a molecule hears of its neighbours.
    width
        D, of the refined vectors; with "mean" they are as wide as the encoder's.
    heads
        Of the attention; they divide the width.
    dropout
        Of attention weights, in training.
    classes
        Labels that it was shown, if any.
    """

    edges: str = "embedding"
    neighbours: int = 10
    least_identity: float = 0.5
    refine: str = "attention"
    layers: int = 2
    width: int = 64
    heads: int = 4
    dropout: float = 0.1
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_sizes(self)
        if min(self.neighbours, self.layers, self.width, self.heads) < 1:
            raise ValueError("neighbours, layers, width and heads must be 1 or more")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        for name, known in (("edges", EDGES), ("refine", REFINEMENTS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {', '.join(known)}")
        if not 0 <= self.dropout < 1 or not 0 <= self.least_identity <= 1:
            raise ValueError(
                f"dropout {self.dropout} must be in [0, 1), least_identity {self.least_identity} in [0, 1]"
            )
        object.__setattr__(self, "classes", tuple(self.classes))


@dataclass(frozen=True)
class GraphSizes:
    """How large a graph is: nodes, and nucleotides of all their sequences (0 where these are not kept)."""

    nodes: int
    letters: int = 0

    def __post_init__(self) -> None:
        if self.nodes < 1 or self.letters < 0:
            raise ValueError(f"a graph has 1 node or more and 0 letters or more, not {self.nodes} and {self.letters}")


class Edges(NamedTuple):
    """Neighbours of (B,) molecules.

    Attributes
    ----------
    near
        (B, k) int64 nodes; −1: none.
    features
        (B, k, 2), see `FEATURES`.
    """

    near: Tensor
    features: Tensor

    def take(self, rows: Tensor) -> Edges:
        """Those of some molecules."""
        return Edges(self.near[rows], self.features[rows])


class Layer(nn.Module):
    """Graph attention over a molecule's neighbours, added to what it is, and normed."""

    def __init__(self, config: GraphConfig) -> None:
        super().__init__()
        width = config.width // config.heads
        conv = _graph_attention()
        both = (config.width, config.width)
        self.attention = conv(
            both, width, config.heads, dropout=config.dropout, edge_dim=FEATURES, add_self_loops=False
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, own: Tensor, others: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """(B, D) and their neighbours' (B, k, D) → (B, D), and (B, k, heads) attention; 0 where there is none."""
        there = edges.near >= 0
        target, _ = there.nonzero(as_tuple=True)
        index = torch.stack([torch.arange(len(target), device=own.device), target])
        said, (_, weights) = self.attention(
            (others[there], own), index, edges.features[there], return_attention_weights=True
        )
        shown = weights.new_zeros(*there.shape, weights.shape[1])
        shown[there] = weights
        return self.norm(own + said), shown


def _graph_attention() -> Any:
    try:
        from torch_geometric.nn import GATv2Conv
    except ImportError as error:
        raise UserError(
            "Graph attention needs torch-geometric, which is not installed: pip install 'ribospace[graph]'"
        ) from error
    return GATv2Conv


class GraphRefiner(nn.Module):
    """Refines vectors of molecules by their neighbours in a graph, which is a part of the model.

    Parameters
    ----------
    config
        How it joins and refines.
    source
        Whose vectors are refined.
    sizes
        Of the graph; filled by `hold`.
    """

    center: Tensor  # (W,) mean of the nodes' vectors
    scale: Tensor  # (W,) their standard deviation
    nodes: Tensor  # (n, W) vectors as the encoder gives them
    near: Tensor  # (n, k) int64
    features: Tensor  # (n, k, 2)
    letters: Tensor  # (nucleotides,) uint8 token ids of the nodes' sequences, end to end
    ends: Tensor  # (n + 1,) int64 where they begin and end
    middle: Tensor  # (D,) mean of the refined vectors, which is taken off

    def __init__(self, config: GraphConfig, source: TokenSource, sizes: GraphSizes) -> None:
        super().__init__()
        self.config, self.source, self.sizes = config, source, sizes
        n, kept = sizes.nodes, sizes.nodes if sizes.letters else 0
        self.register_buffer("center", torch.zeros(source.width))
        self.register_buffer("scale", torch.ones(source.width))
        self.register_buffer("nodes", torch.zeros(n, source.width))
        self.register_buffer("near", torch.full((n, config.neighbours), -1))
        self.register_buffer("features", torch.zeros(n, config.neighbours, FEATURES))
        self.register_buffer("letters", torch.zeros(sizes.letters, dtype=torch.uint8))
        self.register_buffer("ends", torch.zeros(kept + 1, dtype=torch.int64))
        self.register_buffer("middle", torch.zeros(self.width))
        if config.refine == "attention":
            self.enter = nn.Linear(source.width, config.width)
            self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        if config.classes:
            self.classifier = nn.Linear(config.width, len(config.classes))

    @property
    def width(self) -> int:
        """Numbers in a refined vector."""
        return self.config.width if self.config.refine == "attention" else self.source.width

    def require_sound(self) -> None:
        """Refuse a graph that names nodes or letters that are not there.

        Raises
        ------
        ValueError
            It says which part.
        """
        inside = bool(((self.near >= -1) & (self.near < self.sizes.nodes)).all())
        steps = self.ends.diff()
        kept = bool(self.ends[0] == 0 and (steps >= 0).all() and self.ends[-1] == len(self.letters))
        letters = bool(((self.letters >= FIRST_LETTER) & (self.letters < VOCABULARY_SIZE)).all())
        if not (inside and kept and letters):
            raise ValueError("its neighbours or sequences are not those of its nodes")
        if not bool((self.scale > 0).all()):
            raise ValueError("a standard deviation is not above 0")

    def hold(self, nodes: Tensor, edges: Edges) -> None:
        """Take (n, W) vectors and their edges as the graph."""
        self.nodes.copy_(nodes)
        self.near.copy_(edges.near)
        self.features.copy_(edges.features)
        self.center.copy_(nodes.mean(dim=0))
        self.scale.copy_(nodes.std(dim=0, correction=0).clamp(min=1e-6))

    @property
    def edges(self) -> Edges:
        """Those of the nodes."""
        return Edges(self.near, self.features)

    def entered(self, vectors: Tensor) -> Tensor:
        """(B, W) of an encoder → (B, D) before a molecule has heard of its neighbours."""
        if self.config.refine == "mean":
            return vectors
        return self.enter((vectors - self.center) / self.scale)  # type: ignore[no-any-return]

    def heard(self, layer: int, own: Tensor, others: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """One layer: (B, D) and their neighbours' (B, k, D) → (B, D), and (B, k, heads) how much each mattered."""
        if self.config.refine == "attention":
            return self.layers[layer](own, others, edges)  # type: ignore[no-any-return]
        there = (edges.near >= 0).to(own.dtype)[..., None]
        many = 1 + there.sum(dim=1)
        return (own + (others * there).sum(dim=1)) / many, there / many[:, None]

    @torch.no_grad()
    def states(self) -> list[Tensor]:
        """For each layer the (n, D) that nodes enter it with; the same whatever is asked of the graph."""
        found = [torch.cat([self.entered(part) for part in torch.split(self.nodes, AT_ONCE)])]
        for layer in range(self.config.layers - 1):
            rows = torch.split(torch.arange(self.sizes.nodes, device=self.nodes.device), AT_ONCE)
            parts = [self._heard_in(layer, found[-1][part], found[-1], self.edges.take(part))[0] for part in rows]
            found.append(torch.cat(parts))
        return found

    def refine(self, vectors: Tensor, edges: Edges, states: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Refine molecules, in the graph or attached to it.

        Parameters
        ----------
        vectors
            (B, W) of the encoder.
        edges
            Their neighbours among the nodes.
        states
            Of the nodes, see `states`.

        Returns
        -------
        Tensor, Tensor
            (B, D) refined, and (B, k, heads) how much each neighbour mattered in the last layer.
        """
        own, weights = self.entered(vectors), edges.features
        for layer in range(self.config.layers):
            own, weights = self._heard_in(layer, own, states[layer], edges)
        return own - self.middle, weights

    def _heard_in(self, layer: int, own: Tensor, states: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        return self.heard(layer, own, states[edges.near.clamp(min=0)], edges)

    def sampled(self, rows: Tensor, edges: Edges, shown: Tensor, many: int, generator: torch.Generator) -> Tensor:
        """Refine (B,) nodes by a draw of their neighbours, and of these's, and so on.

        Memory is for B · many^layers molecules at most, however large the graph is.

        Parameters
        ----------
        rows
            Nodes.
        edges
            Of all nodes; in training some are kept back.
        shown
            (W,) which numbers of the vectors are shown: 1, or 0.
        many
            Neighbours drawn of each node, without putting back.
        generator
            Of the draw.
        """
        return self._state(rows, self.config.layers, edges, shown, many, generator)

    def _state(
        self, rows: Tensor, depth: int, edges: Edges, shown: Tensor, many: int, generator: torch.Generator
    ) -> Tensor:
        if not depth:
            return self.enter((self.nodes[rows] - self.center) / self.scale * shown)  # type: ignore[no-any-return]
        near = edges.near[rows]
        lot = torch.rand(near.shape, generator=generator).to(near.device).masked_fill(near < 0, 2.0)
        drawn = lot.topk(min(many, near.shape[1]), largest=False).indices
        some = Edges(near.gather(1, drawn), edges.features[rows].gather(1, drawn[..., None].expand(-1, -1, FEATURES)))
        own = self._state(rows, depth - 1, edges, shown, many, generator)
        others = self._state(some.near.clamp(min=0).flatten(), depth - 1, edges, shown, many, generator)
        return self.heard(depth - 1, own, others.view(*some.near.shape, -1), some)[0]

    def classify(self, refined: Tensor) -> Tensor:
        """(B, D) → (B, classes) logits."""
        return self.classifier(refined)  # type: ignore[no-any-return]


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """(a, W) and (b, W) → (a, b) cosines."""
    return F.normalize(one, dim=-1) @ F.normalize(other, dim=-1).T
