"""A part of PromQL that is small enough to be right: what most alerts are, judged over the figures of one moment.

It knows selectors by labels, `sum`, `min`, `max` and `count` with `by`, `absent`, `vector`, comparisons with a number,
`and` and `or` with `on`. All else, ranges and offsets above all, is refused by name: it is never taken for something
near it. https://prometheus.io/docs/prometheus/latest/querying/operators/ says what each means.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from backbone.errors import StackError

Labels: TypeAlias = frozenset[tuple[str, str]]
Vector: TypeAlias = dict[Labels, float]
Figures: TypeAlias = Mapping[str, Sequence[tuple[Mapping[str, str], float]]]
"""Metric name → (labels, value) of each series that is there now."""
_Ask: TypeAlias = Callable[[Figures], Vector]
_Test: TypeAlias = Callable[[str], bool]

_TOKEN = re.compile(r"""\s*(\d+(?:\.\d+)?(?![\w.])|[a-zA-Z_:][\w:]*|"(?:[^"\\]|\\.)*"|[=!<>]=|[=!]~|[=<>(){},]|\S+)""")
_COMPARES: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_MERGES: Mapping[str, Callable[[list[float]], float]] = {"sum": sum, "min": min, "max": max, "count": len}
_MATCHES = ("=", "!=", "=~", "!~")


@dataclass(frozen=True, slots=True)
class Expression:
    """What is asked. names: the metrics that it takes its figures from."""

    names: frozenset[str]
    of: _Ask


def parse(text: str) -> Expression:
    """Return what a text asks; StackError("promql-unknown") names what this part of PromQL has not."""
    parser = _Parser([match[1] for match in _TOKEN.finditer(text.strip())])
    ask = parser.either()
    if parser.next:
        raise _unknown(parser.next)
    return Expression(frozenset(parser.names), ask)


def _unknown(word: str) -> StackError:
    return StackError("promql-unknown", f"{word[:30] or 'an end'!r} wants Prometheus itself")


class _Parser:
    """Recursive descent, by the precedence of PromQL: `or`, then `and`, then comparisons."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]
        self.names: set[str] = set()

    @property
    def next(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def _take(self, *wanted: str) -> str:
        if not self._tokens or (wanted and self.next not in wanted):
            raise _unknown(self.next)
        return self._tokens.pop()

    def _takes(self, *wanted: str) -> bool:
        if self.next in wanted:
            self._tokens.pop()
            return True
        return False

    def either(self) -> _Ask:
        found = self._both()
        while self._takes("or"):
            found = _or(found, self._both())
        return found

    def _both(self) -> _Ask:
        found = self._compared()
        while self._takes("and"):
            on = self._names() if self._takes("on") else None
            found = _and(found, self._compared(), on)
        return found

    def _compared(self) -> _Ask:
        found = self._one()
        while self.next in _COMPARES:
            found = _filtered(found, _COMPARES[self._take()], self._number())
        return found

    def _one(self) -> _Ask:
        if self._takes("("):
            found = self.either()
            self._take(")")
            return found
        word = self._take()
        if word in _MERGES:
            by = self._names() if self._takes("by") else ()
            self._take("(")
            found = _merged(self.either(), _MERGES[word], by)
            self._take(")")
            return found
        if word == "vector":
            self._take("(")
            value = self._number()
            self._take(")")
            return lambda _: {frozenset(): value}
        if word == "absent":
            self._take("(")
            found, known = self._selector(self._take())
            self._take(")")
            return lambda figures: {} if found(figures) else {known: 1.0}
        return self._selector(word)[0]

    def _number(self) -> float:
        try:
            return float(self._take())
        except ValueError as error:
            raise _unknown(self.next) from error

    def _names(self) -> tuple[str, ...]:
        self._take("(")
        found = []
        while not self._takes(")"):
            found.append(self._take())
            if self.next != ")":
                self._take(",")
        return tuple(found)

    def _selector(self, name: str) -> tuple[_Ask, Labels]:
        """Return what selects series, and the labels that each of them is certain to have."""
        if not re.fullmatch(r"[a-zA-Z_:][\w:]*", name) or self.next == "(":
            raise _unknown(name)
        self.names.add(name)
        tests: list[tuple[str, _Test]] = []
        known = []
        if self._takes("{"):
            while not self._takes("}"):
                label, sign, value = self._take(), self._take(*_MATCHES), _string(self._take())
                tests.append((label, _test(sign, value)))
                known += [(label, value)] if sign == "=" else []
                if self.next != "}":
                    self._take(",")

        def ask(figures: Figures) -> Vector:
            return {
                frozenset(labels.items()): value
                for labels, value in figures.get(name, ())
                if all(test(labels.get(label, "")) for label, test in tests)
            }

        return ask, frozenset(known)


def _string(token: str) -> str:
    if not token.startswith('"') or "\\" in token:
        raise _unknown(token)
    return token[1:-1]


def _test(sign: str, wanted: str) -> _Test:
    if sign in ("=", "!="):
        return lambda value: (value == wanted) == (sign == "=")
    pattern = re.compile(wanted)  # RE2's syntax is a part of Python's, and is anchored on both sides
    return lambda value: (pattern.fullmatch(value) is not None) == (sign == "=~")


def _filtered(ask: _Ask, compare: Callable[[float, float], bool], number: float) -> _Ask:
    return lambda figures: {labels: value for labels, value in ask(figures).items() if compare(value, number)}


def _merged(ask: _Ask, merge: Callable[[list[float]], float], by: Sequence[str]) -> _Ask:
    def merged(figures: Figures) -> Vector:
        found: dict[Labels, list[float]] = {}
        for labels, value in ask(figures).items():
            kept = frozenset((name, each) for name, each in labels if name in by)
            found.setdefault(kept, []).append(value)
        return {labels: float(merge(values)) for labels, values in found.items()}

    return merged


def _or(left: _Ask, right: _Ask) -> _Ask:
    return lambda figures: {**right(figures), **left(figures)}


def _and(left: _Ask, right: _Ask, on: Sequence[str] | None) -> _Ask:
    def sign(labels: Labels) -> Labels:
        return labels if on is None else frozenset(each for each in labels if each[0] in on)

    def both(figures: Figures) -> Vector:
        there = set(map(sign, right(figures)))
        return {labels: value for labels, value in left(figures).items() if sign(labels) in there}

    return both
