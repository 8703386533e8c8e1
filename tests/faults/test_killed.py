"""SIGKILL at moments spread over a command: nothing is half written, nothing is lost, and run again it does the same."""

import shutil
from pathlib import Path

import pytest

from ribospace.collection import Collection
from tests.faults.cases import CASES
from tests.faults.workshop import contents, left_over, rows_of

#: Shares of the changes that a command makes on disk; it is killed before each of these.
SHARES = (0.0, 0.3, 0.6, 0.8, 1.0)
#: Commands that take seconds: killed less often.
LONG = {"compare", "trajectory", "heads", "demo", "relations"}
#: Commands that refuse what they have made already.
ONCE = {"sample"}

pytestmark = pytest.mark.slow


def nothing_of_before_is_lost(before, now, case):
    """Whole: what was there is there as it was, or as the command makes it when it is not killed."""
    for name, said in before.items():
        assert name in now, name
        if name == case.store:
            assert set(said) <= set(now[name])
            if case.command != "dedupe":
                rows = len(said["id"])
                assert {column: now[name][column][:rows] for column in said} == said
        elif name != "rnas/import.json":
            assert now[name] == said, name


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_killed_and_run_again(zygote, material, undisturbed, tmp_path, case):
    before, kills = contents(material, case.loose), 0
    ended, wanted = undisturbed(case)
    moments = sorted({max(1, round(share * ended.moments)) for share in SHARES})
    for moment in moments[:: 2 if case.name in LONG else 1]:
        here = shutil.copytree(material, tmp_path / "here")
        killed = zygote.run(here, case.line, at=moment)
        kills += killed.code == -9
        assert killed.code in (0, -9), killed
        if killed.code:
            if case.store and (here / case.store / "molecules.lance").is_dir():
                Collection.open_or_create(here / case.store)
            unfinished(here, before, wanted, case)
        is_done = contents_without(here, set(left_over(here)), case) == wanted
        if is_done and (case.store or case.name in ONCE):
            shutil.rmtree(here)
            continue
        again = zygote.run(here, case.line)
        assert again.code == 0, (moment, again)
        assert finished(contents(here, case.loose)) == finished(wanted), moment
        assert left_over(here) == []
        shutil.rmtree(here)
    assert kills


def unfinished(here, before, wanted, case):
    """After a kill: what was there is whole, and what the command writes is whole or not there."""
    now = contents_without(here, set(left_over(here)), case)
    nothing_of_before_is_lost(before, now, case)
    out = case.out
    for name in now:
        if out and (name == out or name.startswith(f"{out}/")) and case.command != "demo":
            assert now[name] == wanted[name], name


def contents_without(here, hidden, case):
    """What there is, beside what a killed process left hidden."""
    shown = here.with_name("shown")
    shutil.copytree(
        here, shown, ignore=lambda folder, names: [one for one in names if is_left(folder, one, here, hidden)]
    )
    try:
        return contents(shown, case.loose)
    finally:
        shutil.rmtree(shown)


def is_left(folder, name, here, hidden):
    return str((Path(folder) / name).relative_to(here)) in hidden


def finished(said):
    """What counts when a command has ended: not the state of a training that is over, nor numbered tables."""
    return {name: one for name, one in said.items() if ".training/" not in name and "removed-" not in name}


@pytest.mark.parametrize("kind", ["autoencoder", "latent"])
def test_a_model_that_is_replaced_is_there_at_every_moment(zygote, material, tmp_path, kind):
    """Trained anew over a model that is there: killed anywhere, there is the old one or the new one."""
    case = next(one for one in CASES if one.name == f"train {kind}")
    first = shutil.copytree(material, tmp_path / "first")
    assert zygote.run(first, case.line).code == 0
    old = contents(first / "m", case.loose)
    changed = (*case.line, "--set", "optimizer.steps=2")
    second = shutil.copytree(first, tmp_path / "second")
    ended = zygote.run(second, changed, count=True)
    assert ended.code == 0, ended
    new = contents(second / "m", case.loose)
    assert old != new
    for moment in range(max(1, ended.moments - 6), ended.moments + 1):
        here = shutil.copytree(first, tmp_path / "here")
        zygote.run(here, changed, at=moment)
        assert contents(here / "m", case.loose) in (old, new)
        shutil.rmtree(here)


def test_rows_are_compared(material):
    """The comparison of these tests sees a changed row."""
    said = rows_of(material / "rnas")
    assert len(said["id"]) > 50
    assert {"kmer2", "kmer2_pca2", "parts"} <= set(said)
