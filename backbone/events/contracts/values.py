"""JSON values into Avro values by schema, and back: what `produce` reads and `consume` prints.

JSON has fewer types than Avro, so: timestamps, dates and times are ISO 8601 text (or the number itself), decimals and
UUIDs are text, bytes and fixed are base64. What does not fit is collected, each with its field. Nothing is cut or
rounded in silence.
"""

from __future__ import annotations

import base64
import difflib
import math
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from backbone.events.contracts import avrotypes
from backbone.events.contracts.defaults import default
from backbone.events.contracts.jsontext import Violation, cut, join, shown
from backbone.events.contracts.scalars import scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backbone.events.contracts.avrotypes import Field, Type
    from backbone.events.contracts.scalars import Value

_MOST_VIOLATIONS = 100  # of one record: nobody reads more


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
        return scalar(kind, value)
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
