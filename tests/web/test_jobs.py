"""Heavy work waits for its turn, can be called off, fails in a sentence and is forgotten in time."""

import threading
import time

import pytest

from ribospace.errors import UserError
from ribospace.web.jobs import Jobs
from ribospace.web.refusing import Refusal


@pytest.fixture
def jobs():
    made = Jobs(most_waiting=2, keep_seconds=60, most_kept=3)
    yield made
    made.close()


def ended(jobs, name):
    until = time.monotonic() + 5
    while (state := jobs.state(name))["state"] in ("waiting", "running"):
        assert time.monotonic() < until
        time.sleep(0.002)
    return state


class Held:
    """Work that goes on until it is let go."""

    def __init__(self):
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, progress):
        self.began.set()
        progress(1, 2, "half")
        self.go.wait(5)
        progress(2, 2)
        return {"well": True}


def test_one_at_a_time_in_order(jobs):
    held = Held()
    first = jobs.submit(held)
    held.began.wait(5)
    second = jobs.submit(lambda progress: {"second": 2})
    third = jobs.submit(lambda progress: {"third": 3})
    assert jobs.counts() == {"waiting": 2, "running": 1}
    assert [jobs.state(one)["place_in_queue"] for one in (first, second, third)] == [0, 1, 2]
    assert {key: jobs.state(first)[key] for key in ("done", "total", "note")} == {"done": 1, "total": 2, "note": "half"}
    with pytest.raises(Refusal, match="wait already") as refused:
        jobs.submit(held)
    assert (refused.value.status, refused.value.retry_after) == (503, 30)
    held.go.set()
    assert ended(jobs, third)["result"] == {"third": 3}
    assert jobs.state(first)["result"] == {"well": True}


def test_called_off_waiting_and_running(jobs):
    held = Held()
    running = jobs.submit(held)
    held.began.wait(5)
    waiting = jobs.submit(lambda progress: pytest.fail("it was called off"))
    jobs.cancel(waiting)
    jobs.cancel(running)
    held.go.set()
    assert ended(jobs, jobs.submit(lambda progress: {}))["state"] == "done"
    for name in (running, waiting):
        assert (jobs.state(name)["state"], jobs.state(name)["result"]) == ("cancelled", None)
    jobs.cancel(running)


def test_what_fails_says_why_and_the_next_goes_on(jobs):
    def mistaken(progress):
        raise UserError("No such root.")

    def broken(progress):
        raise ZeroDivisionError("by zero")

    assert ended(jobs, jobs.submit(mistaken))["error"] == "No such root."
    state = ended(jobs, jobs.submit(broken))
    assert state["state"] == "failed"
    assert "ZeroDivisionError" in state["error"]
    assert ended(jobs, jobs.submit(lambda progress: {"a": 1}))["result"] == {"a": 1}


def test_results_are_forgotten(jobs, monkeypatch):
    names = []
    for _ in range(5):
        names.append(jobs.submit(lambda progress: {}))
        ended(jobs, names[-1])
    with pytest.raises(Refusal, match="no such job"):
        jobs.state(names[0])
    assert jobs.state(names[-1])["state"] == "done"
    now = time.monotonic()
    monkeypatch.setattr("ribospace.web.jobs.time.monotonic", lambda: now + 61)
    with pytest.raises(Refusal):
        jobs.state(names[-1])


def test_closing_calls_off(jobs):
    held = Held()
    name = jobs.submit(held)
    held.began.wait(5)
    held.go.set()
    jobs.close()
    assert jobs.state(name)["state"] in ("cancelled", "done")
    with pytest.raises(Refusal, match="ending"):
        jobs.submit(held)
