"""What the brokers must say of themselves: nothing goes back, no unsafe acknowledgement, one leader an epoch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING

from backbone.failover.rules.index import Index, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.failover.history import History, PartitionView, Send


def regress(index: Index) -> Iterator[Violation]:
    """O9: a high watermark fell, a log start moved though nothing expires, or a group's committed offset fell.

    A leader elected again must not show a lower high watermark than was seen before (KIP-207).
    """
    high: dict[int, int] = {}
    start: dict[int, int] = {}
    for view in index.history.offsets:
        if view.high_watermark < high.setdefault(view.partition, view.high_watermark):
            yield Violation(
                "O9", view.partition, "high watermark", f"{view.high_watermark} after {high[view.partition]}"
            )
        if view.start != start.setdefault(view.partition, view.start):
            yield Violation("O9", view.partition, "log start", f"{view.start} after {start[view.partition]}")
        high[view.partition] = max(high[view.partition], view.high_watermark)
    committed: dict[tuple[str, int], int] = {}
    for commit in index.history.commits:
        key = commit.group, commit.partition
        if commit.offset < committed.setdefault(key, commit.offset):
            yield Violation(
                "O9", commit.partition, f"commit of {commit.group}", f"{commit.offset} after {committed[key]}"
            )
        committed[key] = max(committed[key], commit.offset)


class _Insync:
    """The ISR sizes of one partition over time, as a question about any stretch of it."""

    def __init__(self, views: Sequence[PartitionView], least: int) -> None:
        ordered = sorted(views, key=lambda view: view.at)
        self._times = [view.at for view in ordered]
        self._enough = [0, *accumulate(len(view.isr) >= least for view in ordered)]

    def always_too_small(self, begin: int, send: Send, end: int) -> bool:
        """Tell whether all views in [begin, end] are under the minimum, with one before the call, one after the end."""
        low, high = bisect_left(self._times, begin), bisect_right(self._times, end)
        before = bisect_right(self._times, send.invoked) > low
        after = high > bisect_left(self._times, send.completed or 0)
        return before and after and self._enough[high] == self._enough[low]


def unsafe_ack(index: Index) -> Iterator[Violation]:
    """S1: ok(v), while every view of the ISR had fewer than min.insync.replicas for the whole request.

    The whole request: from metadata_slack before the call to metadata_slack after the answer, at least one view on
    each side of it. A broker's metadata trails the leader's by milliseconds, so a shorter stretch proves nothing.
    """
    terms = index.history.terms
    views = defaultdict(list)
    for view in index.history.partitions:
        views[view.partition].append(view)
    insync = {
        partition: _Insync(seen, terms.min_insync)
        for partition, seen in views.items()
        if any(len(view.isr) < terms.min_insync for view in seen)
    }
    for send in index.history.sends:
        seen = insync.get(send.record.partition)
        if send.outcome != "ok" or send.completed is None or seen is None:
            continue
        if seen.always_too_small(send.invoked - terms.metadata_slack, send, send.completed + terms.metadata_slack):
            yield Violation("S1", send.record.partition, send.record, f"fewer than {terms.min_insync} in sync")


def epoch(index: Index) -> Iterator[Violation]:
    """E1: two leaders in one epoch, or one broker's view of the epoch that goes back within one connection to it."""
    leaders: dict[tuple[int, int], int] = {}
    latest: dict[tuple[str, int], int] = {}
    for view in index.history.partitions:
        known = latest.get((view.source, view.partition), view.epoch)
        if view.epoch < known:
            yield Violation("E1", view.partition, view.epoch, f"{view.source} had already said {known}")
        latest[view.source, view.partition] = max(known, view.epoch)
        if view.leader < 0:
            continue
        leader = leaders.setdefault((view.partition, view.epoch), view.leader)
        if leader != view.leader:
            yield Violation("E1", view.partition, view.epoch, f"both {leader} and {view.leader} lead it")


def no_recovery(index: Index) -> Iterator[Violation]:
    """A1: a partition did not come back within recovery_deadline after the last heal.

    It had no leader with a full ISR, or took no new write, or nobody was given a write made after the heal. Speaks only
    where those who would have seen it worked until the deadline: a run that ended before shows nothing.
    """
    history = index.history
    for partition, what, deadline in unrecovered(history):
        if history.worked_until(WITNESSES[what], deadline):
            seconds = history.terms.recovery_deadline / 1e9
            yield Violation("A1", partition, what, f"not within {seconds:g} s after the last heal")


WITNESSES = {"isr": "observer", "write": "producer", "read": "consumer"}
"""What has to come back after the last heal → whose journal tells that it did."""


def unrecovered(history: History) -> Iterator[tuple[int, str, int]]:
    """Yield (partition, what, deadline) of all that was not seen to come back by the deadline, ns."""
    healed = history.last_heal
    if healed is None:
        return
    deadline = healed + history.terms.recovery_deadline
    recovered = {("isr", view.partition) for view in history.partitions if _whole(history, view, healed, deadline)}
    fresh = {send.record for send in history.sends if healed <= send.invoked}
    for send in history.sends:
        if (
            send.outcome == "ok"
            and healed <= send.invoked
            and send.completed is not None
            and send.completed <= deadline
        ):
            recovered.add(("write", send.record.partition))
    for delivery in history.deliveries:
        if delivery.record in fresh and delivery.at <= deadline:
            recovered.add(("read", delivery.partition))
    for partition in range(history.terms.partitions):
        for what in WITNESSES:
            if (what, partition) not in recovered:
                yield partition, what, deadline


def _whole(history: History, view: PartitionView, begin: int, end: int) -> bool:
    full = view.leader >= 0 and len(view.isr) >= history.terms.replication_factor
    return full and begin <= view.at <= end
