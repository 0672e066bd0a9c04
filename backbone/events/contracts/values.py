"""JSON values into Avro values by schema, and back: what `produce` reads and `consume` prints.

JSON has fewer types than Avro, so: timestamps, dates and times are ISO 8601 text (or the number itself), decimals and
UUIDs are text, bytes and fixed are base64. What does not fit is collected, each with its field. Nothing is cut or
rounded in silence.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from backbone.events.contracts import avrotypes
from backbone.events.contracts.jsontext import Violation, cut, is_text, join, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backbone.events.contracts.avrotypes import Field, Type

Value: TypeAlias = Any
"""What json.loads or fastavro may give: judged here, so no narrower type can be promised."""

_INTEGER_BITS = {"int": 32, "long": 64}
_MOST_VIOLATIONS = 100  # of one record: nobody reads more
_FLOAT_MAX = (2 - 2**-23) * 2.0**127
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the arithmetic is that of the calendar; the zone is taken off by hand


class Converter:
    """Converts JSON values for one schema; `schema` as json.loads gives it."""

    def __init__(self, schema: Value) -> None:
        self._root = avrotypes.read(schema)

    def convert(self, value: object) -> tuple[Any, list[Violation]]:
        """Return the value as fastavro writes it, and everything that the contract does not allow.

        A value of a union with several types besides null is (name of the type, value), so that nobody has to guess.
        """
        out: list[Violation] = []
        return _value(self._root, value, "", out, 0), out


def _value(kind: Type, value: Value, path: str, out: list[Violation], depth: int) -> Value:
    if take := _PARTS.get(kind.kind):
        if len(out) >= _MOST_VIOLATIONS:
            return None
        if depth > avrotypes.MAX_DEPTH:
            out.append(Violation(cut(path), f"is nested deeper than {avrotypes.MAX_DEPTH} levels"))
            return None
        return take(kind, value, path, out, depth + 1)
    try:
        return _scalar(kind, value)
    except ValueError as error:
        out.append(Violation(path, str(error)))
        return None


def _record(kind: Type, value: Value, path: str, out: list[Violation], depth: int) -> Value:
    if not isinstance(value, dict):
        out.append(Violation(path, f"expected an object, found {shown(value)}"))
        return None
    names = [each.name for each in kind.fields]
    if len(value) > len(names) or not value.keys() <= set(names):
        for unknown in value:
            if unknown not in names and len(out) < _MOST_VIOLATIONS:
                near = difflib.get_close_matches(unknown[:99], names, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; it has {cut(', '.join(names), 400)}"
                out.append(Violation(join(path, unknown), f"is not in the contract{hint}"))
    return {each.name: _field(each, value, join(path, each.name), out, depth) for each in kind.fields}


def _field(field: Field, record: Mapping[str, Any], path: str, out: list[Violation], depth: int) -> Value:
    if field.name in record:
        return _value(field.type, record[field.name], path, out, depth)
    if field.has_default:
        return default(field.type, field.default)
    out.append(Violation(path, "is missing and has no default"))
    return None


def _array(kind: Type, value: Value, path: str, out: list[Violation], depth: int) -> Value:
    if not isinstance(value, list):
        out.append(Violation(path, f"expected an array, found {shown(value)}"))
        return None
    return [_value(kind.parts[0], item, f"{path}[{i}]", out, depth) for i, item in enumerate(value)]


def _map(kind: Type, value: Value, path: str, out: list[Violation], depth: int) -> Value:
    if not isinstance(value, dict):
        out.append(Violation(path, f"expected an object, found {shown(value)}"))
        return None
    return {key: _value(kind.parts[0], item, join(path, key), out, depth) for key, item in value.items()}


def _union(kind: Type, value: Value, path: str, out: list[Violation], depth: int) -> Value:
    """Take the first branch that the value fits; if none does, say what the only one of its kind expects."""
    branches = [each for each in kind.parts if each.kind != "null"]
    nullable = len(branches) < len(kind.parts)
    if value is None and nullable:
        return None
    tried: dict[str, list[Violation]] = {}
    for branch in sorted(branches, key=lambda each: each.kind == "float"):  # a double keeps what a float would round
        found: list[Violation] = []
        converted = _value(branch, value, path, found, depth)
        if not found:
            return (branch.branch, converted) if len(branches) > 1 else converted
        tried[branch.branch] = found
    of_its_kind = [each for each in branches if isinstance(value, _JSON_TYPES.get(each.kind, str))]
    telling = branches if len(branches) == 1 else of_its_kind
    if len(telling) == 1:
        or_null = ", or null" if nullable else ""
        for where, reason in tried[telling[0].branch]:
            out.append(Violation(where, reason + (or_null if where == path else "")))
    else:
        out.append(Violation(path, f"{shown(value)} fits none of the {len(kind.parts)} types of the union"))
    return None


_PARTS: Mapping[str, Callable[[Type, Value, str, list[Violation], int], Value]] = MappingProxyType(
    {"record": _record, "array": _array, "map": _map, "union": _union}
)
_JSON_TYPES: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {
        "record": dict,
        "map": dict,
        "array": list,
        "boolean": bool,
        **dict.fromkeys(("int", "long", "float", "double"), (int, float)),
    }
)


def default(kind: Type, value: Value, depth: int = 0) -> Value:
    """Return a default of a schema as fastavro writes it (Avro specification, "default values for fields").

    Raises ValueError where it is no value of its type.
    """
    if depth > avrotypes.MAX_DEPTH:
        raise ValueError("the default contains itself")
    match kind.kind:
        case "union":
            return _union_default(kind, value, depth)
        case "record" if isinstance(value, dict):
            return {each.name: _default_of(each, value, depth) for each in kind.fields}
        case "array" if isinstance(value, list):
            return [default(kind.parts[0], item, depth + 1) for item in value]
        case "map" if isinstance(value, dict):
            return {key: default(kind.parts[0], item, depth + 1) for key, item in value.items()}
    return _plain_default(kind, value)


def _plain_default(kind: Type, value: Value) -> Value:
    match kind.kind:
        case "bytes" | "fixed" if isinstance(value, str):
            return _bytes_default(kind, value)
        case "record" | "array" | "map" | "bytes" | "fixed":
            raise ValueError(f"expected a default of type {kind}, found {shown(value)}")
        case "float" | "double" if isinstance(value, str) and value in _UNSPEAKABLE:
            return _UNSPEAKABLE[value]  # the specification has no text for it; Java writes and reads these
    return _scalar(kind, value)


_UNSPEAKABLE: Mapping[str, float] = MappingProxyType({"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf})


def _default_of(field: Field, record: Mapping[str, Any], depth: int) -> Value:
    if field.name in record:
        return default(field.type, record[field.name], depth + 1)
    if field.has_default:
        return default(field.type, field.default, depth + 1)
    raise ValueError(f"the default has no {field.name}")


def _union_default(kind: Type, value: Value, depth: int) -> Value:
    """Return the default of a union: a value of one of its types, up to Avro 1.11 of the first one."""
    several = len([part for part in kind.parts if part.kind != "null"]) > 1
    for branch in kind.parts:
        try:
            converted = default(branch, value, depth + 1)
        except ValueError:
            continue
        return (branch.branch, converted) if several and branch.kind != "null" else converted
    raise ValueError(f"the default {shown(value)} is of no type of the union {kind}")


def _bytes_default(kind: Type, text: str) -> Value:
    """Return the bytes of a default: its characters 0-255 are the bytes 0-255."""
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the default of {kind} has characters above \\u00ff: {shown(text)}") from None
    if kind.kind == "fixed" and len(raw) != kind.size:
        raise ValueError(f"the default of {kind} has {len(raw)} bytes, it has {kind.size}")
    if kind.logical != "decimal":
        return raw
    number = _decimal(kind, int.from_bytes(raw, "big", signed=True))
    if len(number.as_tuple().digits) > kind.precision:
        raise ValueError(f"the default {number:f} has more than {kind.precision} digits")
    return number


def to_json(value: Value) -> Value:
    """Return an Avro value as JSON can say it, the way `Converter` reads it."""
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return f"{value:f}"
    unspeakable = isinstance(value, float) and not math.isfinite(value)
    return str(value) if unspeakable or isinstance(value, UUID) else value


def _scalar(kind: Type, value: Value) -> Value:
    """Return a value of a type without parts; ValueError says what was expected."""
    if kind.logical in _FROM_TEXT and (isinstance(value, str) or kind.kind not in _INTEGER_BITS):
        read, words = _FROM_TEXT[kind.logical]
        if not isinstance(value, str):
            raise ValueError(f"expected {words}, found {shown(value)}")
        return read(kind, value)
    if take := _SCALARS.get(kind.kind):
        return take(kind, value)
    if kind.kind == "enum":
        if value not in kind.symbols:
            raise ValueError(f"expected one of {cut(', '.join(kind.symbols), 400)}, found {shown(value)}")
        return value
    expected = {"null": type(None), "boolean": bool}[kind.kind]
    if not isinstance(value, expected):
        raise ValueError(f"expected {'null' if kind.kind == 'null' else 'true or false'}, found {shown(value)}")
    return value


def _string(_kind: Type, value: Value) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {shown(value)}")
    if not is_text(value):
        raise ValueError("half of a surrogate pair is no text")
    return value


def _integer(kind: Type, value: Value) -> int:
    bits = _INTEGER_BITS[kind.kind]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, found {shown(value)}")
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"{cut(str(value))} does not fit into {bits} bits")
    return value


def _float(kind: Type, value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, found {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{cut(str(value))} does not fit into a {kind.kind}") from None
    if isinstance(value, int) and number != value:
        raise ValueError(f"{cut(str(value))} cannot be kept exactly by a {kind.kind}")
    if kind.kind == "float" and abs(number) > _FLOAT_MAX:
        raise ValueError(f"{value} does not fit into a float")
    return number


def _binary(kind: Type, value: Value) -> bytes:
    try:
        raw = base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"expected base64 text, found {shown(value)}") from None
    if kind.kind == "fixed" and len(raw) != kind.size:
        raise ValueError(f"expected {kind.size} bytes, found {len(raw)}")
    return raw


_SCALARS: Mapping[str, Callable[[Type, Value], Value]] = MappingProxyType(
    {
        "string": _string,
        "int": _integer,
        "long": _integer,
        "float": _float,
        "double": _float,
        "bytes": _binary,
        "fixed": _binary,
    }
)

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
    words = _FROM_TEXT[kind.logical][1]
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
    raise ValueError(f"expected {_FROM_TEXT['date'][1]}, found {shown(text)}")


def _time(kind: Type, text: str) -> time:
    try:
        if found := _TIME.fullmatch(text):
            clock = time.fromisoformat(found[1])
            return clock.replace(microsecond=_fraction(kind, found[2]) * 1_000_000 // _per_second(kind))
    except ValueError as error:
        if "digits of a second" in str(error):
            raise
    raise ValueError(f"expected {_FROM_TEXT[kind.logical][1]}, found {shown(text)}")


def _decimal_text(kind: Type, text: str) -> Decimal:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"expected {_FROM_TEXT['decimal'][1]}, found {shown(text)}")
    whole, fraction = found[2].lstrip("0"), (found[3] or "").rstrip("0")
    if len(fraction) > kind.scale:
        raise ValueError(f"{cut(text)} has {len(fraction)} digits after the point; the contract keeps {kind.scale}")
    if len(whole) > kind.precision - kind.scale:
        most = kind.precision - kind.scale
        raise ValueError(f"{cut(text)} has {len(whole)} digits before the point; the contract keeps {most}")
    return _decimal(kind, int(f"{found[1]}{whole}{fraction.ljust(kind.scale, '0')}" or "0"))


def _decimal(kind: Type, unscaled: int) -> Decimal:
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -kind.scale))


def _uuid(kind: Type, text: str) -> UUID | bytes:
    if not _UUID.fullmatch(text):
        raise ValueError(f"expected {_FROM_TEXT['uuid'][1]}, found {shown(text)}")
    return UUID(text) if kind.kind == "string" else UUID(text).bytes


_INSTANT_WORDS = "a moment with its zone, such as 2026-01-31T12:00:00Z"
_LOCAL_WORDS = "a moment without a zone, such as 2026-01-31T12:00:00"
_FROM_TEXT: Mapping[str, tuple[Callable[[Type, str], Any], str]] = MappingProxyType(
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
