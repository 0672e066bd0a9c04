"""The events of one run: known beforehand, so that every row can be compared with what was sent."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_START = datetime(2026, 1, 1, tzinfo=UTC)
_SPREAD = 0x9E3779B97F4A7C15
"""Odd, so it has an inverse modulo 2**64: ids of neighbours lie as far apart as random ones, and tell their number."""

_BACK = pow(_SPREAD, -1, 2**64)
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


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one source, by number; the same each time they are made.

    They use what a contract's types allow: nulls, the ends of ranges, text that is hard to quote.
    """

    source: str

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Make one event, as a JSON value."""
        moment = _START + timedelta(milliseconds=number * 997)
        return {
            "event_id": str(uuid.UUID(int=_half(self.source) << 64 | number * _SPREAD % 2**64)),
            "event_type": f"archive.checked.{number % 7}",
            "source": self.source,
            "occurred_at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "amount": None if number % 5 == 0 else number * 0.01 - 1e6,
            "payload": None if number % 3 == 0 else f"{number} {_TEXTS[number % len(_TEXTS)]}",
            "trace_id": None if number % 2 else f"{number:032x}",
        }

    def number(self, event_id: str) -> int | None:
        """Return the number of the event that has an id; None for an id of another source, or none of an event."""
        try:
            half, low = divmod(uuid.UUID(event_id).int, 2**64)
        except ValueError:
            return None
        return low * _BACK % 2**64 if half == _half(self.source) else None


@lru_cache(maxsize=16)
def _half(source: str) -> int:
    """Return the upper half of the ids of a source."""
    return int.from_bytes(hashlib.blake2b(source.encode(), digest_size=8).digest())


def compare(
    events: Events,
    sent: int,
    found: Iterable[Mapping[str, Any]],
    converted: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda event: event,
) -> Iterator[Difference]:
    """Yield every difference between the first `sent` events and what was found, in any order, field by field.

    converted: gives an event the types of what was found. A byte is held of each event, and nothing of what was found.
    """
    seen = bytearray(sent)
    for row in found:
        number = events.number(str(row["event_id"]))
        if number is None or number >= sent:
            yield Difference(row["event_id"], "", None, row)
            continue
        event = converted(events[number])
        if seen[number]:
            yield Difference(row["event_id"], "", event, row)
            continue
        seen[number] = True
        for column, value in event.items():
            if row.get(column) != value:
                yield Difference(row["event_id"], column, value, row.get(column))
    missing = seen.find(0)
    while missing >= 0:
        event = events[missing]
        yield Difference(event["event_id"], "", event, None)
        missing = seen.find(0, missing + 1)
