"""The cluster a run stands on: which service is which broker, who has which role now, and what has recovered."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from backbone.errors import ExitCode, StackError
from backbone.failover import leadership, wire
from backbone.wait import CLOCK, wait_until

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from backbone.failover.plan import Role
    from backbone.stack.engine import Stack
    from backbone.stack.engine.base import ServiceState
    from backbone.wait import Clock


@dataclass
class Target:
    """Brokers by node id, a topic and a group. stack is None where only the addresses are known (--bootstrap).

    session: broker.session.timeout.ms in seconds. pick: chooses among equals, seeded by the plan.
    """

    addresses: Mapping[int, str]
    topic: str
    group: str
    partitions: int
    session: float
    pick: Callable[[Sequence[int]], int]
    stack: Stack | None = None
    _connections: dict[int, wire.Connection] = field(default_factory=dict)

    @property
    def engine_stack(self) -> Stack:
        """The stack whose brokers can be broken. Raises StackError("no-engine") without one."""
        if self.stack is None:
            raise StackError("no-engine", "these brokers are not ours to break", exit_code=ExitCode.USAGE)
        return self.stack

    def service(self, node: int) -> str:
        """Return the Compose service of a broker."""
        services = self.engine_stack.model.services.values()
        return next(one.name for one in services if one.environment.get("KAFKA_NODE_ID") == str(node))

    def state(self, node: int) -> ServiceState:
        """Return what the engine says of a broker now."""
        (state,) = self.engine_stack.engine.states([self.service(node)])
        return state

    def data(self, node: int) -> Path:
        """Return the folder on this machine with a broker's logs."""
        service = self.engine_stack.model[self.service(node)]
        target = service.environment["KAFKA_LOG_DIRS"]
        return Path(next(mount.source for mount in service.mounts if mount.target == target))

    def start(self, nodes: Sequence[int]) -> None:
        """Start brokers (a no-op for those that run)."""
        self.engine_stack.engine.start([self.service(node) for node in nodes], _quiet, as_ran=True)

    def stop(self, nodes: Sequence[int]) -> None:
        """Stop brokers by a controlled shutdown, all at once."""
        self.engine_stack.engine.stop([self.service(node) for node in nodes], _quiet)

    def restore(self) -> None:
        """Let every broker of ours run again, whatever was done to it: the way out of an interrupted run."""
        if self.stack is None:
            return
        for node in self.addresses:
            if self.state(node).phase == "paused":
                self.stack.engine.signal(self.service(node), signal.SIGCONT)
        self.start(tuple(self.addresses))

    def metadata(self, *, without: Sequence[int] = ()) -> wire.Metadata | None:
        """Return the newest metadata that any of the other brokers gives; None if none answers."""
        views = self._ask(lambda connection: wire.metadata(connection, self.topic), without)
        return max(views, key=lambda view: sum(one.epoch for one in view.partitions.values()), default=None)

    def controller(self) -> int | None:
        """Return the active controller's node id; None while there is none."""
        return next((leader for leader, _ in self._ask(wire.controller, ()) if leader >= 0), None)

    def answers(self, node: int) -> bool:
        """Tell whether one broker answers a question put to itself."""
        others = tuple(other for other in self.addresses if other != node)
        return self.metadata(without=others) is not None

    def _ask(self, question: Callable[[wire.Connection], T], without: Sequence[int]) -> Iterator[T]:
        for node, address in self.addresses.items():
            if node in without:
                continue
            connection = self._connections.setdefault(node, wire.Connection(address))
            try:
                yield question(connection)
            except OSError:
                continue

    def victims(self, role: Role, count: int) -> tuple[int, ...]:
        """Return the brokers that have a role now, and further ones up to `count`."""
        first = self._holder(role)
        others = [node for node in self.addresses if node != first]
        chosen = [first]
        while len(chosen) < count:
            chosen.append(self.pick(others))
            others.remove(chosen[-1])
        return tuple(chosen)

    def _holder(self, role: Role) -> int:
        if role == "random":
            return self.pick(list(self.addresses))
        if role == "coordinator":
            found = next(self._ask(lambda connection: wire.coordinator(connection, self.group), ()), None)
        elif role in ("controller", "controller-leader"):
            found = self.controller()
        else:
            found = self._leader_or_follower(role)
        if found is None or found not in self.addresses:
            raise StackError("no-target", f"the cluster has no {role} now", exit_code=ExitCode.ENVIRONMENT)
        return found

    def _leader_or_follower(self, role: Role) -> int | None:
        known = self.metadata()
        if known is None or 0 not in known.partitions:
            return None
        leader = known.partitions[0].leader
        if role == "leader":
            return leader
        return self.pick([node for node in known.partitions[0].replicas if node != leader])

    def make_leader(self, node: int, clock: Clock = CLOCK) -> None:
        """Make a broker the leader of partition 0."""
        known = self.metadata()
        if known is None or 0 not in known.partitions or known.partitions[0].leader != node:
            leadership.lead(tuple(self.addresses.values()), self.topic, {0: node}, clock=clock)

    def whole(self) -> bool:
        """Tell whether every partition has a leader and all its replicas in sync, in the eyes of every broker."""
        views = list(self._ask(lambda connection: wire.metadata(connection, self.topic), ()))
        return len(views) == len(self.addresses) and all(
            len(view.partitions) == self.partitions
            and all(one.leader >= 0 and set(one.isr) == set(one.replicas) for one in view.partitions.values())
            for view in views
        )

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()

    def await_whole(self, timeout: float) -> None:
        """Wait for `whole`. Raises StackError("timed-out")."""
        wait_until(lambda: self.whole() or None, what="every replica of every partition in sync", timeout=timeout)


def _quiet(_: str) -> None:
    """Take no notice of an engine's progress."""
