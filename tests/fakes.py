"""Stand-ins that behave: a clock that moves only when somebody sleeps, an engine whose services come up and die."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.stack.compose import Model, parse
from backbone.stack.engine.base import ServiceState, Stack
from backbone.stack.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from backbone.stack.engine.base import Progress


@dataclass
class FakeClock:
    """Time passes only in `sleep`; `during` runs then, as other processes would."""

    time: float = 0.0
    during: Callable[[float], object] = lambda _: None

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.during(self.time)


@dataclass
class FakeEngine:
    """Services are healthy `needs` looks after their start; those in `dying` end instead."""

    model: Model
    needs: int = 2
    dying: frozenset[str] = frozenset()
    cut: list[str] = field(default_factory=list)
    """What cannot be connected to; each look mends one."""
    refuses: StackError | None = None
    name: str = "fake"
    looks: dict[str, int] = field(default_factory=dict)
    as_ran: bool | None = None
    done: list[str] = field(default_factory=list)
    data: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    order: list[list[str]] = field(default_factory=list)
    """The waves, if not all at once."""
    ahead: list[str] = field(default_factory=list)
    """What may start with the first wave."""
    once: set[str] = field(default_factory=set)
    """What ends at its first start, and lives at the second."""
    let: int = 0
    """How often somebody asked to be let in."""
    recording: set[str] = field(default_factory=set)
    """What writes a start-up cache when it is stopped in order."""
    old: dict[str, list[str]] = field(default_factory=dict)
    """What runs with another configuration than the files say."""

    @property
    def as_running(self) -> Model:
        return self.model

    def outdated(self) -> dict[str, list[str]]:
        return self.old

    def can_run(self, service: str) -> bool:
        return service in self.model.services

    def waves(self, services: Sequence[str]) -> list[list[str]]:
        return self.order or [list(services)]

    def early(self, services: Sequence[str]) -> list[str]:
        return [name for name in self.ahead if name in services]

    def preflight(self, services: Sequence[str], progress: Progress, *, again: bool = False) -> None:
        del progress
        if self.refuses and (again or set(services) - set(self.looks)):
            raise self.refuses

    def start(self, services: Sequence[str], progress: Progress, *, as_ran: bool = False) -> None:
        self.as_ran = as_ran
        for name in services:
            if name in self.ended:
                del self.looks[name]
                self.once.discard(name)
            if name not in self.looks:
                progress(f"starting {name}")
                self.looks[name] = 0
                self.data.add(name)
                self.done.append(f"start {name}")

    @property
    def ended(self) -> set[str]:
        """What has ended by itself."""
        dead = {name for name in self.dying if self.looks.get(name, -1) >= self.needs}
        return dead | (self.once & self.looks.keys())

    def let_in(self) -> None:
        self.let += 1

    def stop(self, services: Sequence[str], progress: Progress) -> None:
        for name in services:
            if self.looks.pop(name, None) is not None:
                progress(f"stopping {name}")
                self.done.append(f"stop {name}")

    def signal(self, service: str, number: signal.Signals) -> None:
        if service not in self.looks:
            raise StackError("not-running", f"{service} does not run", exit_code=ExitCode.ENVIRONMENT)
        self.done.append(f"{number.name} {service}")
        if number == signal.SIGSTOP:
            self.paused.add(service)
        elif number == signal.SIGCONT:
            self.paused.discard(service)

    def states(self, services: Sequence[str] | None = None) -> list[ServiceState]:
        return [self._state(name) for name in self.model.services if services is None or name in services]

    def _state(self, name: str) -> ServiceState:
        if not self.model[name].embedded:
            return ServiceState(name, "unavailable")
        if name not in self.looks:
            return ServiceState(name, "stopped")
        self.looks[name] += 1
        if name in self.ended:
            return ServiceState(name, "exited", exit_code=3)
        if name in self.paused:
            return ServiceState(name, "paused", health="starting")
        up = self.looks[name] > self.needs
        health = "healthy" if up else "starting"
        return ServiceState(name, "running" if up else "starting", health=health, records=name in self.recording)

    def logs(self, service: str, tail: int, *, follow: bool = False) -> Iterator[str]:
        yield from [f"{service} line {number} {follow}" for number in range(tail)]

    def said(self, service: str) -> list[str]:
        return [f"{service}: ERROR the disk is on fire"]

    def failure(self, service: str) -> str:
        return f"{service}: ERROR the disk is on fire"

    def unreachable(self, model: Model) -> list[str]:
        found = [name for name in self.cut if name in model.services]
        self.cut = self.cut[1:]
        return found

    def data_dirs(self) -> list[Path]:
        return [Path(name) for name in sorted(self.data)]

    def take_over(self, folders: Sequence[Path]) -> None:
        self.done.append(f"take over {len(folders)}")

    def remove_data(self, progress: Progress) -> None:
        if self.looks:
            raise AssertionError("data of running services was removed")
        progress("removing")
        self.data.clear()


def model(**services: dict[str, Any]) -> Model:
    """Return the model of some services, each as `docker-compose config` prints it."""
    return parse({"name": "test", "services": services})


def stack(root: Path, engine: FakeEngine) -> Stack:
    """Return a stack over a fake engine, in a folder of its own."""
    return Stack(Settings(root, {}), engine.model, engine)


PLAIN = {"x-embedded": {"runtime": "plain"}}
"""A service that an engine without Docker can run, and that is no broker."""
