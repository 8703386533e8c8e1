"""Molecules a second of the generator: python -m benchmarks.generation [--model DIR].

Each sampler, guided and not, and writing alone; without --model the default sizes with random weights, whose molecules
are as long as the window. Medians of three rounds after one to warm up, and the ratio to DDPM's thousand steps.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from benchmarks.measure import machine
from ribospace.generation.generate import Generator, Request
from ribospace.generation.sampling import Loss, Sampling
from ribospace.generation.template import allowed_of
from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.denoiser import DenoiserConfig
from ribospace.models.diffusion import DiffusionConfig, LatentDiffusion
from ribospace.models.latent import LatentAutoencoder, TokenSource
from ribospace.models.qformer import QFormerConfig
from ribospace.models.surrogate import Surrogate, SurrogateConfig

BATCH, ROUNDS = 128, 3
CASES = (
    ("dpm-solver++", 20, 0.0),
    ("dpm-solver++", 20, 1.0),
    ("ddim", 50, 0.0),
    ("ddpm", 1000, 0.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a generator")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generator = Generator(arguments.model or random_generator(Path(folder) / "random"))
    print(machine())
    surrogate = generator.model.surrogate
    loss = (lambda latents: surrogate(latents).mean[:, 0]) if surrogate is not None else None
    medians = {}
    for sampler, steps, strength in CASES:
        rates = rates_of(generator, Request(how=Sampling(sampler, steps, strength=strength)), loss)
        name = f"{sampler}, {steps} steps" + (", steered" if strength else "")
        medians[name] = median(rates)
        print(json.dumps({"what": name, "molecules_per_second": medians[name], "rounds": rates}), flush=True)
    print(json.dumps({"what": "writing alone", "molecules_per_second": writing(generator)}), flush=True)
    slowest = medians["ddpm, 1000 steps"]
    print(json.dumps({"over_ddpm": {name: round(rate / slowest, 1) for name, rate in medians.items()}}), flush=True)


def rates_of(generator: Generator, request: Request, loss: Loss | None) -> list[float]:
    """Molecules a second in each round; a round of DDPM is long enough to need no second one."""
    rounds = 1 if request.how.sampler == "ddpm" else ROUNDS
    list(generator.generate(Request(how=Sampling(steps=1)), range(BATCH), 0))
    rates = []
    for number in range(rounds):
        began = time.perf_counter()
        list(generator.generate(request, range(BATCH), number, loss, BATCH))
        rates.append(BATCH / (time.perf_counter() - began))
    return rates


def writing(generator: Generator) -> float:
    """Molecules a second from latents."""
    size = generator.model.latent.config
    latents = torch.nn.functional.layer_norm(torch.randn(BATCH, size.queries, size.width), (size.width,))
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        generator.write(latents, allowed_of(generator.window))
        rates.append(BATCH / (time.perf_counter() - began))
    return median(rates)


def random_generator(folder: Path) -> Path:
    """A generator of the default sizes that was never trained."""
    torch.manual_seed(0)
    encoder = Autoencoder(AutoencoderConfig(width=64))
    latent = LatentAutoencoder(QFormerConfig(), TokenSource("random", "", "", 64), encoder)
    surrogate = Surrogate(SurrogateConfig(values=("mfe",), units=("",)))
    model = LatentDiffusion(DiffusionConfig("", DenoiserConfig(), ("tRNA", "rRNA")), latent, surrogate)
    model.counts[0, 76] = 1
    checkpoint.save(model, folder, "random", {})
    return folder


if __name__ == "__main__":
    main()
