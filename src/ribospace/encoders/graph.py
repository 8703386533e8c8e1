"""Graph models as encoders: a molecule is embedded, attached to the graph and refined by its neighbours there."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.alphabet import Sequences, Tokens, as_tokens
from ribospace.encoders.base import Encoder
from ribospace.encoders.registry import encoder_below
from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.models.attaching import attach
from ribospace.models.graph import Edges, GraphRefiner


class GraphEncoder(Encoder):
    """A trained graph model as an encoder.

    A molecule's vector depends on the molecule and on the graph that was trained, never on other molecules that are
    embedded with it: it is attached to the graph's nodes, not to them.

    Parameters
    ----------
    source
        The model's folder, or a model that is read already.

    Raises
    ------
    UserError
        If the encoder whose vectors are refined is gone, or is another by now.
    """

    def __init__(self, source: Path | str | checkpoint.Checkpoint[GraphRefiner]) -> None:
        found = source if isinstance(source, checkpoint.Checkpoint) else checkpoint.load(source, GraphRefiner)
        self.model, self.about = found.model, found.about
        said = self.model.source
        self.base = encoder_below(said, found.path)
        if self.base.revision != said.revision or self.base.width != said.width:
            raise UserError(
                f"The graph in {found.path} refines vectors of {said.name}, revision {said.revision}; "
                f"{said.location or said.name} is revision {self.base.revision} now. Put that encoder back, or train "
                "the graph again."
            )
        self.name, self.revision, self.pooling = found.name, found.revision, "none"
        self.width, self.piece = self.model.width, self.base.piece
        self.location = str(found.path.resolve())

    def encode(self, tokens: Tokens | Sequences) -> npt.NDArray[np.float32]:
        """(n) molecules → (n, width) float32; see `Encoder.encode`."""
        tokens = as_tokens(tokens)
        return self._refined(tokens)[0].numpy()

    def attended(self, tokens: Tokens) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[Any]]:
        """Which neighbours mattered.

        Parameters
        ----------
        tokens
            (n) molecules.

        Returns
        -------
        near, features, weights
            (n, k) nodes, −1: none; (n, k, 2) cosine and identity; (n, k) attention in the last layer, over its heads.
        """
        _, edges, weights = self._refined(tokens)
        return edges.near.numpy(), edges.features.numpy(), weights.mean(dim=2).numpy()

    @torch.inference_mode()
    def _refined(self, tokens: Tokens) -> tuple[Tensor, Edges, Tensor]:
        vectors = torch.from_numpy(self.base.encode(tokens))
        edges = attach(self.model.config, vectors, tokens, self.model.nodes, self._known)
        refined, weights = self.model.refine(vectors, edges, self._states)
        return refined, edges, weights

    @cached_property
    def _states(self) -> list[Tensor]:
        return self.model.states()

    @cached_property
    def _known(self) -> Tokens | None:
        if not self.model.sizes.letters:
            return None
        return Tokens(self.model.letters.numpy(), self.model.ends.numpy())
