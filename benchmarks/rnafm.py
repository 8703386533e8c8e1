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
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.measure import matrix_rate, paired, report
from ribospace.alphabet import Tokens, tokenize
from ribospace.encoders.rnafm import RnaFmEncoder
from ribospace.models.device import has_bf16
from ribospace.models.rnafm import RNAFM_VOCABULARY, RnaFm, RnaFmConfig
from ribospace.models.rnafm_checkpoint import ORIGINAL_FILE, checkpoint_names
from ribospace.sources.fasta import read_fasta

FILE = Path("../shared/data/nrc_train.fasta")
Weights = dict[str, torch.Tensor]
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


def _compare(sequences: list[str], weights_path: Path, rounds: int) -> None:
    weights = _random_weights()
    names = checkpoint_names(RnaFmConfig(), 1)
    args = argparse.Namespace(
        arch="roberta_large", max_positions=1024, encoder_layers=12, encoder_embed_dim=640,
        encoder_ffn_embed_dim=5120, encoder_attention_heads=20,
    )  # fmt: skip
    torch.save({"args": args, "model": {f"encoder.{names[key]}": one for key, one in weights.items()}}, weights_path)
    bf16 = has_bf16(torch.device("cpu"))
    ours = {one: RnaFmEncoder(weights_path, precision=one) for one in ("fp32", *["bf16"] * bf16)}
    tokens = tokenize(sequences)
    vectors = {one: encoder.encode(tokens) for one, encoder in ours.items()}
    peers = _multimolecule(weights, bf16) | _rna_fm(weights_path)
    for name, embed in peers.items():
        _say(f"{name}: lowest cosine to ours in fp32 {_lowest_cosine(embed(sequences), vectors['fp32']):.6f}")
    sides: dict[str, Callable[[], int]] = {name: lambda one=one: len(one(sequences)) for name, one in peers.items()}  # type: ignore[misc]
    sides |= {f"ours, {one}": lambda e=e: len(e.encode(tokens)) for one, e in ours.items()}  # type: ignore[misc]
    runs = paired(sides, rounds)
    for name, rates in runs.items():
        precision = name.removeprefix("ours, ")
        note = _note(runs, precision, vectors, tokens, weights_path) if precision in ours else ""
        report(f"RNA-FM, mean {tokens.lengths.mean():.0f} nt: {name}", rates, note)


def _note(
    runs: dict[str, list[float]],
    precision: str,
    vectors: dict[str, npt.NDArray[np.float32]],
    tokens: Tokens,
    weights_path: Path,
) -> str:
    rate = median(runs[f"ours, {precision}"])
    limit = matrix_rate(torch.bfloat16 if precision == "bf16" else torch.float32) / _flop(tokens)
    said = [f"{rate / limit:.0%} of the limit"]
    peers = {name: median(rates) for name, rates in runs.items() if not name.startswith("ours")}
    for kind in ("fp32", "bf16", "padded"):
        if best := max((one for name, one in peers.items() if kind in name), default=0.0):
            said.append(f"{rate / best:.1f} times the best peer {'' if kind == 'padded' else 'in '}{kind}")
    said.append(f"lowest cosine to fp32 {_lowest_cosine(vectors[precision], vectors['fp32']):.6f}")
    command = [sys.executable, "-m", "benchmarks.rnafm", "--memory", precision, str(weights_path)]
    said.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    return "; ".join(said)


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


# -------------------------------------------------------------------- the peers


def _random_weights() -> Weights:
    torch.manual_seed(0)
    weights = RnaFm(RnaFmConfig()).state_dict()
    return {key: one + 0.02 * torch.randn_like(one) for key, one in weights.items()}


def _multimolecule(weights: Weights, bf16: bool) -> dict[str, Embed]:
    if find_spec("multimolecule") is None:
        _say("multimolecule is not installed: pip install 'ribospace[peers]'")
        return {}
    from multimolecule import RnaFmConfig as PeerConfig
    from multimolecule import RnaFmModel, RnaTokenizer

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

    def embed(model: Any, batch: Sequence[str]) -> torch.Tensor:
        given = tokenizer(list(batch), return_tensors="pt", padding=True)
        return model(**given).last_hidden_state.float()  # type: ignore[no-any-return]

    def side(size: int, model: Any = model) -> Embed:
        return lambda sequences: _in_batches(sequences, size, lambda batch: embed(model, batch))

    sides = {
        f"multimolecule, fp32, {'one at a time' if one == 1 else f'padded by {one}'}": side(one) for one in (1, 8, 32)
    }
    if bf16:
        import copy

        half = copy.deepcopy(model).bfloat16()
        sides["multimolecule, bf16, one at a time"] = side(1, half)
    return sides


def _rna_fm(path: Path) -> dict[str, Embed]:
    if find_spec("fm") is None:
        _say("rna-fm is not installed: pip install 'ribospace[peers]'")
        return {}
    from fm.pretrained import load_model_and_alphabet_core

    said = torch.load(path, weights_only=False)  # written by this run
    said["model"]["encoder.lm_head.weight"] = said["model"]["encoder.embed_tokens.weight"]
    model, alphabet = load_model_and_alphabet_core("RNA-FM_pretrained", said, None, "rna")
    model.eval()
    convert = alphabet.get_batch_converter()

    def embed(batch: Sequence[str]) -> torch.Tensor:
        ids = convert([("", one) for one in batch])[2]
        return model(ids, repr_layers=[12])["representations"][12]  # type: ignore[no-any-return]

    def side(size: int) -> Embed:
        return lambda sequences: _in_batches(sequences, size, embed)

    return {"rna-fm, fp32, one at a time": side(1), "rna-fm, fp32, padded by 16": side(16)}


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
