"""The source lines around a finding, with what matters underlined and labelled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from backbone.source.span import Span

    Line = list[tuple[str, str]]
    """Text and its style (a rich style name), piece by piece."""

WIDTH = 150
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Mark:
    """One underlined stretch: primary ones point (`^`), related ones refer (`-`)."""

    span: Span
    label: str
    style: str
    primary: bool = False


def plain(text: str) -> str:
    """Return text that cannot move a terminal's cursor, change its colours or its direction."""
    return _CONTROL.sub("\N{MIDDLE DOT}", text.replace("\t", " "))


def split(text: str) -> list[str]:
    """Return the lines of a text as YAML counts them."""
    return re.split(r"\r\n|\r|\n", text)


def excerpt(marks: Sequence[Mark], lines: Callable[[Path], Sequence[str]], shown: Callable[[Path], str]) -> list[Line]:
    """Return the lines of an excerpt: the primary mark's file first, then each other file.

    lines: of a file. shown: how their paths are printed.
    """
    primary = next(mark for mark in marks if mark.primary)
    paths = dict.fromkeys([primary.span.path, *(mark.span.path for mark in marks)])
    width = len(str(max(mark.span.line for mark in marks)))
    out: list[Line] = []
    for path in paths:
        here = sorted((mark for mark in marks if mark.span.path == path), key=lambda mark: mark.span.start)
        first = primary if path == primary.span.path else here[0]
        arrow = "-->" if first.primary else ":::"
        out.append(
            [
                (f"{' ' * width} {arrow} ", "blue"),
                (f"{shown(path)}:{first.span.line}:{first.span.column}", ""),
            ]
        )
        out += _file(here, lines(path), width)
    return out


def _file(marks: Sequence[Mark], lines: Sequence[str], width: int) -> list[Line]:
    margin = f"{' ' * width} |"
    out: list[Line] = [[(margin, "blue")]]
    last = 0
    for mark in marks:
        number = mark.span.line
        source = lines[number - 1] if number <= len(lines) else ""
        first, window = _window(source, mark.span)
        if number != last:
            if last and number != last + 1:
                out.append([(f"{' ' * width} :", "blue")])
            out.append([(f"{number:>{width}} | ", "blue"), (plain(window), "")])
        out.append([(margin + " ", "blue"), *_underline(mark, source, first)])
        last = number
    return out


def _window(source: str, span: Span) -> tuple[int, str]:
    """Return the column offset and the part of a line that is shown: all of it unless it is very long."""
    if len(source) <= WIDTH:
        return 0, source
    first = max(min(span.column - 1 - WIDTH // 3, len(source) - WIDTH), 0)
    return first, source[first : first + WIDTH]


def _underline(mark: Mark, source: str, first: int) -> Line:
    span = mark.span
    end = span.end_column - 1 if span.end_line == span.line else len(source.rstrip())
    start = max(span.column - 1 - first, 0)
    length = max(min(end - first, WIDTH) - start, 1)
    pointer = ("^" if mark.primary else "-") * length
    return [(" " * start, ""), (f"{pointer} {plain(mark.label)}".rstrip(), mark.style)]
