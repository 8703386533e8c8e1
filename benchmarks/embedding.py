"""Embedding with 3-mers and an (untrained) autoencoder of the default size; memory with the number of molecules."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import measure
from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.encoders import embed_collection, find_encoder
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.records import record_batch


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    torch.manual_seed(0)
    checkpoint.save(Autoencoder(AutoencoderConfig()), folder / "model", "autoencoder", {})
    kmer, model = find_encoder("kmer3"), find_encoder(str(folder / "model"))
    try:
        sequences = _sequences(5000)
        tokens = tokenize(sequences)
        measure("embed with 3-mers, 110 nt, in memory", 5000, lambda: kmer.encode(tokens))
        measure("embed with the autoencoder, 110 nt, in memory", 5000, lambda: model.encode(tokens), runs=3)
        one_by_one = [tokens.take(np.array([row])) for row in range(300)]
        measure(
            "peer: the same model, one molecule at a time", 300, lambda: [model.encode(t) for t in one_by_one], runs=3
        )
        for millions in (0.2, 1.0):
            count = int(millions * 1e6)
            store = _collection(folder / f"c{count}", count)
            what = f"embed {count:,} of a collection with 3-mers, written"
            measure(what, count, lambda: _again(store, kmer), runs=3, warm_up=0)  # noqa: B023
    finally:
        shutil.rmtree(folder)


def _again(store: Collection, encoder: object) -> None:
    if "kmer3" in store.embeddings:
        store.drop_column("kmer3")
    embed_collection(store, encoder)  # type: ignore[arg-type]


def _sequences(count: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    letters = generator.choice(np.frombuffer(b"ACGU", dtype=np.uint8), 1 << 20).tobytes().decode()
    starts, lengths = generator.integers(0, 1_000_000, count), generator.integers(60, 161, count)
    return [letters[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def _collection(path: Path, count: int) -> Collection:
    store = Collection.create(path)
    step = 50_000
    store.append(
        record_batch([f"m{number}" for number in range(start, start + step)], _sequences(step, start))
        for start in range(0, count, step)
    )
    return store


if __name__ == "__main__":
    main()
