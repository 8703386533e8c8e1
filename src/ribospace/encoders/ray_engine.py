"""The engine for many machines, on Ray: workers read, embed and write shares of a collection; the driver commits.

A worker is a process with an encoder of its own. Vectors stay with the workers until one of them writes those of a
fragment; to the driver come only numbers. It commits what has been written, all fragments at once, at the latest every
half minute, so that what is null is what is left to do, as with the local engine: a run that was killed goes on where
it stopped, and a worker that was killed has its shares done again by Ray.
"""

from __future__ import annotations

import math
import os
import platform
import re
import socket
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from ribospace.alphabet import tokenize
from ribospace.collection import Collection
from ribospace.collection.columns import begin_embedding
from ribospace.collection.place import is_remote
from ribospace.collection.shares import (
    Part,
    Share,
    Written,
    commit_fragments,
    open_version,
    read_share,
    shares_left,
    write_fragment,
)
from ribospace.encoders import engine
from ribospace.encoders.base import Encoder
from ribospace.encoders.engine import Embedded
from ribospace.encoders.registry import find_encoder
from ribospace.errors import Unavailable, UserError
from ribospace.progress import Progress, silent

RETRIES = 4  # of a share whose worker was lost
COMMITS = 10  # attempts, where commands on other machines write too
AHEAD = 2  # shares that a worker has at once, so that it never waits for the next
THREADS = 4  # of a network on a processor; more workers than that hold more copies of its weights
CONNECT_SECONDS = 10.0
WRITERS_MEMORY = 8  # times `engine.WRITE_BYTES`, which one process may be given to write


def embed_on_ray(
    collection: Collection,
    encoder: Encoder,
    *,
    column: str | None = None,
    half: bool = False,
    overwrite: bool = False,
    address: str | None = None,
    progress: Progress = silent,
) -> Embedded:
    """Embed all molecules of a collection that have no vector in the encoder's column yet, by workers on Ray.

    The result is that of `embed_collection`. Workers make the encoder themselves, by where it was found
    (`encoder.location`, or its name), so it has to be found on each machine; another revision there is refused.

    Parameters
    ----------
    collection
        What to embed, in a place that every machine sees under the same name.
    encoder, column, half, overwrite, progress
        See `embed_collection`.
    address
        Of a running Ray cluster, such as "10.0.0.1:6379" or "auto". By default what `RAY_ADDRESS` says, else workers
        on this machine alone. A Ray that this process has begun already is taken as it is.

    Returns
    -------
    Embedded

    Raises
    ------
    UserError
        If Ray is not installed or the cluster not reached; if a machine does not see the collection or the encoder, or
        finds another one; if a share has lost its worker time and again.
    """
    name, began = column or encoder.column, time.perf_counter()
    with collection.writing(), _connected(address) as connected:
        begin_embedding(collection, encoder.info(name), half=half, overwrite=overwrite)
        total = collection.count(f"`{name}` IS NULL")
        run = _Run(collection, name, encoder, total, len(collection) - total, progress)
        try:
            while run.todo:
                run.round()
        finally:
            if not connected:  # else they end with the connection
                run.end()
        if run.done:
            collection.tidy()
    speed = run.done / max(time.perf_counter() - began, 1e-9)
    return Embedded(name, run.done, run.before, round(speed, 1))


class Worker:
    """What embeds, in a process that may be on another machine; Ray makes it again if it is killed."""

    def __init__(self, model: str, pooling: str, revision: str, uri: str, column: str) -> None:
        self.model, self.pooling, self.revision, self.uri, self.column = model, pooling, revision, uri, column
        self.dataset: Any = None

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder; a UserError if it is not that of the machine which has asked."""
        encoder = find_encoder(self.model, self.pooling)
        if encoder.revision != self.revision:
            raise UserError(
                f"{self.model!r} is revision {encoder.revision} on the machine {platform.node()} and {self.revision} "
                "where the command was given: its vectors would differ. Put the same one on both."
            )
        return encoder

    def ready(self) -> int:
        """Make the encoder; most molecules that it should be given at once."""
        return engine._piece_rows(self.encoder)

    def embed(self, share: Share) -> tuple[int, Part]:
        """Embed a share; its number of molecules, and row ids (n,) with vectors (n, width)."""
        if self.dataset is None or self.dataset.version != share.version:
            self.dataset = open_version(self.uri, share.version)
        rows, sequences = read_share(self.dataset, self.column, share)
        return len(rows), (rows, self.encoder.encode(tokenize(sequences)))


def write(uri: str, version: int, column: str, fragment: int, *parts: Part) -> Written:
    """Write one fragment's vectors, in a worker process; see `write_fragment`."""
    return write_fragment(open_version(uri, version), column, fragment, parts)


@dataclass
class _Run:
    """One command: its workers, and the vectors that they hold and nobody has written."""

    collection: Collection
    column: str
    encoder: Encoder
    todo: int
    before: int
    progress: Progress
    done: int = 0
    overtaken: int = 0
    workers: list[Any] = field(default_factory=list)
    pending: dict[Any, tuple[Any, Share | None, Any]] = field(default_factory=dict)  # answer: who, what, its vectors
    waiting: dict[int, list[tuple[Share, Any]]] = field(default_factory=lambda: defaultdict(list))
    since: float = field(default_factory=time.monotonic)

    @cached_property
    def uri(self) -> str:
        uri = str(self.collection.lance().uri)
        return uri if is_remote(uri) else str(Path(uri).resolve())

    def round(self) -> None:
        """Embed what has no vector in the newest version; what others have overtaken is left for another round."""
        total, shares = self.done + self.todo, None
        self.overtaken = 0
        self.progress(self.done, total, "" if self.workers else "waiting for workers")
        for worker in self.workers or self._begin():
            self.pending[worker.ready.remote()] = (worker, None, None)
        while self.pending:
            for answer in _ray().wait(list(self.pending), timeout=1.0)[0]:
                worker, share, vectors = self.pending.pop(answer)
                said = _said(answer)
                if share is not None:
                    self.waiting[share.fragment].append((share, vectors))
                    self.done += share.missing
                if shares is None:  # as many molecules as the first one wants
                    most = share_rows(said, self.todo, len(self.workers))
                    shares = shares_left(self.collection, self.column, most)
                for one in islice(shares, AHEAD if share is None else 1):
                    self._give(worker, one)
            if self._is_time():
                self._write()
            self.progress(self.done, total)
        self._write()
        self.done, self.todo = self.done - self.overtaken, self.overtaken

    def end(self) -> None:
        """Stop the workers."""
        for worker in self.workers:
            _ray().kill(worker)

    def _begin(self) -> list[Any]:
        number, needs = _workers(self.encoder)
        number = min(number, math.ceil(self.todo / engine._piece_rows(self.encoder)))
        actor = _ray().remote(Worker).options(max_restarts=-1, max_task_retries=RETRIES, **needs)
        pooling = "mean" if self.encoder.pooling == "none" else self.encoder.pooling
        found = (self.encoder.location or self.encoder.name, pooling, self.encoder.revision)
        self.workers += [actor.remote(*found, self.uri, self.column) for _ in range(number)]
        return self.workers

    def _give(self, worker: Any, share: Share) -> None:
        answer, vectors = worker.embed.options(num_returns=2).remote(share)
        self.pending[answer] = (worker, share, vectors)

    def _is_time(self) -> bool:
        rows = sum(share.missing for parts in self.waiting.values() for share, _ in parts)
        most = engine.WRITE_BYTES * min(len(self.workers), WRITERS_MEMORY)
        return time.monotonic() - self.since > engine.WRITE_SECONDS or rows * self.encoder.width * 4 > most

    def _write(self) -> None:
        """Have the vectors written, each fragment's by one process, and commit them together."""
        task = _ray().remote(write).options(num_cpus=0, max_retries=RETRIES)
        for _ in range(COMMITS):
            dataset = self.collection.lance()
            if self.column not in dataset.schema.names:
                raise UserError(f"Another command has dropped the embedding {self.column!r} meanwhile. Run it again.")
            for gone in set(self.waiting) - {one.fragment_id for one in dataset.get_fragments()}:  # compacted
                self.overtaken += sum(share.missing for share, _ in self.waiting.pop(gone))
            answers = [
                task.remote(self.uri, dataset.version, self.column, fragment, *(vectors for _, vectors in parts))
                for fragment, parts in self.waiting.items()
            ]
            if not answers or commit_fragments(dataset, [_said(one) for one in answers]):
                self.waiting.clear()
                self.since = time.monotonic()
                return
        raise UserError(
            f"Other commands change {self.collection.uri} all the time: what was embedded could not be committed. Run "
            "it again when they have ended; what was committed before stays."
        )


def share_rows(most: int, todo: int, workers: int) -> int:
    """Molecules of a share: what a worker takes at once, or fewer, so that each worker has `AHEAD` shares to do.

    Examples
    --------
    >>> share_rows(16_384, 40_000_000, workers=8), share_rows(16_384, 20_000, workers=2)
    (16384, 5000)
    """
    return min(most, math.ceil(todo / (AHEAD * workers)))


def _said(answer: Any) -> Any:
    """What a worker answers; what it says of a user's mistake is raised as that."""
    errors = _ray().exceptions
    try:
        return _ray().get(answer)
    except errors.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise type(error.cause)(str(error.cause)) from None
        raise
    except errors.RayError as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise Unavailable(
            f"A worker was lost {RETRIES + 1} times, or could not begin ({type(error).__name__}: {first}). Has each "
            "machine this Ribospace installed, and memory enough? Run the command again to go on."
        ) from error


def _workers(encoder: Encoder) -> tuple[int, dict[str, float]]:
    """How many workers, and what each needs: a GPU for a network where there are any, else its share of processors."""
    nodes = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
    is_network = encoder.pooling != "none"
    if is_network and (gpus := sum(int(node.get("GPU", 0)) for node in nodes)):
        return gpus, {"num_gpus": 1, "num_cpus": 1}
    processors = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    if not processors:
        raise UserError("The Ray cluster has no processor to give. Add a machine, or start it with --num-cpus.")
    threads = min(THREADS, *processors, math.inf) if is_network else 1
    return sum(one // int(threads) for one in processors), {"num_cpus": threads}


@contextmanager
def _connected(address: str | None) -> Iterator[bool]:
    """Connect to a cluster, or begin one of this machine alone, and end what was begun; False if there was one before.

    What Ray says of lost workers goes to stderr meanwhile, not among a command's answers.
    """
    ray = _ray()
    if ray.is_initialized():
        with redirect_stdout(sys.stderr):
            yield False
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    _require_reached(where)
    alone: dict[str, Any] = {"include_dashboard": False} if where == "local" else {}
    try:
        with _silenced(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*fork")  # Lance's; Ray's processes are forked, but exec at once
            ray.init(where, logging_level="ERROR", log_to_driver=False, **alone)
    except (ConnectionError, ValueError, RuntimeError, ImportError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(
            f"Ray at {where!r} cannot be used ({said}). Check --address, and that RAY_AUTH_MODE and RAY_AUTH_TOKEN are "
            "set as on the cluster, if it asks for a token."
        ) from error
    try:
        with redirect_stdout(sys.stderr):
            yield True
    finally:
        with _silenced():
            ray.shutdown()


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep from the terminal what Ray's C++ parts write to it; what matters comes as an exception."""
    said = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(said, 2)
        os.close(said)
        os.close(nowhere)


def _require_reached(where: str) -> None:
    """Try the address, as Ray itself would for minutes."""
    match = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d{1,5})", where)
    if match is None:
        return  # auto, local, or something that Ray refuses
    try:
        socket.create_connection((match[1], int(match[2])), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise Unavailable(f"No Ray cluster answers at {where} ({said}). Check --address; is the cluster up?") from error


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("--engine ray needs Ray, which is not installed: pip install 'ribospace[ray]'.") from error
    return ray
