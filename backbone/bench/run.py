"""One run: start the two processes, prove their clocks, let them work, join what they saw."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.bench import worker
from backbone.bench.clock import OffsetBounds, SkewedClock, offset_bounds
from backbone.bench.samples import NEVER, Samples
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from backbone.bench.worker import Job, Received, Sent

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


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    process: BaseProcess
    conn: Connection

    def receive(self, timeout: float) -> Any:
        """Return the value of the next message; StackError("bench-process") if it failed or says nothing."""
        words = f"said nothing for {timeout:g} s"
        with contextlib.suppress(EOFError):
            if self.conn.poll(timeout):
                kind, value = self.conn.recv()
                if kind != "failed":
                    return value
                words = value
        raise StackError(
            "bench-process",
            f"the {self.name} process of the benchmark failed",
            context=words,
            hint="is the cluster up?  invoke status",
            exit_code=ExitCode.ENVIRONMENT,
        )

    def bounds(self) -> OffsetBounds:
        """Return how far its clock may be from ours."""
        return offset_bounds(self._ping() for _ in range(_PINGS))

    def _ping(self) -> tuple[int, int, int]:
        sent = time.monotonic_ns()
        self.conn.send(("ping", None))
        theirs = self.conn.recv()
        return sent, theirs, time.monotonic_ns()


def execute(job: Job, *, during: Callable[[Mapping[str, int]], None] | None = None) -> Run:
    """Run one job and return what was seen; `during` is called with the pids of both processes as it starts.

    Raises StackError("bench-process") if either process fails.
    """
    with (
        _child("consumer", worker.consume, job) as consumer,
        _child("producer", worker.produce, job) as producer,
    ):
        both = (consumer, producer)
        for child in both:
            child.receive(_CONNECT_TIMEOUT_S)
        clocks = {child.name: child.bounds() for child in both}
        started = time.time() + _START_AFTER_NS / 1e9
        start = SkewedClock()() + _START_AFTER_NS
        for child in both:
            child.conn.send(("start", start))
        if during is not None:
            during({child.name: child.process.pid or 0 for child in both})
        sent = producer.receive(job.load.seconds + 2 * job.grace + _CONNECT_TIMEOUT_S)
        consumer.conn.send(sum(1 for at in sent.acked if at != NEVER))
        received = consumer.receive(2 * job.grace + _CONNECT_TIMEOUT_S)
    return join(sent, received, started, clocks)


@contextlib.contextmanager
def _child(name: str, body: Callable[[Connection, Job], None], job: Job) -> Iterator[_Child]:
    """Start one process; it is gone when the block ends, however it ends."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=body, args=(theirs, job), name=f"bench-{name}", daemon=True)
    process.start()
    theirs.close()
    try:
        yield _Child(name, process, ours)
        process.join(5)
    finally:
        process.kill()
        process.join()
        ours.close()


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
