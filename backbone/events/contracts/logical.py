"""Logical types as they are written in JSON: moments, dates, times, decimals and UUIDs as text.

ISO 8601 for what has to do with time. A text with more digits than the type keeps is refused, not cut.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from backbone.events.contracts.jsontext import cut, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backbone.events.contracts.avrotypes import Type

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the arithmetic is that of the calendar; the zone is taken off by hand
_CLOCK = r"(\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?"
_TIME = re.compile(_CLOCK, re.ASCII)
_MOMENT = re.compile(rf"(\d{{4}}-\d\d-\d\d)[Tt ]{_CLOCK}(Z|z|[+-]\d\d:?\d\d)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGITS = {"millis": 3, "micros": 6, "nanos": 9}


def _fraction(kind: Type, digits: str | None) -> int:
    """Return the fraction of a second in the type's unit; one that is finer is refused, not cut."""
    unit = kind.logical.rpartition("-")[2]
    kept = (digits or "").rstrip("0")
    if len(kept) > _DIGITS[unit]:
        raise ValueError(f"has {len(kept)} digits of a second; {kind.logical} keeps {_DIGITS[unit]}")
    return int(kept.ljust(_DIGITS[unit], "0"))


def _per_second(kind: Type) -> int:
    return int(10 ** _DIGITS[kind.logical.rpartition("-")[2]])


def _instant(kind: Type, text: str) -> datetime | int:
    """Return a moment; beyond Python's years (an offset may lead there) as the number that Avro writes."""
    local = kind.logical.startswith("local-")
    words = FROM_TEXT[kind.logical][1]
    found = _MOMENT.fullmatch(text)
    if found is None or (found[4] is None) != local:
        raise ValueError(f"expected {words}, found {shown(text)}")
    try:
        naive = datetime.fromisoformat(f"{found[1]}T{found[2]}")
        offset = datetime.fromisoformat(f"2000-01-01T00:00{found[4].upper()}").utcoffset() if found[4] else None
    except ValueError:
        raise ValueError(f"expected {words}, found {shown(text)}") from None
    since = naive - _EPOCH - (offset or timedelta(0))
    seconds = since.days * 86_400 + since.seconds
    unit = _per_second(kind)
    number = seconds * unit + _fraction(kind, found[3])
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{shown(text)} is out of the range of {kind.logical}")
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=number % unit * 1_000_000 // _per_second(kind))
    except OverflowError:
        return number
    if kind.logical.endswith("nanos"):
        return number
    return moment if local else moment.replace(tzinfo=UTC)


def _date(_kind: Type, text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"expected {FROM_TEXT['date'][1]}, found {shown(text)}")


def _time(kind: Type, text: str) -> time:
    try:
        if found := _TIME.fullmatch(text):
            clock = time.fromisoformat(found[1])
            return clock.replace(microsecond=_fraction(kind, found[2]) * 1_000_000 // _per_second(kind))
    except ValueError as error:
        if "digits of a second" in str(error):
            raise
    raise ValueError(f"expected {FROM_TEXT[kind.logical][1]}, found {shown(text)}")


def _decimal_text(kind: Type, text: str) -> Decimal:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"expected {FROM_TEXT['decimal'][1]}, found {shown(text)}")
    whole, fraction = found[2].lstrip("0"), (found[3] or "").rstrip("0")
    if len(fraction) > kind.scale:
        raise ValueError(f"{cut(text)} has {len(fraction)} digits after the point; the contract keeps {kind.scale}")
    if len(whole) > kind.precision - kind.scale:
        most = kind.precision - kind.scale
        raise ValueError(f"{cut(text)} has {len(whole)} digits before the point; the contract keeps {most}")
    return decimal(kind, int(f"{found[1]}{whole}{fraction.ljust(kind.scale, '0')}" or "0"))


def decimal(kind: Type, unscaled: int) -> Decimal:
    """Return the decimal of a type with these digits, the point set by its scale."""
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -kind.scale))


def _uuid(kind: Type, text: str) -> UUID | bytes:
    if not _UUID.fullmatch(text):
        raise ValueError(f"expected {FROM_TEXT['uuid'][1]}, found {shown(text)}")
    return UUID(text) if kind.kind == "string" else UUID(text).bytes


_INSTANT_WORDS = "a moment with its zone, such as 2026-01-31T12:00:00Z"
_LOCAL_WORDS = "a moment without a zone, such as 2026-01-31T12:00:00"
FROM_TEXT: Mapping[str, tuple[Callable[[Type, str], Any], str]] = MappingProxyType(
    {
        **{f"timestamp-{unit}": (_instant, _INSTANT_WORDS) for unit in _DIGITS},
        **{f"local-timestamp-{unit}": (_instant, _LOCAL_WORDS) for unit in _DIGITS},
        "time-millis": (_time, "a time of day, such as 12:00:00"),
        "time-micros": (_time, "a time of day, such as 12:00:00"),
        "date": (_date, "a date, such as 2026-01-31"),
        "decimal": (_decimal_text, 'a decimal number as text, such as "12.50"'),
        "uuid": (_uuid, "a UUID, such as 123e4567-e89b-12d3-a456-426614174000"),
    }
)
"""Logical type → what reads its text (ValueError: why not), and the words for what it expects."""
