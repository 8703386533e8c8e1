"""Heavy work, one piece at a time in a thread of its own, while whoever asked looks in now and then."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ribospace.errors import UserError
from ribospace.progress import Progress
from ribospace.web.refusing import Refusal

Work = Callable[[Progress], dict[str, Any]]

ENDED = ("done", "failed", "cancelled")


class _Cancelled(Exception):
    """Work was called off."""


@dataclass
class _Job:
    work: Work | None
    state: str = "waiting"
    done: int = 0
    total: int | None = None
    note: str = ""
    result: dict[str, Any] | None = None
    error: str | None = None
    ended: float = 0.0
    name: str = field(default_factory=lambda: secrets.token_hex(8))


class Jobs:
    """A queue of heavy work.

    Parameters
    ----------
    most_waiting
        So many may wait; more are refused.
    keep_seconds, most_kept
        Results are kept so long, and no more of them than that.

    Examples
    --------
    >>> jobs = Jobs()
    >>> name = jobs.submit(lambda progress: {"answer": 42})
    >>> jobs.close(cancel=False)
    >>> jobs.state(name)["state"], jobs.state(name)["result"]
    ('done', {'answer': 42})
    """

    def __init__(self, most_waiting: int = 16, keep_seconds: float = 600.0, most_kept: int = 64) -> None:
        self._most_waiting, self._keep_seconds, self._most_kept = most_waiting, keep_seconds, most_kept
        self._jobs: dict[str, _Job] = {}  # in the order in which they came
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> str:
        """Let work wait for its turn, and give its name.

        Raises
        ------
        Refusal
            503, where too much waits already or the server is ending.
        """
        with self._changed:
            self._forget()
            waiting = self._in("waiting")
            if self._closing:
                raise Refusal(503, "The server is ending and takes no more work.")
            if len(waiting) >= self._most_waiting:
                raise Refusal(503, f"{len(waiting)} pieces of heavy work wait already. Ask again in a minute.", 30)
            job = _Job(work)
            self._jobs[job.name] = job
            self._changed.notify_all()
            return job.name

    def state(self, name: str) -> dict[str, Any]:
        """How a job stands; a 404 where there is none of the name, or its result was kept long enough."""
        with self._changed:
            self._forget()
            job = self._job(name)
            waiting = [one.name for one in self._in("waiting")]
            said = {"state": job.state, "done": job.done, "total": job.total, "note": job.note}
            place = waiting.index(name) + 1 if job.state == "waiting" else 0
            return {**said, "place_in_queue": place, "result": job.result, "error": job.error}

    def cancel(self, name: str) -> None:
        """Call a job off; work that runs ends when it next tells of its progress."""
        with self._changed:
            job = self._job(name)
            if job.state not in ENDED:
                self._end(job, "cancelled")

    def counts(self) -> dict[str, int]:
        """How many wait and run."""
        with self._changed:
            return {state: len(self._in(state)) for state in ("waiting", "running")}

    def close(self, cancel: bool = True) -> None:
        """Take no more; call off what waits and runs, or wait for it."""
        with self._changed:
            self._closing = True
            if cancel:
                for job in [*self._in("waiting"), *self._in("running")]:
                    self._end(job, "cancelled")
            self._changed.notify_all()
        self._thread.join(timeout=5 if cancel else None)

    # ---------------------------------------------------------------- inside

    def _in(self, state: str) -> list[_Job]:
        return [job for job in self._jobs.values() if job.state == state]

    def _job(self, name: str) -> _Job:
        if name not in self._jobs:
            raise Refusal(
                404, f"There is no such job (results are kept {self._keep_seconds / 60:.0f} minutes). Ask anew."
            )
        return self._jobs[name]

    def _end(self, job: _Job, state: str) -> None:
        job.state, job.work, job.ended = state, None, time.monotonic()

    def _forget(self) -> None:
        ended = [job for job in self._jobs.values() if job.state in ENDED]
        old = time.monotonic() - self._keep_seconds
        extra = {job.name for job in ended[: max(0, len(ended) - self._most_kept)]}
        for job in ended:
            if job.ended < old or job.name in extra:
                del self._jobs[job.name]

    def _next(self) -> tuple[_Job, Work] | None:
        with self._changed:
            while not (waiting := self._in("waiting")):
                if self._closing:
                    return None
                self._changed.wait()
            job = waiting[0]
            assert job.work is not None
            job.state = "running"
            return job, job.work

    def _run(self) -> None:
        while (found := self._next()) is not None:
            job, work = found
            result, error = _outcome(work, self._progress(job))
            with self._changed:
                if job.state == "running":
                    job.result, job.error = result, error
                    self._end(job, "failed" if error else "done")

    def _progress(self, job: _Job) -> Progress:
        def report(done: int, total: int | None, note: str = "") -> None:
            if job.state != "running":
                raise _Cancelled
            job.done, job.total, job.note = done, total, note

        return report


def _outcome(work: Work, progress: Progress) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return work(progress), None
    except _Cancelled:
        return None, "It was cancelled."
    except UserError as error:
        return None, str(error)
    except Exception as error:  # a fault of ours: the server goes on, and says so
        first = (str(error).splitlines() or [""])[0]
        return None, f"Ribospace failed ({type(error).__name__}: {first}). Please report it."
