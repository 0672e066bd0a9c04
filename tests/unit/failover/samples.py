"""Small histories: for each rule the least that breaks it alone, and its nearest legal neighbour."""

from __future__ import annotations

from dataclasses import replace

from backbone.failover.history import (
    SECOND,
    Commit,
    Delivery,
    Entry,
    Fault,
    History,
    OffsetsView,
    PartitionView,
    Pass,
    Record,
    Send,
    Terms,
)

MS = 1_000_000
A, B, C = (Record("p.0", 0, n) for n in (1, 2, 3))
FENCE = Record("fence", 0, 1)


def ok(record: Record, at: int, offset: int | None, *, took: int = 1) -> Send:
    """Return a send called at `at` ms and acknowledged `took` ms later."""
    return Send(record, at * MS, at * MS, (at + took) * MS, "ok", offset)


def log(*records: Record | None, first: int = 0) -> tuple[Entry, ...]:
    return tuple(Entry(offset, record) for offset, record in enumerate(records, first))


def read(*records: Record | None, session: str = "c.0") -> tuple[Delivery, ...]:
    """Return one session's deliveries, of the offsets from 0 on."""
    return tuple(Delivery(900 * MS + offset, session, 0, offset, record) for offset, record in enumerate(records))


def view(at: int, *isr: int, leader: int = 1, epoch: int = 1, source: str = "1#1") -> PartitionView:
    return PartitionView(at * MS, source, 0, leader, epoch, isr)


SOUND = History(
    terms=Terms(partitions=1),
    sends=(ok(A, 0, 0), ok(B, 10, 1), ok(C, 20, 2), ok(FENCE, 30, 3)),
    deliveries=read(A, B, C, FENCE),
    passes=(Pass("leader-1", {0: log(A, B, C, FENCE)}), Pass("cold", {0: log(A, B, C, FENCE)})),
    fences={0: FENCE},
    watched=dict.fromkeys(("producer", "consumer", "observer"), 1000 * SECOND),
)


def with_log(*records: Record | None, **changes: object) -> History:
    """SOUND, but with this log in both passes and nothing consumed, so that only rules about the log can speak."""
    passes = (Pass("leader-1", {0: log(*records)}), Pass("cold", {0: log(*records)}))
    return replace(SOUND, passes=passes, deliveries=(), **changes)  # type: ignore[arg-type]


FAULT = Fault(1, "kill", "leader", (1,), begun=0, proved=True, healed=5 * MS, recovered=6 * MS)
RECOVERED = replace(SOUND, faults=(FAULT,), partitions=(view(8, 1, 2, 3),))
ALONE = (view(-500, 1), view(400, 1), view(900, 1))

BREAKS: dict[str, tuple[History, History, set[object]]] = {
    "L1": (
        with_log(B, FENCE, sends=(ok(A, 0, None), ok(B, 10, 0), ok(FENCE, 30, 1))),
        with_log(B, FENCE, sends=(ok(A, 0, None)._replace(outcome="info"), ok(B, 10, 0), ok(FENCE, 30, 1))),
        {A},
    ),
    "L2": (
        replace(
            with_log(B, FENCE, sends=(ok(A, 0, None)._replace(outcome="info"), ok(B, 10, None), ok(FENCE, 30, 1))),
            deliveries=(Delivery(1, "c.0", 0, 2, A), Delivery(2, "c.1", 0, 0, B), Delivery(3, "c.1", 0, 1, FENCE)),
        ),
        replace(SOUND, deliveries=(*read(A, session="c.1"), *read(A, B, C, FENCE))),
        {A},
    ),
    "L3": (replace(SOUND, deliveries=read(A, B, C)), replace(SOUND, deliveries=()), {FENCE}),
    "L4": (
        with_log(A, C, FENCE, sends=(ok(A, 0, 0), ok(B, 10, None), ok(C, 20, 1), ok(FENCE, 30, 2))),
        with_log(
            A, C, FENCE, sends=(ok(A, 0, 0), ok(B, 10, None)._replace(outcome="info"), ok(C, 20, 1), ok(FENCE, 30, 2))
        ),
        {B},
    ),
    "O1": (
        replace(SOUND, sends=(*SOUND.sends, ok(Record("q.0", 0, 1), 40, 2)), passes=(), deliveries=()),
        replace(SOUND, sends=(*SOUND.sends, ok(Record("q.0", 0, 1), 40, 4)), passes=(), deliveries=()),
        {2},
    ),
    "O2": (
        with_log(A, B, C, C, FENCE, sends=(ok(A, 0, 0), ok(B, 10, 1), ok(C, 20, 2), ok(FENCE, 30, 4))),
        with_log(
            *(A, B, C, C, FENCE),
            sends=(ok(A, 0, 0), ok(B, 10, 1), ok(C, 20, 2), ok(FENCE, 30, 4)),
            terms=Terms(partitions=1, idempotent=False),
        ),
        {C},
    ),
    "O3": (
        with_log(B, A, C, FENCE, sends=(ok(A, 0, 1, took=15), ok(B, 10, 0), ok(C, 20, 2), ok(FENCE, 30, 3))),
        with_log(
            *(B, Record("q.0", 0, 1), FENCE),
            sends=(ok(Record("q.0", 0, 1), 0, 1, took=15), ok(B, 10, 0), ok(FENCE, 30, 2)),
        ),
        {B},
    ),
    "O4": (
        with_log(A, FENCE, sends=(ok(A, 0, 7), ok(FENCE, 30, 1))),
        with_log(A, FENCE, sends=(ok(A, 0, None), ok(FENCE, 30, 1))),
        {A},
    ),
    "O5": (
        replace(SOUND, deliveries=(*read(A, B, C, FENCE), Delivery(999 * MS, "c.0", 0, 1, B))),
        replace(SOUND, deliveries=(*read(A, B, C, FENCE), Delivery(999 * MS, "c.1", 0, 1, B))),
        {"c.0@1"},
    ),
    "O6": (
        with_log(A, B, C, FENCE, None),
        with_log(A, B, C, FENCE),
        {4},
    ),
    "O7": (
        with_log(A, FENCE, sends=(Send(A, 0, 0, MS, "fail", error="KafkaTimeoutError"), ok(FENCE, 30, 1))),
        with_log(A, FENCE, sends=(Send(A, 0, 0, MS, "info", error="KafkaTimeoutError"), ok(FENCE, 30, 1))),
        {A},
    ),
    "O8": (
        with_log(
            *(B, Record("q.0", 0, 1), FENCE),
            sends=(ok(Record("q.0", 0, 1), 0, 1), ok(B, 10, 0), ok(FENCE, 30, 2)),
        ),
        with_log(
            *(B, Record("q.0", 0, 1), FENCE),
            sends=(ok(Record("q.0", 0, 1), 0, 1, took=10), ok(B, 10, 0), ok(FENCE, 30, 2)),
        ),
        {B},
    ),
    "O9": (
        replace(SOUND, offsets=(OffsetsView(1, 0, 1, 0, 5), OffsetsView(2, 0, 2, 0, 4))),
        replace(SOUND, offsets=(OffsetsView(1, 0, 1, 0, 5), OffsetsView(2, 0, 2, 0, 5))),
        {"high watermark"},
    ),
    "O10": (
        replace(
            SOUND,
            passes=(Pass("leader-1", {0: log(A, B, C, FENCE, first=1)[1:]}), SOUND.passes[1]),
            sends=(*(ok(A, 0, None), ok(B, 10, None), ok(C, 20, None), ok(FENCE, 30, None)),),
            deliveries=(),
        ),
        replace(SOUND, passes=(Pass("leader-1", {0: log(A)}), SOUND.passes[1])),  # it never reached the fence
        {"leader-1"},
    ),
    "S1": (
        replace(SOUND, partitions=ALONE, sends=(ok(A, 0, 0),), passes=(), deliveries=()),
        replace(SOUND, partitions=(*ALONE, view(500, 1, 2)), sends=(ok(A, 0, 0),), passes=(), deliveries=()),
        {A},
    ),
    "E1": (
        replace(SOUND, partitions=(view(1, 1, 2, 3), view(2, 1, 2, 3, leader=2))),
        replace(SOUND, partitions=(view(1, 1, 2, 3), view(2, 1, 2, 3, leader=2, epoch=2))),
        {1},
    ),
    "A1": (
        replace(RECOVERED, partitions=(view(8, 1, 2),)),
        RECOVERED,
        {"isr"},
    ),
}
"""rule → (a history that breaks it, the nearest legal one, the subjects reported)."""

COMPANIONS: dict[str, set[str]] = {"L4": {"L1"}, "O10": {"O1"}}
"""Rules that cannot be broken alone: a gap is made of a lost write, two passes that differ may clash on an offset."""

MORE_BREAKS: dict[str, tuple[str, History]] = {
    "commit falls": ("O9", replace(SOUND, commits=(Commit(1, "g", 0, 3), Commit(2, "g", 0, 2)))),
    "log start moves": ("O9", replace(SOUND, offsets=(OffsetsView(1, 0, 1, 0, 5), OffsetsView(2, 0, 1, 2, 5)))),
    "epoch goes back in one connection": (
        "E1",
        replace(SOUND, partitions=(view(1, 1, 2, 3, leader=2, epoch=2), view(2, 1, 2, 3, epoch=1))),
    ),
    "no write after the heal": (
        "A1",
        replace(RECOVERED, faults=(replace(FAULT, healed=35 * MS),), partitions=(view(40, 1, 2, 3),)),
    ),
    "a write acknowledged too late after the heal": (
        "A1",
        replace(
            RECOVERED,
            faults=(replace(FAULT, healed=25 * MS),),
            partitions=(view(30, 1, 2, 3),),
            sends=(*SOUND.sends[:3], ok(FENCE, 30, 3, took=2_000)),
            terms=Terms(partitions=1, recovery_deadline=SECOND),
        ),
    ),
    "read too late after the heal": (
        "A1",
        replace(RECOVERED, terms=Terms(partitions=1, recovery_deadline=SECOND // 2)),
    ),
    "no leader after the heal": ("A1", replace(RECOVERED, partitions=(view(8, 1, 2, 3, leader=-1),))),
    "a skip within a session": (
        "O5",
        replace(SOUND, deliveries=(*read(A), *read(A, B, C, FENCE)[2:], Delivery(999 * MS, "c.1", 0, 1, B))),
    ),
    "a record nobody sent": ("O6", with_log(A, B, C, FENCE, Record("ghost", 0, 1))),
    "delivered with a wrong checksum": ("O6", replace(SOUND, passes=(), deliveries=read(A, None))),
}
