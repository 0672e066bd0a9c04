"""JSON values into Avro values by schema, and back: what `produce` reads and `consume` prints.

JSON has fewer types than Avro, so: timestamps and dates are ISO 8601 text (or the number itself), decimals
and UUIDs are text, bytes and fixed are base64. What does not fit is collected, each with its field.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value: TypeAlias = Any
"""What json.loads or fastavro may give: judged here, so no narrower type can be promised."""

_INTEGER_BITS = {"int": 32, "long": 64}
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class Violation(NamedTuple):
    """One thing in a record that its contract does not allow; `field` is dotted, items are [n]."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field or 'the record'}: {self.reason}"


@dataclass(slots=True)
class Converter:
    """Converts JSON values for one schema; `schema` as json.loads gives it."""

    schema: Value
    _names: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _collect_names(self.schema, "", self._names)

    def convert(self, value: object) -> tuple[Any, list[Violation]]:
        """Return the value as fastavro writes it, and everything that the contract does not allow."""
        violations: list[Violation] = []
        return self._value(self.schema, value, "", violations), violations

    def _value(self, schema: Value, value: Value, path: str, out: list[Violation]) -> Value:
        schema = self._resolved(schema)
        if isinstance(schema, list):
            return self._union(schema, value, path, out)
        parts = {"record": self._record, "array": self._array, "map": self._map}
        if take := parts.get(schema["type"]):
            return take(schema, value, path, out)
        try:
            return _scalar(schema, value)
        except ValueError as error:
            out.append(Violation(path, str(error)))
            return None

    def _resolved(self, schema: Value) -> Value:
        """Return a union's branches, or a type as an object: references followed, wrappers taken off."""
        if isinstance(schema, str):
            return {"type": schema} if schema in _PRIMITIVES else self._names[schema]
        if isinstance(schema, dict) and isinstance(schema["type"], dict | list):
            return self._resolved(schema["type"])
        return schema

    def _record(self, schema: Mapping[str, Any], value: Value, path: str, out: list[Violation]) -> Value:
        if not isinstance(value, dict):
            out.append(Violation(path, f"expected an object, found {_shown(value)}"))
            return None
        names = [each["name"] for each in schema["fields"]]
        for unknown in value.keys() - set(names):
            near = difflib.get_close_matches(unknown, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(names)}"
            out.append(Violation(_join(path, unknown), f"is not in the contract{hint}"))
        return {each["name"]: self._field(each, value, _join(path, each["name"]), out) for each in schema["fields"]}

    def _field(self, schema: Mapping[str, Any], record: Mapping[str, Any], path: str, out: list[Violation]) -> Value:
        if schema["name"] in record:
            return self._value(schema["type"], record[schema["name"]], path, out)
        if "default" in schema:
            return schema["default"]
        out.append(Violation(path, "is missing and has no default"))
        return None

    def _array(self, schema: Mapping[str, Any], value: Value, path: str, out: list[Violation]) -> Value:
        if not isinstance(value, list):
            out.append(Violation(path, f"expected an array, found {_shown(value)}"))
            return None
        return [self._value(schema["items"], item, f"{path}[{i}]", out) for i, item in enumerate(value)]

    def _map(self, schema: Mapping[str, Any], value: Value, path: str, out: list[Violation]) -> Value:
        if not isinstance(value, dict):
            out.append(Violation(path, f"expected an object, found {_shown(value)}"))
            return None
        return {key: self._value(schema["values"], item, _join(path, key), out) for key, item in value.items()}

    def _union(self, branches: list[Any], value: Value, path: str, out: list[Violation]) -> Value:
        """Take the first branch that the value fits; if none does, say what the only other one expects."""
        if value is None and "null" in branches:
            return None
        tried: list[list[Violation]] = []
        for branch in branches:
            if branch == "null":
                continue
            found: list[Violation] = []
            converted = self._value(branch, value, path, found)
            if not found:
                return converted
            tried.append(found)
        if len(tried) == 1:
            out.extend(Violation(where, f"{reason}, or null") for where, reason in tried[0])
        else:
            out.append(Violation(path, f"{_shown(value)} fits none of the {len(branches)} types of the union"))
        return None


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
    unspeakable = isinstance(value, float) and not math.isfinite(value)
    return str(value) if unspeakable or isinstance(value, Decimal | UUID) else value


def _scalar(schema: Mapping[str, Any], value: Value) -> Value:
    """Return a value of a type without parts; ValueError says what was expected."""
    logical = str(schema.get("logicalType", ""))
    if isinstance(value, str) and logical in _FROM_TEXT:
        return _from_text(logical, value)
    kind = schema["type"]
    if kind in _SCALARS:
        return _SCALARS[kind](schema, value)
    if kind == "enum" and value not in schema["symbols"]:
        raise ValueError(f"expected one of {', '.join(schema['symbols'])}, found {_shown(value)}")
    expected = {"null": type(None), "boolean": bool}.get(kind, str)
    if not isinstance(value, expected):
        raise ValueError(f"expected {_KIND_WORDS.get(kind, kind)}, found {_shown(value)}")
    return value


_KIND_WORDS = {"string": "text", "boolean": "true or false"}


def _integer(schema: Mapping[str, Any], value: Value) -> int:
    bits = _INTEGER_BITS[schema["type"]]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, found {_shown(value)}")
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"{value} does not fit into {bits} bits")
    return value


def _float(_schema: Mapping[str, Any], value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, found {_shown(value)}")
    return float(value)


def _binary(schema: Mapping[str, Any], value: Value) -> bytes:
    try:
        raw = base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"expected base64 text, found {_shown(value)}") from None
    size = schema.get("size")
    if size is not None and len(raw) != size:
        raise ValueError(f"expected {size} bytes, found {len(raw)}")
    return raw


_SCALARS: dict[str, Callable[[Mapping[str, Any], Value], Value]] = {
    "int": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "bytes": _binary,
    "fixed": _binary,
}


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


_FROM_TEXT: dict[str, tuple[Callable[[str], Any], str]] = {
    "timestamp-millis": (_instant, "a moment with its zone, such as 2026-01-31T12:00:00Z"),
    "timestamp-micros": (_instant, "a moment with its zone, such as 2026-01-31T12:00:00Z"),
    "date": (date.fromisoformat, "a date, such as 2026-01-31"),
    "time-millis": (time.fromisoformat, "a time of day, such as 12:00:00"),
    "time-micros": (time.fromisoformat, "a time of day, such as 12:00:00"),
    "decimal": (Decimal, "a decimal number as text"),
    "uuid": (UUID, "a UUID"),
}


def _from_text(logical: str, text: str) -> Value:
    read, words = _FROM_TEXT[logical]
    try:
        return read(text)
    except (ValueError, InvalidOperation):
        raise ValueError(f"expected {words}, found {_shown(text)}") from None


def _shown(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004 - a line of an error stays short


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _collect_names(schema: Value, namespace: str, names: dict[str, Any]) -> None:
    """Record every named type by its full and its simple name, so that a reference finds it."""
    if isinstance(schema, list):
        for branch in schema:
            _collect_names(branch, namespace, names)
    if not isinstance(schema, dict):
        return
    if "name" in schema and "type" in schema and isinstance(schema["type"], str):
        namespace = schema.get("namespace", namespace)
        names[schema["name"]] = names[f"{namespace}.{schema['name']}"] = schema
    for each in schema.get("fields", ()):
        _collect_names(each["type"], namespace, names)
    for key in ("items", "values", "type"):
        _collect_names(schema.get(key), namespace, names)
