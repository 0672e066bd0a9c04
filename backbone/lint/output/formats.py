"""Reports for machines: JSON, SARIF 2.1.0, GitHub annotations, JUnit XML."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from backbone import junit, resources
from backbone.lint.judged import apart
from backbone.lint.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from backbone.lint.engine import Result
    from backbone.lint.judged import Judged
    from backbone.lint.model import Rule, Span
    from backbone.lint.project import Project

    Format = Callable[[Result, Project, Callable[[Path], str], Mapping[str, Rule]], str]

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_KAFKA = "https://kafka.apache.org/documentation/"
_COMPOSE = "https://docs.docker.com/reference/compose-file/"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def as_json(result: Result, project: Project, shown: Callable[[Path], str], _rules: Mapping[str, Rule]) -> str:
    """Return the findings and a summary as one JSON document."""
    document = {
        "findings": [_json_finding(judged, shown) for judged in result.findings],
        "summary": {
            **{f"{severity.word}s": result.count(severity) for severity in sorted(Severity, reverse=True)},
            "services": len(project.services),
            "files": [shown(path) for path in project.paths],
            "rules": result.ran,
            "ignored": len(result.ignored),
            "hygiene": len(result.hygiene),
            "not_run": [rule.code for rule in (*result.skipped, *result.late)],
            "crashed": [{"code": crash.code, "detail": crash.detail} for crash in result.crashes],
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_github(result: Result, _project: Project, shown: Callable[[Path], str], _rules: Mapping[str, Rule]) -> str:
    """Return workflow commands, which GitHub Actions turns into annotations at the lines."""
    lines = []
    for judged in apart(result.findings):
        at = judged.finding.at
        fields = {
            "file": shown(at.path),
            "line": at.line,
            "endLine": at.end_line,
            "title": f"{judged.rule.code} {judged.rule.name}",
        }
        if at.line == at.end_line:  # GitHub takes columns only within one line
            fields |= {"col": at.column, "endColumn": at.end_column}
        properties = ",".join(f"{name}={_command_property(str(value))}" for name, value in fields.items())
        words = "\n".join(filter(None, (judged.finding.message, judged.why, judged.finding.help)))
        lines.append(f"::{_COMMANDS[judged.severity]} {properties}::{_command_data(words)}")
    lines += [f"::error title={crash.code} crashed::{_command_data(crash.detail)}" for crash in result.crashes]
    return "\n".join(lines)


def as_junit(result: Result, _project: Project, shown: Callable[[Path], str], rules: Mapping[str, Rule]) -> str:
    """Return one test case for each finding, and one that passed for each rule without any."""
    spoke = {judged.rule.code for judged in result.findings} | {crash.code for crash in result.crashes}
    skipped = {rule.code for rule in (*result.skipped, *result.late)}
    cases = [_junit_failure(judged, shown) for judged in result.findings]
    cases += [junit.Case("lint", crash.code, "error", "the rule crashed", crash.detail) for crash in result.crashes]
    for code, rule in rules.items():
        if code in skipped or code not in spoke:
            cases.append(junit.Case("lint", f"{code} {rule.name}", "skipped" if code in skipped else ""))
    return junit.document("lint", cases)


def as_sarif(result: Result, project: Project, shown: Callable[[Path], str], rules: Mapping[str, Rule]) -> str:
    """Return a SARIF 2.1.0 log; ignored findings are in it, marked as suppressed with their count."""
    codes = list(rules)
    seen: Counter[str] = Counter()
    results = [_sarif_result(judged, shown, codes, seen) for judged in result.findings]
    results += [
        {**_sarif_result(judged, shown, codes, seen), "suppressions": [{"kind": "external"}]}
        for judged in result.ignored
    ]
    run = {
        "tool": {
            "driver": {
                "name": "kafka-compose-lint",
                "version": resources.version(),
                "informationUri": _COMPOSE,
                "rules": [_sarif_rule(rule) for rule in rules.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not (result.crashes or result.late),
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": f"{crash.code}: {crash.detail}"}} for crash in result.crashes
                ],
            }
        ],
        "artifacts": [{"location": {"uri": _uri(shown(path))}} for path in project.paths],
        "results": results,
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


FORMATS: Mapping[str, Format] = {"json": as_json, "sarif": as_sarif, "github": as_github, "junit": as_junit}


def _json_finding(judged: Judged, shown: Callable[[Path], str]) -> dict[str, Any]:
    finding = judged.finding
    return {
        "code": judged.rule.code,
        "name": judged.rule.name,
        "severity": judged.severity.word,
        **_json_place(finding.at, shown),
        "service": finding.service,
        "message": finding.message,
        "why": judged.why,
        "help": finding.help,
        "label": finding.label,
        "variables": list(finding.at.variables),
        "related": [{**_json_place(related.span, shown), "label": related.label} for related in finding.related],
        "also": [
            {**_json_place(each.finding.at, shown), "service": each.finding.service, "identity": each.identity}
            for each in judged.also
        ],
        "fixable": bool(finding.edits),
        "identity": judged.identity,
    }


def _json_place(span: Span, shown: Callable[[Path], str]) -> dict[str, Any]:
    return {
        "path": shown(span.path),
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    doc = rule.doc
    markdown = "\n\n".join(filter(None, (doc.summary, doc.what, doc.why)))
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": doc.summary or rule.name},
        "fullDescription": {"text": doc.what or doc.summary or rule.name},
        "helpUri": _help_uri(rule),
        "help": {"text": markdown, "markdown": markdown},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _help_uri(rule: Rule) -> str:
    """Return the page that the rule names as its source, else the manual of what it is about."""
    named = re.search(r"https?://[^\s;,)]+", rule.doc.source)
    return named[0] if named else _KAFKA if rule.code.startswith(("KC1", "KC7")) else _COMPOSE


def _sarif_result(
    judged: Judged, shown: Callable[[Path], str], codes: Sequence[str], seen: Counter[str]
) -> dict[str, Any]:
    """Return one result; its fingerprint has no line in it, and tells the second of one identity from the first."""
    finding = judged.finding
    seen[judged.identity] += 1
    found: dict[str, Any] = {
        "ruleId": judged.rule.code,
        "ruleIndex": codes.index(judged.rule.code),
        "level": _LEVELS[judged.severity],
        "message": {"text": ". ".join(filter(None, (finding.message, finding.help)))},
        "locations": [{"physicalLocation": _sarif_place(finding.at, shown)}],
        "partialFingerprints": {"identity/v1": f"{judged.identity}:{seen[judged.identity]}"},
    }
    related = [(each.span, each.label) for each in finding.related]
    related += [(each.finding.at, "the same here") for each in judged.also]
    if related:
        found["relatedLocations"] = [
            {
                "id": number,
                "physicalLocation": _sarif_place(span, shown),
                "message": {"text": label},
            }
            for number, (span, label) in enumerate(related)
        ]
    return found


def _sarif_place(span: Span, shown: Callable[[Path], str]) -> dict[str, Any]:
    return {
        "artifactLocation": {"uri": _uri(shown(span.path))},
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        },
    }


def _uri(path: str) -> str:
    return f"file://{quote(path)}" if path.startswith("/") else quote(path)


def _junit_failure(judged: Judged, shown: Callable[[Path], str]) -> junit.Case:
    at, finding = judged.finding.at, judged.finding
    place = f"{shown(at.path)}:{at.line}:{at.column}"
    return junit.Case(
        "lint",
        f"{judged.rule.code} {judged.rule.name} {place}",
        "failure",
        finding.message,
        "\n".join(filter(None, (place, judged.why, finding.help))),
        kind=judged.severity.word,
        attributes={"file": shown(at.path), "line": str(at.line)},
    )


def _command_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command_property(text: str) -> str:
    return _command_data(text).replace(":", "%3A").replace(",", "%2C")
