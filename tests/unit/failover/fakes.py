"""A cluster that behaves, without a process: brokers that run, die, freeze and are fenced in time."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from backbone.failover.segments import CLEAN_SHUTDOWN
from backbone.failover.target import Target
from backbone.failover.wire import Metadata, PartitionInfo
from backbone.stack.compose import parse
from backbone.stack.engine.base import ServiceState, Stack
from backbone.stack.settings import Settings
from backbone.wait import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from backbone.stack.engine.base import Phase
    from backbone.wait import Clock

NODES = (1, 2, 3)
SESSION = 1.5


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    time: float = 100.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class FakeEngine:
    """Three brokers. deaf: signals are accepted and change nothing, as with a nemesis that does not work."""

    clock: FakeClock
    data: Path
    name: str = "embedded"
    deaf: bool = False
    phases: dict[str, Phase] = field(default_factory=lambda: {f"kafka-{node}": "running" for node in NODES})
    silent_since: dict[str, float] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    generation: int = 0
    session: float = SESSION

    def signal(self, service: str, number: signal.Signals) -> None:
        self.calls.append((number.name, service))
        if self.deaf:
            return
        after: dict[signal.Signals, Phase] = {
            signal.SIGKILL: "exited",
            signal.SIGSTOP: "paused",
            signal.SIGCONT: "running",
        }
        self._set(service, after[number])

    def stop(self, services: Sequence[str], _: Callable[[str], None]) -> None:
        for service in services:
            self.calls.append(("stop", service))
            if not self.deaf:
                (self.folder(service) / CLEAN_SHUTDOWN).touch()
                self._set(service, "stopped")

    def start(self, services: Sequence[str], _: Callable[[str], None], *, as_ran: bool = False) -> None:
        assert as_ran, "a fault brings back what ran, whatever the files say by now"
        for service in services:
            if self.phases[service] != "running":
                self.calls.append(("start", service))
                self.generation += 1
                (self.folder(service) / CLEAN_SHUTDOWN).unlink(missing_ok=True)
                self._set(service, "running")

    def _set(self, service: str, phase: Phase) -> None:
        self.phases[service] = phase
        if phase == "running" and service not in self.cut:
            self.silent_since.pop(service, None)
        else:
            self.silent_since.setdefault(service, self.clock.now())

    def folder(self, service: str) -> Path:
        folder = self.data / service
        folder.mkdir(exist_ok=True)
        return folder

    def states(self, services: Sequence[str] | None = None) -> list[ServiceState]:
        return [
            ServiceState(name, phase, identity=f"pid {self.generation}")
            for name, phase in self.phases.items()
            if services is None or name in services
        ]

    def fenced(self) -> set[int]:
        """Return the brokers whose session has expired; without a majority nobody is left to see it."""
        if len(self.silent_since) * 2 > len(self.phases):
            return set()
        return {int(name[-1]) for name, since in self.silent_since.items() if self.clock.now() - since >= self.session}


@dataclass
class NetworkedEngine(FakeEngine):
    """One that can also cut a broker off, from all or from some, and take its processors and memory."""

    deaf_to: dict[str, set[str]] = field(default_factory=dict)
    lossy_since: dict[str, float] = field(default_factory=dict)
    starved: set[str] = field(default_factory=set)
    killed: list[str] = field(default_factory=list)

    def disconnect(self, service: str) -> None:
        self.cut.add(service)
        self.silent_since.setdefault(service, self.clock.now())

    def reconnect(self, service: str) -> None:
        self.cut.discard(service)
        self.silent_since.pop(service, None)

    def mute(self, service: str, peers: Sequence[str]) -> None:
        if not self.deaf:
            self.deaf_to[service] = set(peers)
            if len(peers) == len(self.phases) - 1:
                self.silent_since.setdefault(service, self.clock.now())

    def unmute(self, service: str, peers: Sequence[str]) -> None:
        assert self.deaf_to.pop(service) == set(peers)
        self.silent_since.pop(service, None)

    def connects(self, service: str, host: str, _: int) -> bool:
        return host not in self.deaf_to.get(service, ())

    def drops_packets(self) -> bool:
        return True

    def drop_packets(self, service: str, share: float) -> None:
        assert 0 < share < 1
        if not self.deaf:
            self.lossy_since[service] = self.clock.now()

    def dropped_packets(self, service: str) -> int:
        return int((self.clock.now() - self.lossy_since.get(service, self.clock.now())) * 100)

    def pass_packets(self, service: str) -> None:
        del self.lossy_since[service]

    def throttle(self, service: str, cpus: float | None) -> None:
        if cpus is None:
            self.starved.remove(service)
        elif not self.deaf:
            self.starved.add(service)

    def starved_periods(self, service: str) -> int:
        return int(self.clock.now() * 10) if service in self.starved else 0

    def exhaust_memory(self, service: str) -> None:
        if not self.deaf:
            self.killed.append(service)  # and the engine starts it again

    def memory_kills(self, service: str) -> int:
        return self.killed.count(service)


class FakeGround(Target):
    """A target whose answers come from the fake engine instead of from sockets."""

    leader = 1
    whole_waits = 0

    def metadata(self, *, without: Sequence[int] = ()) -> Metadata | None:
        engine = cast("FakeEngine", self.engine_stack.engine)
        silent = {int(name[-1]) for name in engine.silent_since}
        if not set(NODES) - silent - set(without):
            return None
        alive = tuple(node for node in NODES if node not in engine.fenced())
        info = PartitionInfo(self.leader, 1, NODES, alive)
        return Metadata(alive, {0: info})

    def controller(self) -> int | None:
        return 2

    def make_leader(self, node: int, _: Clock = CLOCK) -> None:
        self.leader = node

    def await_whole(self, timeout: float) -> None:
        assert timeout > 0
        self.whole_waits += 1
        engine = cast("FakeEngine", self.engine_stack.engine)
        assert set(engine.phases.values()) == {"running"}, engine.phases


@dataclass
class FakeWorkload:
    """Clients that run or do not."""

    processes: dict[str, int] = field(default_factory=lambda: {"producer": 0, "consumer": 0})
    status: int = -signal.SIGKILL

    def kill(self, role: str) -> int:
        self.processes.pop(role)
        return self.status

    def start(self, role: str) -> None:
        self.processes[role] = 1

    def await_work(self, role: str) -> None:
        assert role in self.processes

    def require_alive(self) -> None:
        """All of them are."""

    def abandon(self) -> None:
        self.processes.clear()


def model(data: Path) -> Any:
    services = {
        f"kafka-{node}": {
            "environment": {
                "KAFKA_NODE_ID": str(node),
                "KAFKA_LOG_DIRS": "/data",
                "KAFKA_ADVERTISED_LISTENERS": f"INTERNAL://kafka-{node}:19092",
            },
            "volumes": [{"type": "bind", "source": str(data / f"kafka-{node}"), "target": "/data"}],
        }
        for node in NODES
    }
    return parse({"name": "fake", "services": services})


def target(engine: FakeEngine, picks: Iterable[int] = ()) -> FakeGround:
    """Return a target on a fake engine. picks: what the seeded choice will choose, then always the first."""
    chosen = iter(picks)
    stack = Stack(Settings(), model(engine.data), cast("Any", engine))
    addresses = {node: f"127.0.0.1:{node}" for node in NODES}
    return FakeGround(addresses, "t", "g", 1, SESSION, lambda nodes: next(chosen, nodes[0]), stack)
