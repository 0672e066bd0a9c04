"""What happened in a run, as values: the only thing the checker sees.

All times are nanoseconds of one machine's monotonic clock, shared by every process of the run. Offsets and partition
numbers are Kafka's. A record is known by who wrote it and its place in that writer's sequence, never by its payload.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECOND = 1_000_000_000

RECOVERY_S = 60.0
"""How long a cluster may take to be whole again: a run waits so long after each heal, and rule A1 judges by it.

A container's JVM without a start-up cache has needed 21 s on two busy cores.
"""

Outcome = Literal["ok", "fail", "info"]
"""ok: acknowledged. fail: certainly not written, the call raised before it was queued. info: may or may not be written.

Time-outs, disconnects and NOT_LEADER are `info`: the broker may have appended the record (KAFKA-13574).
"""


class Record(NamedTuple):
    """Identity of one record: n = 1, 2, 3, … for each writer (producer and incarnation) and partition."""

    writer: str
    partition: int
    n: int


class Send(NamedTuple):
    """One attempt to write: when it was due, called and answered, and how. No answer at all is `info`, never."""

    record: Record
    intended: int
    invoked: int
    completed: int | None
    outcome: Outcome
    offset: int | None = None
    error: str = ""


class Delivery(NamedTuple):
    """One record handed to the application by a consumer. `record` is None when the payload could not be trusted.

    session: one consumer process and one assignment; a rebalance or a restart begins a new one.
    """

    at: int
    session: str
    partition: int
    offset: int
    record: Record | None


class Entry(NamedTuple):
    """One position of a log as a final pass read it. `record` is None when the payload could not be trusted."""

    offset: int
    record: Record | None


class PartitionView(NamedTuple):
    """What one broker said of a partition. leader is -1 when there is none. source: broker and connection."""

    at: int
    source: str
    partition: int
    leader: int
    epoch: int
    isr: tuple[int, ...]


class OffsetsView(NamedTuple):
    """Log start offset and high watermark that the leader of `epoch` gave."""

    at: int
    partition: int
    epoch: int
    start: int
    high_watermark: int


class Commit(NamedTuple):
    """A group's committed offset, when the broker had confirmed it."""

    at: int
    group: str
    partition: int
    offset: int


class BrokersView(NamedTuple):
    """The brokers one broker knows to be alive (KRaft leaves fenced ones out of its metadata)."""

    at: int
    source: str
    alive: tuple[int, ...]


class ControllerView(NamedTuple):
    """Leader (-1 for none) and epoch of the metadata quorum as one broker knows it."""

    at: int
    source: str
    leader: int
    epoch: int


class Identity(NamedTuple):
    """The settings (name, value) and the version of a broker as it told them. teller: which one, in words."""

    at: int
    teller: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it went. begun ≤ healed ≤ recovered; None where it did not come to that. node: broker ids hit."""

    number: int
    kind: str
    target: str
    nodes: tuple[int, ...]
    begun: int
    proved: bool
    evidence: str = ""
    healed: int | None = None
    recovered: int | None = None
    quorum_lost: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """One full read of the topic after the last heal: partition → its log from the beginning, in offset order."""

    name: str
    logs: Mapping[int, Sequence[Entry]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the run promises and is judged by. Durations in ns.

    metadata_slack: how far a broker's metadata may lag behind what the leader of a partition knows (for S1).
    """

    partitions: int
    replication_factor: int = 3
    min_insync: int = 2
    idempotent: bool = True
    recovery_deadline: int = int(RECOVERY_S * SECOND)
    metadata_slack: int = SECOND


@dataclass(frozen=True, slots=True)
class History:
    """Everything that was seen in one run. fences: partition → the last record written to it, acknowledged.

    truncated: processes whose journal has no end though nobody of us ended them; a history with any is never valid.
    watched: role (producer, consumer, observer) → until when the run let it work; without it nothing is known of that.
    stopped: why the run ended before its plan did. slept: s that the machine was asleep. Neither is ever valid.
    """

    terms: Terms
    sends: Sequence[Send] = ()
    deliveries: Sequence[Delivery] = ()
    passes: Sequence[Pass] = ()
    fences: Mapping[int, Record] = field(default_factory=dict)
    partitions: Sequence[PartitionView] = ()
    offsets: Sequence[OffsetsView] = ()
    commits: Sequence[Commit] = ()
    brokers: Sequence[BrokersView] = ()
    controllers: Sequence[ControllerView] = ()
    faults: Sequence[Fault] = ()
    identities: Sequence[Identity] = ()
    truncated: Sequence[str] = ()
    watched: Mapping[str, int] = field(default_factory=dict)
    stopped: str = ""
    slept: float = 0.0

    def whole(self, role: str) -> bool:
        """Tell whether all journals of a role (producer, consumer, observer, run) came to their end."""
        return not any(name.partition("-")[0] == role for name in self.truncated)

    def worked_until(self, role: str, time: int) -> bool:
        """Tell whether a role is known to have worked up to a time: what it did not see by then did not happen."""
        return self.whole(role) and not self.slept and self.watched.get(role, -1) >= time

    @property
    def last_heal(self) -> int | None:
        """When the last fault was healed; None in a run without one."""
        healed = [fault.healed for fault in self.faults if fault.healed is not None]
        return max(healed, default=None)
