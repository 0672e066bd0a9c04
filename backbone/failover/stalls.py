"""How long writing and reading stood still around each fault, for every partition, by the role its broker had in it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from backbone.failover.history import Fault, History, Send

PartitionRole = Literal["leader", "follower", "none"]

_LATE_NS = 100_000_000
_LEAD_NS = 2_000_000_000
_BUCKET_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class Stall:
    """One partition through one fault. role: of the broker that was hit. Times in ms.

    write: longest time between two acknowledgements, read: between two deliveries; less the time between two sends.
    worst: longest time from when a record was due to its delivery. late: records that took more than 100 ms for that.
    """

    partition: int
    role: PartitionRole
    write: float
    read: float
    worst: float
    late: int


@dataclass(frozen=True, slots=True)
class Window:
    """A fault with what happened from its beginning to the beginning of the next one (or the end of the traffic)."""

    fault: Fault
    end: int
    counts: Mapping[str, int]
    stalls: tuple[Stall, ...]

    @property
    def write_stall(self) -> float:
        """The longest write stall of any partition, ms."""
        return max((stall.write for stall in self.stalls), default=0.0)

    @property
    def read_stall(self) -> float:
        """The longest read stall of any partition, ms."""
        return max((stall.read for stall in self.stalls), default=0.0)


def windows(history: History) -> tuple[Window, ...]:
    """Return a window for each fault, in the order of their beginnings."""
    traffic = _Traffic(history)
    faults = sorted(history.faults, key=lambda fault: fault.begun)
    ends = [*(fault.begun for fault in faults), traffic.end][1:]
    return tuple(
        Window(fault, end, traffic.counts(fault.begun, end), tuple(traffic.stalls(fault, end)))
        for fault, end in zip(faults, ends, strict=True)
    )


def longest_gap(times: Sequence[int], begin: int, end: int) -> int:
    """Return the longest time between neighbours of sorted `times` that overlaps with [begin, end], in their unit.

    The stretch from the last one before `end` to `end` counts: what never came back stood still to the end.
    """
    low, high = max(bisect_right(times, begin) - 1, 0), bisect_right(times, end)
    inside = [*times[low:high], end] if high > low else [begin, end]
    return max((later - earlier for earlier, later in pairwise(inside)), default=0)


def latencies(history: History, window: Window) -> list[tuple[int, float]]:
    """Return (ms since the fault, worst ms from due to acknowledged) for each 100 ms, from 2 s before it."""
    begun, worst = window.fault.begun, dict[int, int]()
    for send in history.sends:
        since = send.intended - begun
        if send.completed is not None and send.outcome == "ok" and since >= -_LEAD_NS and send.intended < window.end:
            bucket = since // _BUCKET_NS
            worst[bucket] = max(worst.get(bucket, 0), send.completed - send.intended)
    return [(bucket * _BUCKET_NS // 1_000_000, round(worst[bucket] / 1e6, 1)) for bucket in sorted(worst)]


class _Traffic:
    """Acknowledgements and deliveries by partition, sorted, ready to be asked for a stretch of time."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._sends = sorted(history.sends, key=lambda send: send.invoked)
        self._invoked = [send.invoked for send in self._sends]
        self._acked: dict[int, list[int]] = defaultdict(list)
        self._delivered: dict[int, list[int]] = defaultdict(list)
        self._first: dict[object, int] = {}
        for send in history.sends:
            if send.outcome == "ok" and send.completed is not None:
                self._acked[send.record.partition].append(send.completed)
        for delivery in history.deliveries:
            self._delivered[delivery.partition].append(delivery.at)
            self._first.setdefault(delivery.record, delivery.at)
        for times in (*self._acked.values(), *self._delivered.values()):
            times.sort()
        regular = [send for send in self._sends if history.fences.get(send.record.partition) != send.record]
        self.end = max((send.completed or send.invoked for send in regular), default=0)
        self._period = _period(regular, history.terms.partitions)

    def _between(self, begin: int, end: int) -> Sequence[Send]:
        return self._sends[bisect_left(self._invoked, begin) : bisect_left(self._invoked, end)]

    def counts(self, begin: int, end: int) -> dict[str, int]:
        """Return how many records of a stretch were sent, how that ended, and how many of them were delivered."""
        sends = self._between(begin, end)
        outcomes = Counter(send.outcome for send in sends)
        delivered = sum(send.record in self._first for send in sends)
        return {"sent": len(sends), **{name: outcomes[name] for name in ("ok", "fail", "info")}, "delivered": delivered}

    def stalls(self, fault: Fault, end: int) -> Iterator[Stall]:
        """Yield each partition's stall in a fault's window."""
        delays: dict[int, list[float]] = defaultdict(list)
        for send in self._between(fault.begun, end):
            if (at := self._first.get(send.record)) is not None:
                delays[send.record.partition].append(at - send.intended)
        for partition in range(self._history.terms.partitions):
            write = longest_gap(self._acked[partition], fault.begun, end) - self._period
            read = longest_gap(self._delivered[partition], fault.begun, end) - self._period
            late = sum(delay > _LATE_NS for delay in delays[partition])
            worst = max(delays[partition], default=0)
            role = _role(self._history, fault, partition)
            yield Stall(partition, role, max(write, 0) / 1e6, max(read, 0) / 1e6, worst / 1e6, late)


def _period(sends: Sequence[Send], partitions: int) -> int:
    """Return the time between two sends to one partition, ns."""
    if len(sends) <= partitions:
        return 0
    return (sends[-1].intended - sends[0].intended) * partitions // len(sends)


def _role(history: History, fault: Fault, partition: int) -> PartitionRole:
    """Return what the broker that was hit was to a partition just before."""
    before = [view for view in history.partitions if view.partition == partition and view.at <= fault.begun]
    if not fault.nodes or not before:
        return "none"
    latest = max(before, key=lambda view: (view.epoch, view.at))
    return "leader" if latest.leader in fault.nodes else "follower"
