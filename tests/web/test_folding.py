"""Folding beside the server: what takes too long is ended, and holds up nobody."""

import numpy as np
import pytest

from ribospace.analysis.folding import LONGEST, installed
from ribospace.errors import UserError
from ribospace.web.folding import Folder
from ribospace.web.refusing import Refusal

pytestmark = pytest.mark.skipif(not installed(), reason="needs ViennaRNA")


@pytest.fixture
def folder():
    one = Folder(60.0)
    yield one
    one.close()


def test_a_molecule_that_takes_too_long_is_ended(folder):
    structure, energy, svg = folder.fold("GGGGAAAACCCC")
    assert structure == "((((....))))"
    assert energy < 0
    assert svg.startswith("<")
    process = next(iter(folder._pool._processes.values()))
    folder.seconds = 0.05
    long = "".join(np.random.default_rng(0).choice(list("ACGU"), LONGEST))
    with pytest.raises(Refusal, match="Folding took longer"):
        folder.fold(long)
    process.join(20)
    assert process.exitcode is not None
    folder.seconds = 60.0
    assert folder.fold("GGGGAAAACCCC")[0] == "((((....))))"


def test_a_molecule_that_is_too_long_is_refused(folder):
    with pytest.raises(UserError, match="too long to be folded"):
        folder.fold("A" * (LONGEST + 1))
    assert folder._pool is None
