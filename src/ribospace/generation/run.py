"""A run of a generator: molecules and what is known of them, part by part, so that a broken-off run goes on."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ribospace.alphabet import tokenize
from ribospace.analysis.folding import Folded, fold_many, installed
from ribospace.errors import UserError
from ribospace.files import cannot_write, missing_folders, one_at_a_time, remove_empty, written_whole
from ribospace.generation.generate import Generator, Molecule, Request
from ribospace.generation.nearest import nearest
from ribospace.generation.rewards import Reward, weighted
from ribospace.progress import Progress, silent

PART = 512  # molecules of which all is known before the next are begun
ASKED = "run.json"


@dataclass(frozen=True)
class Natural:
    """Molecules to look for the nearest among.

    Attributes
    ----------
    ids, sequences
        (m) each.
    where
        Whose they are.
    """

    ids: Sequence[str]
    sequences: Sequence[str]
    where: str


@dataclass(frozen=True)
class Run:
    """What is to be made.

    Attributes
    ----------
    request, count, seed
        See there; how many; of all that is drawn.
    rewards
        What steers; may be none.
    natural
        Molecules to look for the nearest among; None: that is left out.
    batch
        Molecules that are sampled at a time.
    """

    request: Request
    count: int
    seed: int = 0
    rewards: Sequence[Reward] = ()
    natural: Natural | None = None
    batch: int = 128

    def said(self, generator: Generator) -> dict[str, Any]:
        """What must be the same for a run that was broken off to go on."""
        natural = self.natural and [self.natural.where, len(self.natural.ids)]
        return {
            "model": generator.revision,
            "count": self.count,
            "seed": self.seed,
            "request": dataclasses.asdict(self.request),
            "rewards": [f"{one.wish} ({one.revision})" if one.revision else str(one.wish) for one in self.rewards],
            "against": natural,
        }


def generate_table(
    generator: Generator, run: Run, folder: Path, progress: Progress = silent, warn: Callable[[str], None] = print
) -> pa.Table:
    """Make the molecules of a run and say what is known of them.

    Parameters
    ----------
    generator, run
        See there.
    folder
        Of the parts that are done; an earlier run of the same goes on from there. `parts_in` holds it, and takes it
        away.
    progress
        Told of molecules.
    warn
        Told what the table lacks.

    Returns
    -------
    pa.Table
        A row a molecule: see docs/generation.md.

    Raises
    ------
    UserError
        If the model never saw a type, or the folder holds the parts of another run.
    """
    generator.rows_of(run.request.types)
    said = json.loads(json.dumps(run.said(generator)))
    note = folder / ASKED
    _require_same(note, said)
    with written_whole(note) as beside:
        beside.write_text(json.dumps(said, indent=1), encoding="utf-8")
    if not installed():
        warn("ViennaRNA is not installed: no structures and energies (pip install 'ribospace[structure]')")
    parts = []
    for begin in range(0, run.count, PART):
        path = folder / f"{begin:09d}.parquet"
        part = _earlier(path)
        if part is None:
            part = _part(generator, run, range(begin, min(begin + PART, run.count)), progress)
            with written_whole(path) as beside:
                pq.write_table(part, beside)
        parts.append(part)
        progress(min(begin + PART, run.count), run.count)
    return pa.concat_tables(parts, promote_options="permissive")


def _require_same(note: Path, said: dict[str, Any]) -> None:
    """Refuse to go on with the parts of another run, or of one that cannot be told."""
    if not note.exists():
        return
    try:
        same = json.loads(note.read_text(encoding="utf-8")) == said
    except (OSError, ValueError) as error:
        raise UserError(f"{note} is damaged. Remove {note.parent} to begin from the start.") from error
    if not same:
        raise UserError(
            f"{note.parent} holds the parts of another run. Finish it with the command it was begun with, remove that "
            "folder, or choose another --out."
        )


def _earlier(path: Path) -> pa.Table | None:
    """A part that an earlier run made; None where there is none or it is damaged, as it is then made again."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        return None


def forget(folder: Path) -> None:
    """Take the parts of a run away."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def parts_in(folder: Path) -> Iterator[Path]:
    """Hold the folder of a run's parts, so that no other run is at work there; it is taken away when all ends well.

    Raises
    ------
    UserError
        If another run holds it, or it cannot be written.
    """
    missing = missing_folders(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    lock, taken = folder / "lock", f"Another command is generating in {folder}. Wait, or choose another --out."
    with one_at_a_time(lock, folder, taken):
        try:
            yield folder
            forget(folder)
        finally:
            lock.unlink(missing_ok=True)
            remove_empty(missing)


def _part(generator: Generator, run: Run, numbers: range, progress: Progress) -> pa.Table:
    molecules: list[Molecule] = []
    loss = weighted(run.rewards) if run.rewards else None
    for batch in generator.generate(run.request, numbers, run.seed, loss, run.batch):
        molecules += batch
        progress(numbers.start + len(molecules), run.count, "sampled")
    sequences = [one.sequence for one in molecules]
    columns: dict[str, Any] = {
        "id": [f"generated:{run.seed}:{one.number}" for one in molecules],
        "sequence": sequences,
        "length": [len(one) for one in sequences],
        "rna_type": pa.array([one.asked_type for one in molecules], pa.string()),
        "asked_length": pa.array([one.asked_length for one in molecules], pa.int64()),
        "confidence": [round(one.confidence, 4) for one in molecules],
    }
    folded = list(fold_many(sequences)) if installed() else []
    columns |= _structures(folded, len(sequences))
    known = _properties(generator, run.rewards, sequences, folded)
    columns |= {name: found for name, found in known.items() if name not in columns}
    if run.natural is not None:
        rows, distances = nearest(sequences, run.natural.sequences)
        columns["nearest"] = [run.natural.ids[row] for row in rows]
        columns["edits_to_nearest"] = distances
    return pa.table(columns)


def _structures(folded: list[Folded], count: int) -> dict[str, Any]:
    if not folded:
        return {"structure": pa.nulls(count, pa.string()), "mfe": pa.nulls(count, pa.float64())}
    return {"structure": [one.structure for one in folded], "mfe": [round(one.energy, 2) for one in folded]}


def _properties(
    generator: Generator, rewards: Sequence[Reward], sequences: list[str], folded: list[Folded]
) -> dict[str, Any]:
    """The likeliest type, and every reward as its surrogate has it and as it is, of what was written and read again."""
    latents = torch.from_numpy(generator.encoder.latents(tokenize(sequences))).to(generator.device)
    columns: dict[str, Any] = {}
    with torch.inference_mode():
        surrogate = generator.model.surrogate
        if surrogate is not None and surrogate.config.classes:
            best = surrogate(latents).classes.exp().cpu().max(dim=-1)
            columns["type"] = [surrogate.config.classes[one] for one in best.indices.tolist()]
            columns["type_probability"] = [round(one, 4) for one in best.values.tolist()]
        for reward in rewards:
            found = reward.predicted(latents).cpu().double().numpy()
            columns[f"{_column(reward)}_predicted"] = np.round(found, 5)
    for reward in rewards:
        exact = reward.exact(sequences, folded or None)
        if exact is not None and (name := _exact_column(reward)) not in columns:
            columns[name] = [None if math.isnan(one) else round(float(one), 5) for one in exact]
    return columns


def _column(reward: Reward) -> str:
    return reward.name.replace(" ", "_")


def _exact_column(reward: Reward) -> str:
    """The exact property's; minimum free energy is per nucleotide here, and mfe is the molecule's."""
    names = {"mfe": "mfe_per_nt", "structure": "structure_similarity"}
    return names.get(reward.name, _column(reward))
