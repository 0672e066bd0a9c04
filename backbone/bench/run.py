"""One run: start the two processes, prove their clocks, let them work, join what they saw."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from backbone.bench import worker
from backbone.bench.clock import OffsetBounds, SkewedClock, offset_bounds
from backbone.bench.samples import NEVER, Samples
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from backbone.bench.worker import Job, Received, Sent

Role = Literal["producer", "consumer"]
"""The two ends of a run."""

_PINGS = 500
_START_AFTER_NS = 200_000_000
_CONNECT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run saw. started: epoch seconds of the first intended time; clocks: offset bounds (ns).

    duplicates: records received again; damaged: foreign or changed; mismatched: times in a record that differ
    from those its sender noted. cpu: CPU seconds of each process.
    """

    samples: Samples
    started: float
    clocks: Mapping[str, OffsetBounds]
    errors: Mapping[str, int]
    duplicates: int
    damaged: int
    mismatched: int
    cpu: Mapping[str, float]


class Worker(Protocol):
    """One process of a run: connected, in place, and waiting to be told to start."""

    @property
    def name(self) -> Role:
        """Which end it is."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def ready(self, timeout: float) -> None:
        """Wait until it is connected; StackError("bench-process") if it failed or says nothing for so many seconds."""

    def clock(self) -> int:
        """Return its clock, in ns, read between this call and its return."""

    def start(self, at: int) -> None:
        """Tell it when the schedule begins (ns)."""

    def expect(self, records: int) -> None:
        """Tell a consumer how many records were acknowledged in all: it ends when it has them."""

    def outcome(self, timeout: float) -> Any:
        """Return what it saw, Sent or Received; StackError("bench-process") if it failed or says nothing."""


Start = Callable[[Role, "Job"], AbstractContextManager[Worker]]
"""How the process of one end is started; it is gone when the block ends, however it ends."""


@dataclass(frozen=True, slots=True)
class PythonWorker:
    """A Python process around a target's sink or source."""

    name: Role
    process: BaseProcess
    conn: Connection

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid or 0

    def ready(self, timeout: float) -> None:
        """Wait for its first message."""
        self.outcome(timeout)

    def clock(self) -> int:
        """Ask for its clock."""
        self.conn.send(("ping", None))
        return int(self.conn.recv())

    def start(self, at: int) -> None:
        """Send the start."""
        self.conn.send(("start", at))

    def expect(self, records: int) -> None:
        """Send the number."""
        self.conn.send(records)

    def outcome(self, timeout: float) -> Any:
        """Return the value of its next message."""
        words = silent(timeout)
        with contextlib.suppress(EOFError):
            if self.conn.poll(timeout):
                kind, value = self.conn.recv()
                if kind != "failed":
                    return value
                words = value
        raise failure(self.name, words)


def silent(timeout: float) -> str:
    """Return what is said of a worker that says nothing."""
    return f"said nothing for {timeout:g} s"


def failure(name: Role, words: str) -> StackError:
    """Return the error for a worker that failed."""
    return StackError(
        "bench-process",
        f"the {name} process of the benchmark failed",
        context=words,
        hint="./invoke status",
        exit_code=ExitCode.ENVIRONMENT,
    )


@contextlib.contextmanager
def python_worker(role: Role, job: Job) -> Iterator[PythonWorker]:
    """Start a Python process with one end of a job's target."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    body = worker.produce if role == "producer" else worker.consume
    process = spawn.Process(target=body, args=(theirs, job), name=f"bench-{role}", daemon=True)
    process.start()
    theirs.close()
    try:
        yield PythonWorker(role, process, ours)
        process.join(5)
    finally:
        process.kill()
        process.join()
        ours.close()


def execute(
    job: Job, *, start: Start = python_worker, during: Callable[[Mapping[str, int]], None] | None = None
) -> Run:
    """Run one job and return what was seen; `during` is called with the pids of both processes as it starts.

    Raises StackError("bench-process") if either process fails.
    """
    with start("consumer", job) as consumer, start("producer", job) as producer:
        both = (consumer, producer)
        for each in both:
            each.ready(_CONNECT_TIMEOUT_S)
        clocks: dict[str, OffsetBounds] = {each.name: _bounds(each) for each in both}
        started = time.time() + _START_AFTER_NS / 1e9
        _begin(*both)
        if during is not None:
            during({each.name: each.pid for each in both})
        sent = producer.outcome(job.load.seconds + 2 * job.grace + _CONNECT_TIMEOUT_S)
        consumer.expect(_acknowledged(sent))
        received = consumer.outcome(2 * job.grace + _CONNECT_TIMEOUT_S)
    return join(sent, received, started, clocks)


def one_after_the_other(job: Job, *, start: Start = python_worker) -> tuple[Sent, Received]:
    """Send everything, then read it all from the beginning: what each end does with the machine to itself."""
    with start("producer", job) as producer:
        producer.ready(_CONNECT_TIMEOUT_S)
        _begin(producer)
        sent: Sent = producer.outcome(job.load.seconds + 2 * job.grace + _CONNECT_TIMEOUT_S)
    with start("consumer", job) as consumer:
        consumer.ready(_CONNECT_TIMEOUT_S)
        _begin(consumer)
        consumer.expect(_acknowledged(sent))
        received: Received = consumer.outcome(2 * job.grace + _CONNECT_TIMEOUT_S)
    return sent, received


def _begin(*workers: Worker) -> None:
    at = SkewedClock()() + _START_AFTER_NS
    for each in workers:
        each.start(at)


def _bounds(child: Worker) -> OffsetBounds:
    """Return how far a worker's clock may be from ours."""
    return offset_bounds((time.monotonic_ns(), child.clock(), time.monotonic_ns()) for _ in range(_PINGS))


def _acknowledged(sent: Sent) -> int:
    return sum(1 for at in sent.acked if at != NEVER)


def join(sent: Sent, received: Received, started: float, clocks: Mapping[str, OffsetBounds]) -> Run:
    """Return both processes' views as one: a record's first receipt counts, later ones are duplicates."""
    first = array("q", [NEVER]) * len(sent.intended)
    duplicates = mismatched = 0
    columns = (received.sequence, received.intended, received.actual, received.received)
    for sequence, intended, actual, at in zip(*columns, strict=True):
        known = 0 <= sequence < len(first)
        if not known or (sent.intended[sequence], sent.actual[sequence]) != (intended, actual):
            mismatched += 1
        elif first[sequence] == NEVER:
            first[sequence] = at
        else:
            duplicates += 1
    samples = Samples(sent.intended, sent.actual, sent.acked, first)
    cpu = {"producer": sent.cpu, "consumer": received.cpu}
    return Run(samples, started, clocks, dict(sent.errors), duplicates, received.damaged, mismatched, cpu)
