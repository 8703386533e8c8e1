"""The commands of the README and the guide, run as a newcomer would; the figures they name are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "docs/guide.md"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A newcomer's folder, with a FASTA file of their own."""
    folder = tmp_path_factory.mktemp("newcomer")
    records = [f">mine{n} tRNA number {n}\nGGGGAUUAGCUCAGUUGGUAGAGC{'ACGU' * n}\n" for n in range(1, 13)]
    (folder / "molecules.fasta").write_text("".join(records))
    return folder


def shell(folder: Path, line: str) -> None:
    line = line.replace("ribospace demo", "ribospace demo --steps 3") if line.strip() == "ribospace demo" else line
    line = re.sub(r"^ribospace", f"{sys.executable} -c 'from ribospace.cli import main; main()'", line)
    done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip()


@pytest.mark.parametrize("page", PAGES)
def test_commands(page, folder):
    for number, text in enumerate(blocks(page, "toml")):
        assert number == 0
        (folder / "small.toml").write_text(text)
    for block in blocks(page, "bash"):
        for line in block.splitlines():
            if line.startswith("make "):
                assert f"{line.split()[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
            elif line:
                shell(folder, line)
    for block in blocks(page, "python"):
        subprocess.run([sys.executable, "-c", block], cwd=folder, check=True)


def test_the_demo_wrote_what_the_readme_says(folder):
    names = {path.name for path in (folder / "demo").iterdir()}
    assert {"collection", "model", "map.png", "map.html", "report.md"} <= names
    report = (folder / "demo" / "report.md").read_text(encoding="utf-8")
    assert "leave-one-out" in report
    assert re.search(r"\| autoencoder \| 64 \| \d+\.\d% ", report)
    assert re.search(r"\| kmer4 \| 256 \| \d+\.\d% ", report)
    assert "{" not in report


@pytest.mark.parametrize(
    "page", [*PAGES, "CONTRIBUTING.md", "docs/architecture.md", "docs/results.md", "docs/benchmarks.md"]
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert target.startswith("http") or ((ROOT / page).parent / target).exists(), target
