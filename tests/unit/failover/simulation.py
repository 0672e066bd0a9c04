"""A whole run without a process: clients that write and read a topic in memory while fake brokers come and go."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from kafka.errors import KafkaConnectionError

from backbone import clients
from backbone.failover import leadership, patience, payload
from backbone.failover.entries import Acknowledged, Delivered, Invoked, Killed, Promised, SawPartition, Watched
from backbone.failover.history import Record, Terms
from backbone.failover.journal import Journal
from backbone.failover.run import PARTITIONS, Run, Settings
from backbone.wait import CLOCK, wait_until
from tests.unit.failover.fakes import NODES, SESSION, FakeClock, FakeEngine, FakeGround, target
from tests.unit.failover.test_leadership import FakeAdmin
from tests.unit.failover.test_readback import FakeTopic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pytest

    from backbone.failover.plan import Role
    from backbone.failover.workload import Workload
    from backbone.wait import Clock

RUN = bytes(range(16))
_TICK_S = 0.1
_MAJORITY = 2
_BOOT_S = 4.0


@dataclass
class BusyClock(FakeClock):
    """A clock during whose sleep others work, ten times a second and at its end."""

    work: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        end = self.time + seconds
        while end - self.time > _TICK_S:
            self.time += _TICK_S
            self.work()
        self.time = end
        self.work()

    def ns(self) -> int:
        return int(self.time * 1e9)


@dataclass
class SlowEngine(FakeEngine):
    """Brokers answer only some seconds after they were started."""

    ready: dict[str, float] = field(default_factory=dict)

    def start(self, services: Sequence[str], tell: Callable[[str], None], *, as_ran: bool = False) -> None:
        for service in services:
            if self.phases[service] != "running":
                super().start([service], tell, as_ran=as_ran)
                self.silent_since[service] = self.clock.now()
                self.ready[service] = self.clock.now() + _BOOT_S

    def look(self) -> None:
        """Let those answer whose start is over."""
        for service, at in list(self.ready.items()):
            if self.clock.now() >= at and self.phases[service] == "running":
                del self.ready[service]
                self.silent_since.pop(service, None)


@dataclass
class Client:
    """One incarnation of a producer, consumer or observer. waiting: records without an answer yet."""

    name: str
    journal: Journal
    sent: int = 0
    waiting: list[Record] = field(default_factory=list)
    read: dict[int, int] = field(default_factory=dict)


@dataclass
class Traffic:
    """Stands in for Workload: a record a tick and partition, acknowledged once two brokers run."""

    folder: Path
    engine: SlowEngine
    clock: BusyClock
    journal: Journal
    topic: FakeTopic
    run: str = RUN.hex()
    processes: dict[str, Client] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)

    def start(self, role: str) -> None:
        number = self.started[role] = self.started.get(role, -1) + 1
        path = self.folder / f"{role}-0.{number}.jsonl"
        self.processes[role] = Client(f"{role[0]}0.{number}", Journal(path, self.clock.ns))

    def tick(self) -> None:
        self.engine.look()
        alive = [node for node in NODES if f"kafka-{node}" not in self.engine.silent_since]
        if (producer := self.processes.get("producer")) is not None:
            self._produce(producer, alive)
        if (consumer := self.processes.get("consumer")) is not None and alive:
            self._consume(consumer)
        if (observer := self.processes.get("observer")) is not None and len(alive) >= _MAJORITY:
            for partition in range(PARTITIONS):
                observer.journal.write(SawPartition(f"{alive[0]}#1", partition, 1, 1, alive))

    def _produce(self, one: Client, alive: Sequence[int]) -> None:
        one.sent += 1
        for partition in range(PARTITIONS):
            one.waiting.append(Record(one.name, partition, one.sent))
            one.journal.write(Invoked(*one.waiting[-1], self.clock.ns()))
        while one.waiting and len(alive) >= _MAJORITY:
            record = one.waiting.pop(0)
            value = payload.encode(payload.Payload(RUN, record, self.clock.ns()), 0)
            one.journal.write(Acknowledged(*record, self.topic.send("", value, partition=record.partition).offset))

    def _consume(self, one: Client) -> None:
        for partition, log in self.topic.logs.items():
            for offset in range(one.read.get(partition, 0), len(log)):
                told = payload.decode(log[offset], RUN)
                assert told is not None
                one.journal.write(Delivered(f"{one.name}/1", partition, offset, told.record.writer, told.record.n))
            one.read[partition] = len(log)

    def kill(self, role: str) -> int:
        self.processes.pop(role)
        self.journal.write(Killed(f"{role}-0.{self.started[role]}"))
        return -signal.SIGKILL

    def end(self, role: str) -> None:
        self.processes.pop(role).journal.close()
        self.journal.write(Watched(role))

    def wait_for(self, role: str, *_: object, **__: object) -> None:
        assert role in self.processes
        self.clock.sleep(1)

    def await_work(self, role: str) -> None:
        self.wait_for(role)

    def require_alive(self) -> None:
        """All of them are."""

    def abandon(self) -> None:
        for role in tuple(self.processes):
            self.kill(role)


class Ground(FakeGround):
    """One whose leader is changed by a request to the cluster, as in a real run."""

    def make_leader(self, node: int, clock: Clock = CLOCK) -> None:
        leadership.lead((), self.topic, {0: node}, clock=clock)
        self.leader = node

    def await_whole(self, timeout: float) -> None:
        engine = cast("SlowEngine", self.engine_stack.engine)
        wait_until(lambda: not engine.silent_since, what="all replicas", timeout=timeout, clock=engine.clock)

    def _holder(self, role: Role) -> int:
        return 3 if role == "coordinator" else super()._holder(role)


def simulated(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    request: int = 1,
    outage: float = 0,
    error: Exception | None = None,
    sessions: dict[int, int] | None = None,
) -> Run:
    """Return a run whose own admin requests meet an error for `outage` seconds from the given one on."""
    clock, topic = BusyClock(), FakeTopic()
    engine = SlowEngine(clock, folder)
    history = folder / "history"
    history.mkdir()
    journal = Journal(history / "run.jsonl", clock.ns)
    journal.write(Promised(asdict(Terms(PARTITIONS))))
    traffic = Traffic(history, engine, clock, journal, topic)
    clock.work = traffic.tick
    cluster = FakeAdmin({0: [1, 2, 3], 1: [2, 3, 1], 2: [3, 1, 2]}, {0: 1, 1: 2, 2: 3})
    cluster.sessions |= sessions or {}
    since: list[float] = []

    @contextmanager
    def admin(_: Sequence[str]) -> Iterator[FakeAdmin]:
        since.append(clock.now())
        with clients.errors_as("kafka-request", "the cluster refused or did not answer a request"):
            if len(since) >= request and clock.now() - since[request - 1] < outage:
                raise error or KafkaConnectionError("broker 2 is down")
            yield cluster

    def client(*_: Any, **__: Any) -> FakeTopic:
        return topic

    monkeypatch.setattr(patience, "admin", admin)
    monkeypatch.setattr(clients, "producer", client)
    monkeypatch.setattr(clients, "consumer", client)
    made = target(engine)
    ground = Ground(made.addresses, "t", "g", PARTITIONS, SESSION, made.pick, made.stack)
    workload = cast("Workload", traffic)
    return Run(
        Settings(history, dict.fromkeys(NODES, ""), SESSION), ground, workload, journal, lambda _: None, clock,
        slept=lambda: 0.0,
    )  # fmt: skip
