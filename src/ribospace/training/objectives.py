"""What training makes small: five losses, and how they are weighed against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ribospace.alphabet import FIRST_LETTER, MASK, PAD, VOCABULARY_SIZE
from ribospace.models.autoencoder import Outputs

LOSSES = ("written", "letters", "masked", "classes", "described")
WEIGHTINGS = ("fixed", "alpha", "uncertainty")
ALPHA = (0.1, 0.9)
NO_CLASS = -1


@dataclass(frozen=True)
class ObjectiveConfig:
    """The losses, each with its weight; 0 leaves one, and the part of the model that it needs, out.

    Attributes
    ----------
    written
        Each next letter by the decoder, which sees the letters before it (the vanilla autoencoder).
    letters
        Every letter by the encoder alone (BERT-like).
    masked
        The letters chosen for the mask, by the encoder alone (masked-language model).
    classes
        The molecule's type.
    described
        Its length and shares of 3-mers, see `describe`, by the summary of a latent model; other models have none.
    weighting
        "fixed"; "alpha", one learned α for the losses on letters and 1 - α for the classes, kept in [0.1, 0.9] (it
        drifts to where the smaller loss is); or "uncertainty", Σ exp(-s)·loss + s with a learned s each (Kendall et al.
        2018, arXiv 1705.07115), on top of the weights.
    mask
        Share of the input's letters chosen: 80 % become MASK, 10 % a random base, 10 % stay. In training only.
    label_smoothing
        Share of the target spread over the vocabulary, for the losses on letters.
    codes
        Share of the letters that become a random IUPAC code, in input and answer alike, in training only; see
        `sow_codes`. Real molecules have so few that a decoder hardly sees one, and writes a base in its place.
    """

    written: float = 1.0
    letters: float = 0.0
    masked: float = 0.0
    classes: float = 0.0
    described: float = 0.0
    weighting: str = "fixed"
    mask: float = 0.15
    label_smoothing: float = 0.0
    codes: float = 0.005

    def __post_init__(self) -> None:
        if not all(0 <= weight < float("inf") for weight in self.weights.values()) or not self.used:
            raise ValueError(f"the weights of {', '.join(LOSSES)} must be 0 or more and finite, and one above 0")
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"weighting {self.weighting!r} is none of {', '.join(WEIGHTINGS)}")
        if not all(0 <= share < 1 for share in (self.mask, self.label_smoothing, self.codes)):
            raise ValueError("mask, label_smoothing and codes must be in [0, 1)")
        if self.masked and not self.mask:
            raise ValueError("the masked loss needs a mask above 0")
        if self.weighting == "alpha" and not (self.classes and len(self.used) > 1):
            raise ValueError("weighting alpha weighs the classes against the letters: both need a weight above 0")

    @property
    def weights(self) -> dict[str, float]:
        """Weight by loss."""
        return {name: getattr(self, name) for name in LOSSES}

    @property
    def used(self) -> tuple[str, ...]:
        """The losses with a weight above 0."""
        return tuple(name for name, weight in self.weights.items() if weight)


@dataclass(frozen=True)
class Batch:
    """Molecules to learn from.

    Attributes
    ----------
    tokens
        (B, L) ids, START … END and PAD behind.
    spoiled
        (B, L) the same with masked letters.
    chosen
        (B, L) bool, the letters chosen for the mask.
    labels
        (B,) class numbers, -1 where not known.
    """

    tokens: Tensor
    spoiled: Tensor
    chosen: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(*(one.to(device) for one in (self.tokens, self.spoiled, self.chosen, self.labels)))

    def counts(self) -> dict[str, int]:
        """How many terms each loss has."""
        letters = self.tokens >= FIRST_LETTER
        return {
            "written": int((self.tokens[:, 1:] != PAD).sum()),
            "letters": int(letters.sum()),
            "masked": int(self.chosen.sum()),
            "classes": int((self.labels != NO_CLASS).sum()),
            "described": len(self.tokens),
        }


def spoil(tokens: Tensor, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Choose a share of the letters and spoil them as BERT does: 80 % MASK, 10 % a random base, 10 % as they are.

    Parameters
    ----------
    tokens
        (B, L) ids; special tokens stay.
    fraction
        Of the letters, 0 to 1.
    generator
        Seeded, so that a run can be made again.

    Returns
    -------
    spoiled, chosen : Tensor
        (B, L) ids and bool.
    """
    letters = tokens >= FIRST_LETTER
    fate = torch.rand(tokens.shape, generator=generator)
    bases = torch.randint(FIRST_LETTER, FIRST_LETTER + 4, tokens.shape, generator=generator)
    spoiled = torch.where(fate < 0.8 * fraction, MASK, torch.where(fate < 0.9 * fraction, bases, tokens))
    return torch.where(letters, spoiled, tokens), letters & (fate < fraction)


def sow_codes(tokens: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Make some letters of (B, L) ids IUPAC codes other than the four bases, as real molecules have them: few or many.

    Of u drawn evenly in [0, 1) for each molecule, u^(1 / share - 1) of its letters become codes: the mean is `share`.
    """
    if not share:
        return tokens
    of_molecule = torch.rand((len(tokens), 1), generator=generator) ** (1 / share - 1)
    chosen = (tokens >= FIRST_LETTER) & (torch.rand(tokens.shape, generator=generator) < of_molecule)
    codes = torch.randint(FIRST_LETTER + 4, VOCABULARY_SIZE, tokens.shape, generator=generator)
    return torch.where(chosen, codes, tokens)


def loss_sums(outputs: Outputs, batch: Batch, objective: ObjectiveConfig) -> dict[str, Tensor]:
    """Sum of each used loss over its terms, in nats; padding and molecules without a type are no terms.

    Parameters
    ----------
    outputs
        Of the model for `batch.spoiled` and, as written, `batch.tokens`.
    batch, objective
        What was asked.
    """
    smoothing, sums = objective.label_smoothing, {}
    if objective.written and outputs.written is not None:
        flat = outputs.written[:, :-1].flatten(0, 1).float()
        target = batch.tokens[:, 1:].flatten()
        sums["written"] = F.cross_entropy(flat, target, ignore_index=PAD, label_smoothing=smoothing, reduction="sum")
    for name, where in (("letters", batch.tokens >= FIRST_LETTER), ("masked", batch.chosen)):
        if objective.weights[name] and outputs.letters is not None:
            sums[name] = F.cross_entropy(
                outputs.letters[where].float(), batch.tokens[where], label_smoothing=smoothing, reduction="sum"
            )
    if objective.classes and outputs.classes is not None:
        sums["classes"] = F.cross_entropy(outputs.classes.float(), batch.labels, ignore_index=NO_CLASS, reduction="sum")
    if objective.described and outputs.described is not None:
        sums["described"] = F.mse_loss(outputs.described.float(), describe(batch.tokens), reduction="sum")
    return sums


def describe(tokens: Tensor) -> Tensor:
    """Say of (B, L) ids how long each is and what it is made of: (B, 65) fp32.

    First a fifth of the natural logarithm of the length in nt, then the square root of the share of each 3-mer over
    A C G U among the molecule's 3-mers (the distance of two such is Hellinger's); 3-mers with other letters count none.
    """
    length = (tokens >= FIRST_LETTER).sum(dim=1).clamp(min=1)
    base = tokens - FIRST_LETTER
    is_base = (base >= 0) & (base < 4)
    whole = is_base[:, :-2] & is_base[:, 1:-1] & is_base[:, 2:]
    word = (base[:, :-2] * 16 + base[:, 1:-1] * 4 + base[:, 2:]).clamp(0, 63)
    counts = torch.zeros((len(tokens), 64), device=tokens.device).scatter_add_(1, word, whole.float())
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.cat([length[:, None].log() / 5, shares.sqrt()], dim=1)


class Weighting(nn.Module):
    """Makes one loss of several, with weights that may be learned.

    Examples
    --------
    >>> both = ObjectiveConfig(written=0.9, classes=0.1)
    >>> float(Weighting(both)({"written": torch.tensor(2.0), "classes": torch.tensor(1.0)}))
    1.899999976158142
    """

    def __init__(self, objective: ObjectiveConfig) -> None:
        super().__init__()
        self.objective = objective
        if objective.weighting == "alpha":
            total = sum(objective.weights.values())
            self.alpha = nn.Parameter(torch.tensor(1 - objective.classes / total))
            self.settle()
        elif objective.weighting == "uncertainty":
            self.spread = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in objective.used})

    def forward(self, means: Mapping[str, Tensor], share: float = 1.0) -> Tensor:
        """Means of the used losses → one number; `share` of what stands beside them, where a step comes in pieces."""
        weights = self.objective.weights
        if self.objective.weighting == "alpha":
            alpha = self.alpha.clamp(*ALPHA)
            letters = sum(weights[name] * means[name] for name in means if name != "classes")
            scale = sum(weight for name, weight in weights.items() if name != "classes")
            return alpha * letters / scale + (1 - alpha) * means["classes"]
        if self.objective.weighting == "uncertainty":
            parts = [
                weights[name] * (-self.spread[name]).exp() * means[name] + share * self.spread[name] for name in means
            ]
            return torch.stack(parts).sum()
        return torch.stack([weights[name] * mean for name, mean in means.items()]).sum()

    @torch.no_grad()
    def settle(self) -> None:
        """Keep alpha in its range after a step: outside it has no gradient, and would never come back."""
        if self.objective.weighting == "alpha":
            self.alpha.clamp_(*ALPHA)

    def learned(self) -> dict[str, float]:
        """The weights as they are now, of each loss."""
        if self.objective.weighting == "alpha":
            alpha = float(self.alpha.detach().clamp(*ALPHA))
            return {"letters": alpha, "classes": 1 - alpha}
        if self.objective.weighting == "uncertainty":
            return {name: float((-value.detach()).exp()) for name, value in self.spread.items()}
        return {name: self.objective.weights[name] for name in self.objective.used}
