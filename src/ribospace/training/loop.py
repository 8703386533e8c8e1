"""The training loop: accelerate carries precision, devices and processes, the rest is here to be read.

Everything random in a step comes from the seed and the step's number: which molecules, which letters are masked, what
is dropped out. So a training that is resumed takes the same steps, and one that is spread over processes or pieces does
but for what is dropped out, which is drawn for each piece.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ribospace.errors import UserError
from ribospace.models.device import is_out_of_memory
from ribospace.models.latent import Model
from ribospace.progress import Progress, silent
from ribospace.training.config import AnyTrainConfig
from ribospace.training.data import TrainingData, step_batches
from ribospace.training.interrupts import Interrupts
from ribospace.training.logs import Logs
from ribospace.training.objectives import Batch, Weighting, loss_sums, sow_codes, spoil
from ribospace.training.report import MOST_JUDGED, MOST_SHOWN, report, show_vectors, some_of
from ribospace.training.state import read_own_state, restore, write_state
from ribospace.training.validation import Judged, judge, validation_losses

SAVE_SECONDS = 300.0
MASKS, DROPOUT = 1, 2  # what a seed is for


class Trainee(nn.Module):
    """A model with the weighting of its losses, as one module, so that every parameter is seen by all processes."""

    def __init__(self, model: Model, weighting: Weighting) -> None:
        super().__init__()
        self.model, self.weighting = model, weighting

    def forward(self, batch: Batch, terms: Mapping[str, float], share: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a piece of a step, its sums divided by the terms of the whole step; and its parts."""
        sums = loss_sums(self.model(batch.spoiled, batch.tokens), batch, self.weighting.objective)
        means = {name: value / terms[name] for name, value in sums.items()}
        return self.weighting(means, share), {name: value.detach() for name, value in means.items()}


class Trainer:
    """Trains one model.

    Parameters
    ----------
    accelerator
        Precision, device, processes.
    model
        With the parts that the objective needs.
    data, config
        What from, and how.
    folder
        Of the unfinished training and its logs; None: neither is kept.
    save_seconds
        The state is written at least so often, s; also when the steps end, and when they are interrupted.
    warn
        Told when memory runs out.

    Attributes
    ----------
    step
        Optimiser steps taken.
    losses
        The weighted loss of each.
    best
        The best weights by the molecules held out; empty before the first look.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: Model,
        data: TrainingData,
        config: AnyTrainConfig,
        folder: Path | None = None,
        save_seconds: float = SAVE_SECONDS,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.accelerator, self.data, self.config, self.save_seconds = accelerator, data, config, save_seconds
        self.folder = folder if accelerator.is_main_process else None
        settings = config.optimizer
        self.warn = warn
        self.trainee = Trainee(model, Weighting(config.objective))
        weights, weighting = list(self.trainee.model.parameters()), list(self.trainee.weighting.parameters())
        groups: list[dict[str, Any]] = [{"params": weights}]
        if weighting:
            groups.append({"params": weighting, "weight_decay": 0.0})
        self._raw_optimizer = torch.optim.AdamW(groups, settings.learning_rate, weight_decay=settings.weight_decay)
        self.step, self.molecules, self.tokens_read, self.seconds = 0, 0, 0, 0.0
        self.losses: list[float] = []
        self.best: dict[str, Tensor] = {}
        self.best_loss, self.looks_since, self.looked_at = float("inf"), 0, 0
        self.pieces = settings.accumulate
        self.said: list[str] = []
        self._epoch, self._first = 0, 0
        self._steps: list[list[npt.NDArray[np.int64]]] = []
        self.interrupts, self._in_step = Interrupts(), False
        if folder is not None:
            self._resume(folder)
        self.pieces = max(self.pieces, settings.accumulate)
        self.ready, self.optimizer = accelerator.prepare(self.trainee, self._raw_optimizer)
        self.logs = Logs(self.folder / "logs" if self.folder else None, self.step)

    @property
    def model(self) -> Model:
        """The model being trained."""
        return self.trainee.model

    # ---------------------------------------------------------------- the loop

    def run(self, progress: Progress = silent) -> str:
        """Take steps until the last, the time's end or the patience's; say why it stopped early, else nothing."""
        began, saved = time.perf_counter() - self.seconds, time.perf_counter()
        with self.interrupts:
            try:
                self._look_if_due()
                while not (stopped := self._why_stop()) and self.step < self.config.optimizer.steps:
                    self._in_step = True
                    self._take_step()
                    self._in_step = False
                    self.seconds = time.perf_counter() - began
                    progress(self.step, self.config.optimizer.steps, self._note())
                    self._look_if_due()
                    if self._agreed(self.interrupts.came):
                        raise KeyboardInterrupt
                    if time.perf_counter() - saved > self.save_seconds:
                        self.save()
                        saved = time.perf_counter()
                self.save()
            except KeyboardInterrupt:
                if not self._in_step:  # else the state of five minutes ago is the one to go on from
                    self.save()
                raise
            finally:
                self.logs.flush()
        return stopped

    def _agreed(self, mine: bool) -> bool:
        """Whether any of the processes says so; all get the same answer, as they must take the same steps."""
        if self.accelerator.num_processes == 1:
            return mine
        said = torch.tensor(float(mine), device=self.accelerator.device)
        return bool(self.accelerator.reduce(said, "sum") > 0)

    def _look_if_due(self) -> None:
        every = self.config.optimizer.evaluate_every
        if every and self.step % every == 0 and len(self.data.validation):
            self.look()

    def _why_stop(self) -> str:
        """Why no further step is taken though some are left, else nothing."""
        settings = self.config.optimizer
        if self.step < settings.steps and settings.patience and self.looks_since >= settings.patience:
            return f"stopped at step {self.step:,}: {self.looks_since} looks brought nothing better"
        if self._agreed(bool(settings.minutes) and self.seconds > 60 * settings.minutes and self.step < settings.steps):
            return f"stopped after {settings.minutes:g} minutes at step {self.step:,} of {settings.steps:,}"
        return ""

    def _take_step(self) -> None:
        whole = self._batches()
        rate = self.config.optimizer.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, parts = self._backward(whole)
        norm = self.accelerator.clip_grad_norm_(self.ready.parameters(), self.config.optimizer.clip or float("inf"))
        self.optimizer.step()
        self.trainee.weighting.settle()
        self.optimizer.zero_grad()
        self.step += 1
        self.molecules += sum(len(batch.tokens) for batch in whole)
        self.tokens_read += sum(batch.tokens.numel() for batch in whole)
        self.losses.append(loss)
        if not np.isfinite(loss):
            raise UserError(f"The loss is no number at step {self.step}. Lower optimizer.learning_rate.")
        if self.logs.are_kept:
            numbers = {f"loss/{name}": value for name, value in parts.items()}
            learned = {f"weight/{name}": value for name, value in self.trainee.weighting.learned().items()}
            self.logs.numbers({"loss": loss, **numbers, **learned, "rate": rate, "gradient": float(norm)}, self.step)

    def _backward(self, whole: list[Batch]) -> tuple[float, dict[str, float]]:
        """Gradients of a whole step, in as many pieces as memory asks for."""
        while True:
            try:
                return self._in_pieces(whole)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.pieces >= max(len(batch.tokens) for batch in whole):
                    raise UserError(
                        f"Out of memory at step {self.step + 1:,} with one molecule at a time. Make the model smaller: "
                        "model.width, model.feedforward, model.window or the layers."
                    ) from error
            self.optimizer.zero_grad()
            self.pieces *= 2
            self.said.append(
                f"Out of memory at step {self.step + 1:,}: a step is now taken in pieces of about "
                f"{self.config.optimizer.token_budget // (len(whole) * self.pieces):,} tokens"
            )
            self.warn(self.said[-1])

    def _in_pieces(self, whole: list[Batch]) -> tuple[float, dict[str, float]]:
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        counts = [batch.counts() for batch in whole]
        terms = {name: max(sum(one[name] for one in counts), 1) / world for name in counts[0]}  # processes are averaged
        pieces = [  # of each batch as many as asked for, and no more than it has molecules
            (number, batch, place, slice(place, None, many * world))
            for number, batch in enumerate(whole)
            for many in [min(self.pieces, -(-len(batch.tokens) // world))]
            for place in range(rank, many * world, world)
        ]
        total = torch.zeros((), device=self.accelerator.device)
        parts: dict[str, Tensor] = {}
        for number, batch, place, rows in pieces:
            empty = place >= len(batch.tokens)  # then its gradient must still be there, as zero
            share = _rows(batch, slice(0, 1) if empty else rows)
            torch.manual_seed(self._seed(DROPOUT, self.step, number, place))
            last = (number, place) == (pieces[-1][0], pieces[-1][2])
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.ready):
                divisors = {name: float("inf") if empty else count for name, count in terms.items()}
                loss, means = self.ready(share.to(self.accelerator.device), divisors, 1 / len(pieces))
                self.accelerator.backward(loss)
            total += loss.detach()
            parts = {name: value + parts.get(name, 0.0) for name, value in means.items()}
        if world > 1:
            total = self.accelerator.reduce(total, "mean")
            parts = {name: self.accelerator.reduce(value, "mean") for name, value in parts.items()}
        return float(total), {name: float(value) for name, value in parts.items()}

    # ---------------------------------------------------------------- what a step is made of

    def _seed(self, purpose: int, *numbers: int) -> int:
        """A seed that these numbers and the training's seed alone decide."""
        return int(np.random.SeedSequence([self.config.seed, purpose, *numbers]).generate_state(1)[0])

    def _rows_of(self, step: int) -> list[npt.NDArray[np.int64]]:
        while not self._steps or step >= self._first + len(self._steps):
            if self._steps:
                self._epoch, self._first = self._epoch + 1, self._first + len(self._steps)
            lengths = self.data.training.tokens.lengths
            self._steps = step_batches(lengths, self.config.optimizer.token_budget, self.config.seed, self._epoch)
        return self._steps[step - self._first]

    def _batches(self) -> list[Batch]:
        """The batches of the next step."""
        objective, batches = self.config.objective, []
        for number, rows in enumerate(self._rows_of(self.step)):
            generator = torch.Generator().manual_seed(self._seed(MASKS, self.step, number))
            tokens = torch.from_numpy(self.data.training.tokens.padded(rows)).long()
            tokens = sow_codes(tokens, objective.codes, generator)
            labels = torch.from_numpy(self.data.training.labels[rows])
            batches.append(Batch(tokens, *spoil(tokens, objective.mask, generator), labels))
        return batches

    # ---------------------------------------------------------------- looks, and the state on disk

    def look(self) -> None:
        """Losses on the molecules held out, and whether they are the best so far; once a step.

        Where logs are kept, they also get what the model makes of 200 of these molecules, always the same.
        """
        if self.looked_at == self.step:
            return
        self.model.eval()
        losses = validation_losses(self.model, self.data.validation, self.config.objective)
        loss = sum(self.config.objective.weights[name] * value for name, value in losses.items())
        if self.logs.are_kept:
            self.logs.numbers({f"validation/{name}": value for name, value in losses.items()}, self.step)
            judged = judge(self.model, some_of(self.data.validation, MOST_JUDGED, self.config.seed))
            report(self.logs, "validation", judged, self.model.config.classes, self.step)
        self.model.train()
        self.looked_at = self.step
        if loss < self.best_loss:
            self.best_loss, self.looks_since = loss, 0
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        else:
            self.looks_since += 1

    def log_end(self, judged: Judged) -> None:
        """Log what the finished, whitened model makes of the molecules held out, and up to 2,000 vectors.

        The vectors are those of molecules held out, or of training where there are none.
        """
        if self.logs.are_kept:
            report(self.logs, "end", judged, self.model.config.classes, self.step)
            examples = self.data.validation if len(self.data.validation) else self.data.training
            show_vectors(self.logs, "end", self.model, some_of(examples, MOST_SHOWN, self.config.seed), self.step)

    def _note(self) -> str:
        left = self.seconds / self.step * (self.config.optimizer.steps - self.step)
        if self.config.optimizer.minutes:
            left = min(left, 60 * self.config.optimizer.minutes - self.seconds)
        best = f", best held out {self.best_loss:.3f}" if self.best else ""
        return f"loss {np.mean(self.losses[-20:]):.3f}{best}, about {max(left, 0) / 60:.1f} min left"

    def save(self) -> None:
        """Write the state, so that the same training goes on from here."""
        if self.folder is not None:
            kept = {name: getattr(self, name) for name in _KEPT}
            self.folder.mkdir(parents=True, exist_ok=True)
            write_state(
                self.folder, self.trainee, self._raw_optimizer, self.best, {**kept, "config": self._fingerprint()}
            )

    def _resume(self, folder: Path) -> None:
        found = read_own_state(folder, self._fingerprint())
        if found is None:
            return
        tensors, said = found
        self.best = restore(tensors, self.trainee, self._raw_optimizer)
        for name in _KEPT:
            setattr(self, name, said.get(name, getattr(self, name)))

    def _fingerprint(self) -> str:
        """What must be the same for a training to go on: all but how long it takes and in how many pieces."""
        settings = dataclasses.replace(self.config.optimizer, minutes=0.0, accumulate=1, patience=0)
        said = dataclasses.asdict(dataclasses.replace(self.config, optimizer=settings))
        return json.dumps([said, self.data.about["data_sha256"]], default=str)


_KEPT = (
    "step", "molecules", "tokens_read", "seconds", "losses", "best_loss", "looks_since", "looked_at", "pieces", "said",
)  # fmt: skip


def _rows(batch: Batch, rows: slice) -> Batch:
    return Batch(batch.tokens[rows], batch.spoiled[rows], batch.chosen[rows], batch.labels[rows])
