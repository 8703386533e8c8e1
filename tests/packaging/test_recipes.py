"""What installs Ribospace elsewhere says the same as pyproject.toml: versions, dependencies, commands."""

import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from ribospace.cli.app import COMMANDS, command

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]
CONDA = {
    "torch": "pytorch",
    "duckdb": "python-duckdb",
    "huggingface-hub": "huggingface_hub",
    "matplotlib": "matplotlib-base",
}
MODULES = sorted((ROOT / "packaging/nextflow").rglob("main.nf"))
TOOLS = sorted((ROOT / "packaging/galaxy").glob("ribospace_*.xml"))
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def read(place: str) -> str:
    return (ROOT / place).read_text(encoding="utf-8")


def required(extra: str | None) -> set[str]:
    """Requirements of the base or of an extra, with those of the extras inside it."""
    found = set()
    for one in PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]:
        inner = re.fullmatch(r"ribospace\[([\w,]+)]", one)
        found |= set().union(*map(required, inner[1].split(","))) if inner else {one}
    return found


def test_conda_needs_what_full_needs():
    recipe = yaml.safe_load(read("packaging/conda/recipe.yaml"))
    wanted = set()
    for one in required(None) | required("full"):
        name, bounds = re.fullmatch(r"([\w-]+)(.*)", one).groups()
        wanted.add(f"{CONDA.get(name, name)} {bounds}")
    said = set(recipe["requirements"]["run"]) - {"python >=${{ python_min }}"}
    assert said == wanted
    assert recipe["context"] == {"name": "ribospace", "version": VERSION, "python_min": "3.11"}
    assert PROJECT["requires-python"] == ">=3.11"


def test_citation():
    said = yaml.safe_load(read("CITATION.cff"))
    assert (said["cff-version"], said["version"], said["license"]) == ("1.2.0", VERSION, PROJECT["license"])
    assert said["authors"]
    assert said["message"]


@pytest.mark.parametrize("name", ["tests", "docs", "release"])
def test_workflows(name):
    said = yaml.safe_load(read(f".github/workflows/{name}.yml"))
    assert said["permissions"] == {"contents": "read"}
    for job in said["jobs"].values():
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
            continue
        assert "timeout-minutes" in job
        assert set(job.get("permissions", {})) <= {"id-token", "pages"}
        for step in job["steps"]:
            assert re.search(r"@(v\d+|release/v\d+)$", step.get("uses", "@v1"))


def test_workflows_try_every_system_and_python():
    matrix = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]["suite"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert [one.split("-")[0] for one in matrix["os"]] == ["ubuntu", "macos", "windows"]
    said = [one.rsplit(" ", 1)[-1] for one in PROJECT["classifiers"] if "Python :: 3." in one]
    assert said == matrix["python"]


def called(text: str) -> list[tuple[str, set[str]]]:
    """Commands of ours in a script, each with its options."""
    calls = re.split(r"\bribospace (?=[a-z])", re.sub(r"\\+\n", " ", text))[1:]
    lines = [one.split("\n\n")[0].split("&&")[0].split("\n    ribospace")[0] for one in calls]
    return [(one.split()[0], set(OPTION.findall(one))) for one in lines if one.split()[0] in COMMANDS]


def check_calls(text: str, least: set[str]) -> None:
    calls = called(text)
    assert {name for name, _ in calls} == least
    for name, options in calls:
        known = {option for one in command(name).params for option in one.opts}
        assert options <= known, (name, options - known)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_nextflow(path):
    text = path.read_text(encoding="utf-8")
    for opening, closing in ("{}", "()", "[]"):
        assert text.count(opening) == text.count(closing)
    assert text.count('"""') % 2 == 0
    assert f'container "ribospace:{VERSION}"' in text
    environment = yaml.safe_load((path.parent / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"] == [f"ribospace={VERSION}"]
    meta = yaml.safe_load((path.parent / "meta.yml").read_text(encoding="utf-8"))
    assert meta["name"].upper() == re.search(r"process (\w+) \{", text)[1]
    assert set(meta["output"]) == set(re.findall(r"emit: (\w+)", text))
    assert f"ribospace: {VERSION}" in (path.parent / "tests/main.nf.test").read_text(encoding="utf-8")
    check_calls(text, {"embed"} if path.parent.name == "embed" else {"import", "embed", "map"})


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.stem)
def test_galaxy(path):
    tool = ET.fromstring(path.read_text(encoding="utf-8"))
    assert tool.get("id") == path.stem
    assert tool.find("tests/test") is not None
    script = tool.findtext("command") or ""
    for option in tool.findall("inputs/param"):
        if option.get("argument"):
            name = (option.get("name") or option.get("argument", "").removeprefix("--")).replace("-", "_")
            assert f"${name}" in script
    check_calls(script, {"embed"} if path.stem.endswith("embed") else {"import", "embed", "map"})
    macros = ET.fromstring(read("packaging/galaxy/macros.xml"))
    tokens = {one.get("name"): one.text for one in macros.findall("token")}
    assert tokens["@TOOL_VERSION@"] == VERSION
    for one in tool.iter("param"):
        if one.get("ftype"):
            assert (ROOT / "packaging/galaxy/test-data" / one.get("value")).is_file()


def test_docker_copies_what_is_there():
    text = read("packaging/docker/Dockerfile")
    for line in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.M):
        for one in line.split():
            assert (ROOT / one).exists(), one
    assert re.search(r"^USER 1000$", text, re.M)
    extras = re.search(r"^ARG EXTRAS=(.+)$", text, re.M)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_every_extra_is_tried_alone():
    matrix = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]["install"]["strategy"]["matrix"]
    assert set(matrix["what"]) == {"minimal", *PROJECT["optional-dependencies"]} - {"dev", "docs"}


def test_docs_tell_every_extra():
    told = set(re.findall(r"^\| `(\w+)` \|", read("docs/install.md"), re.M))
    assert told == set(PROJECT["optional-dependencies"]) - {"full", "dev", "docs"}
