"""A small generator, its weights random: laws hold for those, too."""

import pytest
import torch

from ribospace.models import checkpoint
from ribospace.models.autoencoder import Autoencoder, AutoencoderConfig
from ribospace.models.denoiser import DenoiserConfig
from ribospace.models.diffusion import DiffusionConfig, LatentDiffusion
from ribospace.models.latent import LatentAutoencoder, TokenSource
from ribospace.models.qformer import QFormerConfig

TYPES = ("rRNA", "tRNA")
WINDOW = 30


def small_latent() -> LatentAutoencoder:
    torch.manual_seed(0)
    encoder = Autoencoder(AutoencoderConfig(width=8, heads=2, feedforward=16, window=WINDOW))
    sizes = QFormerConfig(
        queries=4, width=6, reader_width=8, reader_heads=2, decoder_width=8, heads=2, feedforward=16, window=WINDOW
    )
    model = LatentAutoencoder(sizes, TokenSource("mine", "1", "", 8), encoder).eval()
    for weight in model.decoder.parameters():  # large, so that different latents write different letters
        torch.nn.init.normal_(weight, std=1.0)
    return model


def small_generator(**settings: object) -> LatentDiffusion:
    latent = small_latent()
    sizes = DenoiserConfig(**{"width": 12, "heads": 2, "layers": 2, "feedforward": 16, "times": 100, **settings})
    model = LatentDiffusion(DiffusionConfig("1", sizes, TYPES), latent)
    for weight in model.denoiser.parameters():  # those that begin at 0 too
        torch.nn.init.normal_(weight, std=0.1)
    model.measure(torch.randn(50, 4, 6), torch.arange(50) % 2, 10 + torch.arange(50) % 15)
    return model.eval()


@pytest.fixture
def model():
    return small_generator()


@pytest.fixture(scope="session")
def generator_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generator") / "small"
    checkpoint.save(small_generator(), folder, "small", {"data": {"collection": "nowhere"}})
    return folder
