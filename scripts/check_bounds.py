"""Install the lowest, or the newest, versions that pyproject.toml allows into a fresh environment, and run tests there.

    pip install uv
    python scripts/check_bounds.py lowest --venv build/lowest
    python scripts/check_bounds.py highest --venv build/highest

`lowest` takes for each package that is named in pyproject.toml the lowest version that the bounds of all allow, as uv's
`lowest-direct` does; the packages below these are the newest that fit. torch is set apart (--torch), as PyPI has old
versions of it for Linux with CUDA only, some gigabytes each. A table of what was asked and what came is printed, and a
version that is above its floor is marked: other packages, or wheels for this Python, do not let it be lower.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("graph", "structure", "web")
TOOLS = ("hypothesis>=6.100", "pytest>=8.3")
#: Quick, and each package is used by one of them.
TESTS = (
    "test_alphabet.py",
    "test_records.py",
    "test_config.py",
    "test_files.py",
    "test_plots.py",
    "sources",
    "clusters",
    "hygiene",
    "net/test_client.py",
    "collection/test_append.py",
    "collection/test_store.py",
    "collection/test_columns.py",
    "collection/test_rows.py",
    "collection/test_export.py",
    "collection/test_vector_index.py",
    "models",
    "encoders/test_engine.py",
    "encoders/test_structure.py",
    "encoders/test_network.py",
    "analysis/test_projection.py",
    "analysis/test_fidelity.py",
    "analysis/test_relations.py",
    "analysis/test_alignment.py",
    "generation/test_sampling.py",
    "generation/test_nearest.py",
    "generation/test_quality.py",
    "training/test_graph.py",
    "web/test_api.py",
    "cli/test_commands.py",
)


def floors() -> dict[str, str]:
    """By package the bounds that pyproject.toml states, for the core and the extras that are checked."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named, extras = [*project["dependencies"]], [*EXTRAS]
    for extra in extras:
        for one in project["optional-dependencies"][extra]:
            inside = re.fullmatch(r"ribospace\[(.+)\]", one)
            if not inside:
                named.append(one)
            elif inside[1] not in extras:
                extras.append(inside[1])
    pairs = (re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?(.*)", one) for one in named)
    return {_plain(pair[1]): pair[2] for pair in pairs if pair}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def uv(*arguments: str, **how: str) -> str:
    """What `uv ARGUMENTS` prints; its errors go to the terminal."""
    command = [sys.executable, "-m", "uv", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **how}).stdout


def install(resolution: str, venv: Path, torch: str) -> dict[str, str]:
    """Make the environment; what is in it, by name."""
    python = str(venv / "bin" / "python")
    uv("venv", "--quiet", "--python", "3.11", str(venv))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as override:
        override.write(f"torch=={torch}\n")
        override.flush()
        kind = "lowest-direct" if resolution == "lowest" else "highest"
        wanted = [*TOOLS, "--editable", f"{ROOT}[{','.join(EXTRAS)}]"]
        options = ["--python", python, "--resolution", kind, "--only-binary", ":all:", "--override", override.name]
        uv("pip", "install", *options, *wanted)
    listed = json.loads(uv("pip", "list", "--python", python, "--format", "json"))
    return {_plain(one["name"]): one["version"] for one in listed}


def table(found: dict[str, str]) -> list[str]:
    """Package, bounds and what came, a line each; * where the version is not the floor."""
    lines = []
    for name, bounds in sorted(floors().items()):
        floor = re.search(r">=([0-9.]+)", bounds)
        version = found.get(name, "absent")
        mark = "" if floor and _same(floor[1], version) else "*"
        lines.append(f"{name:20} {bounds:14} {version} {mark}".rstrip())
    return lines


def _same(floor: str, version: str) -> bool:
    plain = version.split("+")[0]
    return re.sub(r"(\.0)+$", "", floor) == re.sub(r"(\.0)+$", "", plain)


def main() -> int:
    """Install, say what came, run the tests."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("resolution", choices=("lowest", "highest"))
    parser.add_argument("--venv", type=Path, required=True, help="where to make the environment; nothing may be there")
    parser.add_argument(
        "--torch",
        default="2.13.0+cpu",
        help="the one torch; UV_FIND_LINKS finds +cpu",
    )
    parser.add_argument("--no-tests", action="store_true", help="only install and say what came")
    given = parser.parse_args()
    venv = given.venv.absolute()
    print("\n".join(table(install(given.resolution, venv, given.torch))), flush=True)
    if given.no_tests:
        return 0
    tests = [str(ROOT / "tests" / one) for one in TESTS]
    command = [str(venv / "bin" / "python"), "-m", "pytest", "-p", "no:cacheprovider", "-rf", *tests]
    return subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
