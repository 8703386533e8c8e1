"""Latent models as encoders, and the encoders whose token embeddings they read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ribospace.alphabet import PAD, Tokens, detokenize, letters_of, tokenize
from ribospace.batching import token_budget_batches
from ribospace.encoders.adapters import AutoencoderEncoder
from ribospace.encoders.base import Encoder
from ribospace.encoders.network import NetworkEncoder, Rows
from ribospace.encoders.registry import encoder_below
from ribospace.errors import UserError
from ribospace.models import checkpoint
from ribospace.models.latent import LATENT_POOLINGS, LatentAutoencoder, Model, ReadTokens, TokenSource
from ribospace.models.qformer import QFormerConfig
from ribospace.models.shipped import location_of
from ribospace.progress import Progress, silent

TOKEN_BUDGET = 8192
WRITE_BYTES = 64 << 20
WRITTEN = 512  # molecules that are written at once


class LatentEncoder(NetworkEncoder):
    """A trained latent model as an encoder.

    Molecules longer than the window are cut into windows that overlap by a quarter or more; their latents, or
    summaries, are averaged, weighted by length. What was averaged cannot be decoded.

    Parameters
    ----------
    source
        The model's folder, the name of one that ships, or a model that is read already.
    pooling
        "summary", (D,) numbers, or "latents", all K · D, one latent after the other.
    """

    poolings = LATENT_POOLINGS
    has_tokens = False

    def __init__(self, source: Path | str | checkpoint.Checkpoint[Model], pooling: str = "summary") -> None:
        super().__init__(pooling)
        found = source if isinstance(source, checkpoint.Checkpoint) else checkpoint.load(source)
        self.model = attached(found.model, found.path).to(self.device)
        config = self.model.config
        self.name, self.revision, self.window = found.name, found.revision, config.window
        self.width = config.width * (1 if self.pooling == "summary" else config.queries)
        self.location = location_of(found.path)
        self.piece = 16_384 if self.model.encoder is not None else 256

    def latents(self, tokens: Tokens, progress: Progress = silent) -> npt.NDArray[np.float32]:
        """(n) molecules of at most the window → (n, K, D) float32; `progress` is told of every batch.

        Raises
        ------
        UserError
            If a molecule is longer: the latents of its windows could be averaged, but not decoded.
        """
        config = self.model.config
        if (tokens.lengths > config.window).any():
            row = int(tokens.lengths.argmax())
            raise UserError(
                f"Molecule {row + 1} has {tokens.lengths[row]:,} nt; {self.name} was trained to write at most "
                f"{config.window}. Cut it, or train a latent model with a larger model.window."
            )
        found = np.zeros((len(tokens), config.queries, config.width), dtype=np.float32)
        done = 0
        for rows in self._batches(tokens.lengths):
            with torch.inference_mode():
                padded = torch.from_numpy(tokens.padded(rows)).long().to(self.device)
                found[rows] = self.model.encode(padded).cpu().numpy()
            done += len(rows)
            progress(done, len(tokens))
        return found

    def write(self, latents: npt.NDArray[np.float32], beams: int = 1) -> list[str]:
        """(n, K, D) latents, or (n, K · D), → n sequences."""
        config, sequences = self.model.config, []
        each = latents.shape[1:]
        with np.errstate(over="ignore"):
            latents = latents.astype(np.float32, copy=False)
        known = each in ((config.queries * config.width,), (config.queries, config.width))
        if not known or not np.isfinite(latents).all():
            raise UserError(
                f"{self.name} writes from {config.queries} latents of {config.width} finite numbers, not from an array "
                f"of the shape {latents.shape}. Make them with --pool latents."
            )
        shaped = latents.reshape(-1, config.queries, config.width)
        for start in range(0, len(shaped), WRITTEN):
            part = torch.tensor(shaped[start : start + WRITTEN])  # a copy: what is given may be read-only
            sequences += [letters_of(ids) for ids in self.model.write(part.to(self.device), beams=beams).cpu().numpy()]
        return sequences

    def types(self, latents: npt.NDArray[np.float32]) -> list[tuple[str, float]]:
        """The likeliest type of each of (n, K, D) latents and its probability; none where the model knows no types."""
        if not self.model.config.classes:
            return []
        with torch.inference_mode():
            shares = self.model.classify(torch.from_numpy(latents).to(self.device)).softmax(dim=-1).cpu().numpy()
        best = shares.argmax(axis=1)
        return [(self.model.config.classes[one], float(row[one])) for one, row in zip(best, shares, strict=True)]

    def _batches(self, lengths: Rows) -> list[Rows]:
        return token_budget_batches(lengths + 2, TOKEN_BUDGET)

    @torch.inference_mode()
    def _pooled(self, windows: Tokens, rows: Rows) -> npt.NDArray[np.float32]:
        tokens = torch.from_numpy(windows.padded(rows)).long().to(self.device)
        return self.model.embed(tokens, self.pooling).float().cpu().numpy()  # type: ignore[no-any-return]

    def _embedded(self, windows: Tokens, rows: Rows) -> list[Tensor]:
        raise NotImplementedError("a latent model has no token embeddings")


def attached(model: Model, folder: Path | str) -> LatentAutoencoder:
    """Give a latent model the encoder that it was trained with, where its weights are not its own.

    Raises
    ------
    UserError
        If the model is no latent model, or its encoder is not found or is another than it was trained with.
    """
    if not isinstance(model, LatentAutoencoder):
        raise UserError(f"{folder} is no latent model. Name a folder that `ribospace train latent` wrote.")
    if model.encoder is None and model.read_tokens is None:
        source = model.source
        encoder = encoder_below(source, folder)
        if encoder.revision != source.revision or encoder.width != source.width:
            raise UserError(
                f"The latent model in {folder} and the encoder {source.location or source.name} do not belong "
                f"together: it was trained with revision {source.revision} (width {source.width}), there is "
                f"{encoder.revision} (width {encoder.width}). Put that encoder back, or train the latent again."
            )
        model.read_tokens = token_reader(encoder)
    return model


def latent_model(
    encoder: Encoder, config: QFormerConfig, frozen: bool = True, read: ReadTokens | None = None
) -> LatentAutoencoder:
    """Make a latent model over an encoder's token embeddings, to be trained.

    Parameters
    ----------
    encoder
        One that has tokens. An autoencoder of our own becomes a part of the model; any other is asked and stays.
    config
        Sizes.
    frozen
        Leave the encoder as it is.
    read
        What asks the encoder, such as a `TokenCache`; by default it is asked each time.

    Raises
    ------
    UserError
        If the encoder has no tokens, or cannot be trained along.
    """
    if not encoder.has_tokens:
        raise UserError(f"{encoder.name} embeds molecules alone. Choose one with tokens: ribospace encoders")
    source = TokenSource(encoder.name, encoder.revision, encoder.location, encoder.width)
    if isinstance(encoder, AutoencoderEncoder):
        return LatentAutoencoder(config, source, encoder.model.cpu(), frozen)
    if not frozen:
        raise UserError(
            f"{encoder.name} cannot be trained along, only an autoencoder of our own can. Leave encoder.frozen true."
        )
    model = LatentAutoencoder(config, source)
    model.read_tokens = read or token_reader(encoder)
    return model


@contextmanager
def written_cache(encoder: Encoder, place: str) -> Iterator[TokenCache | None]:
    """A cache in a .lance table, which is written also where the work ends early; None for "" as the place.

    Raises
    ------
    UserError
        For an autoencoder of our own, which is a part of the model and as fast as a cache.
    """
    if not place:
        yield None
        return
    if isinstance(encoder, AutoencoderEncoder) or not encoder.has_tokens:
        raise UserError(f"There is nothing to keep of {encoder.name}: leave --cache out.")
    cache = TokenCache(encoder, place)
    try:
        yield cache
    finally:
        cache.write()


def token_reader(encoder: Encoder) -> ReadTokens:
    """Ask an encoder for the token embeddings of (B, L) ids."""

    def read(tokens: Tensor) -> Tensor:
        return _padded(list(encoder.token_embeddings(_tokens_of(tokens))), tokens, encoder.width)

    return read


class TokenCache:
    """Token embeddings of an encoder, kept in a table: each molecule is embedded once.

    Parameters
    ----------
    encoder
        Who is asked for what is not there.
    place
        Of a `TokenTable` of float16; made where there is none.
    """

    def __init__(self, encoder: Encoder, place: str) -> None:
        from ribospace.collection.token_table import TokenTable

        self.encoder, self.table = encoder, TokenTable.open_or_create(place, encoder.info(), half=True)
        self._row = {sequence: row for row, sequence in enumerate(self.table.sequences())}
        self._waiting: dict[str, npt.NDArray[np.floating[Any]]] = {}

    def __call__(self, tokens: Tensor) -> Tensor:
        """(B, L) ids → (B, L - 2, width), see `ReadTokens`."""
        sequences = detokenize(_tokens_of(tokens))
        known = [one for one in dict.fromkeys(sequences) if one in self._row]
        found = dict(zip(known, self.table.take([self._row[one] for one in known]), strict=True)) if known else {}
        new = [one for one in dict.fromkeys(sequences) if one not in found and one not in self._waiting]
        for one, embedded in zip(new, self.encoder.token_embeddings(tokenize(new)), strict=True):
            self._waiting[one] = embedded.astype(np.float16)  # as it will be read from the table
        found |= {one: self._waiting[one] for one in sequences if one not in found}
        if sum(one.nbytes for one in self._waiting.values()) > WRITE_BYTES:
            self.write()
        return _padded([found[one] for one in sequences], tokens, self.encoder.width)

    def write(self) -> None:
        """Keep what was embedded since the last time."""
        if self._waiting:
            sequences = list(self._waiting)
            with self.table.writing():
                first = len(self.table)
                self.table.append(sequences, sequences, list(self._waiting.values()))
            self._row |= {one: row for row, one in enumerate(sequences, first)}
            self._waiting = {}


def _tokens_of(tokens: Tensor) -> Tokens:
    ids = tokens.cpu().numpy()
    lengths = (ids != PAD).sum(axis=1) - 2
    rows = [row[1 : length + 1] for row, length in zip(ids, lengths, strict=True)]
    return Tokens(np.concatenate(rows).astype(np.uint8), np.concatenate([[0], np.cumsum(lengths)]))


def _padded(embedded: list[npt.NDArray[Any]], tokens: Tensor, width: int) -> Tensor:
    out = np.zeros((len(embedded), tokens.shape[1] - 2, width), dtype=np.float32)
    for row, one in enumerate(embedded):
        out[row, : len(one)] = one
    return torch.from_numpy(out).to(tokens.device)
