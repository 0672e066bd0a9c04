"""Env files with the place of every assignment, and the variables Compose interpolates with.

The syntax is the one Compose reads (docs: "Syntax for environment files"): NAME=value or NAME: value, an
optional `export`, comments, single quotes literal, double quotes with escapes and over several lines, `${…}`
outside single quotes. A line that is none of this is passed over: Compose is the one to refuse it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone.errors import StackError
from backbone.source import interpolation, reading
from backbone.source.span import Span

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][\w.]*)[ \t]*[=:][ \t]*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^\r\n]*?))
    [ \t]*(?:(?<=[ \t])\#[^\r\n]*)?\r?$""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_SECRET = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|APIKEY|API_KEY", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One NAME=value of an env file; `value` is what Compose makes of it."""

    name: str
    value: str
    span: Span
    value_span: Span


@dataclass(frozen=True, slots=True)
class EnvFile:
    """An env file: its text and its assignments by name (the last one wins, as in Compose).

    problem: why it must not be opened, "" if it may, or if there is none.
    """

    path: Path
    text: str = ""
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    problem: str = ""


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

        A secret's value is not told.
        """
        value = "set" if _SECRET.search(use.name) else repr(use.value(self.lookup))
        if use.falls_back(self.lookup):
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


def parse(path: Path, text: str, environ: Mapping[str, str]) -> EnvFile:
    """Return the assignments of a text, each value interpolated with those before it and the environment."""
    lines = [0, *(match.end() for match in re.finditer(r"\n", text))]
    found: dict[str, Assignment] = {}
    scope = Scope(path.parent, environ, (EnvFile(path, text, found),))
    for match in _ASSIGNMENT.finditer(text):
        group = next(name for name in ("single", "double", "bare") if match[name] is not None)
        found[match["name"]] = Assignment(
            match["name"],
            _value(match[group], group, scope),
            _span(path, lines, match.start("name"), match.end(group)),
            _span(path, lines, match.start(group), match.end(group)),
        )
    return EnvFile(path, text, found)


def _value(written: str, group: str, scope: Scope) -> str:
    if group == "single":
        return written
    if group == "double":
        written = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), written, flags=re.DOTALL)
    return interpolation.evaluate(written, scope.lookup)


def _span(path: Path, lines: list[int], start: int, end: int) -> Span:
    first, last = bisect_right(lines, start) - 1, bisect_right(lines, end) - 1
    return Span(path, first + 1, start - lines[first] + 1, last + 1, end - lines[last] + 1, start, end)
