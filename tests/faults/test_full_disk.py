"""A disk that is full, and one that is read-only: one sentence, nothing half written, and what was there stays."""

import shutil
import subprocess

import pytest

from tests.faults.cases import CASES
from tests.faults.test_killed import LONG, nothing_of_before_is_lost
from tests.faults.workshop import contents, left_over

MEGABYTES = 64
#: Commands that keep what they made so far, and go on.
KEEPS = {"demo"}


pytestmark = pytest.mark.slow


def named(case):
    return case.name


def fill(disk, free):
    """Leave so many bytes free."""
    with open(disk / "filler", "wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - free))


@pytest.mark.parametrize("free", [0, 96 << 10], ids=["full", "nearly"])
@pytest.mark.parametrize("case", [case for case in CASES if case.name not in LONG], ids=named)
def test_full(zygote, material, small_disk, case, free):
    disk = small_disk(MEGABYTES)
    here = shutil.copytree(material, disk / "here")
    before = contents(here, case.loose)
    fill(disk, free)
    ended = zygote.run(here, case.line)
    now = contents(here, case.loose)
    nothing_of_before_is_lost(before, now, case)
    assert left_over(here) == []
    if ended.code:
        said = ended.require_one_sentence()
        assert "disk is full" in said, said
        assert "Free some space" in said
        made = {name for name in now if case.out and name not in before and name.split("/")[0] == case.out}
        assert not made or case.command in KEEPS, made
        assert not case.store or case.store in before or not (here / case.store).exists()
        (disk / "filler").unlink()
        again = zygote.run(here, case.line)
        assert again.code == 0, again
    else:
        assert free, ended


@pytest.fixture
def read_only_disk(small_disk, material):
    """The material on a disk that nothing can be written to."""
    disk = small_disk(MEGABYTES)
    here = shutil.copytree(material, disk / "here")
    done = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a disk cannot be made read-only here: {done.stderr.strip()}")
    return here


@pytest.mark.parametrize("case", CASES, ids=named)
def test_read_only(zygote, read_only_disk, case):
    ended = zygote.run(read_only_disk, case.line)
    said = ended.require_one_sentence()
    assert "Read-only file system" in said, said
    assert ended.code == 2
    assert "Cannot write" in said


@pytest.mark.parametrize("case", [case for case in CASES if case.out and not case.store], ids=named)
def test_what_reads_a_read_only_collection_writes_elsewhere(zygote, read_only_disk, tmp_path, case):
    """Reading takes no lock, and leaves nothing beside what it reads."""
    elsewhere = tmp_path / "elsewhere"
    *line, out = case.line
    assert out == case.out
    ended = zygote.run(read_only_disk, (*line, str(elsewhere / out)))
    assert ended.code == 0, ended
    assert (elsewhere / case.out).exists()
