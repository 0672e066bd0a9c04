"""The events of one run: known beforehand, so that every row can be compared with what was sent."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_START = datetime(2026, 1, 1, tzinfo=UTC)
_TEXTS = ("plain", "Grüße, 世界 🎉", "quote \" and \\ and '", "line\nbreak\tand tab", "")


class Difference(NamedTuple):
    """One event that is not in the table as it was sent; `column` is "" if the whole row is missing or strange."""

    event_id: str
    column: str
    sent: object
    found: object

    def __str__(self) -> str:
        if not self.column:
            return f"{self.event_id}: {'not in the table' if self.found is None else 'was never sent'}"
        return f"{self.event_id}: {self.column} is {self.found!r}, sent was {self.sent!r}"


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


def compare(sent: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> list[Difference]:
    """Return every difference between what was sent (in the contract's types) and the table, field by field."""
    found = {row["event_id"]: row for row in rows}
    differences = []
    for event in sent:
        row = found.pop(event["event_id"], None)
        if row is None:
            differences.append(Difference(event["event_id"], "", event, None))
            continue
        differences += [
            Difference(event["event_id"], column, value, row.get(column))
            for column, value in event.items()
            if row.get(column) != value
        ]
    return [*differences, *(Difference(identity, "", None, row) for identity, row in found.items())]
