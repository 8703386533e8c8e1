"""A package that is missing is one line; the table of extras is pyproject.toml's; the least installation stays least."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ribospace
from ribospace.cli.app import COMMANDS, command
from ribospace.extras import EXTRAS, brought_by, missing

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Packages that are imported by another name than they are installed by.
INSTALLED_AS = {
    "RNA": "viennarna",
    "faiss": "faiss-cpu",
    "fm": "rna-fm",
    "huggingface_hub": "huggingface-hub",
    "lance": "pylance",
    "openTSNE": "opentsne",
    "sklearn": "scikit-learn",
    "torch_geometric": "torch-geometric",
    "umap": "umap-learn",
}
#: What comes with another package of the same extra.
COMES_WITH = {"anyio": "fastapi", "pydantic": "fastapi", "starlette": "fastapi", "transformers": "multimolecule"}
#: All that a file of molecules to vectors may load of what is installed.
LEAST = {"dnaio", "filelock", "numpy", "pyarrow", "rich", "safetensors", "torch", "typer"}


def name_of(requirement: str) -> str:
    """Of a requirement, what is installed; of an extra of ours, itself."""
    own = re.match(r"ribospace\[[^]]*]", requirement)
    return own[0] if own else re.match(r"[\w-]+", requirement)[0].lower()


def test_table_is_pyproject():
    declared = {
        extra: {name_of(one) for one in needs}
        for extra, needs in PROJECT["optional-dependencies"].items()
        if extra not in ("dev", "docs")
    }
    said = {
        extra: {INSTALLED_AS.get(one, one) for one in packages if one not in COMES_WITH}
        for extra, packages in EXTRAS.items()
    }
    assert said == declared
    for extra, packages in EXTRAS.items():
        assert all(
            INSTALLED_AS.get(COMES_WITH[one], COMES_WITH[one]) in declared[extra]
            for one in packages
            if one in COMES_WITH
        )


def test_base_dependencies_are_the_least():
    assert {name_of(one) for one in PROJECT["dependencies"]} == LEAST


def test_every_command_names_an_extra_that_is_there():
    assert {one.extra for one in COMMANDS.values()} - {""} <= set(EXTRAS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_opens(name):
    assert command(name).params is not None


PROGRAM = """
import sys
from importlib.machinery import PathFinder
hidden = set(sys.argv.pop(1).split(","))
class Others(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Others
from ribospace.cli import main
main()
"""


def without(hidden: set[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command where some packages cannot be imported."""
    call = [sys.executable, "-c", PROGRAM, ",".join(hidden), *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True)


#: All that extras bring, but for what comes with torch or typer in any case.
MISSING = set().union(*map(brought_by, EXTRAS)) - {"pydantic"}


def test_a_file_becomes_vectors_without_any_extra(tmp_path):
    fasta, out = tmp_path / "m.fasta", tmp_path / "v.parquet"
    fasta.write_text(">a\nGGGGAUUAGCUC\n>b\nACGUN\n", encoding="utf-8")
    done = without(MISSING, "embed", fasta, "--model", "random", "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.exists()
    assert without(MISSING, "--help").stdout.count("\n") > len(COMMANDS)
    assert "(missing)" in without(MISSING, "encoders").stdout


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["map", "x"], "maps"),
        (["import", "x.fasta", "--to", "x"], "collection"),
        (["train", "autoencoder", "--data", "x", "--out", "y"], "train"),
        (["relations", "x", "--model", "kmer3"], "analysis"),
        (["demo"], "full"),
    ],
)
def test_a_missing_package_is_one_line(arguments, extra):
    done = without(MISSING, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"`ribospace {arguments[0]}` needs " in done.stderr
    assert f"pip install 'ribospace[{extra}]'" in done.stderr


def test_what_belongs_to_no_extra_is_no_users_mistake():
    assert missing(ModuleNotFoundError(name="ribospace.nowhere"), "x") is None
    assert missing(ModuleNotFoundError("without a name"), "x") is None


def test_the_commands_own_extra_goes_first_where_it_helps():
    error = ModuleNotFoundError(name="lance")
    assert "'ribospace[structure]'." in str(missing(error, "x", "structure"))
    assert "'ribospace[hub]'" in str(missing(ModuleNotFoundError(name="huggingface_hub"), "x", "maps"))


def test_one_version():
    assert ribospace.__version__ == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_ids_are_told_apart_without_polars(monkeypatch):
    import pyarrow as pa

    from ribospace.collection import ids

    monkeypatch.setitem(sys.modules, "polars", None)
    index = ids.IdIndex()
    given = pa.array(["a", "b", "ä", "", "a" * 5000], pa.string())
    assert index.add(ids.hashes_of(given)).all()
    assert not index.add(ids.hashes_of(given)).any()
    assert not index.contains(ids.hashes_of(pa.array(["c", "A"], pa.string()))).any()
