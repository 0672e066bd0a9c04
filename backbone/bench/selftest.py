"""The instrument measures planted faults: a benchmark that was never seen to find a stall proves nothing.

No Kafka here: the TCP echo stub, the real processes, the real clock. A stall of S seconds in a run of T
delays a record intended x seconds into it by S - x, so a share (S - x)/T of all waits longer than x and the
quantile q is S - (1 - q)T. A tool with coordinated omission reports a fraction of that.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.bench import echo, validity
from backbone.bench.clock import SkewedClock
from backbone.bench.run import Run, execute
from backbone.bench.statistics import quantile
from backbone.bench.worker import Job, Load

if TYPE_CHECKING:
    from backbone.bench.samples import Span

STALL_S = 1.0
_RUN_S = 10.0
_STALL_AT_S = 3.0
_TOLERANCE = 0.10
_RATE = 1000.0
_SIZE = 512


@dataclass(frozen=True, slots=True)
class Check:
    """One planted fault: what should have been found, what was."""

    name: str
    passed: bool
    expected: str
    found: str


def expected_quantile(stall: float, length: float, q: float) -> float:
    """Return the latency quantile, in s, of a run of `length` s with one stall of `stall` s."""
    return max(0.0, stall - (1 - q) * length)


def run_all() -> list[Check]:
    """Run every self-test, one after another (about 40 s)."""
    return [*server_stalled(), *sender_stalled(), delays_planted(), clock_skewed(), sender_saturated()]


def server_stalled() -> list[Check]:
    """Freeze the stub: end to end shows the stall as the formula says."""
    with echo.serving() as stub:
        run = execute(_job(stub), during=lambda _: _freeze(stub.pid))
    return _stall_checks("server stalled", run)


def sender_stalled() -> list[Check]:
    """Freeze our own sender: end to end still shows it, service time does not, and the sender is named."""
    with echo.serving() as stub:
        run = execute(_job(stub), during=lambda pids: _freeze(pids["producer"]))
    service = _seconds(run, "service", 0.95)
    named = [gate.name for gate in validity.failed(validity.repeat_gates(run, run.samples))]
    return [
        *_stall_checks("sender stalled", run),
        Check("sender stalled: service p95", service < STALL_S / 10, f"< {STALL_S / 10} s", f"{service:.3f} s"),
        Check("sender stalled: named", "sender" in named, "gate sender fails", f"failed: {named}"),
    ]


def delays_planted() -> Check:
    """Hold back one record in a hundred for 50 ms: exactly those are found."""
    every, held = 100, 0.05
    with echo.serving(echo.Faults(every, held)) as stub:
        run = execute(_job(stub, seconds=5.0))
    slow = {index for index, value in enumerate(run.samples.span("end_to_end")) if value >= held * 1e9}
    planted = set(range(0, len(run.samples), every))
    # A pause of this very machine may slow others too; the planted ones must all be there and be nearly
    # alone.
    extra = len(slow - planted)
    return Check(
        "planted delays",
        planted <= slow and extra <= len(planted) * _TOLERANCE,
        f"{len(planted)} records of 50 ms and more",
        f"{len(planted & slow)} of them, {extra} others",
    )


def clock_skewed() -> Check:
    """Set the consumer's clock 20 ms back: the run is void."""
    with echo.serving() as stub:
        run = execute(_job(stub, seconds=1.0, consumer_clock=SkewedClock(-20_000_000)))
    named = [gate.name for gate in validity.failed(validity.repeat_gates(run, run.samples))]
    return Check("clock skewed", "clock" in named, "gate clock fails", f"failed: {named}")


def sender_saturated() -> Check:
    """Make each send cost twice the time there is: the sender is named, not the system."""
    with echo.serving() as stub:
        run = execute(_job(stub, seconds=2.0, send_cost=2 / _RATE))
    named = [gate.name for gate in validity.failed(validity.repeat_gates(run, run.samples))]
    return Check(
        "sender saturated",
        {"sender", "achieved"} <= set(named),
        "gates sender and achieved fail",
        f"failed: {named}",
    )


def _job(
    stub: echo.Stub,
    *,
    seconds: float = _RUN_S,
    send_cost: float = 0.0,
    consumer_clock: SkewedClock | None = None,
) -> Job:
    return Job(
        echo.EchoTarget(stub.port, send_cost),
        Load(_RATE, _SIZE, seconds),
        run=1,
        consumer_clock=consumer_clock or SkewedClock(),
        grace=5.0,
    )


def _freeze(pid: int) -> None:
    """Stop a process of ours once, from a few seconds into the run, for the planted time."""

    def stall() -> None:
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(STALL_S, os.kill, (pid, signal.SIGCONT)).start()

    threading.Timer(_STALL_AT_S, stall).start()


def _seconds(run: Run, span: Span, q: float) -> float:
    return quantile(sorted(run.samples.span(span)), q) / 1e9


def _stall_checks(name: str, run: Run) -> list[Check]:
    checks = []
    for q in (0.95, 0.99):
        expected, found = expected_quantile(STALL_S, _RUN_S, q), _seconds(run, "end_to_end", q)
        passed = abs(found - expected) <= _TOLERANCE * expected
        checks.append(Check(f"{name}: p{q * 100:g}", passed, f"{expected:.3f} s ± 10 %", f"{found:.3f} s"))
    return checks
