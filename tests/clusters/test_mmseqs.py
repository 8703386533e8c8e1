import shutil
import stat

import numpy as np
import pytest

from ribospace.clusters import mmseqs_clusters, mmseqs_version, sketch_clusters
from ribospace.errors import UserError
from ribospace.sources.sample import read_sample
from tests.systems import posix_only

installed = pytest.mark.skipif(shutil.which("mmseqs") is None, reason="MMseqs2 is not installed")


def sample():
    return list(dict.fromkeys(one for b in read_sample() for one in b.column("sequence").to_pylist()))


@installed
def test_clusters_of_real_molecules():
    """MMseqs2 misses pairs of short molecules, but what it puts together is alike, and the same each time."""
    sequences = sample()
    labels = mmseqs_clusters([sequences[:100], sequences[100:]], 0.8)
    assert labels.shape == (len(sequences),)
    assert (labels <= np.arange(len(labels))).all()
    assert (labels[labels] == labels).all()
    assert (mmseqs_clusters([sequences], 0.8, threads=2) == labels).all()
    found = len(set(labels.tolist()))
    assert len(set(sketch_clusters([sequences], 0.8).tolist())) <= found < len(sequences)


@installed
def test_every_molecule_has_a_cluster():
    """Also the shortest, ambiguous and monotonous ones."""
    sequences = ["A", "N" * 60, "R" * 5, "ACGU" * 30, "ACGU" * 30, "X" * 30]
    labels = mmseqs_clusters([sequences], 0.9)
    assert labels[3] == labels[4] == 3
    assert labels[0] == 0
    assert mmseqs_clusters([], 0.8).tolist() == []


def test_without_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mmseqs_version() is None
    with pytest.raises(UserError, match=r"MMseqs2 is not installed here .* add --engine sketch"):
        mmseqs_clusters([["ACGU"]], 0.8)


@posix_only("a shell script is no program")
@pytest.mark.parametrize(
    ("said", "word"),
    [("Error: prefilter died", "MMseqs2 failed: Error: prefilter died"), ("write: No space left on device", "is full")],
)
def test_a_failure_is_one_line(monkeypatch, tmp_path, said, word):
    program = tmp_path / "mmseqs"
    program.write_text(f"#!/bin/sh\necho many lines\necho '{said}'\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UserError, match=word):
        mmseqs_clusters([["ACGU"]], 0.8)
