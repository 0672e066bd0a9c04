"""Dead letters: the records that Connect put aside, grouped by cause, shown, and sent again once each.

A dead letter says in its headers where its record came from (topic, partition, offset): that place is its identity.
Connect delivers at least once, so one place may lie there twice; it counts once. A record with a mark in its headers
says that the letter of a place was sent again or discarded (see `replaying`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from backbone.errors import StackError
from backbone.events import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

REPLAYED_FROM = "replayed-from"
"""Header of a record that was sent again: the place that its letter names, TOPIC-PARTITION@OFFSET."""

MARK = "dead-letter-replayed"
DISCARDED = "dead-letter-discarded"
"""Headers of the record that marks a letter as sent again, or as not to be, with the place that is its identity."""

_CONNECT = "__connect.errors."
_SQLSTATE = re.compile(r"[0-9A-Z]{5}(?= )")
_PLACE = re.compile(r"(?P<topic>.+)-(?P<partition>\d+)@(?P<offset>\d+)")
_RECENT = 500
_UNKNOWN = "unknown"


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}@{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """Return the place that a text names, None if it names none."""
        found = _PLACE.fullmatch(text)
        return cls(found["topic"], int(found["partition"]), int(found["offset"])) if found else None


@dataclass(frozen=True, slots=True)
class Letter:
    """One record that was put aside. origin: where it came from, None if its headers don't say. at: ms since 1970."""

    lies: Place
    origin: Place | None
    at: int
    key: bytes | None
    value: bytes | None
    cause: str
    reason: str
    headers: Mapping[str, str]
    own_headers: Sequence[tuple[str, bytes | None]]

    @property
    def identity(self) -> Place:
        """Where the record came from; where the letter lies, if that is not known."""
        return self.origin or self.lies

    @property
    def replay_of(self) -> Place | None:
        """The place of the record that this one was sent again for, None if it was not."""
        values = [value for name, value in self.own_headers if name == REPLAYED_FROM]
        return Place.parse((values[-1] or b"").decode(errors="replace")) if values else None


@dataclass(slots=True)
class Box:
    """What lies in one topic of dead letters: each place once, and those that were sent again or discarded."""

    topic: str
    letters: dict[Place, Letter] = field(default_factory=dict)
    replayed: set[Place] = field(default_factory=set)
    discarded: set[Place] = field(default_factory=set)
    copies: int = 0

    def waiting(self) -> list[Letter]:
        """Return the letters that were neither sent again nor discarded, oldest first."""
        dealt_with = self.replayed | self.discarded
        return [letter for place, letter in self.letters.items() if place not in dealt_with]

    def add(self, message: Untyped) -> None:
        """Take in a record of the topic: a letter, another copy of one, or a mark."""
        headers = list(message.headers)
        for mark, marked in ((MARK, self.replayed), (DISCARDED, self.discarded)):
            if said := next((value for name, value in headers if name == mark), None):
                if place := Place.parse(said.decode(errors="replace")):
                    marked.add(place)
                return
        letter = _letter(message, headers)
        self.copies += letter.identity in self.letters
        self.letters.setdefault(letter.identity, letter)

    def failed_alike(self, letter: Letter) -> bool:
        """Tell whether a letter is of a record that was sent again and refused for the same cause."""
        before = self.letters.get(letter.replay_of) if letter.replay_of else None
        return before is not None and before.cause == letter.cause


class Group(NamedTuple):
    """The letters of one cause: how many, of which how many were sent again or discarded, first, last, one reason."""

    cause: str
    letters: int
    replayed: int
    discarded: int
    first: datetime
    last: datetime
    reason: str


def read(topic: str, messages: Iterable[Untyped]) -> Box:
    """Return what lies in a topic of dead letters."""
    box = Box(topic)
    for message in messages:
        box.add(message)
    return box


def open_box(bootstrap: Sequence[str], topic: str) -> Box:
    """Return what lies in a topic of dead letters of a cluster; raises what reading.consume() says."""
    return read(topic, reading.consume(bootstrap, topic, reading.Selection()))


class Waiting(NamedTuple):
    """What of the newest records of a topic of dead letters was not sent again: how many, and the newest of them."""

    topic: str
    letters: int
    newest: Letter

    def __str__(self) -> str:
        many = f"{self.letters} records wait" if self.letters > 1 else "a record waits"
        return f"{many} in {self.topic}, the newest since {_moment(self.newest.at):%F %T} UTC: {self.newest.reason}"


def waiting(bootstrap: Sequence[str], topics: Iterable[str | None]) -> tuple[Waiting, ...]:
    """Return what waits among the newest 500 records of each topic where something does: a look, not a count of all.

    A topic that is not there has none. Raises what else reading.consume() says.
    """
    found = []
    for topic in dict.fromkeys(filter(None, topics)):
        try:
            letters = read(topic, reading.consume(bootstrap, topic, reading.Selection(last=_RECENT))).waiting()
        except StackError as error:
            if error.reference != "no-topic":
                raise
            continue
        if letters:
            found.append(Waiting(topic, len(letters), letters[-1]))
    return tuple(found)


def groups(box: Box) -> list[Group]:
    """Return the causes, the most frequent first."""
    by_cause: dict[str, list[Letter]] = defaultdict(list)
    for letter in box.letters.values():
        by_cause[letter.cause].append(letter)
    found = [
        Group(
            cause,
            len(letters),
            sum(letter.identity in box.replayed for letter in letters),
            sum(letter.identity in box.discarded for letter in letters),
            _moment(min(letter.at for letter in letters)),
            _moment(max(letter.at for letter in letters)),
            letters[-1].reason,
        )
        for cause, letters in by_cause.items()
    ]
    return sorted(found, key=lambda group: (-group.letters, group.cause))


def select(letters: Iterable[Letter], *, cause: str = "", key: str = "", place: str = "") -> list[Letter]:
    """Return the letters of a cause, a key and a place; "" is any."""
    return [
        letter
        for letter in letters
        if (not cause or letter.cause == cause)
        and (not key or letter.key == key.encode(errors="surrogateescape"))
        and (not place or place in (str(letter.origin), str(letter.lies)))
    ]


@dataclass(frozen=True, slots=True)
class Due:
    """What a replay sends, and what it leaves: refused alike already, or without a place to go back to or a content."""

    send: Sequence[Letter]
    alike: Sequence[Letter]
    homeless: Sequence[Letter]


def due(box: Box, letters: Iterable[Letter], *, again: bool = False) -> Due:
    """Sort letters into what is sent again and what is left; `again`: also what was refused for the same cause."""
    send, alike, homeless = [], [], []
    for letter in letters:
        if letter.origin is None or (letter.key is None and letter.value is None):
            homeless.append(letter)
        elif box.failed_alike(letter) and not again:
            alike.append(letter)
        else:
            send.append(letter)
    return Due(send, alike, homeless)


def _letter(message: Untyped, headers: Sequence[tuple[str, bytes]]) -> Letter:
    told = {
        name.removeprefix(_CONNECT): value.decode(errors="replace")
        for name, value in headers
        if name.startswith(_CONNECT) and value is not None
    }
    reason = told.get("exception.message") or told.get("exception.class.name") or "no reason in its headers"
    return Letter(
        lies=Place(message.topic, message.partition, message.offset),
        origin=Place.parse(f"{told.get('topic', '')}-{told.get('partition', '')}@{told.get('offset', '')}"),
        at=message.timestamp,
        key=message.key,
        value=message.value,
        cause=_cause(told, reason),
        reason=reason,
        headers=told,
        own_headers=[(name, value) for name, value in headers if not name.startswith(_CONNECT)],
    )


def _cause(told: Mapping[str, str], reason: str) -> str:
    """Return the database's SQLSTATE, else the name of the exception: what letters are grouped by."""
    if state := _SQLSTATE.match(reason):
        return state[0]
    return told.get("exception.class.name", _UNKNOWN).rpartition(".")[2].rpartition("$")[2]


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
