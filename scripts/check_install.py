"""Install the wheel into fresh environments, one for each extra, and see that it does there what it promises.

    python scripts/check_install.py minimal          no extra: vectors from a file, and one line for all that is missing
    python scripts/check_install.py collection maps  each extra alone: what it brings is imported, its commands open
    python scripts/check_install.py all

Environments lie in a folder whose name has a space, and are removed again. A package index is needed. `--torch` is
installed first, so that its CPU build is taken where the index has one; `--python` is the interpreter to try.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
FASTA = ">a tRNA\nGGGGAUUAGCUCAGUUGGUAGAGC\n>b\nACGUACGUACGUN\n"
#: In the least installation: what has to work, and what has to name the extra that it needs.
WORKS = (
    "--version",
    "--help",
    "encoders",
    "models",
    "embed m.fasta --out vectors.parquet",
    "embed m.fasta --out vectors.npy",
    "embed m.fasta --model kmer3 --out kmers.parquet",
    "embed m.fasta --model random --out random.npy",
)
NAMES = {
    "map there": "maps",
    "import m.fasta --to there": "collection",
    "fetch --to there": "rnacentral",
    "train autoencoder --data there --out model": "train",
    "generate --model there --out new.fasta": "generate",
    "relations there --model kmer3": "analysis",
    "fold ACGU": "structure",
    "serve there": "web",
    "embed m.fasta --model rnafm --out v.npy": "hub",
    "embed m.fasta --model structure --out v.npy": "structure",
    "embed m.fasta --model kmer3 --out v.h5ad": "collection",
}
#: In any environment: import what the extra brings, and open the commands that ask for it.
IMPORTS = """
import importlib, sys
from ribospace.cli.app import COMMANDS, command
from ribospace.extras import brought_by
there = brought_by(sys.argv[1])
for name in sorted(there):
    importlib.import_module(name)
opened = [name for name, one in COMMANDS.items() if not one.extra or brought_by(one.extra) <= there]
for name in opened:
    command(name)
print(f"{len(there)} packages imported, {len(opened)} commands opened")
"""


def main() -> int:
    """Check what is asked for; 1 if something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", metavar="minimal|all|EXTRA")
    parser.add_argument("--wheel", type=Path, help="the wheel; built by default")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--torch", default="torch==2.13.0")
    parser.add_argument("--model", help="embed with this model, too")
    asked = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory(prefix="ribospace install ") as folder:
        wheel = asked.wheel.resolve() if asked.wheel else build(Path(folder))
        for one in ["minimal", *extras()] if asked.what == ["all"] else asked.what:
            try:
                said = check(one, wheel, Path(folder) / one, asked)
            except subprocess.CalledProcessError as error:
                failures.append(one)
                said = f"FAILED: {error.cmd[-3:]}: {(error.stderr or error.stdout or '').strip()[-600:]}"
            except AssertionError as error:
                failures.append(one)
                said = f"FAILED: {error}"
            print(f"{one}: {said}", flush=True)
    return 1 if failures else 0


def extras() -> list[str]:
    """The extras of pyproject.toml that are for users."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [one for one in project["optional-dependencies"] if one not in ("dev", "docs")]


def build(folder: Path) -> Path:
    """Build the wheel."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, SOURCE)
    return next(folder.glob("*.whl"))


def check(what: str, wheel: Path, folder: Path, asked: argparse.Namespace) -> str:
    """Install into a fresh environment and check; what was seen, as one line."""
    run(asked.python, "-m", "venv", folder)
    bin_ = folder / ("Scripts" if sys.platform == "win32" else "bin")
    pip = (bin_ / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if asked.torch:
        run(*pip, asked.torch)
    run(*pip, str(wheel) if what == "minimal" else f"ribospace[{what}] @ {wheel.as_uri()}")
    if what != "minimal":
        return run(bin_ / "python", "-c", IMPORTS, what).stdout.strip()
    (folder / "m.fasta").write_text(FASTA, encoding="utf-8")
    (folder / "there").mkdir()
    models = [f"embed m.fasta --model {asked.model} --out model.parquet"] if asked.model else []
    for command in (*WORKS, *models):
        run(bin_ / "ribospace", *command.split(), cwd=folder)
    for command, extra in NAMES.items():
        done = subprocess.run([bin_ / "ribospace", *command.split()], capture_output=True, text=True, cwd=folder)
        one_line = done.stderr.count("\n") == 1 and f"pip install 'ribospace[{extra}]'" in done.stderr
        if done.returncode != 2 or not one_line:
            raise AssertionError(f"{command}: exit {done.returncode}, {done.stderr[-300:]!r}")
    packages = run(bin_ / "python", "-m", "pip", "list", "--format=freeze").stdout.count("==")
    return f"{len(WORKS) + len(models)} commands work, {len(NAMES)} name their extra; {packages} packages in all"


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that must end well."""
    return subprocess.run([str(one) for one in command], check=True, capture_output=True, text=True, cwd=cwd)


if __name__ == "__main__":
    sys.exit(main())
