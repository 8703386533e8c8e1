"""What the generator is worth: python -m studies.generation --model DIR --data COLLECTION --latent DIR --to FOLDER.

Parts: quality (1,000 molecules as nature has them, and 300 tRNAs, through `ribospace assess`), samplers (the same seeds
by each sampler: figures and molecules a second), steering (free energy, GC and a learned property at rising strengths,
beside a random search with as many looks at the surrogate). Each writes PART.json to the folder and prints its table.
The learned property is ViennaRNA's ensemble diversity per nucleotide: computed, and so known exactly, it stands in for
one that is measured.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ribospace.generation.quality import (
    diversity,
    gc_content,
    jensen_shannon,
    kmer_shares,
    kolmogorov_smirnov,
    uniqueness,
)

from ribospace.alphabet import tokenize
from ribospace.analysis.folding import fold_many
from ribospace.collection import Collection
from ribospace.files import versions, written_whole
from ribospace.generation.generate import Generator, Request
from ribospace.generation.properties import gc, mfe
from ribospace.generation.rewards import Reward, find_reward
from ribospace.generation.sampling import Sampling
from studies.data import ribospace

Floats = npt.NDArray[np.float64]
MOLECULES, STEERED, MEASURED = 1000, 200, 6000
STRENGTHS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
SAMPLERS = (("dpm-solver++", 10), ("dpm-solver++", 20), ("ddim", 50), ("ddpm", 1000))
PAIRS, SEED = 2000, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["quality", "samplers", "steering"])
    parser.add_argument("--model", type=Path, required=True, help="the generator")
    parser.add_argument("--data", type=Path, required=True, help="the collection that studies.generation_data made")
    parser.add_argument("--latent", type=Path, required=True, help="the generator's latent model")
    parser.add_argument("--to", type=Path, required=True, help="folder of the results")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts:
        began = time.perf_counter()
        answer = {"quality": quality, "samplers": samplers, "steering": steering}[part](arguments)
        about = {
            "part": part,
            "minutes": round((time.perf_counter() - began) / 60, 1),
            **versions("torch", "diffusers"),
        }
        with written_whole(arguments.to / f"{part}.json") as beside:
            beside.write_text(json.dumps({**about, **answer}, indent=1) + "\n", encoding="utf-8")
        print(f"{part}: {about['minutes']} min", flush=True)


def quality(arguments: argparse.Namespace) -> dict[str, Any]:
    """As a user would."""
    answer = {}
    for name, count, words in (("all", MOLECULES, []), ("tRNA", 300, ["--rna-type", "tRNA"])):
        fasta, out = arguments.to / f"{name}.fasta", arguments.to / f"assess_{name}"
        chosen = ["--where", "rna_type = 'tRNA'"] if words else []
        ribospace("generate", "--model", arguments.model, "-n", count, "--seed", SEED, "--out", fasta, *words)
        ribospace("assess", fasta, "--against", arguments.data, "--out", out, *chosen)
        answer[name] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return answer


def samplers(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same molecules' seeds by each sampler."""
    generator, natural = Generator(arguments.model), _natural(arguments.data, "train")
    rows = []
    for sampler, steps in SAMPLERS:
        request = Request(how=Sampling(sampler, steps))
        began = time.perf_counter()
        sequences = _made(generator, request, 300)
        seconds = time.perf_counter() - began
        row = {
            "sampler": sampler,
            "steps": steps,
            "molecules_per_second": 300 / seconds,
            **_figures(sequences, natural),
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    return {"molecules": 300, "rows": rows}


def steering(arguments: argparse.Namespace) -> dict[str, Any]:
    """Each property at rising strengths, and by search."""
    from ribospace.plots import Steered, trade_off_figure

    generator = Generator(arguments.model)
    learned = arguments.to / "ensemble_diversity"
    if not (learned / "config.json").exists():
        table = _table(arguments.data, arguments.to)
        unit = ["--unit", "base pairs per nt"]
        ribospace("train", "reward", "--table", table, "--latent", arguments.latent, "--out", learned, *unit)
    exact: dict[str, Callable[[Sequence[str]], Floats]] = {"mfe": mfe, "gc": gc, str(learned): ensemble_diversity}
    natural = _natural(arguments.data, "test")
    natural = [natural[row] for row in np.random.default_rng(SEED).choice(len(natural), 1000, replace=False)]
    pool = _made(generator, Request(how=Sampling()), STEERED * 20)
    answer, drawn = {}, []
    for text, compute in exact.items():
        inside = generator.model
        reward = find_reward(text, inside.surrogate, latent=inside.config.latent)
        rows = []
        for strength in STRENGTHS:
            request = Request(how=Sampling(strength=strength))
            sequences = _made(generator, request, STEERED, reward)
            rows.append({"strength": strength, **_steered(sequences, compute)})
            print(reward.name, json.dumps(rows[-1]), flush=True)
        best = [pool[row] for row in np.argsort(_losses(generator, reward, pool))[:STEERED]]
        values = compute(natural)
        found = {"rows": rows, "searched": _steered(best, compute), "looks": len(pool)}
        found["natural"] = {"mean": float(values.mean()), "sd": float(values.std()), "molecules": len(natural)}
        answer[reward.name] = found
        columns = [np.array([row[key] for row in rows]) for key in ("strength", "mean", "sd", "diversity")]
        both = (found["searched"]["mean"], found["searched"]["diversity"])
        drawn.append(Steered(reward.name, reward.unit, *columns, (values.mean(), values.std()), both))
    trade_off_figure(drawn).savefig(arguments.to / "steering.png")
    return {"molecules": STEERED, "properties": answer}


def _made(generator: Generator, request: Request, count: int, reward: Reward | None = None) -> list[str]:
    loss = None if reward is None else reward.loss
    batches = generator.generate(request, range(count), SEED, loss)
    return [one.sequence for batch in batches for one in batch]


def _losses(generator: Generator, reward: Reward, sequences: list[str]) -> Floats:
    """What a search looks at: the surrogate, by the latents of what was written."""
    latents = torch.from_numpy(generator.encoder.latents(tokenize(sequences)))
    with torch.inference_mode():
        return torch.cat([reward.loss(part) for part in latents.split(512)]).double().numpy()


def _steered(sequences: list[str], compute: Callable[[Sequence[str]], Floats]) -> dict[str, float]:
    values = compute(sequences)
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "diversity": diversity(sequences, PAIRS, SEED),
        "unique": uniqueness(sequences),
        "length": float(np.mean([len(one) for one in sequences])),
    }


def _figures(sequences: list[str], natural: list[str]) -> dict[str, float]:
    lengths = [[len(one) for one in each] for each in (sequences, natural)]
    return {
        "unique": uniqueness(sequences),
        "diversity": diversity(sequences, PAIRS, SEED),
        "length_ks": kolmogorov_smirnov(*lengths),
        "js3": jensen_shannon(kmer_shares(sequences, 3), kmer_shares(natural, 3)),
        "js4": jensen_shannon(kmer_shares(sequences, 4), kmer_shares(natural, 4)),
        "gc": float(gc_content(sequences).mean()),
        "mfe_per_nt": float(mfe(sequences).mean()),
    }


def ensemble_diversity(sequences: Sequence[str]) -> Floats:
    """(n,) mean base-pair distance of two structures of the ensemble, per nt."""
    return np.array([one.diversity / len(one.sequence) for one in fold_many(sequences, ensemble=True)])


def _natural(data: Path, part: str) -> list[str]:
    return Collection.open(data).table(["sequence"], f"split = '{part}'")["sequence"].to_pylist()


def _table(data: Path, folder: Path) -> Path:
    """Molecules trained on, and their ensemble's diversity."""
    sequences = _natural(data, "train")
    some = [sequences[row] for row in np.random.default_rng(0).choice(len(sequences), MEASURED, replace=False)]
    path = folder / "ensemble_diversity.tsv"
    rows = zip(some, ensemble_diversity(some), strict=True)
    path.write_text("sequence\tvalue\n" + "".join(f"{one}\t{value:.6f}\n" for one, value in rows), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
