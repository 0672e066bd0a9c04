"""The sender keeps its schedule whatever the system does; the receiver knows when it has everything."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from backbone.bench import records
from backbone.bench.samples import NEVER
from backbone.bench.worker import Consumer, Job, Load, Producer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from backbone.bench.clock import Clock

MS = 1_000_000


@dataclass
class Time:
    """A clock that moves only when told."""

    now: int = 0

    def __call__(self) -> int:
        return self.now


@dataclass
class Pipe:
    """The parent's end: messages to be received."""

    messages: deque[object] = field(default_factory=deque)

    def poll(self) -> bool:
        return bool(self.messages)

    def recv(self) -> object:
        return self.messages.popleft()


@dataclass
class System:
    """A target in memory: sending record n takes cost(n) ms; it is acknowledged at once, or refused."""

    time: Time
    cost: Callable[[int], float] = lambda _: 0.0
    acknowledges: Callable[[int], bool] = lambda _: True
    refuses: Callable[[int], bool] = lambda _: False
    held: list[bytes] = field(default_factory=list)
    polls: list[list[bytes]] = field(default_factory=list)

    def sink(self, acknowledged: Callable[[int], None], failed: Callable[[int, str], None]) -> System:
        self._acknowledged, self._failed = acknowledged, failed
        return self

    def source(self) -> System:
        return self

    def send(self, sequence: int, record: bytes) -> None:
        self.time.now += int(self.cost(sequence) * MS)
        if self.refuses(sequence):
            raise ValueError("no")
        self.held.append(record)
        if self.acknowledges(sequence):
            self._acknowledged(sequence)

    def poll(self, timeout: float) -> Iterable[bytes]:
        self.time.now += int(timeout * 1000 * MS) if not self.polls else MS
        return self.polls.pop(0) if self.polls else ()

    def flush(self, timeout: float) -> None:
        del timeout

    def close(self) -> None:
        pass


def wait(deadline: int, clock: Clock) -> None:
    """Move the test's time to the deadline, never back."""
    assert isinstance(clock, Time)
    clock.now = max(clock.now, deadline)


def job(system: System, seconds: float = 0.1, **more: int) -> Job:
    return Job(system, Load(1000, 64, seconds), 5, system.time, system.time, grace=1.0, **more)


def test_a_fast_system_gets_every_record_on_time() -> None:
    system = System(Time())
    sent = Producer(job(system), wait)(start=7 * MS)
    assert sent.actual == sent.intended == sent.acked
    assert [records.decode(record) for record in system.held] == [
        records.Stamp(5, index, 7 * MS + index * MS, 7 * MS + index * MS) for index in range(100)
    ]


def test_after_a_stall_late_records_go_at_once_and_keep_their_intended_time() -> None:
    system = System(Time(), cost=lambda sequence: 20.0 if sequence == 10 else 0.0)
    sent = Producer(job(system), wait)(start=0)
    delays = [(actual - intended) // MS for actual, intended in zip(sent.actual, sent.intended, strict=True)]
    assert delays[:11] == [0] * 11
    assert delays[11:31] == [*range(19, -1, -1)]
    assert len(system.held) == 100


def test_a_full_client_fails_records_without_sending_or_skipping_the_schedule() -> None:
    system = System(Time(), acknowledges=lambda sequence: sequence < 10)
    sent = Producer(job(system, unacknowledged=20 * 64), wait)(start=0)
    assert sent.errors == {"client-full": 70}
    assert len(system.held) == 30
    assert [at == NEVER for at in sent.actual] == [False] * 30 + [True] * 70


def test_a_refused_record_is_counted_by_its_error() -> None:
    system = System(Time(), refuses=lambda sequence: sequence == 3)
    sent = Producer(job(system), wait)(start=0)
    assert sent.errors == {"ValueError": 1}
    assert [index for index, at in enumerate(sent.acked) if at == NEVER] == [3]


def encoded(*sequences: int, run: int = 5) -> list[bytes]:
    encode = records.Encoder(run, 64, 1)
    return [encode(sequence, 0, 0) for sequence in sequences]


def test_the_receiver_stops_when_it_has_all_and_stamps_each_poll_once() -> None:
    system = System(Time(), polls=[encoded(0, 1), encoded(2)])
    got = Consumer(job(system), Pipe(deque([3])))(start=0)  # type: ignore[arg-type]
    assert list(got.sequence) == [0, 1, 2]
    assert list(got.received) == [MS, MS, 2 * MS]


def test_a_repeated_record_does_not_pass_for_a_missing_one() -> None:
    system = System(Time(), polls=[encoded(0, 0), encoded(1)])
    assert list(Consumer(job(system), Pipe(deque([2])))(start=0).sequence) == [0, 0, 1]  # type: ignore[arg-type]


def test_foreign_and_damaged_records_are_counted_and_kept_out() -> None:
    system = System(Time(), polls=[[*encoded(9, run=4), b"junk", *encoded(0)]])
    got = Consumer(job(system), Pipe(deque([1])))(start=0)  # type: ignore[arg-type]
    assert (got.damaged, list(got.sequence)) == (2, [0])


def test_the_receiver_gives_up_after_the_grace() -> None:
    system = System(Time(), polls=[encoded(0)])
    got = Consumer(job(system), Pipe(deque([2])))(start=0)  # type: ignore[arg-type]
    assert list(got.sequence) == [0]
    assert system.time.now == pytest.approx(1.1 * 1000 * MS, rel=0.1)
