"""Put trained weights into the package: python -m studies.pretrain.ship FOLDER NAME, or cards to write these again.

NAME is mini, mini-latent or mini-diffusion. The next model is trained on what was shipped, by its name. What the files
say of places on the machine that trained is replaced by what these are. What `ribospace models` says stands in
src/ribospace/data/models/shipped.toml, and is put into the cards;
`python -m studies.pretrain.ship cards` does it again.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

from ribospace.files import written_whole
from ribospace.models import checkpoint
from ribospace.models.diffusion import LatentDiffusion
from ribospace.models.shipped import GENERATOR, LICENCE, SHIPPED, Shipped, place_of, shipped

COLLECTION = "studies/pretrain/runs/data"
SECTION = "## As it ships"
#: Of what all three learned from.
SOURCES = (
    "Sampled molecules: from the covariance models of Rfam 14.1 (CC0; Kalvari et al. 2018) and of tRNAs by isotype and "
    "domain, named as those of tRNAscan-SE 2 (Chan et al. 2021). Real ones: Rfam's 5S and 5.8S rRNAs and "
    "tRNAs (CC0), and tRNAs of tRNAdb (Juehling et al. 2009), public data."
)
MADE_AGAIN = (
    "Recipes and commands are in `studies/pretrain`. These very sampled molecules are not public; `studies/sampled.py` "
    "samples others of the same families."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that `ribospace train` wrote; or the word cards")
    parser.add_argument("name", nargs="?", choices=SHIPPED)
    arguments = parser.parse_args()
    if arguments.folder == Path("cards"):
        for one in shipped():
            tell(one)
        return
    if arguments.name is None:
        parser.error("the name is missing: " + ", ".join(SHIPPED))
    if arguments.name == GENERATOR:
        checkpoint.load(arguments.folder, LatentDiffusion)
    else:
        checkpoint.load(arguments.folder)
    ship(arguments.folder, arguments.name)
    tell(next(one for one in shipped() if one.name == arguments.name))


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


def tell(one: Shipped) -> None:
    """Put into a card what `ribospace models` says."""
    path = place_of(one.name) / checkpoint.CARD
    card = re.sub(rf"{SECTION}\n.*?(?=^## |\Z)", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    figures = [f"- {what}: {figure}." for what, figure in one.figures.items()]
    about = [SECTION, "", one.what, "", one.data, "", SOURCES, "", MADE_AGAIN, ""]
    head, use, rest = card.partition("## Use\n")
    with written_whole(path) as beside:
        beside.write_text(head + "\n".join([*about, *figures, "", ""]) + use + rest, encoding="utf-8")


if __name__ == "__main__":
    main()
