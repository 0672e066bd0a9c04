"""The gates that can void a run: a figure that fails one is not slow or fast, it is no measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.bench.clock import OFFSET_LIMIT_NS
from backbone.bench.histogram import AGREEMENT, disagreement
from backbone.bench.samples import NEVER
from backbone.bench.statistics import QUANTILES, quantile, slope

if TYPE_CHECKING:
    from backbone.bench.run import Run
    from backbone.bench.samples import Samples

ACHIEVED = 0.999
"""Least share of the intended rate that must have been sent."""

SENDER_SHARE = 0.10
"""Largest share of the end-to-end p99 that the sender's own lateness may have."""

SENDER_LATENESS_NS = 2_000_000
"""Lateness (p99) that is always allowed: what a thread waits for a busy core, not a client at its limit. It is part
of the end-to-end figure, which it makes larger, never smaller."""

STOLEN = 0.05
"""Largest share of the CPU that the hypervisor may take away: more, and the machine was not the one that is named."""

LAG_SECONDS = 0.1
"""Most that the backlog may grow in a run, in seconds' worth of records, before it counts as growing."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of a valid run: what was found, the limit, and what a failure means.

    inflates: a failure makes the latencies larger than they are, never smaller.
    """

    name: str
    passed: bool
    found: str
    limit: str
    meaning: str
    inflates: bool = False


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition as the cluster describes it."""

    leader: int
    epoch: int
    replicas: int
    in_sync: int


Topology = Mapping[int, PartitionState]
"""Partition number → state."""


def failed(gates: Sequence[Gate]) -> list[Gate]:
    """Return the gates that did not pass."""
    return [gate for gate in gates if not gate.passed]


def gates(
    run: Run, measured: Samples, before: Topology, after: Topology, *, replicas: int = 3, stolen: float = 0.0
) -> list[Gate]:
    """Return every gate of one run.

    measured: the run without its settling time. stolen: the share of all CPU time that the hypervisor took meanwhile.
    """
    return [
        _clocks(run),
        _complete(run),
        _achieved(measured),
        _sender(measured),
        _lag(measured),
        _topology(before, after, replicas),
        _agreement(measured),
        _machine(stolen),
    ]


def repeat_gates(run: Run, measured: Samples) -> list[Gate]:
    """Return the gates that need no cluster: those of a run against the echo stub."""
    return gates(run, measured, {}, {})


def _clocks(run: Run) -> Gate:
    worst = max((bounds.worst for bounds in run.clocks.values()), default=math.inf)
    backwards = run.samples.negative
    return Gate(
        "clock",
        worst <= OFFSET_LIMIT_NS and backwards == 0,
        f"offset within {worst / 1000:.0f} us, {backwards} records received before they were sent",
        f"{OFFSET_LIMIT_NS / 1000:.0f} us, 0",
        "the processes do not read one clock, so no time between them means anything",
    )


def _complete(run: Run) -> Gate:
    samples = run.samples
    found = {
        "failed": samples.failed,
        "lost": samples.lost,
        "duplicated": run.duplicates,
        "damaged": run.damaged,
        "mismatched": run.mismatched,
        **run.errors,
    }
    words = ", ".join(f"{count} {name}" for name, count in found.items() if count) or "all arrived once"
    return Gate(
        "complete",
        words == "all arrived once",
        words,
        "all arrived once",
        "records were not delivered as sent",
    )


def _achieved(measured: Samples) -> Gate:
    """Judge how far the sender has fallen behind from the first tenth of a run to the last.

    A client that can't keep up is late with every record of the last tenth, one that stood still once is not: that is
    for the gate `sender` to say. Records that were never handed over count as well.
    """
    seconds = measured.duration()
    intended = (len(measured) - 1) / seconds if seconds else 0.0
    delays = measured.span("delay")
    tenth = max(1, len(delays) // 10)
    first, last = min(delays[:tenth], default=math.inf), min(delays[-tenth:], default=math.inf)
    behind = max(0.0, last - first) / 1e9 if first < math.inf else math.inf
    handed_over = sum(1 for each in delays if each < math.inf)
    share = handed_over / len(delays) * seconds / (seconds + behind) if seconds else 0.0
    return Gate(
        "achieved",
        share >= ACHIEVED,
        f"{share:.2%} of {intended:.0f}/s",
        f"{ACHIEVED:.1%}",
        "the client could not send at this rate: it is saturated",
    )


def _sender(measured: Samples) -> Gate:
    delay, whole = (_p99(measured.span(name)) for name in ("delay", "end_to_end"))
    return Gate(
        "sender",
        delay < max(SENDER_LATENESS_NS, SENDER_SHARE * whole),
        f"p99 delay {delay / 1e6:.2f} ms, end to end {whole / 1e6:.2f} ms",
        f"{SENDER_SHARE:.0%} of end to end, or {SENDER_LATENESS_NS / 1e6:g} ms",
        "the client was saturated, or had to wait for a CPU: the figure has our own sender's lateness in it",
        inflates=True,
    )


def _p99(values: Sequence[float]) -> float:
    return quantile(sorted(values), 0.99) if values else math.inf


def _lag(measured: Samples) -> Gate:
    """Judge the growth of the backlog by its slope's lower bound, in seconds' worth of records."""
    seconds, points = measured.duration(), backlog(measured)
    rate = len(measured) / seconds if seconds else math.inf
    growth = slope(points).low * seconds / rate if len(points) > 1 else 0.0
    return Gate(
        "lag",
        growth <= LAG_SECONDS,
        f"backlog grew by at least {max(growth, 0.0):.3f} s" if growth > 0 else "backlog does not grow",
        f"{LAG_SECONDS} s",
        "the consumer does not keep up: latency would grow with the length of the run",
    )


def backlog(samples: Samples) -> list[tuple[float, float]]:
    """Return (seconds into the run, records sent and not received) at the end of each second."""
    if not len(samples):
        return []
    start = samples.intended[0]
    points = []
    for second in range(1, int(samples.duration()) + 1):
        at = start + second * 1_000_000_000
        sent = sum(1 for time in samples.actual if NEVER < time <= at)
        got = sum(1 for time in samples.received if NEVER < time <= at)
        points.append((float(second), float(sent - got)))
    return points


def _topology(before: Topology, after: Topology, replicas: int) -> Gate:
    words = "unchanged, all replicas in sync"
    if before != after:
        words = f"changed from {_words(before)} to {_words(after)}"
    elif any(state.replicas != replicas or state.in_sync != replicas for state in before.values()):
        words = f"not all of {replicas} replicas in sync: {_words(before)}"
    return Gate(
        "topology",
        words.startswith("unchanged"),
        words,
        "same leaders and epochs, full ISR",
        "leaders moved or replicas were missing: this was another cluster than the one asked about",
    )


def _words(topology: Topology) -> str:
    return "; ".join(
        f"{number}: leader {state.leader} epoch {state.epoch} ISR {state.in_sync}/{state.replicas}"
        for number, state in sorted(topology.items())
    )


def _machine(stolen: float) -> Gate:
    return Gate(
        "machine",
        stolen <= STOLEN,
        f"{stolen:.1%} of the CPU stolen",
        f"{STOLEN:.0%}",
        "the hypervisor gave this machine's CPU to others: the figures are those of a smaller machine",
        inflates=True,
    )


def _agreement(measured: Samples) -> Gate:
    worst = disagreement(measured.span("end_to_end"), QUANTILES)
    return Gate(
        "histogram",
        worst <= AGREEMENT,
        f"{worst:.3%} apart",
        f"{AGREEMENT:.1%}",
        "raw values and histogram disagree: the recorder is wrong",
    )
