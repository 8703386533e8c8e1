"""The hub is a server of our own; its library reads its address at import, so each fetch is a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.hub_server import serving

PROGRAM = """
import sys
from ribospace.errors import UserError
from ribospace.net.hub import hub_folder
try:
    print(hub_folder(sys.argv[1], sys.argv[2:]))
except UserError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def hub():
    with serving() as hub:
        hub.first = hub.add("lab/model", "v1", {"config.json": b"{}", "weights": b"one"})
        hub.second = hub.add("lab/model", "main", {"config.json": b"{}", "weights": b"two"})
        yield hub


@pytest.fixture
def fetch(hub, tmp_path):
    def call(*words, url=hub.url, **more):
        environment = os.environ | {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"} | more
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return call


def test_files_of_one_commit(hub, fetch):
    folder = fetch("lab/model", "config.json", "weights")
    assert folder.endswith(hub.second)
    with open(f"{folder}/weights", "rb") as file:
        assert file.read() == b"two"


def test_a_revision_is_a_branch_or_a_commit(hub, fetch):
    assert fetch("lab/model@v1", "weights").endswith(hub.first)
    assert fetch(f"lab/model@{hub.first}", "weights").endswith(hub.first)


def test_what_is_cached_is_found_offline(hub, fetch):
    folder = fetch("lab/model", "config.json", "weights")
    before = len(hub.requests)
    assert fetch("lab/model", "config.json", "weights", HF_HUB_OFFLINE="1") == folder
    assert fetch("lab/model", "config.json", "weights", url="http://127.0.0.1:9") == folder
    assert len(hub.requests) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lab/nothing", "weights"], "UserError There is no repository lab/nothing on the hub that you may read"),
        (["lab/model@v9", "weights"], "UserError lab/model on the hub has no revision 'v9'"),
        (["lab/model", "vocab.txt"], "UserError lab/model on the hub has no vocab.txt"),
    ],
)
def test_what_is_not_there_is_said(fetch, words, said):
    assert fetch(*words).startswith(said)


@pytest.mark.parametrize("how", [{"HF_HUB_OFFLINE": "1"}, {"url": "http://127.0.0.1:9"}])
def test_offline_without_a_copy(fetch, how):
    assert fetch("lab/model", "weights", **how).startswith("Unavailable lab/model: weights is not in the cache")
