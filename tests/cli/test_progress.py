"""Progress where there is no terminal: seldom, and also of work that tells of none."""

import time

import pytest

from ribospace.cli import output


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(output, "QUIET_SECONDS", 0.05)


def test_work_that_tells_of_nothing_is_said_to_go_on(capsys):
    with output.progress_bar("Fitting umap"):
        time.sleep(0.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(one == "Fitting umap: 0 s" or one == "Fitting umap: 1 s" for one in lines)


def test_work_that_tells_how_far_it_is_says_nothing_else(capsys):
    with output.progress_bar("Embedding") as progress:
        for done in range(40):
            progress(done, 40)
            time.sleep(0.02)
    lines = capsys.readouterr().err.splitlines()
    assert 3 < len(lines) < 20
    assert all(" of 40 molecules" in one for one in lines if not one.endswith(" s"))
    assert sum(one.endswith(" s") for one in lines) <= 2  # a slow machine may stand still


def test_short_work_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr(output, "QUIET_SECONDS", 10.0)
    with output.progress_bar("Fitting pca"):
        pass
    assert capsys.readouterr().err == ""
