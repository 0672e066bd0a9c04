"""The rules that a CRD carries (x-kubernetes-validations), in the part of CEL that they use.

The rules are read from the CRD, not restated: another release of the operator brings its own. What this part of the
language does not know is an error, never a rule that passes. Semantics: the CEL specification (cel-spec, langdef.md):
a missing field is an error, and && and || pass over an error where the other side decides.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Term = Callable[[Any], Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<number>-?\d+)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|[!<>().]))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS = {"true": True, "false": False}


class UnknownRule(ValueError):  # noqa: N818 - it is what was found, as in all of this room
    """A rule in words that this part of the language does not have."""


class _Missing(Exception):  # noqa: N818 - CEL's "no such key"
    """A field that is not there, or two values that cannot be compared."""


def holds(rule: str, value: Any) -> bool:
    """Tell whether a value keeps a rule; one that cannot be computed is broken, as for the API server.

    Raises UnknownRule.
    """
    parser = _Parser(rule)
    term = parser.either()
    parser.end()
    try:
        return term(value) is True
    except _Missing:
        return False


class _Parser:
    """Recursive descent over the words of one rule; each method returns a function of `self`."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._words = self._split(rule)
        self._next = 0

    def _split(self, rule: str) -> list[tuple[str, str]]:
        words, at = [], 0
        while rule[at:].strip():
            found = _TOKEN.match(rule, at)
            if not found:
                raise self._unknown(rule[at:].strip()[:20])
            words.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()
        return words

    def _unknown(self, what: str) -> UnknownRule:
        return UnknownRule(f"{what!r} in the rule {self._rule}")

    def _peek(self) -> str:
        return self._words[self._next][1] if self._next < len(self._words) else ""

    def _take(self, *wanted: str) -> str:
        word = self._peek()
        if not word or (wanted and word not in wanted):
            raise self._unknown(word or "the end")
        self._next += 1
        return word

    def end(self) -> None:
        """Raise UnknownRule if any words are left."""
        if self._peek():
            raise self._unknown(self._peek())

    def either(self) -> Term:
        """Read alternatives."""
        return self._joined("||", self._all, decides=True)

    def _all(self) -> Term:
        return self._joined("&&", self._comparison, decides=False)

    def _joined(self, sign: str, part: Callable[[], Term], *, decides: bool) -> Term:
        terms = [part()]
        while self._peek() == sign:
            self._take()
            terms.append(part())
        return terms[0] if len(terms) == 1 else lambda value: _decided(terms, value, decides)

    def _comparison(self) -> Term:
        left = self._not()
        if self._peek() not in _COMPARE:
            return left
        sign = self._take()
        right = self._not()
        return lambda value: _compared(sign, left(value), right(value))

    def _not(self) -> Term:
        if self._peek() != "!":
            return self._single()
        self._take()
        inner = self._not()
        return lambda value: not _truth(inner(value))

    def _single(self) -> Term:
        if self._peek() == "(":
            self._take()
            inner = self.either()
            self._take(")")
            return inner
        kind = self._words[self._next][0] if self._peek() else ""
        word = self._take()
        if kind == "text":
            text = word[1:-1]
            return lambda _: text
        if kind == "number":
            number = int(word)
            return lambda _: number
        if word in _CONSTANTS:
            return lambda _: _CONSTANTS[word]
        if word == "has":
            self._take("(")
            self._take("self")
            steps = self._steps()
            self._take(")")
            return lambda value: _has(value, steps)
        if word == "self":
            steps = self._steps()
            return lambda value: _at(value, steps)
        raise self._unknown(word)

    def _steps(self) -> list[str]:
        steps = []
        while self._peek() == ".":
            self._take()
            steps.append(self._take())
        return steps


def _decided(terms: list[Term], value: Any, decides: bool) -> bool:
    missing: _Missing | None = None
    for term in terms:
        try:
            if _truth(term(value)) is decides:
                return decides
        except _Missing as error:
            missing = error
    if missing:
        raise missing
    return not decides


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Missing
    return value


def _compared(sign: str, left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        raise _Missing
    return _COMPARE[sign](left, right)


def _has(value: Any, steps: list[str]) -> bool:
    parent = _at(value, steps[:-1])
    return isinstance(parent, dict) and steps[-1] in parent


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            raise _Missing
        value = value[step]
    return value
