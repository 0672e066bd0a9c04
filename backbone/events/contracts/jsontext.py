"""One line of JSON text into a value, with every fault that json.loads lets through: RFC 8259 and I-JSON (RFC 7493).

A key that is there twice, half a surrogate pair, NaN and infinities, numbers of thousands of digits, endless nesting:
each is named with its place, and the rest of the line can still be judged.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from backbone.events.contracts.avrotypes import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

Value: TypeAlias = Any
"""What json.loads may give, and Unreadable in place of a number that is none."""

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line; Kafka takes 1 MiB of a record unless told otherwise."""
_DIGITS = 400  # more than any number of 64 bits or any double has; Python refuses to read 4,300
_SHOWN = 40
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class Violation(NamedTuple):
    """One thing in a record that its contract does not allow; `field` is dotted, items are [n]."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class Unreadable(NamedTuple):
    """Stands for a value that JSON has no text for, or none of this size."""

    reason: str


class _Repeated(dict[str, Any]):
    """An object in whose text a key is there twice."""

    keys_twice: tuple[str, ...] = ()


def parse(line: bytes | str) -> tuple[Value, list[Violation]]:
    """Return the value of a line, and the faults of its text. Raises ValueError in words if it is no JSON at all."""
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE // 1024 // 1024} MiB")
    try:
        text = line if isinstance(line, str) else line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 text: {error.reason} at byte {error.start + 1}") from error
    hooks = _Hooks()
    try:
        value = hooks.decoder().decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}, column {error.colno}") from error
    except RecursionError as error:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from error
    half_pairs = _HALF_PAIR.search(text) is not None
    if hooks.met or half_pairs or text.count("{") + text.count("[") > MAX_DEPTH:
        return value, list(_faults(value, half_pairs=half_pairs))
    return value, []


class _Hooks:
    """What json calls for the parts of a text; `met` tells that one of them was a fault."""

    def __init__(self) -> None:
        self.met = False

    def decoder(self) -> json.JSONDecoder:
        return json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=lambda name: self._unreadable(f"JSON has no number {name}"),
        )

    def _unreadable(self, reason: str) -> Unreadable:
        self.met = True
        return Unreadable(reason)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        self.met = True
        counts = Counter(name for name, _ in pairs)
        repeated = _Repeated(made)
        repeated.keys_twice = tuple(name for name, count in counts.items() if count > 1)
        return repeated

    def _integer(self, text: str) -> int | Unreadable:
        if len(text) <= _DIGITS:
            return int(text)
        return self._unreadable(f"a number of {len(text.lstrip('-')):,} digits")

    def _float(self, text: str) -> float | Unreadable:
        value = float(text)
        return value if math.isfinite(value) else self._unreadable(f"{cut(text)} does not fit into a double")


def _faults(value: Value, *, half_pairs: bool) -> Iterator[Violation]:
    """Yield the faults within a value, in the order of the text; the walk needs no stack of Python's."""
    left: list[tuple[str, Value, int]] = [("", value, 0)]
    while left:
        path, item, depth = left.pop()
        if isinstance(item, Unreadable):
            yield Violation(path, item.reason)
        elif isinstance(item, dict | list) and depth > MAX_DEPTH:
            yield Violation(cut(path), f"is nested deeper than {MAX_DEPTH} levels")
        elif isinstance(item, dict):
            if isinstance(item, _Repeated):
                yield from (Violation(join(path, key), "is there twice") for key in item.keys_twice)
            if half_pairs:
                yield from (Violation(join(path, key), _NO_TEXT) for key in item if not is_text(key))
            left += ((join(path, key), part, depth + 1) for key, part in reversed(item.items()))
        elif isinstance(item, list):
            left += ((f"{path}[{i}]", item[i], depth + 1) for i in range(len(item) - 1, -1, -1))
        elif half_pairs and isinstance(item, str) and not is_text(item):
            yield Violation(path, _NO_TEXT)


_NO_TEXT = "half of a surrogate pair is no text"


def is_text(text: str) -> bool:
    """Tell whether a string can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def join(path: str, name: str) -> str:
    """Return the way to a part; a name that a terminal cannot show as it is, is shown as JSON says it."""
    name = name if name.isprintable() and name else json.dumps(name)
    return cut(f"{path}.{name}" if path else name, 4 * _SHOWN)


def shown(value: object) -> str:
    """Return a value for a line of an error: short, and of printable characters only."""
    if isinstance(value, str):
        value = value[: 2 * _SHOWN]
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
        return cut(text if text.isprintable() else json.dumps(value, default=str))
    except RecursionError:
        return "deep nesting"


def cut(text: str, length: int = _SHOWN) -> str:
    """Return a text of at most `length` characters."""
    return text if len(text) <= length else f"{text[: length - 3]}..."
