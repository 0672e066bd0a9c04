"""The events of one run: known beforehand, so that every row can be compared with what was sent."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_START = datetime(2026, 1, 1, tzinfo=UTC)
_AHEAD = 100_000
"""How many events wait for their rows at most; 70 MiB."""

_TEXTS = ("plain", "Grüße, 世界 🎉", "quote \" and \\ and '", "line\nbreak\tand tab", "")


class Difference(NamedTuple):
    """One event that was not found as it was sent; `column` is "" if all of it is missing, strange or there twice."""

    event_id: str
    column: str
    sent: object
    found: object

    def __str__(self) -> str:
        if self.column:
            return f"{self.event_id}: {self.column} is {self.found!r}, sent was {self.sent!r}"
        if self.found is None:
            return f"{self.event_id}: not there"
        return f"{self.event_id}: {'was never sent' if self.sent is None else 'is there twice'}"


def events(source: str, count: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """Yield `count` events of a source as JSON values, numbered from `first`; the same each time they are made.

    They use what a contract's types allow: nulls, the ends of ranges, text that is hard to quote.
    """
    for number in range(first, first + count):
        moment = _START + timedelta(milliseconds=number * 997)
        yield {
            "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{source}/{number}")),
            "event_type": f"archive.checked.{number % 7}",
            "source": source,
            "occurred_at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "amount": None if number % 5 == 0 else number * 0.01 - 1e6,
            "payload": None if number % 3 == 0 else f"{number} {_TEXTS[number % len(_TEXTS)]}",
            "trace_id": None if number % 2 else f"{number:032x}",
        }


def compare(
    sent: Callable[[], Iterator[Mapping[str, Any]]], found: Iterable[Mapping[str, Any]], ahead: int = _AHEAD
) -> Iterator[Difference]:
    """Yield every difference between what was sent (in the contract's types) and what was found, field by field.

    sent: makes the events anew at each call. Neither side is held in memory: the order of both is much the same, so
    that an event waits for its row for a while, `ahead` of them at most. Rows beyond that are kept to the end.
    """
    coming = sent()
    awaited: dict[str, Mapping[str, Any]] = {}
    kept: dict[str, Mapping[str, Any]] = {}
    beyond: list[Mapping[str, Any]] = []
    for row in found:
        identity = row["event_id"]
        while identity not in awaited and len(awaited) < ahead and (event := next(coming, None)) is not None:
            awaited[event["event_id"]] = event
        if identity in awaited:
            yield from _columns(awaited.pop(identity), row)
        elif identity in kept:
            beyond.append(row)
        else:
            kept[identity] = row
    for event in itertools.chain(awaited.values(), coming):
        late = kept.pop(event["event_id"], None)
        yield from [Difference(event["event_id"], "", event, None)] if late is None else _columns(event, late)
    yield from _beyond(sent, [*kept.values(), *beyond])


def _beyond(sent: Callable[[], Iterator[Mapping[str, Any]]], rows: Iterable[Mapping[str, Any]]) -> Iterator[Difference]:
    """Tell of rows for which there is no event any more whether they are there twice or were never sent."""
    found = {row["event_id"]: row for row in rows}
    known = {event["event_id"]: event for event in sent() if event["event_id"] in found} if found else {}
    for identity, row in found.items():
        yield Difference(identity, "", known.get(identity), row)


def _columns(event: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[Difference]:
    for column, value in event.items():
        if row.get(column) != value:
            yield Difference(event["event_id"], column, value, row.get(column))
