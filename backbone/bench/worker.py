"""The two processes of a run: one sends on schedule, one receives and stamps, each its own interpreter.

Never threads of one process: the GIL would let the receiver delay the sender and both lie about it. The
parent speaks to them over a pipe: they say "ready", answer pings until told to start, and end with their
outcome.
"""

from __future__ import annotations

import gc
import signal
import sys
import time
import traceback
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone.bench import clock, records, schedule
from backbone.bench.clock import SkewedClock
from backbone.bench.samples import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from backbone.bench.clock import Clock
    from backbone.bench.target import Sink, Source, Target

SWITCH_INTERVAL_S = 0.0005
"""Python's default of 5 ms between thread switches would itself be a visible latency."""

GRACE_S = 30.0
"""How long after the last send an acknowledgement or a record may still come; then it counts as never."""

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: records/s, bytes each, for how long (s), and how the arrivals are spread."""

    rate: float
    size: int
    seconds: float
    arrivals: schedule.Arrivals = "constant"
    seed: int = 1

    def offsets(self) -> array[int]:
        """Return the schedule, in ns after the start."""
        return schedule.offsets(self.rate, self.seconds, self.arrivals, self.seed)


@dataclass(frozen=True, slots=True)
class Job:
    """One run as its processes are told it. unacknowledged: most bytes held before records fail."""

    target: Target
    load: Load
    run: int
    producer_clock: Clock = field(default_factory=SkewedClock)
    consumer_clock: Clock = field(default_factory=SkewedClock)
    unacknowledged: int = 256 * 1024 * 1024
    grace: float = GRACE_S


@dataclass(slots=True)
class Sent:
    """What the producer process saw: times (ns) by sequence number, failures by name, CPU seconds."""

    intended: array[int]
    actual: array[int]
    acked: array[int]
    errors: Counter[str] = field(default_factory=Counter)
    cpu: float = 0.0


@dataclass(slots=True)
class Received:
    """What the consumer process saw: an entry a record, in order; damaged or foreign ones counted."""

    sequence: array[int] = field(default_factory=lambda: array("q"))
    intended: array[int] = field(default_factory=lambda: array("q"))
    actual: array[int] = field(default_factory=lambda: array("q"))
    received: array[int] = field(default_factory=lambda: array("q"))
    damaged: int = 0
    cpu: float = 0.0


def produce(conn: Connection, job: Job) -> None:
    """Run the producer process: send on schedule, report every record's fate."""
    _serve(conn, job.producer_clock, lambda: Producer(job))


def consume(conn: Connection, job: Job) -> None:
    """Run the consumer process: stamp each poll's return, then read the records."""
    _serve(conn, job.consumer_clock, lambda: Consumer(job, conn))


class Producer:
    """The open-loop sender: late records go at once, none is skipped, no intended time moves.

    wait: returns when a deadline (ns) has come on a clock.
    """

    def __init__(self, job: Job, wait: Callable[[int, Clock], None] = clock.wait_until) -> None:
        self._job, self._clock, self._wait = job, job.producer_clock, wait
        offsets = job.load.offsets()
        self._sent = Sent(offsets, _nothing(len(offsets)), _nothing(len(offsets)))
        self._encode = records.Encoder(job.run, job.load.size, job.load.seed)
        self._completed = 0
        self._sink: Sink = job.target.sink(self._acknowledged, self._failed)

    def _acknowledged(self, sequence: int) -> None:
        self._sent.acked[sequence] = self._clock()
        self._completed += 1

    def _failed(self, sequence: int, why: str) -> None:
        del sequence  # its `acked` stays NEVER
        self._sent.errors[why] += 1
        self._completed += 1

    def __call__(self, start: int) -> Sent:
        """Send everything; `start` is when the schedule begins (ns)."""
        sent, cpu = self._sent, time.process_time()
        sent.intended = array("q", (start + offset for offset in sent.intended))
        most = max(1, self._job.unacknowledged // self._job.load.size)
        for sequence, intended in enumerate(sent.intended):
            self._wait(intended, self._clock)
            if sequence - self._completed >= most:
                self._failed(sequence, "client-full")
                continue
            self._send(sequence, intended)
        self._sink.flush(self._job.grace)
        sent.cpu = time.process_time() - cpu
        self._sink.close()
        return sent

    def _send(self, sequence: int, intended: int) -> None:
        actual = self._clock()
        record = self._encode(sequence, intended, actual)
        try:
            self._sink.send(sequence, record)
        except Exception as error:  # noqa: BLE001 - whatever the client refuses a record with, it is counted
            self._failed(sequence, type(error).__name__)
        self._sent.actual[sequence] = actual


class Consumer:
    """Receives until it has every record, or until told that no more will come."""

    def __init__(self, job: Job, conn: Connection) -> None:
        self._job, self._clock, self._conn = job, job.consumer_clock, conn
        self._wanted: int | None = None
        self._deadline = 0
        self._source: Source = job.target.source()

    def __call__(self, start: int) -> Received:
        """Receive everything that is to come."""
        del start
        got, seen, cpu = Received(), set[int](), time.process_time()
        while not self._finished(len(seen)):
            batch = self._source.poll(_POLL_S)
            self._read(batch, self._clock(), got, seen)
        got.cpu = time.process_time() - cpu
        self._source.close()
        return got

    def _read(self, batch: object, now: int, got: Received, seen: set[int]) -> None:
        for record in batch:  # type: ignore[attr-defined]
            stamp = records.decode(record)
            if stamp is None or stamp.run != self._job.run:
                got.damaged += 1
                continue
            got.sequence.append(stamp.sequence)
            got.intended.append(stamp.intended)
            got.actual.append(stamp.actual)
            got.received.append(now)
            seen.add(stamp.sequence)

    def _finished(self, distinct: int) -> bool:
        """Ask the pipe how many records were acknowledged; then stop at that many or after the grace."""
        if self._wanted is None:
            if not self._conn.poll():
                return False
            self._wanted = self._conn.recv()
            self._deadline = self._clock() + int(self._job.grace * 1e9)
        return distinct >= self._wanted or self._clock() > self._deadline


def _nothing(count: int) -> array[int]:
    return array("q", [NEVER]) * count


def _serve(conn: Connection, clock_: Clock, make: Callable[[], Callable[[int], object]]) -> None:
    """Speak the parent's protocol around one piece of work."""
    # Ctrl-C reaches the whole terminal; the parent is the one that ends the run, and it ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work = make()
        gc.collect()
        gc.freeze()
        gc.disable()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        conn.send(("ready", None))
        while (message := conn.recv())[0] == "ping":
            conn.send(clock_())
        conn.send(("done", work(message[1])))
    except Exception:  # noqa: BLE001 - the parent reports it; here nobody listens
        conn.send(("failed", traceback.format_exc()))
