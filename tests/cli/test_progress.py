"""Progress where there is no terminal: seldom, and also of work that tells of none."""

import re
import time

import pytest

from ribospace.cli import output


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(output, "QUIET_SECONDS", 0.1)


def test_work_that_tells_of_nothing_is_said_to_go_on(capsys):
    with output.progress_bar("Fitting umap"):
        time.sleep(1)
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 10
    assert all(re.fullmatch(r"Fitting umap: \d+ s", one) for one in lines)


def test_the_last_that_the_work_told_is_said_at_the_same_pace(capsys):
    with output.progress_bar("Embedding") as progress:
        for done in range(1, 101):
            progress(done, 2000, "by mini")
            time.sleep(0.01)
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 12
    told = [re.fullmatch(r"Embedding: (\d+) of 2,000 molecules by mini, \d+ s", one)[1] for one in lines]
    assert [int(one) for one in told] == sorted(int(one) for one in told)


def test_short_work_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr(output, "QUIET_SECONDS", 10.0)
    with output.progress_bar("Fitting pca"):
        pass
    assert capsys.readouterr().err == ""
