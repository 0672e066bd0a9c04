"""The defaults of a schema as values of its types (Avro specification, "Complex Types", default values)."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from backbone.events.contracts import avrotypes
from backbone.events.contracts.jsontext import shown
from backbone.events.contracts.logical import decimal
from backbone.events.contracts.scalars import scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.events.contracts.avrotypes import Field, Type
    from backbone.events.contracts.scalars import Value

_UNSPEAKABLE: Mapping[str, float] = MappingProxyType({"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf})


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
    return scalar(kind, value)


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
    number = decimal(kind, int.from_bytes(raw, "big", signed=True))
    if len(number.as_tuple().digits) > kind.precision:
        raise ValueError(f"the default {number:f} has more than {kind.precision} digits")
    return number
