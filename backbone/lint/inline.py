"""Ignores beside what they excuse: `# kafka-lint: ignore KC147 a reason`, at a line's end or in the line above it."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from backbone.lint.engine import Ignore
from backbone.source.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from backbone.lint.model import Rule
    from backbone.lint.project import Project

_COMMENT = re.compile(
    r"(?:^|(?<=\s))#[ \t]*kafka-lint:[ \t]*ignore\b[ \t]*"
    r"(?P<rules>[\w-]+(?:[ \t]*,[ \t]*[\w-]+)*)?[ \t]*(?P<reason>[^\r\n]*)",
    re.MULTILINE,
)
MOST = 2_000
"""How many are read in one file: a hostile one could have hundreds of thousands."""

_SHORTEST_REASON = 8
"""As in policy.schema.json."""


def ignores(project: Project, rules: Mapping[str, Rule]) -> tuple[Ignore, ...]:
    """Return the ignores in the project's Compose files and beside its variables; one that is wrong has a `problem`."""
    texts = {file.path: file.text for file in project.sources.files}
    texts |= {file.path: file.text for file in (project.env, project.example) if file}
    return tuple(ignore for path, text in texts.items() for ignore in _of(path, text, rules))


def _of(path: Path, text: str, rules: Mapping[str, Rule]) -> Iterator[Ignore]:
    if "kafka-lint:" not in text:
        return
    lines = text.split("\n")
    below = _lines_below(lines)
    for match in islice(_COMMENT.finditer(text), MOST):
        start, end = match.start(), match.end()
        line = text.count("\n", 0, start) + 1
        column = start - text.rfind("\n", 0, start)
        span = Span(path, line, column, line, column + end - start, start, end)
        before = lines[line - 1][: column - 1]
        blanks = len(before) - len(before.rstrip())
        comment = replace(span, column=column - blanks, start=start - blanks)
        reason = match["reason"].strip(" \t:-")
        about = below[line] if not before.strip() else line
        words = re.split(r"[ \t]*,[ \t]*", match["rules"] or "")
        for word in words:
            code, problem = _code(word, rules)
            if not problem and len(reason) < _SHORTEST_REASON:
                problem = f"this ignore of {code} hides nothing: it gives no reason"
            yield Ignore(
                code, reason, span, file=path, line=about, problem=problem, comment=comment if len(words) == 1 else None
            )


def _lines_below(lines: list[str]) -> list[int]:
    """Return for each line, from 1, the first one after it that is neither blank nor a comment; 0 if none is."""
    below, following = [0] * (len(lines) + 1), 0
    for number in range(len(lines), 0, -1):
        below[number] = following
        if lines[number - 1].strip() and not lines[number - 1].lstrip().startswith("#"):
            following = number
    return below


def _code(word: str, rules: Mapping[str, Rule]) -> tuple[str, str]:
    """Return the code of a rule that is named by its code or its name, or what is wrong with the word."""
    names = {rule.name: code for code, rule in rules.items()}
    code = names.get(word.lower(), word.upper())
    if code in rules:
        return code, ""
    if not word:
        return "", "this ignore hides nothing: it names no rule"
    close = difflib.get_close_matches(word.lower(), names, n=1) or difflib.get_close_matches(code, rules, n=1)
    meant = f", did you mean {close[0]}?" if close else ""
    return "", f"this ignore hides nothing: there is no rule '{word}'{meant}"
