"""Rules on env files and how they fit the Compose files (KC302, KC304, KC306)."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.variables import DEFAULT_OPERATORS, FROM_THE_MACHINE
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from backbone.lint.project import Project
    from backbone.source.source_map import Assignment, EnvFile, Interpolation

_PORT_KEY = re.compile(r"(\w+_)?PORT")
_LAST_PORT = 65535
_PUBLISHABLE = re.compile(r"(\S+:)?(\d{1,5}(-\d{1,5})?)(/(tcp|udp))?")
_MAX_FILES = 1_000
_MAX_BYTES = 256 * 1024
_NOT_OURS = frozenset({"node_modules", "venv", "target", "build", "dist", "vendor", "data", "results"})


@rule("KC302", "variable-unused", Severity.WARNING)
def variable_unused(project: Project) -> Iterator[Finding]:
    """Flag an entry of .env.example that nothing in the Compose files uses.

    Used means: interpolated, or the name of a variable of some container (by env_file or passed through), or a word
    in another file of the project's folder: other Compose files, scripts and programs read the same file.

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
    left = {name for name in project.example.assignments if name not in used and not FROM_THE_MACHINE.fullmatch(name)}
    left -= _words_beside(project, left)
    for name, assignment in project.example.assignments.items():
        if name in left:
            yield Finding(
                at=assignment.span,
                message=f"{name} is in {project.example.path.name}, but nothing uses it",
                evidence=name,
                label="used nowhere",
                help="remove the line, or use the variable",
            )


def _words_beside(project: Project, wanted: set[str]) -> set[str]:
    """Return those of some words that stand in a file of the project's folder, its env files apart."""
    found: set[str] = set()
    files = _files(project.directory) if wanted else iter(())
    for path in itertools.islice(files, _MAX_FILES):
        if not path.name.startswith(".env"):
            found |= wanted & set(re.findall(r"\w+", reading.peek(path, _MAX_BYTES)))
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, those nearest first, without hidden and installed ones."""
    folders = [folder]
    for here in folders:
        for path in sorted(here.iterdir()):
            if path.is_dir() and not path.is_symlink():
                folders += [path] * (not path.name.startswith(".") and path.name not in _NOT_OURS)
            elif path.is_file():
                yield path


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
            yield from _bad_ports(project, file)
            yield from _equal_ports(project, file)
    for one in project.interpolations:
        if one.operator not in DEFAULT_OPERATORS or not _PORT_KEY.fullmatch(one.name):
            continue
        if _is_bad_port(one.argument, published="ports" in one.path):
            yield Finding(
                at=one.span,
                message=f"the default of {one.name}, {one.argument!r}, is no port",
                evidence=one.name,
                label=f"not a number from 1 to {_LAST_PORT}",
                help=f"use a number from 1 to {_LAST_PORT}",
            )


def _is_bad_port(text: str, *, published: bool) -> bool:
    """Whether a value is no port; one that is published may also be a range, or hold an address or a protocol."""
    if not text or "$" in text:
        return False
    if text.isdigit():
        return not 0 < int(text) <= _LAST_PORT
    match = _PUBLISHABLE.fullmatch(text)
    return published and (not match or any(int(port) > _LAST_PORT for port in match[2].split("-")))


def _bad_ports(project: Project, file: EnvFile) -> Iterator[Finding]:
    published = {one.name for one in project.interpolations if "ports" in one.path}
    for name, assignment in file.assignments.items():
        if _PORT_KEY.fullmatch(name) and _is_bad_port(assignment.value, published=name in published):
            yield Finding(
                at=assignment.value_span,
                message=f"{name} is {assignment.value!r}, which is no port",
                evidence=name,
                label=f"not a number from 1 to {_LAST_PORT}",
                help=f"use a number from 1 to {_LAST_PORT}",
            )


def _is_host_port(one: Interpolation, project: Project) -> bool:
    """Whether a variable stands for a port of the host: `published`, or before a colon of `HOST:CONTAINER`."""
    if "ports" not in one.path:
        return False
    if one.path[-1] == "published":
        return True
    rest = re.split(r"[\s'\",\]]", project.text(one.span.path)[one.span.end :], maxsplit=1)[0]
    return ":" in re.sub(r"\$\{[^}]*\}", "", rest)


def _equal_ports(project: Project, file: EnvFile) -> Iterator[Finding]:
    published = {one.name for one in project.interpolations if _is_host_port(one, project)}
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
