"""Molecules on request: conditions drawn, latents sampled, sequences written under what is fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.alphabet import PAD, letters_of, tokenize
from ribospace.encoders.latent import LatentEncoder
from ribospace.errors import UserError, nearest
from ribospace.generation.rewards import Reward, find_reward
from ribospace.generation.sampling import Loss, Sampling, generator_of, sample
from ribospace.generation.template import allowed_of, cleaned, drawn
from ribospace.models import checkpoint
from ribospace.models.decoding import greedy_among
from ribospace.models.denoiser import NO_LENGTH, NO_TYPE
from ribospace.models.device import pick_device
from ribospace.models.diffusion import LatentDiffusion
from ribospace.records import clean

#: Share of the way to noise that each round of in-painting goes back.
ROUNDS = (0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes
    ----------
    types
        Names; none: drawn as the training molecules have them.
    shortest, longest
        Of the molecules, nt, held by the decoder; 0 and 0: as the training molecules have them, held by nothing.
    template
        See `template.cleaned`; "" for none.
    start
        A molecule to vary; "" for none.
    noise
        With a start, the share of the way to noise that is gone first, in (0, 1].
    unsaid_type, unsaid_length
        Leave them open, because a reward decides.
    how
        Sampler, steps, guidance, strength of the rewards.
    """

    types: tuple[str, ...] = ()
    shortest: int = 0
    longest: int = 0
    template: str = ""
    start: str = ""
    noise: float = 0.5
    unsaid_type: bool = False
    unsaid_length: bool = False
    how: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Molecule:
    """One molecule that was written.

    Attributes
    ----------
    number
        Its seed is made of the run's and this.
    asked_type, asked_length
        Of it; None where it was left open.
    sequence
        A C G U; "" where the model wrote none.
    confidence
        Geometric mean of the probabilities that the decoder gave to its letters and its end.
    latents
        (K, D) float32, from which it was written.
    """

    number: int
    asked_type: str | None
    asked_length: int | None
    sequence: str
    confidence: float
    latents: npt.NDArray[np.float32]


class Generator:
    """A trained generator.

    Parameters
    ----------
    folder
        That `ribospace train diffusion` wrote.
    """

    def __init__(self, folder: Path | str) -> None:
        found = checkpoint.load(folder, LatentDiffusion)
        self.device = pick_device()
        self.model = found.model.to(self.device)
        self.name, self.revision, self.path, self.about = found.name, found.revision, found.path, found.about
        self.types = self.model.config.types
        self.window = self.model.latent.config.window

    @cached_property
    def encoder(self) -> LatentEncoder:
        """What reads molecules; needs the encoder below the latent model, where that is not a part of it."""
        inside = checkpoint.Checkpoint(self.model.latent, self.name, self.model.config.latent, self.path, {})
        return LatentEncoder(inside, "latents")

    def reward(self, text: str, folders: bool = True) -> Reward:
        """A reward that this generator can be steered by; see `find_reward`."""
        size = self.model.latent.config
        shape = (size.queries, size.width)
        return find_reward(text, self.model.surrogate, latent=self.model.config.latent, shape=shape, folders=folders)

    def request(
        self,
        types: Sequence[str] = (),
        lengths: tuple[int, int] = (0, 0),
        template: str = "",
        start: str = "",
        noise: float = 0.5,
        rewards: Sequence[Reward] = (),
        how: Sampling | None = None,
    ) -> Request:
        """What is asked for, with what contradicts itself refused.

        Parameters
        ----------
        types, template, start, noise, how
            See `Request`.
        lengths
            Shortest and longest, nt, as `template.length_range` reads them; (0, 0): not asked for.
        rewards
            What is steered to: what these decide is left open.

        Raises
        ------
        UserError
            For a type never seen, a template or start that cannot be written, or two that decide the same.
        """
        self.rows_of(types)
        shortest, longest = lengths
        template = cleaned(template, self.window) if template else ""
        if template and start:
            raise UserError(
                "--template and --start cannot both be given. Write the fixed letters of the start as template."
            )
        if template and longest and not shortest <= len(template) <= longest:
            said = f"{shortest}:{longest}" if shortest < longest else longest
            raise UserError(
                f"The template has {len(template)} nt, which --length {said} does not allow. Leave one out."
            )
        if start:
            start = str(clean([start], names=["--start"])[0].as_py())
            if len(start) > self.window:
                raise UserError(f"--start has {len(start):,} nt; the model writes at most {self.window}.")
            if not noise > 0:
                raise UserError(f"--noise {noise:g} changes nothing. Give more than 0, at most 1.")
        decided = {one.wish.name: one.wish.target for one in rewards}
        for name, what, given in (("length", "A length or template", longest or template), ("type", "A type", types)):
            if name in decided and given:
                raise UserError(f"{what} and the reward {name} decide the same. Leave one out.")
        if structure := decided.get("structure"):
            if (longest or template) and not shortest <= len(structure) <= longest and len(template) != len(structure):
                raise UserError(
                    f"The structure has {len(structure)} places, the molecules are to have others. Leave one out."
                )
            shortest = longest = len(structure)
        open_type, open_length = "type" in decided, "length" in decided
        return Request(
            tuple(types), shortest, longest, template, start, noise, open_type, open_length, how or Sampling()
        )

    def generate(
        self, request: Request, numbers: Sequence[int], seed: int, loss: Loss | None = None, batch: int = 128
    ) -> Iterator[list[Molecule]]:
        """Make molecules.

        Parameters
        ----------
        request
            What is asked for.
        numbers
            Which of the run's molecules; the same number and seed give the same molecule.
        seed
            Of the run.
        loss
            What steering makes small.
        batch
            Molecules at a time.

        Yields
        ------
        list of Molecule
            Batch by batch.

        Raises
        ------
        UserError
            For a type that the model never saw.
        """
        rows = self.rows_of(request.types)
        for begin in range(0, len(numbers), batch):
            yield self._batch(request, rows, list(numbers[begin : begin + batch]), seed, loss)

    def rows_of(self, types: Sequence[str]) -> list[int]:
        """Numbers of the types, all if none is named; a `UserError` for one that was never seen."""
        for one in types:
            if one not in self.types:
                raise UserError(f"The generator in {self.path} never saw the type {one!r}. {nearest(one, self.types)}")
        return [self.types.index(one) for one in types] or [*range(len(self.types)), -1]

    def _batch(
        self, request: Request, rows: list[int], numbers: list[int], seed: int, loss: Loss | None
    ) -> list[Molecule]:
        types, lengths = self._conditions(request, rows, numbers, seed)
        generators = [generator_of(seed, one) for one in numbers]
        allowed = allowed_of(self.window, max(1, request.shortest), request.longest, request.template)
        start = None
        if request.start:
            start = torch.from_numpy(self.encoder.latents(tokenize([request.start]))).expand(len(numbers), -1, -1)

        def sampled(start: Tensor | None, noise: float) -> Tensor:
            return sample(self.model, types, lengths, generators, request.how, loss, start, noise)

        latents = sampled(start, request.noise)
        if request.template:
            for noise in ROUNDS:
                sequences, _ = self.write(latents, allowed)
                latents = sampled(torch.from_numpy(self.encoder.latents(tokenize(sequences))), noise)
        sequences, confidence = self.write(latents, allowed)
        names = [self.types[one] if one != NO_TYPE else None for one in types.tolist()]
        asked = [one or None for one in lengths.tolist()]
        kept = latents.cpu().numpy()
        return [Molecule(*one) for one in zip(numbers, names, asked, sequences, confidence, kept, strict=True)]

    def _conditions(self, request: Request, rows: list[int], numbers: list[int], seed: int) -> tuple[Tensor, Tensor]:
        """(B,) types and (B,) lengths that the molecules are asked to have."""
        counts = self.model.counts.cpu().numpy()
        shortest, longest = request.shortest or 1, request.longest or self.window
        if request.template:
            shortest = longest = len(request.template)
        found = [drawn(counts, rows, shortest, longest, np.random.default_rng([seed, one, 1])) for one in numbers]
        types, lengths = (torch.tensor(one) for one in zip(*found, strict=True))
        open_length = request.unsaid_length or (request.start and not request.longest)
        if request.unsaid_type or (request.start and not request.types):
            types = torch.full_like(types, NO_TYPE)
        return types, torch.full_like(lengths, NO_LENGTH) if open_length else lengths

    @torch.inference_mode()
    def write(self, latents: Tensor, allowed: Tensor) -> tuple[list[str], list[float]]:
        """Write molecules.

        Parameters
        ----------
        latents
            (B, K, D).
        allowed
            (window + 1, vocabulary) bool, see `template.allowed_of`.

        Returns
        -------
        sequences : list of str
        confidence : list of float
            Geometric mean of the probabilities of the letters and the end.
        """
        decoder = self.model.latent
        among = allowed.to(latents.device).expand(len(latents), -1, -1)
        ids, chances = greedy_among(decoder, decoder.decoder.memory(latents), None, self.window + 1, among)
        written = (ids != PAD).sum(dim=1).clamp(min=1)
        return [letters_of(one) for one in ids.cpu().numpy()], (chances.sum(dim=1) / written).exp().tolist()
