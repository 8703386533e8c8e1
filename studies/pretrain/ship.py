"""Put trained weights into the package: python -m studies.pretrain.ship FOLDER NAME.

NAME is mini, mini-latent or mini-diffusion. The next model is trained on what was shipped, by its name. What the files
say of places on the machine that trained is replaced by what these are. What `ribospace models` says stands in
src/ribospace/data/models/shipped.toml.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from ribospace.files import written_whole
from ribospace.models import checkpoint
from ribospace.models.diffusion import LatentDiffusion
from ribospace.models.shipped import GENERATOR, LICENCE, SHIPPED, place_of

COLLECTION = "studies/pretrain/runs/data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that `ribospace train` wrote")
    parser.add_argument("name", choices=SHIPPED)
    arguments = parser.parse_args()
    if arguments.name == GENERATOR:
        checkpoint.load(arguments.folder, LatentDiffusion)
    else:
        checkpoint.load(arguments.folder)
    ship(arguments.folder, arguments.name)


def ship(folder: Path, name: str) -> None:
    """Copy a model, with the collection named as the study makes it and the licence in the card."""
    said = json.loads((folder / checkpoint.CONFIG).read_text(encoding="utf-8"))
    card = (folder / checkpoint.CARD).read_text(encoding="utf-8")
    trained_on = said["data"]["collection"]
    said["name"], said["data"]["collection"] = name, COLLECTION
    with written_whole(place_of(name)) as beside:
        beside.mkdir(parents=True)
        shutil.copyfile(folder / checkpoint.WEIGHTS, beside / checkpoint.WEIGHTS)
        (beside / checkpoint.CONFIG).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        card = card.replace(trained_on, COLLECTION).replace(
            "FOLDER is where this file lies, COLLECTION a", "COLLECTION is a"
        )
        card = card.replace("FOLDER", name)
        card = card.replace("---\nlibrary_name", f"---\nlicense: {LICENCE.lower()}\nlibrary_name", 1)
        (beside / checkpoint.CARD).write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
