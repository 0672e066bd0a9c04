"""The manual, made of the rules' docstrings: one rule for a terminal, all of them as docs/rules.md."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backbone.lint.model import Rule

_FAMILIES = {
    "KC0": "Loading",
    "KC1": "Kafka: nodes, quorum, listeners, durability",
    "KC3": "Environment",
    "KC4": "Lifecycle",
    "KC5": "Exposure",
    "KC6": "Requirements of this project",
    "KC7": "Connectors, topics and contracts",
}


def page(rule: Rule) -> str:
    """Return one rule's documentation as text."""
    doc = rule.doc
    parts = [
        f"{rule.code} {rule.name} ({rule.severity.word})",
        doc.summary,
        doc.what,
        _section("Why", doc.why),
        _section("Fails", doc.fails),
        _section("Passes", doc.passes),
        _section("Source", doc.source),
    ]
    return "\n\n".join(part for part in parts if part)


def book(rules: Iterable[Rule]) -> str:
    """Return docs/rules.md: a table, then a section a rule."""
    known = sorted(rules, key=lambda rule: rule.code)
    head = [
        "# Rules",
        "<!-- Written by `nox -s pages` from the rules' docstrings; a test compares. -->",
        f"{len(known)} rules. `./invoke explain CODE` prints one, `policy.toml` selects, ranks and ignores.",
        "\n".join(
            ["| Code | Name | Severity | What |", "| --- | --- | --- | --- |"]
            + [
                f"| [{each.code}](#{_anchor(each)}) | {each.name} | {each.severity.word} | {_cell(each)} |"
                for each in known
            ]
        ),
    ]
    for family, members in groupby(known, key=lambda rule: rule.code[:3]):
        head.append(f"## {_FAMILIES.get(family, family)}")
        head += [_markdown(rule) for rule in members]
    return "\n\n".join(head) + "\n"


def as_dict(rule: Rule) -> dict[str, str]:
    """Return one rule as `explain --json` prints it."""
    doc = rule.doc
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity.word,
        "summary": doc.summary,
        "what": doc.what,
        "why": doc.why,
        "fails": doc.fails,
        "passes": doc.passes,
        "source": doc.source,
    }


def _section(title: str, text: str) -> str:
    indented = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    return f"{title}:\n{indented}" if text else ""


def _markdown(rule: Rule) -> str:
    doc = rule.doc
    parts = [
        f"### {rule.code} {rule.name}",
        f"*{rule.severity.word}.* {doc.summary}",
        doc.what,
        f"**Why.** {doc.why}" if doc.why else "",
        f"Fails:\n\n```yaml\n{doc.fails}\n```" if doc.fails else "",
        f"Passes:\n\n```yaml\n{doc.passes}\n```" if doc.passes else "",
        f"Source: {' '.join(doc.source.split())}" if doc.source else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _anchor(rule: Rule) -> str:
    return f"{rule.code} {rule.name}".lower().replace(" ", "-")


def _cell(rule: Rule) -> str:
    return rule.doc.summary.replace("|", "\\|")
