"""Training steps of the default autoencoder in fp32 and bf16, beside batches padded to the longest, unsorted."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.embedding import _sequences
from benchmarks.measure import measure
from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.config import from_mapping
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.records import record_batch
from ribospace.training.loop import TrainConfig, reconstruction_error, train_autoencoder
from ribospace.training.objectives import reconstruction_loss

STEPS = 20


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    store = Collection.create(folder / "c")
    sequences = _sequences(20_000)
    store.append([record_batch([f"m{number}" for number in range(len(sequences))], sequences)])
    molecules = 0
    for precision in ("fp32", "bf16"):
        settings = {"optimizer": {"steps": STEPS, "precision": precision}, "held_out": 0.0}
        config = from_mapping(TrainConfig, settings)
        figures = train_autoencoder(store, folder / precision, config)["figures"]
        molecules = round(figures["molecules_per_second"] * figures["seconds"])
        rates = [train_autoencoder(store, folder / precision, config)["figures"] for _ in range(3)]
        _print(f"train, default sizes, 110 nt, {precision}", [one["molecules_per_second"] for one in rates])
    tokens = tokenize(sequences)
    count = 64 * (molecules // STEPS // 64 or 1)
    measure("peer: batches of 64 padded to 206, fp32", count, lambda: _plain(tokens, count), runs=3)
    model = Autoencoder(AutoencoderConfig()).eval()
    few = tokens.take(np.arange(200))
    measure(
        "write 200 molecules again, greedy, cached (untrained)", 200, lambda: reconstruction_error(model, few), runs=3
    )


def _plain(tokens: object, count: int) -> None:
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig())
    optimizer = torch.optim.AdamW(model.parameters())
    for start in range(0, count, 64):
        rows = tokens.padded(np.arange(start, start + 64))  # type: ignore[attr-defined]
        batch = torch.nn.functional.pad(torch.from_numpy(rows).long(), (0, 206 - rows.shape[1]), value=3)
        reconstruction_loss(model(batch, batch), batch).backward()
        optimizer.step()
        optimizer.zero_grad()


def _print(what: str, rates: list[float]) -> None:
    import json
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"what": what, "median": float(np.median(rates)), "runs": rates, "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()
