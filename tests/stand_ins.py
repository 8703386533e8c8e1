"""Models in the place of the shipped ones where a checkout has none: trained for seconds, they know nothing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

SHIPPED = Path(__file__).parent.parent / "src" / "ribospace" / "data" / "models"
SIZES = "--set optimizer.steps=5 --set optimizer.token_budget=1024"
RECIPES = {
    "mini": f"train autoencoder --data sample --out mini --set model.width=32 {SIZES}",
    "mini-latent": f"train latent --data sample --encoder mini --out mini-latent {SIZES}",
    "mini-diffusion": "train diffusion --data sample --latent mini-latent --out mini-diffusion"
    " --set optimizer.steps=5 --set optimizer.token_budget=256 --set rewards.steps=20",
}


def train_stand_ins(folder: Path) -> Path:
    """Train what is not shipped, each in a folder of its name."""
    for line in ["import sample --to sample", *RECIPES.values()]:
        command = "from ribospace.cli import main; main()"
        subprocess.run([sys.executable, "-c", command, *line.split()], cwd=folder, check=True, capture_output=True)
    return folder


def missing(text: str) -> list[str]:
    """The models that this checkout does not ship, if a page asks for any of them by name."""
    asked = re.search(r"(--model |--latent |,|\")mini\b", text)
    return [name for name in RECIPES if asked and not (SHIPPED / name).is_dir()]


def lay(trained: Path, folder: Path, names: list[str]) -> None:
    """Put stand-ins where commands that run in a folder find them by name."""
    for name in names:
        shutil.copytree(trained / name, folder / name)
