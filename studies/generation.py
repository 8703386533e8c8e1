"""What the generator is worth: python -m studies.generation --model DIR --data COLLECTION --latent DIR --to FOLDER.

Parts: quality (1,000 molecules as nature has them, and 300 tRNAs, through `ribospace assess`), samplers (the same seeds
by each sampler: figures and molecules a second), steering (free energy, GC and a learned property at rising strengths,
beside a random search with as many looks at the surrogate). Each writes PART.json to the folder and prints its table.
Two learned properties stand in for measured ones, computed and so known exactly: the share of UA, where RNAs are cut
most, and ViennaRNA's ensemble diversity per nucleotide.
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

from ribospace.alphabet import tokenize
from ribospace.analysis.folding import fold_many
from ribospace.collection import Collection
from ribospace.files import versions, written_whole
from ribospace.generation.generate import Generator, Request
from ribospace.generation.properties import gc, mfe
from ribospace.generation.quality import (
    diversity,
    gc_content,
    jensen_shannon,
    kmer_shares,
    kolmogorov_smirnov,
    uniqueness,
)
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
    parser.add_argument("--properties", default="mfe,gc,ua_share,ensemble_diversity", help="of the steering")
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
    """Each property at rising strengths, and by search; the figure is of all that the folder holds."""
    generator = Generator(arguments.model)
    natural = _natural(arguments.data, "test")
    natural = [natural[row] for row in np.random.default_rng(SEED).choice(len(natural), 1000, replace=False)]
    pool = _made(generator, Request(how=Sampling()), STEERED * 20)
    for name in arguments.properties.split(","):
        inside, compute = generator.model, EXACT[name]
        text = _learned(arguments, name) if name in LEARNED else name
        reward = find_reward(text, inside.surrogate, latent=inside.config.latent)
        rows = []
        for strength in STRENGTHS:
            request = Request(how=Sampling(strength=strength))
            sequences = _made(generator, request, STEERED, reward)
            rows.append({"strength": strength, **_steered(sequences, compute)})
            print(name, json.dumps(rows[-1]), flush=True)
        best = [pool[row] for row in np.argsort(_losses(generator, reward, pool))[:STEERED]]
        values = compute(natural)
        found = {"unit": reward.unit, "rows": rows, "searched": _steered(best, compute), "looks": len(pool)}
        found["natural"] = {"mean": float(values.mean()), "sd": float(values.std()), "molecules": len(natural)}
        with written_whole(arguments.to / f"steering_{name}.json") as beside:
            beside.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    _draw(arguments.to)
    return {"molecules": STEERED, "properties": arguments.properties}


def _learned(arguments: argparse.Namespace, name: str) -> str:
    """The folder of a reward learned from 6,000 molecules trained on and their property."""
    folder = arguments.to / name
    if not (folder / "config.json").exists():
        sequences = _natural(arguments.data, "train")
        some = [sequences[row] for row in np.random.default_rng(0).choice(len(sequences), MEASURED, replace=False)]
        path = arguments.to / f"{name}.tsv"
        rows = zip(some, EXACT[name](some), strict=True)
        path.write_text(
            f"sequence\t{name}\n" + "".join(f"{one}\t{value:.6f}\n" for one, value in rows), encoding="utf-8"
        )
        words = ["--value", name, "--unit", LEARNED[name], "--out", folder]
        ribospace("train", "reward", "--table", path, "--latent", arguments.latent, *words)
    return str(folder)


def _draw(folder: Path) -> None:
    from ribospace.plots import Steered, trade_off_figure

    drawn = []
    for name in EXACT:
        if not (path := folder / f"steering_{name}.json").exists():
            continue
        one = json.loads(path.read_text(encoding="utf-8"))
        strength, mean, sd, diversity = (
            np.array([row[key] for row in one["rows"]]) for key in ("strength", "mean", "sd", "diversity")
        )
        both = (one["searched"]["mean"], one["searched"]["diversity"])
        natural = (one["natural"]["mean"], one["natural"]["sd"])
        drawn.append(Steered(name, one["unit"], strength, mean, sd, diversity, natural, both))
    trade_off_figure(drawn).savefig(folder / "steering.png")


def _made(generator: Generator, request: Request, count: int, reward: Reward | None = None) -> list[str]:
    loss = None if reward is None else reward.loss
    batches = generator.generate(request, range(count), SEED, loss)
    return [one.sequence for batch in batches for one in batch]


def _losses(generator: Generator, reward: Reward, sequences: list[str]) -> Floats:
    """What a search looks at: the surrogate, by the latents of what was written."""
    latents = torch.from_numpy(generator.encoder.latents(tokenize(sequences)))
    with torch.inference_mode():
        return torch.cat([reward.loss(part) for part in torch.split(latents, 512)]).double().numpy()


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


def ua_share(sequences: Sequence[str]) -> Floats:
    """(n,) share of pairs of neighbours that are UA."""
    return np.array([one.count("UA") / max(1, len(one) - 1) for one in sequences])


#: Properties, exactly; and the units of those that are learned from a table.
EXACT: dict[str, Callable[[Sequence[str]], Floats]] = {
    "mfe": mfe,
    "gc": gc,
    "ua_share": ua_share,
    "ensemble_diversity": ensemble_diversity,
}
LEARNED = {"ua_share": "share of pairs", "ensemble_diversity": "base pairs per nt"}


if __name__ == "__main__":
    main()
