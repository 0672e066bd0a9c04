"""What a journal holds, a named record a line. Its line is a JSON array: its kind, its time in ns, then its fields."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """One event; what it means says its class, when it was says the line."""

    kind: ClassVar[str]

    def line(self, at: int) -> str:
        """Return its line in a journal."""
        return json.dumps([self.kind, at, *(getattr(self, each.name) for each in fields(self))], separators=(",", ":"))


def from_line(line: str) -> tuple[int, Event]:
    """Return (time in ns, event) of a line; ValueError, LookupError or TypeError for one that is none."""
    kind, at, *values = json.loads(line)
    return at, _KINDS[kind](*values)


@dataclass(frozen=True, slots=True)
class OfRecord(Event):
    """An event of one record, known by its writer, its partition and its number there."""

    writer: str
    partition: int
    n: int


@dataclass(frozen=True, slots=True)
class Invoked(OfRecord):
    """The call that writes a record begins. intended: when it was due, in ns."""

    kind = "invoke"
    intended: int


@dataclass(frozen=True, slots=True)
class Acknowledged(OfRecord):
    """The record is in the log, at an offset, if the broker told it."""

    kind = "ok"
    offset: int | None


@dataclass(frozen=True, slots=True)
class Failed(OfRecord):
    """The record has certainly not been written."""

    kind = "fail"
    error: str


@dataclass(frozen=True, slots=True)
class Unknown(OfRecord):
    """The record may be in the log or not."""

    kind = "info"
    error: str


@dataclass(frozen=True, slots=True)
class Fenced(OfRecord):
    """The record is the last of its partition, and acknowledged."""

    kind = "fence"


@dataclass(frozen=True, slots=True)
class Assigned(Event):
    """A consumer's session begins, with these partitions."""

    kind = "assign"
    session: str
    partitions: list[int]


@dataclass(frozen=True, slots=True)
class Delivered(Event):
    """A consumer got a record; without writer and n its payload is not to be trusted."""

    kind = "deliver"
    session: str
    partition: int
    offset: int
    writer: str | None
    n: int | None


@dataclass(frozen=True, slots=True)
class Committed(Event):
    """A broker has confirmed a group's offset."""

    kind = "commit"
    group: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class PassBegun(Event):
    """A full read of the topic begins."""

    kind = "pass"
    name: str
    partitions: list[int]


@dataclass(frozen=True, slots=True)
class ReadBack(Event):
    """A full read has met a record; without writer and n its payload is not to be trusted."""

    kind = "final"
    name: str
    partition: int
    offset: int
    writer: str | None
    n: int | None


@dataclass(frozen=True, slots=True)
class SawPartition(Event):
    """What a broker (source: node#connection) says of a partition."""

    kind = "partition"
    source: str
    partition: int
    leader: int
    epoch: int
    isr: list[int]


@dataclass(frozen=True, slots=True)
class SawBrokers(Event):
    """The brokers that one takes for alive."""

    kind = "brokers"
    source: str
    alive: list[int]


@dataclass(frozen=True, slots=True)
class SawController(Event):
    """Leader and epoch of the metadata quorum, as a broker says."""

    kind = "controller"
    source: str
    leader: int
    epoch: int


@dataclass(frozen=True, slots=True)
class SawOffsets(Event):
    """What the leader of an epoch says of a partition's ends."""

    kind = "offsets"
    partition: int
    epoch: int
    start: int
    high_watermark: int


@dataclass(frozen=True, slots=True)
class Promised(Event):
    """The fields of Terms that a run is judged by."""

    kind = "terms"
    terms: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FaultBegun(Event):
    """A fault begins. fault: its kind, such as kill."""

    kind = "fault"
    number: int
    fault: str
    target: str
    nodes: list[int]
    quorum_lost: bool


@dataclass(frozen=True, slots=True)
class Proved(Event):
    """Whether something shows that a fault took effect."""

    kind = "proof"
    number: int
    holds: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Healed(Event):
    """A fault was undone."""

    kind = "heal"
    number: int


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """The cluster was whole again after a fault."""

    kind = "recovered"
    number: int


@dataclass(frozen=True, slots=True)
class Killed(Event):
    """A process of the run was killed by us, so that its journal need not have an end."""

    kind = "killed"
    process: str


@dataclass(frozen=True, slots=True)
class Described(Event):
    """A broker's settings and version. teller: which broker said so, in words."""

    kind = "described"
    teller: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Watched(Event):
    """From now on the run asks no more for what a role looks after: "producer", "consumer" or "observer"."""

    kind = "watched"
    role: str


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """The run ends before its plan does. reason: a sentence with what can be done."""

    kind = "stopped"
    reason: str


@dataclass(frozen=True, slots=True)
class Slept(Event):
    """The machine was asleep during the run, for so many seconds in all."""

    kind = "slept"
    seconds: float


@dataclass(frozen=True, slots=True)
class Begun(Event):
    """A process works."""

    kind = "begin"
    name: str


@dataclass(frozen=True, slots=True)
class ClientError(Event):
    """A client raised something that can be ridden out."""

    kind = "error"
    words: str


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """A process ended as it should."""

    kind = "end"


_KINDS: dict[str, type[Event]] = {
    each.kind: each
    for each in (
        *(Invoked, Acknowledged, Failed, Unknown, Fenced, Assigned, Delivered, Committed, PassBegun, ReadBack),
        *(SawPartition, SawBrokers, SawController, SawOffsets, Promised, FaultBegun, Proved, Healed, Recovered),
        *(Killed, Described, Watched, Stopped, Slept, Begun, ClientError, Ended),
    )
}
