"""Env files with the place of every assignment, and the variables Compose interpolates with.

The one parser for `.env`. The grammar is what Compose's own reader does (compose-go, dotenv), which says more than its
documentation: NAME=value or NAME: value, an optional `export`, a name alone takes its value from the environment,
single quotes literal, double quotes with escapes, both over several lines, `${…}` outside single quotes. A test holds
it against the pinned docker-compose. One thing is stricter here: the file has to be UTF-8.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from backbone.errors import ExitCode, StackError
from backbone.source import disclosure, interpolation, reading
from backbone.source.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_INLINE = "\t\v\f\r \x85\xa0"  # what Compose skips inside a line
_SPACE = _INLINE + "\n\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode White_Space, as Go's unicode.IsSpace
_BETWEEN = re.compile(rf"(?:[{_SPACE}]+|#[^\n]*)*")
_EXPORT = re.compile(rf"(?:export(?=[\t\n\f\r ])[{_INLINE}]*)?")
_NAME = re.compile(r"[^=:\n]*")
_LINE = re.compile(r"[^\n]*")
_SKIPPED = re.compile(rf"[{_INLINE}]*")
_TRAILING = re.compile(rf"[{_SPACE}]*\Z")
_QUOTED = re.compile(r"""(?P<quote>['"])(?P<value>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)""", re.DOTALL)
_ESCAPE = re.compile(r"""\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})""")
_ESCAPES = dict(zip('abfnrtv"\\$', ["\a", "\b", "\f", "\n", "\r", "\t", "\v", '"', "\\", "$$"], strict=True))
_LAST_BYTE = 0o377
_BOM = "\ufeff"
_SECRET = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|APIKEY|API_KEY", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One NAME=value of an env file; `value` is what Compose makes of it."""

    name: str
    value: str
    span: Span
    value_span: Span


@dataclass(frozen=True, slots=True)
class Fault:
    """Why Compose rejects an env file: the first thing that is none of its syntax."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class EnvFile:
    """An env file: its text and its assignments by name (the last one wins, as in Compose), up to the first fault.

    problem: why it must not be opened, "" if it may, or if there is none.
    """

    path: Path
    text: str = ""
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    problem: str = ""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What `${…}` sees in one file: the environment, then env files in order; the first that has it counts.

    directory: what relative paths of the file are relative to.
    """

    directory: Path
    environ: Mapping[str, str]
    files: tuple[EnvFile, ...] = ()

    def lookup(self, name: str) -> str | None:
        """Return a variable's value, None when it is not set."""
        if name in self.environ:
            return self.environ[name]
        return next((file.assignments[name].value for file in self.files if name in file.assignments), None)

    def origin(self, use: interpolation.Use) -> str:
        """Return one sentence: what a variable is here and where that is said.

        A value from outside the Compose file is told only if it is a port, a tag or a number, a secret's never.
        """
        found = use.value(self.lookup)
        default = use.falls_back(self.lookup)
        told = not _SECRET.search(use.name) and (default or disclosure.is_tellable(found))
        value = repr(found) if told else "set"
        if default:
            return f"{use.name} is not set, so its default {value} counts"
        if use.name in self.environ:
            return f"{use.name} is {value} in the process's environment"
        for file in self.files:
            if assignment := file.assignments.get(use.name):
                return f"{use.name} is {value} by {file.path.name}:{assignment.span.line}"
        return f"{use.name} is not set and has no default"


def load(path: Path, environ: Mapping[str, str]) -> EnvFile:
    """Read an env file; one that is missing or no text has no assignments."""
    try:
        return parse(path, reading.read_text(path), environ)
    except StackError:
        return EnvFile(path, problem=reading.why_unreadable(path) if path.exists() else "")


def read(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an env file as Compose reads them, the environment only seen by `${…}` and bare names.

    Raises StackError("env-syntax") with line and reason where Compose rejects it, "unreadable-file".
    """
    file = parse(path, reading.read_text(path), environ)
    if file.fault:
        raise StackError(
            "env-syntax",
            f"line {file.fault.span.line} of {path.name}: {file.fault.message}",
            context=f"{path}:{file.fault.span.line}",
            hint="write NAME=value, or put # before it",
            exit_code=ExitCode.USAGE,
        )
    return {name: assignment.value for name, assignment in file.assignments.items()}


def parse(path: Path, text: str, environ: Mapping[str, str]) -> EnvFile:
    """Return the assignments of a text, each value interpolated with those before it and the environment."""
    lines = [0, *(match.end() for match in re.finditer(r"\n", text))]
    found: dict[str, Assignment] = {}
    scope = Scope(path.parent, environ, (EnvFile(path, text, found),))

    def span(start: int, end: int) -> Span:
        first, last = bisect_right(lines, start) - 1, bisect_right(lines, end) - 1
        return Span(path, first + 1, start - lines[first] + 1, last + 1, end - lines[last] + 1, start, end)

    try:
        for one in _statements(text):
            value = scope.lookup(one.name) if one.value is None else interpolation.evaluate(one.value, scope.lookup)
            if why := interpolation.fault(one.value or "", scope.lookup):
                raise _FaultError(why, one.value_start, one.end)
            if one.name and value is not None:
                place, value_place = span(one.start, one.end), span(one.value_start, one.value_end)
                found[one.name] = Assignment(one.name, value, place, value_place)
    except _FaultError as error:
        return EnvFile(path, text, found, fault=Fault(error.message, span(error.start, error.end)))
    return EnvFile(path, text, found)


class _FaultError(Exception):
    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, end


class _Statement(NamedTuple):
    """NAME=value with offsets; value: with `${…}` still in it, None for a name alone. end: behind a closing quote."""

    name: str
    value: str | None
    start: int
    value_start: int
    value_end: int
    end: int


def _statements(text: str) -> Iterator[_Statement]:
    """Yield what the text assigns; raises _FaultError."""
    position = len(_BOM) if text.startswith(_BOM) else 0
    while (position := _end(_BETWEEN, text, position)) < len(text):
        start = _end(_EXPORT, text, position)
        at = _end(_NAME, text, start)
        for place in range(start, at):
            if not (text[place] in _INLINE + "_.-[]" or unicodedata.category(text[place])[0] in "LN"):
                line_end = _end(_LINE, text, place)
                raise _FaultError(f"unexpected character {text[place]!r} in the name of a variable", place, line_end)
        name = _TRAILING.sub("", text[start:at])
        if start == len(text):
            raise _FaultError("export of nothing", position, start)
        if at == len(text):
            return  # a name alone without a line end: Compose drops it
        if " " in name:
            raise _FaultError("a name cannot contain a space", start, start + len(name))
        if text[at] == "\n":
            end = start + len(name)
            yield _Statement(name, None, start, start, end, end)
            position = at + 1
            continue
        at = _end(_SKIPPED, text, at + 1)
        if text[at : at + 1] not in ("'", '"'):
            position = _end(_LINE, text, at)
            value = _TRAILING.sub("", text[at:position].partition(" #")[0])
            yield _Statement(name, value, start, at, at + len(value), at + len(value))
        elif quoted := _QUOTED.match(text, at):
            position = quoted.end()
            yield _Statement(name, _unquoted(quoted), start, at + 1, position - 1, position)
        else:
            raise _FaultError("the quote that opens here is never closed", at, _end(_LINE, text, at))


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _unquoted(quoted: re.Match[str]) -> str:
    """Return what stands in quotes: both know the escaped quote, double ones the escapes of a shell and `${…}` too."""
    value = quoted["value"].replace("\\" + quoted["quote"], quoted["quote"])
    if quoted["quote"] == "'":
        return value.replace("$", "$$")
    return _ESCAPE.sub(_escaped, value)


def _escaped(match: re.Match[str]) -> str:
    """Return the character of an escape; Compose leaves what it cannot read, an octal one without its 0."""
    written = match[0]
    if written[1] == "0":
        octal = written[2:]
        complete = re.fullmatch(r"[0-7]{3}", octal) and int(octal, 8) <= _LAST_BYTE
        return chr(int(octal, 8)) if complete else "\\" + octal
    return _ESCAPES.get(written[1], written)
