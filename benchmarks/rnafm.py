"""RNA-FM: mean vectors of 200 real RNAs, ours beside multimolecule and rna-fm with the same random weights, in one run.

Peers are measured where they are installed (the extra `peers`), one at a time and in padded batches in the order of the
file, as their documentation shows. Memory is that of processes of their own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.measure import Side, matrix_rate, paired, report
from ribospace.alphabet import Tokens, tokenize
from ribospace.encoders.rnafm import RnaFmEncoder
from ribospace.models.device import has_bf16
from ribospace.models.rnafm import RNAFM_VOCABULARY, RnaFm, RnaFmConfig
from ribospace.models.rnafm_checkpoint import ORIGINAL_FILE, checkpoint_names, load
from ribospace.sources.fasta import read_fasta

FILE = Path("../shared/data/nrc_train.fasta")
Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=FILE, help="FASTA with the RNAs")
    parser.add_argument("--molecules", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", nargs=2, metavar=("PRECISION", "WEIGHTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        _peak(*options.memory)
    elif not options.file.exists():
        print(json.dumps({"said": f"RNA-FM was not measured: there is no {options.file}"}))
    else:
        with tempfile.TemporaryDirectory() as folder:
            _compare(_sequences(options.file, options.molecules), Path(folder) / ORIGINAL_FILE, options.rounds)


def _sequences(path: Path, count: int) -> list[str]:
    """As many RNAs, evenly drawn from the file, in its order."""
    sequences = [one for batch in read_fasta(path) for one in batch["sequence"].to_pylist()]
    return [sequences[number * len(sequences) // count] for number in range(count)]


def _compare(sequences: list[str], weights: Path, rounds: int) -> None:
    _write_random_weights(weights)
    bf16 = has_bf16(torch.device("cpu"))
    tokens = tokenize(sequences)
    kinds = ("fp32", *["bf16"] * bf16)
    vectors = {one: RnaFmEncoder(weights, precision=one).encode(tokens) for one in kinds}
    peers = _peers(bf16)
    for name, (make, size, half) in peers.items():
        if size == 1 and not half:
            cosine = _lowest_cosine(make(weights, size, half)(sequences), vectors["fp32"])
            _say(f"{name}: lowest cosine to ours in fp32 {cosine:.6f}")
    sides: dict[str, Any] = {f"ours, {one}": (_work, (_ours, weights, 0, one == "bf16", sequences)) for one in kinds}
    sides |= {name: (_work, (make, weights, size, half, sequences)) for name, (make, size, half) in peers.items()}
    runs = paired(sides, rounds)
    for name, side in runs.items():
        precision = name.removeprefix("ours, ")
        note = ""
        if precision in kinds:
            said = f"lowest cosine to fp32 {_lowest_cosine(vectors[precision], vectors['fp32']):.6f}"
            note = f"{_beside_peers(runs, precision, tokens)}; {said}; {_memory(precision, weights)}"
        report(f"RNA-FM, mean {tokens.lengths.mean():.0f} nt: {name}", side.rates, note, side.peak_mb)


def _beside_peers(runs: dict[str, Side], precision: str, tokens: Tokens) -> str:
    rate = runs[f"ours, {precision}"].median
    limit = matrix_rate(torch.bfloat16 if precision == "bf16" else torch.float32) / _flop(tokens)
    said = [f"{rate / limit:.0%} of the limit"]
    peers = {name: side.median for name, side in runs.items() if not name.startswith("ours")}
    for kind in ("fp32", "bf16", "padded"):
        if best := max((one for name, one in peers.items() if kind in name), default=0.0):
            said.append(f"{rate / best:.1f} times the best peer {'' if kind == 'padded' else 'in '}{kind}")
    return "; ".join(said)


def _memory(precision: str, weights: Path) -> str:
    command = [sys.executable, "-m", "benchmarks.rnafm", "--memory", precision, str(weights)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _flop(tokens: Tokens) -> float:
    """Arithmetic of the matrix products for one molecule of the set, on average."""
    config, lengths = RnaFmConfig(), tokens.lengths + 2.0
    linear = config.layers * (4 * config.width**2 + 2 * config.width * config.feedforward)
    attention = 2 * config.layers * config.width * lengths
    return float((2 * lengths * (linear + attention)).mean())


def _peak(precision: str, weights_path: str) -> None:
    """Memory beyond the loaded encoder that short, long and very long molecules take."""
    encoder = RnaFmEncoder(weights_path, precision=precision)
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")  # forget the peak that loading had
    before = _status("VmRSS")
    encoder.encode(tokenize(["ACGUU" * 4000, *["ACGUA" * 30] * 200, *["ACGUC" * 200] * 8]))
    for _ in encoder.token_embeddings(tokenize(["ACGUU" * 4000])):
        pass
    print(f"peak {_status('VmHWM') - before:.0f} MB beyond the loaded encoder, with 20,000 nt")


def _status(name: str) -> float:
    """A line of this process's status in MB; where there is none, the peak so far."""
    path = Path("/proc/self/status")
    if not path.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    line = next(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6


def _lowest_cosine(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / norms).min())


def _say(what: str) -> None:
    print(json.dumps({"said": what}), flush=True)


# -------------------------------------------------------------------- the sides


def _work(
    make: Callable[[Path, int, bool], Embed], weights: Path, size: int, bf16: bool, sequences: list[str]
) -> Iterator[int]:
    embed = make(weights, size, bf16)
    while True:
        yield len(embed(sequences))


def _ours(weights: Path, size: int, bf16: bool) -> Embed:
    encoder = RnaFmEncoder(weights, precision="bf16" if bf16 else "fp32")
    return lambda sequences: encoder.encode(tokenize(sequences))


def _peers(bf16: bool) -> dict[str, tuple[Callable[[Path, int, bool], Embed], int, bool]]:
    """Those that are installed: what makes one, the size of its batches, and whether in bf16."""
    peers: dict[str, tuple[Callable[[Path, int, bool], Embed], int, bool]] = {}
    if find_spec("multimolecule") is not None:
        for size, half in ((1, False), (8, False), (32, False), *[(1, True)] * bf16):
            peers[f"multimolecule, {'bf16' if half else 'fp32'}, {_batches(size)}"] = (_multimolecule, size, half)
    if find_spec("fm") is not None:
        for size in (1, 16):
            peers[f"rna-fm, fp32, {_batches(size)}"] = (_rna_fm, size, False)
    if len({make for make, _, _ in peers.values()}) < 2:
        _say("not every peer is installed: pip install 'ribospace[peers]'")
    return peers


def _batches(size: int) -> str:
    return "one at a time" if size == 1 else f"padded by {size}"


def _write_random_weights(path: Path) -> None:
    """As RNA-FM's authors store them."""
    torch.manual_seed(0)
    weights = RnaFm(RnaFmConfig()).state_dict()
    names = checkpoint_names(RnaFmConfig(), 1)
    args = argparse.Namespace(
        arch="roberta_large", max_positions=1024, encoder_layers=12, encoder_embed_dim=640,
        encoder_ffn_embed_dim=5120, encoder_attention_heads=20,
    )  # fmt: skip
    named = {f"encoder.{names[key]}": one + 0.02 * torch.randn_like(one) for key, one in weights.items()}
    torch.save({"args": args, "model": named}, path)


def _multimolecule(path: Path, size: int, bf16: bool) -> Embed:
    from multimolecule import RnaFmConfig as PeerConfig
    from multimolecule import RnaFmModel, RnaTokenizer

    weights = load(path).model.state_dict()
    tokenizer = RnaTokenizer()
    vocabulary = tokenizer.get_vocab()
    model = RnaFmModel(PeerConfig(vocab_size=len(vocabulary)), add_pooling_layer=False).eval()
    names = checkpoint_names(RnaFmConfig(), 2)
    theirs = {names[key]: one for key, one in weights.items() if not key.startswith("head.")}
    letters = torch.zeros(len(vocabulary), RnaFmConfig().width)
    for row, token in zip(weights["embedding.tokens.weight"], RNAFM_VOCABULARY, strict=True):
        if token in vocabulary:
            letters[vocabulary[token]] = row
    model.load_state_dict(theirs | {names["embedding.tokens.weight"]: letters})
    model = model.bfloat16() if bf16 else model

    def embed(batch: Sequence[str]) -> torch.Tensor:
        given = tokenizer(list(batch), return_tensors="pt", padding=True)
        return model(**given).last_hidden_state.float()  # type: ignore[no-any-return]

    return lambda sequences: _in_batches(sequences, size, embed)


def _rna_fm(path: Path, size: int, bf16: bool) -> Embed:
    from fm.pretrained import load_model_and_alphabet_core

    said = torch.load(path, weights_only=False)  # written by this run
    said["model"]["encoder.lm_head.weight"] = said["model"]["encoder.embed_tokens.weight"]
    model, alphabet = load_model_and_alphabet_core("RNA-FM_pretrained", said, None, "rna")
    model.eval()
    convert = alphabet.get_batch_converter()

    def embed(batch: Sequence[str]) -> torch.Tensor:
        ids = convert([("", one) for one in batch])[2]
        return model(ids, repr_layers=[12])["representations"][12]  # type: ignore[no-any-return]

    return lambda sequences: _in_batches(sequences, size, embed)


@torch.inference_mode()
def _in_batches(
    sequences: Sequence[str], size: int, embed: Callable[[Sequence[str]], torch.Tensor]
) -> npt.NDArray[np.float32]:
    """Means over nucleotides, batch by batch in the order given."""
    vectors = []
    for start in range(0, len(sequences), size):
        batch = sequences[start : start + size]
        for one, sequence in zip(embed(batch), batch, strict=True):
            vectors.append(one[1 : len(sequence) + 1].mean(dim=0).numpy())
    return np.stack(vectors)


if __name__ == "__main__":
    main()
