"""Rules on env files and how they fit the Compose files (KC302, KC304, KC306)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.variables import DEFAULT_OPERATORS, FROM_THE_MACHINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project
    from backbone.source.source_map import Assignment, EnvFile

_PORT_KEY = re.compile(r"(\w+_)?PORT")
_LAST_PORT = 65535


@rule("KC302", "variable-unused", Severity.WARNING)
def variable_unused(project: Project) -> Iterator[Finding]:
    """Flag an entry of .env.example that nothing in the Compose files uses.

    Used means: interpolated, or the name of a variable of some container (by env_file or passed through).

    Why:
        Who sets it expects an effect, and there is none.

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1"}
        --- .env.example
        KAFKA_VERSION=4.3.1

    Passes:
        services:
          kafka: {image: "apache/kafka:${KAFKA_VERSION:-4.3.1}"}
        --- .env.example
        KAFKA_VERSION=4.3.1

    Source:
        Compose specification, interpolation
    """
    if project.example is None:
        return
    used = {one.name for one in project.interpolations}
    for service in project.services.values():
        used |= service.environment.keys()
    for name, assignment in project.example.assignments.items():
        if name not in used and not FROM_THE_MACHINE.fullmatch(name):
            yield Finding(
                at=assignment.span,
                message=f"{name} is in {project.example.path.name}, but nothing uses it",
                evidence=name,
                label="used nowhere",
                help="remove the line, or use the variable",
            )


@rule("KC304", "port-invalid", Severity.ERROR, needs_model=False)
def port_invalid(project: Project) -> Iterator[Finding]:
    """Flag a …_PORT that is no port number, and two such keys with one value that are both published.

    Read from the env files and from the defaults in the Compose files. Two equal ports are a warning: they
    may be bound to different addresses.

    Why:
        Compose refuses the first only where it is published; the second fails at start: "port is already
        allocated".

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1", environment: {JMX_PORT: "${JMX_PORT}"}}
        --- .env
        JMX_PORT=99990

    Passes:
        services:
          kafka: {image: "apache/kafka:4.3.1", environment: {JMX_PORT: "${JMX_PORT}"}}
        --- .env
        JMX_PORT=9999

    Source:
        Compose specification, ports
    """
    for file in (project.env, project.example):
        if file is not None:
            yield from _bad_ports(file)
            yield from _equal_ports(project, file)
    for one in project.interpolations:
        if one.operator in DEFAULT_OPERATORS and _PORT_KEY.fullmatch(one.name) and _is_bad_port(one.argument):
            yield Finding(
                at=one.span,
                message=f"the default of {one.name}, {one.argument!r}, is no port",
                evidence=one.name,
                label=f"not a number from 1 to {_LAST_PORT}",
                help=f"use a number from 1 to {_LAST_PORT}",
            )


def _is_bad_port(text: str) -> bool:
    return bool(text) and "$" not in text and not (text.isdigit() and 0 < int(text) <= _LAST_PORT)


def _bad_ports(file: EnvFile) -> Iterator[Finding]:
    for name, assignment in file.assignments.items():
        if _PORT_KEY.fullmatch(name) and _is_bad_port(assignment.value):
            yield Finding(
                at=assignment.value_span,
                message=f"{name} is {assignment.value!r}, which is no port",
                evidence=name,
                label=f"not a number from 1 to {_LAST_PORT}",
                help=f"use a number from 1 to {_LAST_PORT}",
            )


def _equal_ports(project: Project, file: EnvFile) -> Iterator[Finding]:
    published = {one.name for one in project.interpolations if "ports" in one.path}
    first: dict[str, Assignment] = {}
    for name, assignment in file.assignments.items():
        if name in published and _PORT_KEY.fullmatch(name) and assignment.value:
            other = first.setdefault(assignment.value, assignment)
            if other is not assignment:
                yield Finding(
                    at=assignment.value_span,
                    message=f"{name} and {other.name} are both {assignment.value}, and both are published",
                    evidence=name,
                    label="the same port again",
                    help="give one of them another port",
                    related=(Related(other.value_span, other.name),),
                    severity=Severity.WARNING,
                )


@rule("KC306", "default-differs-from-example", Severity.WARNING, needs_model=False)
def default_differs_from_example(project: Project) -> Iterator[Finding]:
    """Flag a default in a Compose file that is not the value of .env.example.

    An empty value in .env.example, and defaults made of other variables, pass.

    Why:
        The same checkout then behaves in two ways, depending on whether somebody copied .env.example.

    Fails:
        services:
          kafka: {image: "apache/kafka:${KAFKA_VERSION:-4.3.0}"}
        --- .env.example
        KAFKA_VERSION=4.3.1

    Passes:
        services:
          kafka: {image: "apache/kafka:${KAFKA_VERSION:-4.3.1}"}
        --- .env.example
        KAFKA_VERSION=4.3.1

    Source:
        Compose specification, interpolation
    """
    example = project.example.assignments if project.example else {}
    for one in project.interpolations:
        assignment = example.get(one.name)
        if assignment is None or not assignment.value or one.operator not in DEFAULT_OPERATORS or "$" in one.argument:
            continue
        if one.argument != assignment.value and "$" not in assignment.value:
            yield Finding(
                at=one.span,
                message=f"{one.name} is {one.argument!r} by default and {assignment.value!r} in .env.example",
                evidence=f"{one.name}:{one.argument}",
                label=f"{one.argument!r} here",
                help="make the two agree",
                related=(Related(assignment.value_span, f"{assignment.value!r} here"),),
            )
