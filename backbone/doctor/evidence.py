"""What the doctor looks at, as plain values: gathered by backbone/doctor/gather, made up by the tests of the checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone.stack.settings import OWN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from backbone.events.dead_letters import Waiting
    from backbone.stack.compose import Model
    from backbone.stack.health import ClusterHealth


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a Docker engine says of itself. memory in bytes, clock_skew in seconds (engine minus this machine)."""

    version: str
    memory: int
    log_drivers: tuple[str, ...] = ("json-file",)
    clock_skew: float = 0.0


@dataclass(frozen=True, slots=True)
class PortUse:
    """An address the stack publishes, and who has it now: "" if nobody, "this stack" if it runs already."""

    service: str
    host: str
    port: int
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the stack's data. owner: user id, None if it does not exist; sizes in bytes.

    read_only: its disk is mounted so.
    """

    path: Path
    owner: int | None
    writable: bool
    free: int
    total: int
    used_by_stack: int = 0
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic may grow to: its partitions, replicas, and bytes a partition keeps (retention and one segment)."""

    name: str
    partitions: int
    replicas: int
    bytes_per_partition: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What the brokers say of their settings: those that somebody set, by node; those that count for each topic."""

    brokers: Mapping[int, Mapping[str, str]]
    topics: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Running:
    """One service as its engine sees it, with what the doctor wants to know of it."""

    name: str
    phase: str
    health: str
    image: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False
    restarts: int = 0
    health_output: str = ""
    first_error: str = ""
    outdated: tuple[str, ...] = ()
    data_gone: bool = False


@dataclass(frozen=True, slots=True)
class Stray:
    """A service whose record names a process that is not its own, and what that is now.

    home: the one that this was copied from; "" where the process has ended and its number was given anew.
    """

    service: str
    pid: int
    program: str
    home: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of this machine. open_files: the hard limit; map_count: vm.max_map_count, None where there is none."""

    open_files: int
    map_count: int | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that the configuration of a service names, or that a broker shows.

    of: the service, or the broker's address. names: whom it is for; advertised: whom it should be for. mode: of the
    file, if a key is in it. problem: why nothing else is known of it. shown: by a broker of somebody else's.
    """

    of: str
    where: str
    days_left: float = 0.0
    names: frozenset[str] = frozenset()
    advertised: tuple[str, ...] = ()
    mode: int | None = None
    problem: str = ""
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Where the brokers stand between two Kafka versions.

    running: broker → what it runs. raisable: feature → finalised level, and the one that every broker supports. days:
    since the last of them was started.
    """

    running: Mapping[str, str]
    raisable: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    days: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. A field that is None could not be seen; `unseen` says why, by the field's name.

    meta: log directory → the assignments of its meta.properties. env, env_example: variables by name. damaged: programs
    that are not what they were. leftovers: what killed tasks have left. newer: data that a later Kafka has finalised.
    levels: subject → (its level, the one of its contract), where they differ.
    """

    model: Model
    engine_name: str
    env: Mapping[str, str]
    env_example: Mapping[str, str]
    shell: Mapping[str, str] = field(default_factory=dict)
    lock: Mapping[str, str] = field(default_factory=dict)
    secret_modes: Mapping[str, int] = field(default_factory=dict)
    engine: EngineFacts | None = None
    compose_version: str | None = None
    ports: tuple[PortUse, ...] | None = None
    folders: tuple[Folder, ...] | None = None
    cache: Folder | None = None
    meta: Mapping[str, Mapping[str, str]] | None = None
    limits: Limits | None = None
    services: tuple[Running, ...] | None = None
    unreachable: tuple[str, ...] | None = None
    cluster: ClusterHealth | None = None
    topics: tuple[Topic, ...] | None = None
    settings: Settings | None = None
    upgrade: Upgrade | None = None
    newer: tuple[str, ...] | None = None
    compatibility: str | None = None
    levels: Mapping[str, tuple[str, str]] | None = None
    connectors: Mapping[str, Mapping[str, str]] | None = None
    certificates: tuple[Certificate, ...] | None = None
    letters: tuple[Waiting, ...] | None = None
    damaged: tuple[str, ...] | None = None
    leftovers: tuple[str, ...] | None = None
    strays: tuple[Stray, ...] | None = None
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def stale(self) -> list[str]:
        """The variables of .env that nothing reads."""
        return sorted(set(self.env) - set(self.env_example) - OWN_VARIABLES)
