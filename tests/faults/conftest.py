"""A folder with a tiny collection and tiny models, made once; copies of it for each case."""

import shutil

import pytest

from tests.faults.cases import MATERIAL
from tests.faults.workshop import Zygote

NEW = ">n1 tRNA\nGCGGAUUUAGCUCAGUUGGGAGAGCGCC\n>n2\nACGUACGUACGUAC\n>n3 rRNA\nGGGAAACCCUUUGGG\n"


@pytest.fixture(scope="session")
def zygote(tmp_path_factory):
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


@pytest.fixture
def workshop(material, tmp_path):
    """A copy of the material, to work in."""
    return shutil.copytree(material, tmp_path / "here", symlinks=True)
