"""Rules on values that arrive otherwise than they are written (KC005, KC010)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from backbone.lint.model import Edit, Finding, Severity, rule
from backbone.source import compose_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project
    from backbone.source.compose_file import Node
    from backbone.source.span import Span

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'", re.DOTALL)
_KAFKA_VARIABLE = re.compile(r"(KAFKA|CONNECT|SCHEMA_REGISTRY|KSQL|ZOOKEEPER)_|(BOOTSTRAP_SERVERS|CLUSTER_ID)$")


@rule("KC005", "changed-scalar", Severity.WARNING)
def changed_scalar(project: Project) -> Iterator[Finding]:
    """Flag an unquoted value that the container receives differently from how it is written.

    Environment variables, labels, build arguments and driver options are text, but YAML first takes an
    unquoted `0755` for an octal number, `1.10` for 1.1, and a date for a point in time. A number that stays
    the same number is only worth knowing, unless its key speaks of a version.

    Why:
        Compose hands over what YAML made of it: `0755` arrives as 493, `1.10` as 1.1, `2026-01-02` as
        "2026-01-02 00:00:00 +0000 UTC".

    Fails:
        services:
          cache:
            image: redis:7.4.1
            environment:
              UMASK: 0022

    Passes:
        services:
          cache:
            image: redis:7.4.1
            environment:
              UMASK: "0022"
              PORT: 6379
              TLS: no

    Source:
        https://yaml.org/type/int.html
    """
    for service in project.services.values():
        for section in (
            ("environment",),
            ("labels",),
            ("build", "args"),
            ("logging", "options"),
            ("annotations",),
        ):
            values: object = service.body
            for step in section:
                values = values.get(step) if isinstance(values, dict) else None
            for key, value in values.items() if isinstance(values, dict) else ():
                node = project.sources.node("services", service.name, *section, key)
                if isinstance(value, str) and node is not None and _changed(node, value):
                    at = service.where(*section, key)
                    yield Finding(
                        at=at,
                        message=f"{key} is written {node.value} but arrives as {value!r}",
                        service=service.name,
                        help=f'write "{node.value}"',
                        evidence=f"{'.'.join(section)}.{key}",
                        label=f"becomes {value}",
                        edits=(Edit(at.before(), '"'), Edit(at.after(), '"')),
                        severity=Severity.INFO if _same_number(node.value, value, key) else None,
                    )


@rule("KC010", "quotes-in-list-entry", Severity.WARNING)
def quotes_in_list_entry(project: Project) -> Iterator[Finding]:
    """Flag quotes around the value of a list entry, such as `- NAME="value"`.

    For properties of Kafka and Connect it is an error. A value with quotes in a mapping (`NAME: "value"`) or in an env
    file is another matter: there YAML, or Compose, takes them away.

    Why:
        In a list the entry is one text, and the quotes are part of the value: Kafka gets "PLAINTEXT://:9092" with them
        and ends at a listener that it cannot read.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              - KAFKA_NODE_ID=1
              - KAFKA_LISTENERS="PLAINTEXT://:9092"

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              - KAFKA_NODE_ID=1
              - "KAFKA_LISTENERS=PLAINTEXT://:9092"

    Source:
        Compose specification, environment; YAML 1.2, plain scalars
    """
    for service in project.services.values():
        arguments = (service.body.get("build") or {}).get("args") or {}
        for section, values in ((("environment",), service.environment), (("build", "args"), arguments)):
            for name, value in values.items():
                path = ("services", service.name, *section, name)
                if project.sources.is_list_entry(*path) and _QUOTED.fullmatch(str(value).strip()):
                    at = service.where(*section, name)
                    yield Finding(
                        at=at,
                        message=f"{name} of {service.name} has quotes in its value",
                        service=service.name,
                        evidence=f"{'.'.join(section)}.{name}",
                        label="the quotes are part of it",
                        help=f'write "{name}=…" with the quotes around the whole entry, or none',
                        edits=_requoted(project, service.key(*section, name), at),
                        severity=Severity.ERROR if _KAFKA_VARIABLE.match(name) else None,
                    )


def _requoted(project: Project, entry: Span, value: Span) -> tuple[Edit, ...]:
    """Return the edits that move the first quote before the name: `- NAME="v"` becomes `- "NAME=v"`."""
    text = project.text(value.path)[value.start : value.end]
    simple = len(text) > 1 and text[0] == text[-1] and not re.search(r"[\\\"']", text[1:-1])
    if not simple or project.text(entry.path)[entry.start : entry.start + 1] in ("'", '"'):
        return ()
    quote = replace(value, end=value.start + 1, end_line=value.line, end_column=value.column + 1)
    return (Edit(entry.before(), text[0]), Edit(quote, ""))


def _changed(node: Node, value: str) -> bool:
    """Say whether a plain scalar is text in the file and other text in the container."""
    if not compose_file.is_plain(node) or "$" in node.value:
        return False
    return node.value not in (value, "", "~") and node.value.lower() not in ("null", "true", "false")


def _same_number(written: str, value: str, key: str) -> bool:
    """Say whether a reader of numbers sees no change: 0.50 for 0.5, but not version 1.10 for 1.1."""
    try:
        return float(written) == float(value) and not re.search("version|tag|release", key, re.IGNORECASE)
    except ValueError:
        return False
