"""Every command has its row in the table of faults, and every row its command."""

import pytest
import typer

from ribospace.cli.app import app
from tests.faults.cases import CASES, FROM_A_SERVER, WRITES_NOTHING


def commands(one=None, words=()):
    """The words of every command of the application."""
    one = one or typer.main.get_command(app)
    if not hasattr(one, "commands"):
        yield " ".join(words)
        return
    for name, below in one.commands.items():
        yield from commands(below, (*words, name))


def writing(one):
    """Whether a command has an option that names what it writes."""
    return any(name in option.opts for option in one.params for name in ("--out", "--to", "--figure", "--store"))


def test_every_command_is_in_the_table():
    """Who adds a command adds a case to tests/faults/cases.py, or says there that it writes nothing."""
    known = {case.command for case in CASES} | set(FROM_A_SERVER) | set(WRITES_NOTHING)
    assert set(commands()) - known == set()


def test_every_row_has_its_command():
    assert {case.command for case in CASES} | set(FROM_A_SERVER) <= set(commands())
    assert not {case.command for case in CASES} & set(WRITES_NOTHING)
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("name", WRITES_NOTHING)
def test_what_writes_nothing_names_no_place(name):
    one = typer.main.get_command(app)
    for word in name.split():
        one = one.commands.get(word) if one else None
    assert one is None or not writing(one)


def test_a_case_says_where_it_writes():
    assert all(case.out or case.store for case in CASES)
