"""What an engine is: the same verbs over containers and over local processes, and the values they return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from backbone.addresses import listeners

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from backbone.stack.compose import Model
    from backbone.stack.settings import Settings

Phase = Literal["stopped", "starting", "running", "paused", "exited", "unavailable"]
"""unavailable: the service is part of the model, but this engine has no way to run it."""

Progress = Callable[[str], None]
"""Told, in words, what is being done now."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service as its engine sees it. uptime in seconds, memory in bytes; None where it does not apply.

    data_gone: it runs, and the folder of its data was moved or removed meanwhile. outdated: what the Compose files say
    otherwise than it runs with: names of variables, or keys. records: it writes a start-up cache when it is stopped in
    order.
    """

    name: str
    phase: Phase
    identity: str = ""
    pid: int | None = None
    ports: tuple[int, ...] = ()
    uptime: float | None = None
    memory: int | None = None
    health: str = ""
    exit_code: int | None = None
    detail: str = ""
    data_gone: bool = False
    records: bool = False
    outdated: tuple[str, ...] = ()


class Engine(Protocol):
    """Runs the services of one model. Every verb names services as the Compose files do and may raise StackError."""

    name: str
    model: Model
    """All services, as the Compose files say."""

    @property
    def as_running(self) -> Model:
        """The model of all services, with each that runs as it was started."""

    def preflight(self, services: Sequence[str], progress: Progress, *, again: bool = False) -> None:
        """Raise at what would make a start fail (ports, disk, another cluster's data), and fetch what is missing.

        again: of those that run, too: they are about to be stopped and started.
        """

    def can_run(self, service: str) -> bool:
        """Tell whether this engine has a way to run a service of the model."""

    def waves(self, services: Sequence[str]) -> list[list[str]]:
        """Return the services in the order to start them: each wave when the one before is ready."""

    def early(self, services: Sequence[str]) -> list[str]:
        """Return those that may boot beside the first wave: they wait themselves for what they depend on.

        One that gives up before its wave comes is started again with it.
        """

    def start(self, services: Sequence[str], progress: Progress, *, as_ran: bool = False) -> None:
        """Start those that don't run; return when they are started, ready or not.

        as_ran: with the configuration they ran with when this engine was opened, whatever the files say by now.
        """

    def let_in(self) -> None:
        """Let the cluster know its administrator's password, where it asks for one and only a certificate can tell it.

        Without effect while no node takes it, and on an engine whose stack does it by a one-shot.
        """

    def stop(self, services: Sequence[str], progress: Progress) -> None:
        """Stop in order (a controlled shutdown within stop_grace_period each), keep the data."""

    def signal(self, service: str, number: signal.Signals) -> None:
        """Send SIGKILL, SIGSTOP or SIGCONT to the service's main process (kill, pause, unpause)."""

    def states(self, services: Sequence[str] | None = None) -> list[ServiceState]:
        """Return the state of these services, or of every one, in the model's order."""

    def outdated(self) -> dict[str, list[str]]:
        """Return what runs with another configuration than the files say: service → what differs, without values."""

    def logs(self, service: str, tail: int, *, follow: bool = False) -> Iterator[str]:
        """Yield the last lines of a service's log, then the new ones as they come if asked to follow."""

    def said(self, service: str) -> list[str]:
        """Return the lines that a service has written since its last start."""

    def failure(self, service: str) -> str:
        """Return the evidence why a service died: exit code, OOM flag, last health output, guilty log lines."""

    def unreachable(self, model: Model) -> list[str]:
        """Return the addresses that the model's brokers advertise and nobody can connect to from where clients are."""

    def data_dirs(self) -> list[Path]:
        """Return the folders that hold the stack's data, which only `nuke` removes."""

    def take_over(self, folders: Sequence[Path]) -> None:
        """Let this user read, write and rename folders of the stack's data; the services take them back at a start."""

    def remove_data(self, progress: Progress) -> None:
        """Remove data, logs and state of a stopped stack."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The services of some profiles, on an engine that knows the services of all."""

    settings: Settings
    model: Model
    engine: Engine

    @property
    def brokers(self) -> Mapping[str, str]:
        """Kafka service → HOST:PORT of the listener for clients on this machine."""
        return brokers(self.model)

    @property
    def bootstrap(self) -> tuple[str, ...]:
        """The addresses a client on this machine starts from."""
        return tuple(self.brokers.values())

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Variable name → address as clients want them: the brokers, then `x-endpoints` of what runs here."""
        found = {"KAFKA_BOOTSTRAP_SERVERS": ",".join(self.bootstrap)} if self.brokers else {}
        for service in self.model.services.values():
            if self.engine.can_run(service.name):
                found |= {key: str(value) for key, value in (service.raw.get("x-endpoints") or {}).items()}
        return found


def brokers(model: Model) -> dict[str, str]:
    """Return Kafka service → HOST:PORT that it advertises on its EXTERNAL listener, to clients on this machine.

    Raises StackError("bad-listener").
    """
    found = {}
    for name, service in model.services.items():
        if "broker" in service.environment.get("KAFKA_PROCESS_ROLES", ""):
            advertised = listeners(service.environment.get("KAFKA_ADVERTISED_LISTENERS", ""))
            if external := advertised.get("EXTERNAL"):
                found[name] = external.address
    return found
