"""JSON values of types without parts: numbers, text, bytes, enums, and the logical types that are written as text."""

from __future__ import annotations

import base64
import binascii
import struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone.events.contracts import logical
from backbone.events.contracts.jsontext import cut, is_text, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backbone.events.contracts.avrotypes import Type

Value: TypeAlias = Any
"""What json.loads or fastavro may give: judged here, so no narrower type can be promised."""

_INTEGER_BITS = {"int": 32, "long": 64}
_SINGLE = struct.Struct("f")
_FLOAT_MAX = (2 - 2**-23) * 2.0**127


def scalar(kind: Type, value: Value) -> Value:
    """Return a value of a type without parts; ValueError says what was expected."""
    if kind.logical in logical.FROM_TEXT and (isinstance(value, str) or kind.kind not in _INTEGER_BITS):
        read, words = logical.FROM_TEXT[kind.logical]
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
    if kind.kind == "float" and abs(number) > _FLOAT_MAX:
        raise ValueError(f"{cut(str(value))} does not fit into a float")
    kept = _SINGLE.unpack(_SINGLE.pack(number))[0] if kind.kind == "float" else number
    if isinstance(value, int) and kept != value:
        raise ValueError(f"{cut(str(value))} cannot be kept exactly by a {kind.kind}")
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
