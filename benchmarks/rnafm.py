"""RNA-FM: mean vectors of 200 real RNAs, ours beside multimolecule and rna-fm with the same random weights, in one run.

Peers are measured where they are installed (the extra `peers`), one at a time and in padded batches in the order of the
file, as their documentation shows. Memory is that of processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
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
from ribospace.models.rnafm_checkpoint import ORIGINAL_FILE, checkpoint_names
from ribospace.sources.fasta import read_fasta

FILE = Path("../shared/data/nrc_train.fasta")
MULTIMOLECULE = {
    "multimolecule, fp32, one at a time": (1, False),
    "multimolecule, fp32, padded by 8": (8, False),
    "multimolecule, fp32, padded by 32": (32, False),
    "multimolecule, bf16, one at a time": (1, True),
}
RNA_FM = {"rna-fm, fp32, one at a time": 1, "rna-fm, fp32, padded by 16": 16}
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
    sides: dict[str, Any] = {f"ours, {one}": (_ours, (weights, one, sequences)) for one in kinds}
    if find_spec("multimolecule") is not None:
        chosen = {name: one for name, one in MULTIMOLECULE.items() if bf16 or not one[1]}
        sides |= {name: (_multimolecule, (weights, *one, sequences)) for name, one in chosen.items()}
    if find_spec("fm") is not None:
        sides |= {name: (_rna_fm, (weights, one, sequences)) for name, one in RNA_FM.items()}
    if len(sides) < len(kinds) + len(MULTIMOLECULE) + len(RNA_FM):
        _say("not every peer is measured: pip install 'ribospace[peers]', and a processor with bf16")
    for name in {_multimolecule: "multimolecule, fp32, one at a time", _rna_fm: "rna-fm, fp32, one at a time"}.values():
        if name in sides:
            embed = (_multimolecule_embed if name in MULTIMOLECULE else _rna_fm_embed)(weights, 1)
            _say(f"{name}: lowest cosine to ours in fp32 {_lowest_cosine(embed(sequences), vectors['fp32']):.6f}")
    runs = paired(sides, rounds)
    for name, side in runs.items():
        precision = name.removeprefix("ours, ")
        note = _note(runs, precision, vectors, tokens, weights) if precision in kinds else ""
        report(f"RNA-FM, mean {tokens.lengths.mean():.0f} nt: {name}", side.rates, note, side.peak_mb)


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
