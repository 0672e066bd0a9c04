"""The report a person reads: each finding with its source, its reason and what to do, then one verdict."""

from __future__ import annotations

import functools
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from backbone.errors import as_typed
from backbone.lint.model import Severity
from backbone.lint.output.excerpt import Mark, excerpt, plain, split

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path

    from backbone.lint.engine import Crash, Result
    from backbone.lint.judged import Judged
    from backbone.lint.output.excerpt import Line
    from backbone.lint.project import Project

MOST = 200
"""How many findings a person is shown."""

_MOST_PLACES = 8

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}


def text(result: Result, project: Project, shown: Callable[[Path], str]) -> Iterator[Line]:
    """Yield the lines of the report, each as pieces of text with a style. shown: how paths are printed."""
    lines = functools.cache(lambda path: split(project.quoted(path)))
    worst_first = sorted(result.findings, key=lambda judged: (-judged.severity, judged.rule.code, judged.order))
    for (severity, _), group in groupby(worst_first[:MOST], key=lambda judged: (judged.severity, judged.rule.code)):
        reasons: set[str] = set()
        for judged in group:
            if reasons and severity < Severity.ERROR and judged.why in reasons:
                yield from _short(judged, shown)
            else:
                yield from _finding(judged, lines, shown, known=reasons)
            reasons.add(judged.why)
        yield [("", "")]
    if len(result.findings) > MOST:
        yield [(f"{len(result.findings) - MOST} more findings are left out here; --format json has all", "bold")]
    for crash in result.crashes:
        yield from _crash(crash)


def verdict(result: Result, project: Project) -> str:
    """Return one sentence: what was found, in what, and what could not be looked at."""
    counts = [
        _counted(number, severity.word)
        for severity in sorted(Severity, reverse=True)
        if (number := result.count(severity))
    ]
    words = [
        f"{_counted(len(project.services), 'service')} in {_counted(len(project.paths), 'file')}",
        _counted(result.ran, "rule"),
    ]
    if result.ignored:
        words.append(f"{len(result.ignored)} ignored")
    if fixable := sum(1 for judged in result.findings if judged.finding.edits):
        words.append(f"{fixable} fixable (--fix)")
    if result.skipped:
        words.append(f"{len(result.skipped)} rules not run: they need a project that Compose accepts")
    if result.late:
        words.append(f"{len(result.late)} rules not run: time was up ({', '.join(rule.code for rule in result.late)})")
    if result.crashes:
        words.append(f"{len(result.crashes)} rules crashed")
    return f"{', '.join(counts) or ('clean' if project.resolved is not None else 'not judged')}: {', '.join(words)}"


def hygiene(found: Sequence[Judged]) -> str:
    """Return one sentence about advice that was not asked for: how much, and which rules have the most."""
    rules = Counter(f"{judged.rule.code} {judged.rule.name}" for judged in found)
    most = ", ".join(f"{name} {number}" for name, number in rules.most_common(3))
    return f"hygiene: {len(found)} more of {_counted(len(rules), 'rule')} ({most}); --hygiene shows them"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _finding(
    judged: Judged, lines: Callable[[Path], list[str]], shown: Callable[[Path], str], *, known: Container[str]
) -> Iterator[Line]:
    """Yield a finding with its source. known: reasons that were given above."""
    finding, style = judged.finding, _STYLES[judged.severity]
    head = f"{judged.severity.word}[{judged.rule.code} {judged.rule.name}]"
    yield [(head, style), (f": {plain(finding.message)}", "bold")]
    marks = [Mark(finding.at, finding.label, style, primary=True)]
    marks += [Mark(related.span, related.label, "blue") for related in finding.related]
    yield from excerpt(marks, lines, shown)
    notes = [("value", sentence) for sentence in finding.at.variables]
    notes += [("also", _others(judged, shown))]
    notes += [("why", "" if judged.why in known else judged.why), ("help", finding.help)]
    notes += [("more", "" if judged.why in known else as_typed(f"./invoke explain {judged.rule.code}"))]
    for label, words in notes:
        if words:
            yield [("  = ", "blue"), (f"{label}:", "bold"), (f" {plain(words)}", "")]


def _short(judged: Judged, shown: Callable[[Path], str]) -> Iterator[Line]:
    """Yield one line: the same rule says the same for the same reason as above, elsewhere."""
    place = _place(judged, shown)
    others = f" (and {_others(judged, shown)})" if judged.also else ""
    yield [("  + ", "blue"), (f"{place}: ", ""), (plain(judged.finding.message), "bold"), (plain(others), "")]


def _others(judged: Judged, shown: Callable[[Path], str]) -> str:
    """Return the other places of a cause; of those at one place, the services."""
    places: dict[str, list[str]] = {}
    for each in judged.also:
        places.setdefault(_place(each, shown), []).append(each.finding.service)
    words = []
    here = _place(judged, shown)
    for place, services in places.items():
        names = ", ".join(name for name in services if name)
        words.append(f"for {names}" if place == here and names else f"{place} ({names})" if names else place)
    left = len(words) - _MOST_PLACES
    return ", ".join([*words[:_MOST_PLACES], *([f"{left} more"] if left > 0 else [])])


def _place(judged: Judged, shown: Callable[[Path], str]) -> str:
    at = judged.finding.at
    return f"{shown(at.path)}:{at.line}:{at.column}"


def _crash(crash: Crash) -> Iterator[Line]:
    yield [
        (f"crash[{crash.code}]", _STYLES[Severity.ERROR]),
        (": this rule failed, the others still ran", "bold"),
    ]
    for line in crash.detail.splitlines():
        yield [("  | ", "blue"), (plain(line), "dim")]
    yield [("", "")]
