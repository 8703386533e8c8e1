"""From a collection and an encoder to a graph of molecules that refines the encoder's vectors.

Nothing is told of labels, unless asked for: two draws of a molecule's neighbours, with some numbers of all vectors
hidden, are to give one vector, other molecules other vectors (InfoNCE; van den Oord et al. 2018, arXiv 1807.03748, on
graphs as in GRACE, Zhu et al. 2020, arXiv 2006.04131). Neighbours are not pushed apart.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.alphabet import Tokens, detokenize
from ribospace.collection import Collection
from ribospace.collection.place import is_remote
from ribospace.errors import UserError
from ribospace.files import versions
from ribospace.models import checkpoint
from ribospace.models.attaching import attach
from ribospace.models.graph import Edges, GraphConfig, GraphRefiner, GraphSizes, similarity
from ribospace.models.latent import TokenSource
from ribospace.progress import Progress, silent, within
from ribospace.training.config import Named, OptimizerConfig
from ribospace.training.data import DataConfig, TrainingData, training_data
from ribospace.training.interrupts import Interrupts
from ribospace.training.state import alone, forget, read_own_state, restore, unfinished, write_state

SAVE_SECONDS = 120.0
WHOLE = 1 << 40  # nt: molecules are not cut
LINKS_HELD_OUT, LINKS_JUDGED = 0.1, 5000
IDS_KEPT = 200_000
ORDER, STEP, LINKS = 1, 2, 3  # what a seed is for


class Embeds(Protocol):
    """What is asked of the encoder whose vectors are refined."""

    name: str
    revision: str
    location: str
    width: int
    piece: int

    def encode(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        """(n) molecules → (n, width)."""


@dataclass(frozen=True)
class GraphObjective:
    """What is learned.

    Attributes
    ----------
    contrast
        Weight of telling molecules apart by two draws of their neighbours.
    classes
        Weight of naming the label of those molecules whose label is shown; 0: no label is seen at all.
    labelled
        Share of the molecules whose label is shown.
    temperature
        Of the contrast.
    hidden
        Share of the numbers of the vectors that a draw does not see.
    sampled
        Neighbours in a draw.
    """

    contrast: float = 1.0
    classes: float = 0.0
    labelled: float = 1.0
    temperature: float = 0.3
    hidden: float = 0.3
    sampled: int = 5

    def __post_init__(self) -> None:
        if min(self.contrast, self.classes) < 0 or not self.contrast + self.classes:
            raise ValueError("contrast and classes must be 0 or more, and not both 0")
        if not 0 < self.labelled <= 1 or not 0 <= self.hidden < 1 or self.temperature <= 0 or self.sampled < 1:
            raise ValueError("labelled is in (0, 1], hidden in [0, 1), temperature above 0, sampled 1 or more")


@dataclass(frozen=True)
class GraphTrainConfig(Named):
    """How a graph is made and trained; sections [data], [graph], [objective] and [optimizer] of a TOML file.

    Attributes
    ----------
    data
        Which molecules are nodes. Those held out, or of another part of a split, are none.
    graph, objective, optimizer
        See there; of the optimiser, a token is a molecule.
    """

    data: DataConfig = field(default_factory=DataConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    objective: GraphObjective = field(default_factory=GraphObjective)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


def train_graph(
    collection: Collection,
    encoder: Embeds,
    out: Path | str,
    config: GraphTrainConfig,
    progress: Progress = silent,
    warn: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Join the molecules of a collection, train what refines their vectors, and write both to a folder.

    An unfinished training stands in OUT.training; the same call goes on with it, step by step the same.

    Returns
    -------
    dict
        What was learned from, and the figures, which also stand in config.json.

    Raises
    ------
    UserError
        Before any step: if the folder cannot be written, or the data are too few.
    """
    out = Path(out).resolve()
    checkpoint.require_place(out)
    with alone(unfinished(out)):
        data = _data(collection, config)
        for line in data.said:
            warn(line)
        model, figures = _trained(collection, encoder, data, config, unfinished(out), progress)
        uri = collection.uri
        about = {
            "training": dataclasses.asdict(config),
            "data": {**data.about, "collection": uri if is_remote(uri) else str(Path(uri).resolve())},
            "figures": figures,
            "ids": _ids(collection, data),
            "versions": versions("torch", "torch-geometric"),
        }
        name = config.name or out.name
        checkpoint.save(model, out, name, about, _card(name, encoder, about, model))
        forget(out)
    return about


def _data(collection: Collection, config: GraphTrainConfig) -> TrainingData:
    classes = None if config.objective.classes else ()
    return training_data(collection, config.data, WHOLE, config.seed, classes)


def _trained(
    collection: Collection,
    encoder: Embeds,
    data: TrainingData,
    config: GraphTrainConfig,
    folder: Path,
    progress: Progress,
) -> tuple[GraphRefiner, dict[str, Any]]:
    tokens, steps = data.training.tokens, config.optimizer.steps
    vectors = torch.from_numpy(_embedded(encoder, tokens, within(progress, 0, steps, "embedding {} molecules")))
    with_letters = config.graph.edges != "embedding"
    graph = dataclasses.replace(config.graph, classes=data.classes)
    source = TokenSource(encoder.name, encoder.revision, encoder.location, encoder.width)
    torch.manual_seed(config.seed)
    model = GraphRefiner(graph, source, GraphSizes(len(tokens), len(tokens.ids) if with_letters else 0))
    known = tokens if with_letters else None
    edges = attach(graph, vectors, tokens, vectors, known, within(progress, 0, steps, "joining {} molecules"))
    model.hold(vectors, edges)
    if known is not None:
        model.letters.copy_(torch.from_numpy(known.ids))
        model.ends.copy_(torch.from_numpy(known.offsets))
    kept, held = _links(edges, config.seed)
    learner = None
    if graph.refine == "attention":
        same = str([dataclasses.asdict(config), data.about["data_sha256"], encoder.revision])
        learner = Learner(model, kept, torch.from_numpy(data.training.labels), config, same, folder)
        learner.run(progress)
    model.eval()
    figures = {**_shape(edges), **_link_figures(model, kept, held, config.seed)}
    with torch.no_grad():
        refined = model.refine(model.nodes, model.edges, model.states())[0]
        model.middle.copy_(refined.mean(dim=0))
    return model, {**figures, **(learner.figures() if learner else {"steps": 0, "seconds": 0.0})}


def _embedded(encoder: Embeds, tokens: Tokens, progress: Progress) -> npt.NDArray[np.float32]:
    parts = []
    for start in range(0, len(tokens), encoder.piece):
        progress(start, len(tokens))
        parts.append(encoder.encode(tokens.take(np.arange(start, min(start + encoder.piece, len(tokens))))))
    return np.concatenate(parts)


# ---------------------------------------------------------------- learning


class Learner:
    """Trains what refines.

    Parameters
    ----------
    model
        With its graph.
    edges
        Of the nodes, without the links that are held out.
    labels
        (n,) int64 of the nodes; -1: not known.
    config
        See there.
    same
        What must be the same for an unfinished training to go on.
    folder
        Of the unfinished training; None: not kept.
    """

    def __init__(
        self,
        model: GraphRefiner,
        edges: Edges,
        labels: Tensor,
        config: GraphTrainConfig,
        same: str = "",
        folder: Path | None = None,
    ) -> None:
        self.model, self.edges, self.config, self.folder, self._same = model, edges, config, folder, same
        width = model.width
        self.trained = nn.ModuleDict({
            "graph": model, "told_apart": nn.Sequential(nn.Linear(width, width), nn.ELU(), nn.Linear(width, width)),
        })  # fmt: skip
        settings = config.optimizer
        self._optimizer = torch.optim.AdamW(
            self.trained.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.batch = min(settings.token_budget, len(labels))
        lot = torch.rand(len(labels), generator=self._generator(LINKS, 1))
        self.labels = labels.masked_fill(lot >= config.objective.labelled, -1)
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self._resume()

    def run(self, progress: Progress = silent) -> None:
        """Take steps until the last, or the time's end."""
        settings, saved = self.config.optimizer, time.perf_counter()
        began = saved - self.seconds
        self.model.train()
        with Interrupts() as interrupts:
            while self.step < settings.steps and not (settings.minutes and self.seconds > 60 * settings.minutes):
                self._take_step()
                self.seconds = time.perf_counter() - began
                left = self.seconds / self.step * (settings.steps - self.step) / 60
                progress(self.step, settings.steps, f"loss {np.mean(self.losses[-50:]):.3f}, about {left:.1f} min left")
                if interrupts.came or time.perf_counter() - saved > SAVE_SECONDS:
                    self._save()
                    saved = time.perf_counter()
                if interrupts.came:
                    raise KeyboardInterrupt
            self._save()

    def figures(self) -> dict[str, Any]:
        """What is said of the training."""
        return {
            "steps": self.step, "seconds": round(self.seconds, 1), "first_loss": round(self.losses[0], 4),
            "last_loss": round(float(np.mean(self.losses[-50:])), 4), "labels_shown": int((self.labels >= 0).sum()),
        }  # fmt: skip

    def _take_step(self) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.optimizer.rate(self.step)
        generator = self._generator(STEP, self.step)
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # of the dropout
        rows, asked = self._rows(), self.config.objective
        one, other = (self._seen(rows, generator) for _ in range(2))
        loss = one.new_zeros(())
        if asked.contrast:
            loss = loss + asked.contrast * self._contrast(rows, one, other)
        known = self.labels[rows] >= 0
        if asked.classes and known.any():
            target = self.labels[rows][known]
            named = [F.cross_entropy(self.model.classify(seen[known]), target) for seen in (one, other)]
            loss = loss + asked.classes * (named[0] + named[1]) / 2
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.trained.parameters(), self.config.optimizer.clip or float("inf"))
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.step += 1
        self.losses.append(float(loss.detach()))
        if not np.isfinite(self.losses[-1]):
            raise UserError(f"The loss is no number at step {self.step}. Lower optimizer.learning_rate.")

    def _seen(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """(B, D) of a draw of neighbours, with some numbers of all vectors hidden."""
        asked = self.config.objective
        shown = (torch.rand(self.model.source.width, generator=generator) >= asked.hidden).float()
        return self.model.sampled(rows, self.edges, shown, asked.sampled, generator)

    def _contrast(self, rows: Tensor, one: Tensor, other: Tensor) -> Tensor:
        head = self.trained["told_apart"]
        logits = similarity(head(one), head(other)) / self.config.objective.temperature
        near = (self.edges.near[rows][:, :, None] == rows).any(dim=1)
        target = torch.arange(len(rows))
        logits = logits.masked_fill((near | near.T) & (target[:, None] != target), -torch.inf)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    def _rows(self) -> Tensor:
        """The nodes of the next step: an epoch visits each once, in an order of its own."""
        count = len(self.labels)
        epoch, place = divmod(self.step, max(1, count // self.batch))
        order = torch.randperm(count, generator=self._generator(ORDER, epoch))
        return order[place * self.batch : (place + 1) * self.batch]

    def _generator(self, *numbers: int) -> torch.Generator:
        seed = int(np.random.SeedSequence([self.config.seed, *numbers]).generate_state(1)[0])
        return torch.Generator().manual_seed(seed)

    def _save(self) -> None:
        if self.folder is not None:
            said = {"step": self.step, "seconds": self.seconds, "losses": self.losses, "config": self._same}
            self.folder.mkdir(parents=True, exist_ok=True)
            write_state(self.folder, self.trained, self._optimizer, {}, json.loads(json.dumps(said)))

    def _resume(self) -> None:
        found = read_own_state(self.folder, self._same) if self.folder else None
        if found is None:
            return
        tensors, said = found
        restore(tensors, self.trained, self._optimizer)
        self.step, self.seconds, self.losses = said["step"], said["seconds"], said["losses"]


# ---------------------------------------------------------------- the graph, and links that are held out


def _shape(edges: Edges) -> dict[str, Any]:
    """How many edges and pieces the graph has."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    there = (edges.near >= 0).numpy()
    row, _ = np.nonzero(there)
    n = len(there)
    graph = coo_array((np.ones(len(row), dtype=np.int8), (row, edges.near.numpy()[there])), shape=(n, n))
    pieces = int(connected_components(graph, directed=False)[0])
    return {"nodes": n, "edges": len(row), "pieces": pieces, "isolated": int((~there.any(axis=1)).sum())}


def _links(edges: Edges, seed: int) -> tuple[Edges, Tensor]:
    """The edges without a tenth of the links, in both directions; and (m, 2) of these links."""
    target = torch.arange(len(edges.near))[:, None].expand_as(edges.near)
    n = len(edges.near)
    link = torch.minimum(target, edges.near) * n + torch.maximum(target, edges.near)
    known = torch.unique(link[edges.near >= 0])
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, LINKS]).generate_state(1)[0]))
    held = known[torch.randperm(len(known), generator=generator)[: int(LINKS_HELD_OUT * len(known))]]
    near = edges.near.masked_fill(torch.isin(link, held), -1)
    return Edges(near, edges.features.masked_fill((near < 0)[..., None], 0.0)), torch.stack(
        [held // n, held % n], dim=1
    )


@torch.no_grad()
def _link_figures(model: GraphRefiner, kept: Edges, held: Tensor, seed: int) -> dict[str, Any]:
    """How well cosines tell links held out from molecules that are no neighbours: area under the ROC curve."""
    n = model.sizes.nodes
    if len(held) < 10 or n < 10:
        return {"links_held_out": len(held)}
    generator = torch.Generator().manual_seed(seed)
    held = held[torch.randperm(len(held), generator=generator)[:LINKS_JUDGED]]
    others = torch.randint(n, (len(held), 2), generator=generator)
    linked = (model.near[others[:, 0]] == others[:, 1:]).any(1) | (model.near[others[:, 1]] == others[:, :1]).any(1)
    others = others[~linked & (others[:, 0] != others[:, 1])]
    whole = model.edges
    model.near.copy_(kept.near)
    model.features.copy_(kept.features)
    refined = model.refine(model.nodes, model.edges, model.states())[0]
    model.near.copy_(whole.near)
    model.features.copy_(whole.features)
    refined = refined - refined.mean(dim=0)
    return {
        "links_held_out": len(held),
        "link_auc": _auc(refined, held, others),
        "link_auc_before": _auc(model.nodes - model.center, held, others),
    }


def _auc(vectors: Tensor, linked: Tensor, others: Tensor) -> float:
    from sklearn.metrics import roc_auc_score

    pairs = torch.cat([linked, others])
    cosine = F.cosine_similarity(vectors[pairs[:, 0]], vectors[pairs[:, 1]])
    is_link = np.arange(len(pairs)) < len(linked)
    return round(float(roc_auc_score(is_link, cosine.numpy())), 4)


def _ids(collection: Collection, data: TrainingData) -> list[str]:
    """The ids of the nodes, by the first molecule that has each sequence; none where they are very many."""
    if len(data.training) > IDS_KEPT:
        return []
    table = collection.table(["id", "sequence"])
    known = dict(zip(reversed(table["sequence"].to_pylist()), reversed(table["id"].to_pylist()), strict=True))
    return [known[sequence] for sequence in detokenize(data.training.tokens)]


def _card(name: str, encoder: Embeds, about: dict[str, Any], model: GraphRefiner) -> str:
    figures, data, config = about["figures"], about["data"], model.config
    how = "graph attention" if config.refine == "attention" else "the plain mean over neighbours"
    labels = figures.get("labels_shown", 0) if config.classes else 0
    links = ""
    if "link_auc" in figures:
        links = (
            f"\n- links held out told from others: area {figures['link_auc']} (before refining "
            f"{figures['link_auc_before']})"
        )
    return f"""---
library_name: ribospace
tags:
- rna
- ribospace
---

# {name}

Vectors of {encoder.name} (revision {encoder.revision}), refined by {how} over a graph of molecules, which is a part of
the model. Made with Ribospace {about["versions"]["ribospace"]}.

## Use

```bash
ribospace embed COLLECTION --model FOLDER
ribospace attended SEQUENCE --model FOLDER
```

## Made from

- {figures["nodes"]:,} molecules of {data["collection"]}; split: {data["split"]}
- {figures["edges"]:,} edges by {config.edges}, {config.neighbours} neighbours at most, in {figures["pieces"]:,} pieces,
  {figures["isolated"]:,} molecules without a neighbour
- {figures["steps"]:,} steps in {figures["seconds"]:,.0f} s; labels shown: {labels:,}{links}

## What cannot be concluded

- That refined vectors are better than the encoder's own, or than the plain mean over neighbours: compare all three.
- The molecules of the graph are known to it; judge by molecules that are no near copies of them.
"""
