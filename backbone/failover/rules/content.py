"""What the log must hold: nothing acknowledged is missing, twice, misplaced or out of order.

Notation: c(v) the outcome of record v, F(k) the log of partition k after the run, o(v) the (lowest) offset of v in it.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from backbone.failover.rules.index import Index, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backbone.failover.history import Record


def lost_write(index: Index) -> Iterator[Violation]:
    """L1: c(v) = ok and v not in F(k)."""
    for send, log in index.acknowledged():
        if send.record not in log:
            yield Violation("L1", send.record.partition, send.record, f"acknowledged at offset {send.offset}")


def vanished_read(index: Index) -> Iterator[Violation]:
    """L2: some session delivered v, and v is not in F(k)."""
    for delivery in index.history.deliveries:
        log, record = index.logs.get(delivery.partition), delivery.record
        ours = record is not None and record.partition == delivery.partition
        if log is not None and record is not None and ours and record not in log:
            yield Violation("L2", delivery.partition, record, f"{delivery.session} read it at {delivery.offset}")


def partial_ack_gap(index: Index) -> Iterator[Violation]:
    """L4: n1 < n2 < n3 of one writer and partition, n1 and n3 in F(k), n2 acknowledged and not in F(k).

    L1 with its position: a hole in the middle of what survived, not a lost end.
    """
    bounds: dict[tuple[str, int], tuple[int, int]] = {}
    for partition, log in index.logs.items():
        for record in log.where:
            key = record.writer, partition
            low, high = bounds.get(key, (record.n, record.n))
            bounds[key] = min(low, record.n), max(high, record.n)
    for send, log in index.acknowledged():
        record = send.record
        low, high = bounds.get((record.writer, record.partition), (record.n, record.n))
        if low < record.n < high and record not in log:
            yield Violation("L4", record.partition, record, f"between n={low} and n={high}, both in the log")


def duplicate_in_log(index: Index) -> Iterator[Violation]:
    """O2: v is at two or more offsets of F(k) although the producer is idempotent (KIP-98)."""
    if not index.history.terms.idempotent:
        return
    for partition, log in index.logs.items():
        for record, offsets in log.where.items():
            if len(offsets) > 1:
                yield Violation("O2", partition, record, f"at offsets {', '.join(map(str, offsets))}")


def reorder(index: Index) -> Iterator[Violation]:
    """O3: n1 < n2 of one writer and partition, and o(n1) > o(n2). Reported for n2, the one that is too early."""
    for partition, log in index.logs.items():
        ordered = sorted(log.where, key=lambda record: (record.writer, record.n))
        for _, records in groupby(ordered, key=lambda record: record.writer):
            yield from _overtakers(partition, records, log.first)


def _overtakers(partition: int, records: Iterator[Record], offset: Callable[[Record], int]) -> Iterator[Violation]:
    furthest = -1
    for record in records:
        if (at := offset(record)) < furthest:
            yield Violation("O3", partition, record, f"at {at}, an earlier record of the writer at {furthest}")
        furthest = max(furthest, at)


def ack_offset_lie(index: Index) -> Iterator[Violation]:
    """O4: acknowledged at offset o, and F(k) has v, but not there."""
    for send, log in index.acknowledged():
        where = log.where.get(send.record)
        if where is not None and send.offset is not None and send.offset not in where:
            yield Violation(
                "O4", send.record.partition, send.record, f"acknowledged at {send.offset}, is at {where[0]}"
            )


def real_time_order(index: Index) -> Iterator[Violation]:
    """O8: v1 was acknowledged before v2 was sent, and o(v1) > o(v2): an append to one partition is linearizable."""
    for partition, log in index.logs.items():
        sends = [index.sends[record] for record in log.where if record in index.sends]
        acked = sorted(
            (send.completed, log.first(send.record))
            for send in sends
            if send.outcome == "ok" and send.completed is not None
        )
        position, furthest = 0, -1
        for send in sorted(sends, key=lambda send: send.invoked):
            while position < len(acked) and acked[position][0] < send.invoked:
                furthest = max(furthest, acked[position][1])
                position += 1
            if (at := log.first(send.record)) < furthest:
                yield Violation(
                    "O8", partition, send.record, f"at {at}, one acknowledged before it was sent at {furthest}"
                )


def replica_divergence(index: Index) -> Iterator[Violation]:
    """O10: two final passes, read through different leaders or after a cold restart, differ."""
    for partition, passes in index.complete.items():
        _, reference = passes[-1]
        for name, entries in passes[:-1]:
            if list(entries) != list(reference):
                yield Violation("O10", partition, name, f"{len(entries)} entries, the last pass has {len(reference)}")
