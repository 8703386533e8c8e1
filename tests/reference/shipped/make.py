"""Write pinned.json, what the shipped weights are and give: python tests/reference/shipped/make.py, after shipping."""

import hashlib
import json
from pathlib import Path

from ribospace.alphabet import tokenize
from ribospace.encoders import find_encoder
from ribospace.models.shipped import GENERATOR, SHIPPED, place_of

PHE = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"


def main() -> None:
    said = {}
    for name in SHIPPED:
        said[name] = {"sha256": hashlib.sha256((place_of(name) / "model.safetensors").read_bytes()).hexdigest()[:16]}
        if name != GENERATOR:
            vector = find_encoder(name).encode(tokenize([PHE]))[0]
            said[name]["first"] = [round(float(one), 5) for one in vector[:8]]
    (Path(__file__).parent / "pinned.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
