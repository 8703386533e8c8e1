"""A folder with a tiny collection and tiny models, made once; copies of it for each case."""

import functools
import os
import shutil

import pytest

from tests.faults.cases import MATERIAL
from tests.faults.workshop import Zygote, contents, left_over

NEW = ">n1 tRNA\nGCGGAUUUAGCUCAGUUGGGAGAGCGCC\n>n2\nACGUACGUACGUAC\n>n3 rRNA\nGGGAAACCCUUUGGG\n"


@pytest.fixture(scope="session")
def zygote(tmp_path_factory):
    if not hasattr(os, "fork"):
        pytest.skip("commands are forks of one process here, and this system has none")
    one = Zygote(tmp_path_factory.mktemp("zygote"))
    yield one
    one.close()


@pytest.fixture(scope="session")
def material(tmp_path_factory, zygote):
    """What the cases begin with."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "new.fasta").write_text(NEW)
    for line in MATERIAL:
        ended = zygote.run(folder, line)
        assert ended.code == 0, (line, ended)
        if line[0] == "export":
            letters = [one for one in (folder / "rnas.fasta").read_text().splitlines() if not one.startswith(">")]
            rows = [f"{one}\t{one.count('G') / len(one):.3f}" for one in letters if len(one) < 80]
            (folder / "values.tsv").write_text("\n".join(["sequence\tvalue", *rows]) + "\n")
    return folder


@pytest.fixture(scope="session")
def undisturbed(zygote, material, tmp_path_factory):
    """How a case ends when nothing comes in between, and what there is then; each is run once."""

    @functools.cache
    def ended(case):
        here = shutil.copytree(material, tmp_path_factory.mktemp("undisturbed") / "here")
        found = zygote.run(here, case.line, count=True)
        assert (found.code, left_over(here)) == (0, []), found
        return found, contents(here, case.loose)

    return ended


@pytest.fixture
def workshop(material, tmp_path):
    """A copy of the material, to work in."""
    return shutil.copytree(material, tmp_path / "here", symlinks=True)
