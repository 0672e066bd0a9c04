"""What consumers must see: every acknowledged record, in the order of the log, and nothing else."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from backbone.failover.rules.index import Index, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.failover.history import Record


def unseen(index: Index) -> Iterator[Violation]:
    """L3: c(v) = ok and v in F(k), and the group was never given v although it was let read to the fence.

    Speaks only where somebody consumed at all, no journal of a consumer was cut off, and the group was given the fence
    of k or had recovery_deadline after its acknowledgement to come to it.
    """
    deliveries = index.history.deliveries
    if not deliveries or not index.history.whole("consumer"):
        return
    delivered = {delivery.record for delivery in deliveries}
    judged = {k for k, fence in index.history.fences.items() if fence in delivered or _had_time(index, fence)}
    for send, log in index.acknowledged():
        if send.record.partition in judged and send.record in log and send.record not in delivered:
            yield Violation("L3", send.record.partition, send.record, f"at {log.first(send.record)}, never delivered")


def _had_time(index: Index, fence: Record) -> bool:
    """Tell whether the group was let read for recovery_deadline after a fence was acknowledged."""
    send, history = index.sends.get(fence), index.history
    if send is None or send.completed is None:
        return False
    return history.worked_until("consumer", send.completed + history.terms.recovery_deadline)


def inconsistent_offset(index: Index) -> Iterator[Violation]:
    """O1: two different records at one (k, offset), across acknowledgements, deliveries and all final passes."""
    holder: dict[tuple[int, int], Record] = {}
    for partition, offset, record in _positions(index):
        first = holder.setdefault((partition, offset), record)
        if first != record:
            yield Violation("O1", partition, offset, f"{first} and {record}")


def _positions(index: Index) -> Iterator[tuple[int, int, Record]]:
    """Yield every (partition, offset, record) that anybody claimed."""
    for send in index.history.sends:
        if send.outcome == "ok" and send.offset is not None:
            yield send.record.partition, send.offset, send.record
    for delivery in index.history.deliveries:
        if delivery.record is not None:
            yield delivery.partition, delivery.offset, delivery.record
    for partition, entries in index.readings:
        for offset, record in entries:
            if record is not None:
                yield partition, offset, record


def poll_skip(index: Index) -> Iterator[Violation]:
    """O5: within one session, the record after offset a is not the next one F(k) has after a: a skip or a step back.

    Delivering a record again in a new session is at-least-once, and legal.
    """
    last: dict[tuple[str, int], int] = {}
    for delivery in index.history.deliveries:
        log = index.logs.get(delivery.partition)
        if log is None:
            continue
        key = delivery.session, delivery.partition
        before = last.get(key)
        last[key] = delivery.offset
        if before is None:
            continue
        position = bisect_right(log.offsets, before)
        expected = log.offsets[position] if position < len(log.offsets) else None
        if delivery.offset != expected:
            yield Violation(
                "O5",
                delivery.partition,
                f"{delivery.session}@{delivery.offset}",
                f"after {before} comes {expected}, got {delivery.offset}",
            )


def phantom(index: Index) -> Iterator[Violation]:
    """O6: something was read that nobody wrote there, or whose checksum, length or run is wrong.

    "Nobody wrote it" is said only if the journals of all who write came to their end.
    """
    complete = index.history.whole("producer") and index.history.whole("run")
    for partition, offset, record in _read(index):
        if record is None:
            yield Violation("O6", partition, offset, "damaged payload")
        elif record.partition != partition or (complete and record not in index.sends):
            yield Violation("O6", partition, offset, f"{record} was never sent there")


def aborted_read(index: Index) -> Iterator[Violation]:
    """O7 (G1a): a record was read whose send had certainly failed, or whose transaction was aborted."""
    failed = {send.record: send.error for send in index.history.sends if send.outcome == "fail"}
    if not failed:
        return
    for partition, offset, record in _read(index):
        if record is not None and record in failed:
            yield Violation(
                "O7", partition, record, f"read at {offset}, its send raised {failed[record] or 'an error'}"
            )


def _read(index: Index) -> Iterator[tuple[int, int, Record | None]]:
    """Yield every (partition, offset, record) that a consumer or a final pass read."""
    for delivery in index.history.deliveries:
        yield delivery.partition, delivery.offset, delivery.record
    for partition, entries in index.readings:
        for offset, record in entries:
            yield partition, offset, record
