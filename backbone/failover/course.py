"""A whole run on one time line: what moved in the cluster, and how many records went through in each second."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from backbone.failover.history import ControllerView, PartitionView

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from backbone.failover.history import History

    Stretch = list[int]
    """[begin, end, …] in ms since the first record, then what was so between them."""

STALL_NS = 500_000_000
"""A partition without an acknowledgement (or a delivery) for so long stands still."""

_MS, _SECOND = 1_000_000, 1_000_000_000
View = TypeVar("View", PartitionView, ControllerView)


def course(history: History) -> dict[str, Any] | None:
    """Return the course of a run (`course` in schemas/failover-report.schema.json); None if nothing was sent.

    It ends with the last record; what happens while the topic is read back is not part of it.
    """
    sends = [send for send in history.sends if history.fences.get(send.record.partition) != send.record]
    if not sends:
        return None
    ended = max(send.completed or send.invoked for send in sends)
    line = _Line(min(send.invoked for send in sends), ended)
    partitions = range(history.terms.partitions)
    acknowledged: dict[int, list[int]] = {partition: [] for partition in partitions}
    delivered: dict[int, list[int]] = {partition: [] for partition in partitions}
    for send in sends:
        if send.outcome == "ok" and send.completed is not None:
            acknowledged[send.record.partition].append(send.completed)
    for delivery in history.deliveries:
        delivered[delivery.partition].append(delivery.at)
    return {
        "ms": line.at(ended),
        "faults": [
            [line.at(fault.begun), line.at(ended if fault.healed is None else fault.healed), fault.number]
            for fault in history.faults
        ],
        "controllers": line.stretches((view.at, view.leader) for view in _newest(history.controllers)),
        "leaders": [line.stretches(_leaders(history, partition)) for partition in partitions],
        "in_sync": [line.stretches(_in_sync(history, partition)) for partition in partitions],
        "no_writes": line.standstills(acknowledged.values()),
        "no_reads": line.standstills(delivered.values()),
        "acknowledged": line.by_second(acknowledged.values()),
        "delivered": line.by_second(delivered.values()),
    }


class _Line:
    """The time of a run, ns, and how it is told in ms."""

    def __init__(self, begun: int, ended: int) -> None:
        self._begun, self._ended = begun, ended

    def at(self, time: int) -> int:
        """Return ms since the beginning, cut to the run."""
        return (min(max(time, self._begun), self._ended) - self._begun) // _MS

    def stretches(self, points: Iterable[tuple[int, int]]) -> list[Stretch]:
        """Return a stretch for each value that held for some time, from points (since when, value) in order."""
        changes: list[tuple[int, int]] = []
        for time, value in points:
            if not changes or changes[-1][1] != value:
                changes.append((self.at(time), value))
        ends = [*(begin for begin, _ in changes), self.at(self._ended)][1:]
        return [[begin, end, value] for (begin, value), end in zip(changes, ends, strict=True) if end > begin]

    def standstills(self, partitions: Iterable[Sequence[int]]) -> list[Stretch]:
        """Return when at least one partition stood still, from the times of the records of each."""
        gaps = sorted(
            (self.at(early), self.at(late))
            for times in partitions
            for early, late in pairwise((self._begun, *sorted(times), self._ended))
            if late - early >= STALL_NS
        )
        joined: list[Stretch] = []
        for begin, end in gaps:
            if joined and begin <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], end)
            else:
                joined.append([begin, end])
        return joined

    def by_second(self, partitions: Iterable[Sequence[int]]) -> list[int]:
        """Return how many of some times fall into each second."""
        counts = Counter((time - self._begun) // _SECOND for times in partitions for time in times)
        return [counts[second] for second in range(self.at(self._ended) // 1000 + 1)]


def _newest(views: Iterable[View]) -> Iterator[View]:
    """Yield the views that know of no older epoch than somebody did before: a broker's metadata may lag."""
    epoch = -1
    for view in views:
        if view.epoch >= epoch:
            epoch = view.epoch
            yield view


def _leaders(history: History, partition: int) -> Iterator[tuple[int, int]]:
    views = _newest(view for view in history.partitions if view.partition == partition)
    return ((view.at, view.leader) for view in views)


def _in_sync(history: History, partition: int) -> Iterator[tuple[int, int]]:
    """Yield how many replicas are in sync, as the leader says; without one, as anybody does."""
    for view in _newest(view for view in history.partitions if view.partition == partition):
        if view.leader < 0 or view.source.partition("#")[0] == str(view.leader):
            yield view.at, len(view.isr)
