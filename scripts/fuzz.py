"""Feed a reader with what coverage finds new, until it breaks: `python scripts/fuzz.py TARGET CORPUS [OPTIONS]`.

OPTIONS are libFuzzer's.

    pip install atheris
    python scripts/fuzz.py fasta build/corpus/fasta -max_total_time=300 -print_final_stats=1

Targets: fasta, tokenize, toml, checkpoint. An answer and a `UserError` are right; any other error is written to a file
`crash-…` by libFuzzer, and ends the run. Linux and macOS; CPython 3.11 to 3.13, as atheris has wheels for these.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ribospace"]):
    from ribospace.alphabet import detokenize, tokenize
    from ribospace.config import from_mapping, read_toml
    from ribospace.errors import UserError
    from ribospace.sources.fasta import read_fasta

SEEDS = {
    "fasta": [b">a tRNA x\nACGU\nNNRY\n>b\nGGTT\n", b"@a\nACGU\n+\nIIII\n", b"\xef\xbb\xbf>a\nAC-GU\n"],
    "tokenize": [b"ACGUNRYX acgt", "ACé".encode()],
    "toml": [b'seed = 1\n[model]\nwidth = 64\nclasses = ["a"]\n[optimizer]\nlearning_rate = 1e-3\n'],
    "checkpoint": [],
}


def fasta(folder: Path) -> Callable[[bytes], None]:
    """Read the bytes as a file, gaps taken out."""
    path = folder / "x.fasta"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        for batch in read_fasta(path, gaps="strip"):
            assert batch.num_rows

    return one


def tokens(folder: Path) -> Callable[[bytes], None]:
    """Tokenise the bytes as text, and back."""

    def one(data: bytes) -> None:
        texts = data.decode("utf-8", "surrogateescape").split("\n")
        assert detokenize(tokenize(texts)) == [text.upper().replace("T", "U") for text in texts]

    return one


def toml(folder: Path) -> Callable[[bytes], None]:
    """Read the bytes as the config of a training."""
    with atheris.instrument_imports(include=["ribospace"]):
        from ribospace.training.config import TrainConfig
    path = folder / "x.toml"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        from_mapping(TrainConfig, read_toml(path))

    return one


def checkpoints(folder: Path) -> Callable[[bytes], None]:
    """Load a model whose config (even bytes in front) or weights (odd) are the bytes behind the first."""
    with atheris.instrument_imports(include=["ribospace.models"]):
        from ribospace.models import checkpoint
        from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
    small = Autoencoder(AutoencoderConfig(width=4, heads=1, encoder_layers=1, feedforward=4, decoder_layers=0))
    checkpoint.save(small, folder / "whole", "small", {})
    whole = folder / "whole"
    SEEDS["checkpoint"] += [
        b"\0" + (whole / "config.json").read_bytes(),
        b"\1" + (whole / "model.safetensors").read_bytes(),
    ]

    def one(data: bytes) -> None:
        copy = folder / "copy"
        shutil.copytree(whole, copy, dirs_exist_ok=True)
        (copy / ("model.safetensors" if data[:1] and data[0] % 2 else "config.json")).write_bytes(data[1:])
        checkpoint.load(copy)

    return one


TARGETS = {"fasta": fasta, "tokenize": tokens, "toml": toml, "checkpoint": checkpoints}


def main() -> None:
    """Fuzz one target; its corpus is begun with small valid files."""
    if len(sys.argv) < 3 or sys.argv[1] not in TARGETS:
        sys.exit(__doc__)
    name, corpus = sys.argv[1], Path(sys.argv[2])
    feed = TARGETS[name](Path(tempfile.mkdtemp(prefix="ribospace-fuzz-")))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed{number}").write_bytes(seed)

    def one(data: bytes) -> None:
        with contextlib.suppress(UserError):
            feed(data)

    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[3:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
