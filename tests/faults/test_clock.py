"""A clock that jumps, by years and both ways, before and within a command: the result is that of any other day."""

import shutil
import threading
from pathlib import Path

import pytest

from tests.faults.cases import CASES
from tests.faults.test_killed import LONG, finished
from tests.faults.workshop import Zygote, contents

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
SECONDS = 0.05

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    """Sets the wall clock of the commands below, such as "-10y"; the clock that only goes forward stays."""
    if not LIBRARIES:
        pytest.skip("a clock that jumps needs libfaketime (Debian: apt-get install faketime)")
    file = tmp_path_factory.mktemp("clock") / "now"
    file.write_text("+0")

    def put(text):
        beside = file.with_suffix(".new")
        beside.write_text(text)
        beside.replace(file)

    put.file = file
    return put


@pytest.fixture(scope="module")
def elsewhen(clock, tmp_path_factory):
    one = Zygote(
        tmp_path_factory.mktemp("elsewhen"),
        LD_PRELOAD=str(LIBRARIES[0]),
        FAKETIME_TIMESTAMP_FILE=str(clock.file),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    yield one
    one.close()


@pytest.mark.parametrize("jump", ["-10y", "+10y", "both"])
@pytest.mark.parametrize("case", [pytest.param(one, id=one.name) for one in CASES if one.name not in LONG])
def test_a_clock_that_jumps(elsewhen, clock, material, undisturbed, tmp_path, case, jump):
    _, wanted = undisturbed(case)
    here = shutil.copytree(material, tmp_path / "here")
    ended = threading.Event()

    def swing():
        while not ended.wait(SECONDS):
            clock("-10y")
            if not ended.wait(SECONDS):
                clock("+10y")

    clock("-10y" if jump == "both" else jump)
    swinging = threading.Thread(target=swing) if jump == "both" else None
    if swinging:
        swinging.start()
    try:
        found = elsewhen.run(here, case.line)
    finally:
        ended.set()
        if swinging:
            swinging.join()
        clock("+0")
    assert found.code == 0, found
    assert finished(contents(here, case.loose)) == finished(wanted)


def test_a_training_broken_off_in_the_future_goes_on(zygote, elsewhen, clock, material, tmp_path):
    """Its state is from a day that has not come; the model is that of a training never broken off."""
    case = next(one for one in CASES if one.name == "train autoencoder")
    alone, here = (shutil.copytree(material, tmp_path / name) for name in ("alone", "here"))
    moments = zygote.run(alone, case.line, count=True).moments
    clock("+10y")
    assert elsewhen.run(here, case.line, at=moments - 3).code == -9
    clock("+0")
    assert zygote.run(here, case.line).code == 0
    assert contents(here / "m", case.loose) == contents(alone / "m", case.loose)


def test_the_library_is_at_work(elsewhen, clock, material, tmp_path):
    """Were the clock not set, these tests would hold nothing."""
    clock("-10y")
    here = shutil.copytree(material, tmp_path / "here")
    elsewhen.run(here, (), program="import time; open('now.txt', 'w').write(str(time.time()))")
    clock("+0")
    assert float((here / "now.txt").read_text()) < here.stat().st_mtime - 9 * 365 * 86400
