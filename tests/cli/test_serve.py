"""ribospace serve as a process: it answers, asks for a token beyond this machine, and ends in good order."""

import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

pytest.importorskip("uvicorn", reason="serving needs the extra `web`")

from tests.systems import posix_only
from tests.web.conftest import make_collection

PROGRAM = "import sys; from ribospace.cli import main; sys.argv[0] = 'ribospace'; main()"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make_collection(tmp_path_factory.mktemp("serve") / "molecules").uri


@pytest.fixture
def serving():
    """Start `ribospace serve`, give its address and process."""
    started = []

    def start(*arguments, **environment):
        command = [sys.executable, "-c", PROGRAM, "serve", *map(str, arguments)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | environment)
        started.append(process)
        line = process.stderr.readline()
        while line.startswith("Reading: "):  # a slow machine
            line = process.stderr.readline()
        found = re.search(r"(http://\S+?)/(#token=(\S+))?$", line)
        assert found, line
        return found[1], found[3], process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@posix_only("another process cannot be sent SIGINT")
def test_it_answers_and_ends_with_ctrl_c(place, serving):
    address, token, process = serving(place, "--model", "kmer2", "--port", 0)
    assert token is None
    assert address.startswith("http://127.0.0.1:")
    assert httpx.get(f"{address}/api/health").json()["molecules"] == 121
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in said


def test_beyond_this_machine_a_token_is_asked(place, serving):
    address, token, _ = serving(place, "--port", 0, "--host", "0.0.0.0")
    address = re.sub(r"//.*:", "//127.0.0.1:", address)
    assert len(token) >= 24
    assert httpx.get(f"{address}/api/health").status_code == 401
    assert httpx.get(f"{address}/api/health", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_it_answers_to_the_names_it_is_given(place, serving):
    address, token, _ = serving(place, "--port", 0, "--host", "0.0.0.0", "--name", "atlas.lab.org")
    assert address.startswith("http://atlas.lab.org:")
    local, said = re.sub(r"//.*:", "//127.0.0.1:", address), {"authorization": f"Bearer {token}"}
    for name, status in (("atlas.lab.org", 200), ("elsewhere.org", 400)):
        assert httpx.get(f"{local}/api/health", headers={"host": name, **said}).status_code == status


@pytest.mark.parametrize("name", ["http://atlas.lab.org", "atlas.lab.org:8080", "*.lab.org", "", "a b"])
def test_what_is_no_name_is_refused(place, refused, name):
    refused(["serve", place, "--name", name], "is no name of a machine")


def test_a_name_on_this_machine_alone_asks_for_a_token(place, serving):
    address, token, _ = serving(place, "--port", 0, "--name", "atlas.lab.org")
    assert address.startswith("http://127.0.0.1:")
    assert len(token) >= 24
    assert httpx.get(f"{address}/api/health", headers={"host": "atlas.lab.org"}).status_code == 401


def test_mistakes_are_one_line(place, refused, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused(["serve", place, "--port", taken.getsockname()[1]], "cannot be had", "--port 0")
    refused(["serve", tmp_path / "nothing", "--port", 0], "There is no collection")
    refused(["serve", place, "--port", 0, "--model", "kmer3"], "no embedding 'kmer3'")
    refused(["serve", place, "--port", 0, "--projection", "flot"], "Did you mean flat")
    refused(["serve", place, "--port", 0, "--host", "203.0.113.7"], "203.0.113.7")
    refused(["serve", place, "--port", 0, "--token", "short"], "12 or more")
