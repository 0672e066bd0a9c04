"""Closed loop, one record in flight: send, wait for the acknowledgement, poll until it comes back, again.

The same algorithm as Kafka's own EndToEndLatency, so that the two can be set side by side. It says nothing
about a service under load (a slow answer delays the next question); the gate never looks at it.
"""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.bench import records
from backbone.bench.clock import SkewedClock
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from backbone.bench.target import Target

_POLL_S = 10.0
_SECONDS_A_RECORD = 0.5


@dataclass(frozen=True, slots=True)
class Loop:
    """So many records of `size` bytes; the first `skipped` of them do not count."""

    target: Target
    count: int
    size: int
    skipped: int = 0


def execute(loop: Loop) -> list[int]:
    """Run the loop in a process of its own and return each round trip in ns."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_main, args=(theirs, loop), name="bench-closed", daemon=True)
    process.start()
    theirs.close()
    try:
        if ours.poll(60 + loop.count * _SECONDS_A_RECORD):
            times: list[int] = ours.recv()
            return times[loop.skipped :]
        words = "no end in sight"
    except EOFError:
        words = "it died; its traceback is above"
    finally:
        process.kill()
        process.join()
        ours.close()
    raise StackError(
        "bench-process",
        "the closed loop of the benchmark failed",
        context=words,
        exit_code=ExitCode.ENVIRONMENT,
    )


def _main(conn: Connection, loop: Loop) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    conn.send(round_trips(loop))


def round_trips(loop: Loop) -> list[int]:
    """Return the ns of each round trip; ConnectionError if a record does not come back."""
    clock, encode = SkewedClock(), records.Encoder(run=1, size=loop.size, seed=1)
    failures: list[str] = []
    sink = loop.target.sink(lambda _sequence: None, lambda _sequence, why: failures.append(why))
    source = loop.target.source()
    times = []
    for sequence in range(loop.count + loop.skipped):
        start = clock()
        sink.send(sequence, encode(sequence, start, start))
        sink.flush(_POLL_S)
        if not any(True for _ in source.poll(_POLL_S)) or failures:
            raise ConnectionError(f"record {sequence} did not come back: {failures or 'no answer'}")
        times.append(clock() - start)
    sink.close()
    source.close()
    return times
