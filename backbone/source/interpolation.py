"""Compose's `${…}`: which variables a text uses, and where each piece of the resulting value comes from.

The syntax is the Compose specification's (Interpolation): `$NAME`, `${NAME}`, `:-` and `-` (default), `:?`
and `?` (required), `:+` and `+` (alternative), nested in each other's argument; `$$` is one dollar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Lookup = Callable[[str], str | None]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<operator>:?[-?+]|(?=\}))")
_BRACE = re.compile(r"\{[^\n]?|\}")

MAX_DEPTH = 20
"""How deep variables may stand in each other's argument; what is deeper is none, so that nothing recurses further."""


@dataclass(frozen=True, slots=True)
class Use:
    """One `${NAME…}`: start and end are offsets in the text, `depth` counts the expressions around it."""

    name: str
    operator: str
    argument: str
    start: int
    end: int
    depth: int = 0

    def value(self, lookup: Lookup) -> str:
        """Return what Compose puts here; a required variable that is missing is blank."""
        given = lookup(self.name)
        missing = not given if self.operator.startswith(":") else given is None
        if self.operator.endswith("-"):
            return evaluate(self.argument, lookup) if missing else given or ""
        if self.operator.endswith("+"):
            return "" if missing else evaluate(self.argument, lookup)
        return given or ""

    def falls_back(self, lookup: Lookup) -> bool:
        """Say whether the value is the default written in the file."""
        given = lookup(self.name)
        return self.operator.endswith("-") and (not given if self.operator == ":-" else given is None)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the value and of the text it comes from; `use` is None for what stands there itself."""

    value: str
    start: int
    end: int
    use: Use | None = None


def uses(text: str, offset: int = 0, depth: int = 0) -> Iterator[Use]:
    """Yield every variable of a text, the outer before those in its argument."""
    for use in _outer(text):
        yield Use(use.name, use.operator, use.argument, use.start + offset, use.end + offset, depth)
        if "$" in use.argument:
            yield from uses(use.argument, offset + use.end - 1 - len(use.argument), depth + 1)


def pieces(text: str, lookup: Lookup) -> Iterator[Piece]:
    """Yield the value of a text piece by piece, in order."""
    position = 0
    for use in _outer(text):
        yield from _literal(text, position, use.start)
        yield Piece(use.value(lookup), use.start, use.end, use)
        position = use.end
    yield from _literal(text, position, len(text))


def evaluate(text: str, lookup: Lookup) -> str:
    """Return the value of a text."""
    return "".join(piece.value for piece in pieces(text, lookup)) if "$" in text else text


def fault(text: str, lookup: Lookup) -> str:
    """Return why Compose rejects a text: a `${` that is no variable, or a required one without a value; else ""."""
    for piece in pieces(text, lookup):
        use = piece.use
        if use is None:
            if "${" in piece.value:
                return "a ${ that begins no variable"
            continue
        given = lookup(use.name)
        missing = not given if use.operator.startswith(":") else given is None
        if use.operator and missing != use.operator.endswith("+") and (why := fault(use.argument, lookup)):
            return why
        if use.operator.endswith("?") and missing:
            said = evaluate(use.argument, lookup)
            return f"required variable {use.name} is missing a value" + (f": {said}" if said else "")
    return ""


def _literal(text: str, start: int, end: int) -> Iterator[Piece]:
    """Yield what stands between two variables, each `$$` on its own because it is one character there."""
    position = start
    while (dollars := text.find("$$", position, end)) >= 0:
        if dollars > position:
            yield Piece(text[position:dollars], position, dollars)
        yield Piece("$", dollars, dollars + 2)
        position = dollars + 2
    if position < end:
        yield Piece(text[position:end], position, end)


def _outer(text: str) -> Iterator[Use]:
    """Yield the variables that stand in no other's argument."""
    position = 0
    while 0 <= (start := text.find("$", position)) < len(text) - 1:
        follows = text[start + 1]
        if follows == "$":
            position = start + 2
        elif follows == "{" and (use := _braced(text, start)):
            yield use
            position = use.end
        elif match := _NAME.match(text, start + 1):
            yield Use(match[0], "", "", start, match.end())
            position = match.end()
        else:
            position = start + 1


def _braced(text: str, start: int) -> Use | None:
    """Return the `${…}` that begins at `start`, None if it is none (Compose rejects it).

    Compose takes all to the last brace of the line, then looks for the one that closes this expression: any `{` opens
    another, and the character after it closes nothing.
    """
    match = _BRACED.match(text, start)
    line = text.find("\n", start)
    last = text.rfind("}", start, line if line >= 0 else len(text)) + 1
    if match is None or not last:
        return None
    depth, end = 0, last
    for brace in _BRACE.finditer(text, start, last):
        depth += -1 if brace[0] == "}" else 1
        if depth > MAX_DEPTH:
            return None
        if not depth:
            end = brace.end()
            break
    operator = match["operator"]
    return Use(match["name"], operator, text[match.end() : end - 1] if operator else "", start, end)
