"""Every command has its row in the table of faults, and every row its command."""

import pytest

from ribospace.cli.app import COMMANDS, command
from tests.faults.cases import CASES, FROM_A_SERVER, WRITES_NOTHING


def opened():
    """Every command of the application, by its words."""
    found = {}
    for name in COMMANDS:
        one = command(name)
        below = getattr(one, "commands", None)
        found |= {name: one} if below is None else {f"{name} {word}": each for word, each in below.items()}
    return found


def writing(one):
    """Whether a command has an option that names what it writes."""
    return any(name in option.opts for option in one.params for name in ("--out", "--to", "--figure", "--store"))


def test_every_command_is_in_the_table():
    """Who adds a command adds a case to tests/faults/cases.py, or says there that it writes nothing."""
    known = {case.command for case in CASES} | set(FROM_A_SERVER) | set(WRITES_NOTHING)
    assert set(opened()) - known == set()


def test_every_row_has_its_command():
    assert {case.command for case in CASES} | set(FROM_A_SERVER) <= set(opened())
    assert not {case.command for case in CASES} & set(WRITES_NOTHING)
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("name", WRITES_NOTHING)
def test_what_writes_nothing_names_no_place(name):
    assert not writing(opened()[name])


def test_a_case_says_where_it_writes():
    assert all(case.out or case.store for case in CASES)
