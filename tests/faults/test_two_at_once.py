"""The same command twice at once: each ends well or is refused in one sentence, and what is there is what one makes."""

import shutil

import pytest

from tests.faults.cases import CASES
from tests.faults.test_killed import LONG, finished
from tests.faults.workshop import contents, left_over

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", [one for one in CASES if one.name not in LONG], ids=lambda one: one.name)
def test_two_at_once(zygote, material, undisturbed, tmp_path, case):
    _, wanted = undisturbed(case)
    here = shutil.copytree(material, tmp_path / "here")
    both = [zygote.start(here, case.line) for _ in range(2)]
    ended = [zygote.finish(one) for one in both]
    assert any(one.code == 0 for one in ended), ended
    for one in ended:
        if one.code:
            one.require_one_sentence()
    assert finished(contents(here, case.loose)) == finished(wanted)
    assert left_over(here) == []
