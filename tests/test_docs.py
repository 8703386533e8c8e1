"""The commands of the README and the docs, run as a newcomer would; RNAcentral is a server of our own."""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import file_server
from tests.rnacentral_server import serving, world

ROOT = Path(__file__).parent.parent
#: Pages whose commands go on with what those of the pages before have made; each list in a folder of its own.
READ_TOGETHER = [
    ["README.md"],
    ["README.md", "docs/rewards.md", "docs/generation.md", "docs/atlas.md"],
    ["docs/guide.md", "docs/training.md", "docs/latent.md", "docs/projections.md", "docs/relations.md"],
    ["docs/rnacentral.md"],
    ["docs/trajectory.md"],
    ["docs/heads.md"],
    ["docs/graphs.md"],
    ["docs/index.md"],
    ["docs/recipes.md"],
    ["docs/api/index.md"],
    *([f"docs/tutorials/{name}.md"] for name in ("atlas", "classifier", "relations", "trajectory", "design")),
]
CHAINS = [pytest.param(pages, id="+".join(pages), marks=pytest.mark.slow) for pages in READ_TOGETHER]
EVERY = [str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, languages: str) -> list[tuple[str, str]]:
    """A page's blocks of some languages, each with its language, in their order."""
    return re.findall(rf"```({languages})\n(.*?)```", text_of(page), flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """A newcomer's folder, with a FASTA file and a table of measurements of their own."""
    folder = tmp_path
    records = [f">mine{n} tRNA number {n}\nGGGGAUUAGCUCAGUUGGUAGAGC{'ACGU' * n}\n" for n in range(1, 13)]
    (folder / "molecules.fasta").write_text("".join(records))
    letters = np.random.default_rng(0).choice(list("ACGU"), (100, 50))
    rows = [f"{''.join(row)}\t{np.mean(row == 'G'):.2f}\n" for row in letters]
    (folder / "loading.tsv").write_text("sequence\tvalue\n" + "".join(rows))
    return folder


@pytest.fixture(scope="module")
def rnacentral(tmp_path_factory):
    """What the environment says of a small RNAcentral of our own: its API, EBI Search and the release's files."""
    here = world(1500)
    fasta = "".join(
        f">{e['rnacentral_id']} {e['description']}\n{e['sequence'].replace('U', 'T')}\n" for e in here.entries
    )
    mapping = "".join(
        f"{e['rnacentral_id']}\t{name}\tx\t{e['_taxid']}\t{e['rna_type']}\t\n"
        for e in here.entries
        for name in e["distinct_databases"]
    )
    with serving(here) as url, file_server.serving() as files:
        files.files["/current_release/sequences/rnacentral_active.fasta.gz"] = gzip.compress(fasta.encode())
        files.files["/current_release/id_mapping/id_mapping.tsv.gz"] = gzip.compress(mapping.encode())
        yield {
            "RIBOSPACE_API": f"{url}/api/v1",
            "RIBOSPACE_SEARCH": f"{url}/ebisearch/ws/rest/rnacentral",
            "RIBOSPACE_FILES": files.url,
            "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        }


def shell(folder: Path, line: str, environment: dict[str, str]) -> None:
    line = re.sub(r"\bribospace(?= [a-z])", f"{sys.executable} -c 'from ribospace.cli import main; main()'", line)
    done = subprocess.run(
        line, shell=True, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip()


@pytest.mark.parametrize("pages", CHAINS)
def test_commands(pages, folder, rnacentral):
    for page in pages:
        follow(page, folder, rnacentral)
        if page == "README.md":
            require_what_the_demo_wrote(folder / "demo")


def follow(page: str, folder: Path, environment: dict[str, str]) -> None:
    """Do what a page says, in its order; its config is there from the start."""
    for number, (_, text) in enumerate(blocks(page, "toml")):
        assert number == 0
        (folder / "small.toml").write_text(text)
    for language, block in blocks(page, "bash|python"):
        if language == "python":
            subprocess.run([sys.executable, "-c", block], cwd=folder, check=True)
            continue
        for line in block.splitlines():
            if line.startswith("make "):
                assert f"{line.split()[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
            elif line:
                shell(folder, line, environment)


def require_what_the_demo_wrote(demo: Path) -> None:
    """The files, and a report that says what the README does."""
    assert {
        "collection", "map.png", "map.html", "report.md", "relations", "trajectory", "five_tRNAs.fasta", "atlas.html"
    } <= {path.name for path in demo.iterdir()}  # fmt: skip
    report = (demo / "report.md").read_text(encoding="utf-8")
    assert "leave-one-out" in report
    assert re.search(r"\| mini \| \d+\.\d% ", report)
    assert re.search(r"\| kmer4 \| \d+\.\d% ", report)
    assert "{" not in report


@pytest.mark.parametrize("page", EVERY)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", text_of(page)):
        assert target.startswith("http") or ((ROOT / page).parent / target).exists(), target
