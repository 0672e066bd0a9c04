"""Rules on interpolation (KC301, KC303, KC305, KC308)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.credentials import SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project, Service
    from backbone.source.source_map import Interpolation

FROM_THE_MACHINE = re.compile(
    r"HOME|USER|UID|GID|PWD|HOSTNAME|PATH|SHELL|TMPDIR|LANG|TZ|CI|XDG_\w+|DOCKER_\w+|COMPOSE_\w+|GITHUB_\w+"
)
"""Set by a login, by Docker or by CI rather than by a project's env file."""

DEFAULT_OPERATORS = frozenset({":-", "-"})

_RUN_INSIDE = {"command": "the command", "entrypoint": "the entrypoint", "healthcheck": "the health check"}
_OPTION = re.compile(
    r"(?:--(?:bootstrap-servers?|broker-list|brokers?|zookeeper|topic|group|partitions|replication-factor)"
    r"|\b(?:kcat|kafkacat|kafka-ready)\s+-b)[\s=]+[\"']?$"
)
_LOOK_BACK = 40
"""Characters before a variable that may hold the option whose value it is."""


def _used(project: Project) -> list[Interpolation]:
    """Return the interpolations, without those that Compose or the machine fills."""
    return [one for one in project.interpolations if not FROM_THE_MACHINE.fullmatch(one.name)]


@rule("KC301", "variable-undocumented", Severity.WARNING, needs_model=False)
def variable_undocumented(project: Project) -> Iterator[Finding]:
    """Flag a variable that the Compose files use and .env.example does not have.

    Silent without an .env.example. Variables of the login, of Docker and of CI pass. A line in a comment such
    as `# NAME=value` is no entry.

    Why:
        .env.example is where a newcomer looks for what can be set; this one will not be found.

    Fails:
        services:
          kafka: {image: "apache/kafka:${KAFKA_VERSION:-4.3.1}"}
        --- .env.example
        OTHER=1

    Passes:
        services:
          kafka: {image: "apache/kafka:${KAFKA_VERSION:-4.3.1}"}
        --- .env.example
        KAFKA_VERSION=4.3.1

    Source:
        specification, section 6: ports are coordinated through the env file
    """
    if project.example is None:
        return
    seen: set[str] = set()
    for one in _used(project):
        if one.name not in project.example.assignments and one.name not in seen:
            seen.add(one.name)
            yield Finding(
                at=one.span,
                message=f"${{{one.name}}} is not in {project.example.path.name}",
                evidence=one.name,
                label="first used here",
                help=f"add {one.name}={one.argument if one.operator in DEFAULT_OPERATORS else ''}",
            )


@rule("KC303", "variable-without-default", Severity.ERROR, needs_model=False)
def variable_without_default(project: Project) -> Iterator[Finding]:
    """Flag `${X}` with neither a default nor `:?`, that no env file sets.

    With a value only in .env.example it is a warning: whoever has no copy of it gets the blank string. In a project
    without a policy it is a warning too, since many are meant to be started with variables of the shell.

    Why:
        Compose warns once, puts a blank string there and goes on; what then fails is far from here.

    Fails:
        services:
          kafka: {image: "apache/kafka:${KAFKA_VERSION}"}

    Passes:
        services:
          kafka: {image: "apache/kafka:${KAFKA_VERSION:-4.3.1}"}

    Source:
        Compose specification, interpolation
    """
    env = project.env.assignments if project.env else {}
    example = project.example.assignments if project.example else {}
    for one in project.interpolations:
        if one.operator or one.value or one.name in env or FROM_THE_MACHINE.fullmatch(one.name):
            continue
        documented = one.name in example
        value = example[one.name].value if documented else ""
        yield Finding(
            at=one.span,
            message=f"${{{one.name}}} has no default"
            + (" and is only in .env.example" if documented else " and no env file sets it"),
            evidence=f"{one.name}:{'/'.join(map(str, one.path))}",
            label="blank when it is not set",
            help=f"write ${{{one.name}:-{value or 'DEFAULT'}}}, or ${{{one.name}:?say what to set}}",
            severity=Severity.WARNING if documented or project.foreign else Severity.ERROR,
        )


@rule("KC305", "interpolation-self-shadowed", Severity.WARNING)
def interpolation_self_shadowed(project: Project) -> Iterator[Finding]:
    """Flag `${X}` in a service's environment or command that looks like the service's own X, but is another value.

    `X: ${X:-…}` itself, and places where both values agree, pass. An error where Kafka's tools are left without an
    address, a topic or a number by it.

    Why:
        Compose fills `${X}` from the shell and the env file before the container exists; the X that the
        service sets is never looked at. `$$X` would be the container's.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_JMX_HOSTNAME: kafka
              KAFKA_JMX_OPTS: -Djava.rmi.server.hostname=${KAFKA_JMX_HOSTNAME:-localhost}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_JMX_HOSTNAME: ${KAFKA_JMX_HOSTNAME:-localhost}
              KAFKA_JMX_OPTS: -Djava.rmi.server.hostname=${KAFKA_JMX_HOSTNAME:-localhost}

    Source:
        Compose specification, interpolation
    """
    for service in project.services.values():
        for variable in service.environment:
            for one in project.sources.used("services", service.name, "environment", variable):
                if one.name != variable and _shadows(service, one):
                    yield _shadowed(service, one, variable)
    for one in project.interpolations:
        service_of = project.services.get(str(one.path[1])) if one.path[:1] == ("services",) else None
        what = _RUN_INSIDE.get(str(one.path[2])) if service_of and len(one.path) > 2 else None  # noqa: PLR2004 - key
        if service_of and what and _shadows(service_of, one):
            before = project.text(one.span.path)[max(one.span.start - _LOOK_BACK, 0) : one.span.start]
            lost = not one.value and _OPTION.search(before)
            yield replace(_shadowed(service_of, one, what), severity=Severity.ERROR if lost else None)


def _shadowed(service: Service, one: Interpolation, what: str) -> Finding:
    told = "" if SECRET_KEY.fullmatch(one.name) else f": {one.value!r}"
    return Finding(
        at=one.span,
        message=f"{what} of {service.name} reads ${{{one.name}}} from outside{told}, "
        f"not the {one.name} that the service sets",
        service=service.name,
        evidence=f"{what}:{one.name}",
        label="the shell's or the env file's",
        help=f"write the value, or $${one.name} where a shell in the container reads it",
        related=(Related(service.where("environment", one.name), "the service's own"),),
    )


def _shadows(service: Service, one: Interpolation) -> bool:
    """Whether a service sets the variable that is read here, to something else."""
    own = service.environment.get(one.name)
    return own is not None and not one.operator.endswith("+") and own != one.value


@rule("KC308", "defaults-differ", Severity.WARNING, needs_model=False)
def defaults_differ(project: Project) -> Iterator[Finding]:
    """Flag a variable that has two different defaults.

    Why:
        With nothing set, two places that should agree do not: a broker listens on one port, its clients use
        another.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:${KAFKA_PORT:-9094}:9092"]
            environment: {KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://localhost:${KAFKA_PORT:-9092}"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:${KAFKA_PORT:-9092}:9092"]
            environment: {KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://localhost:${KAFKA_PORT:-9092}"}

    Source:
        Compose specification, interpolation
    """
    first: dict[str, Interpolation] = {}
    for one in project.interpolations:
        if one.operator not in DEFAULT_OPERATORS:
            continue
        other = first.setdefault(one.name, one)
        if other.argument != one.argument:
            yield Finding(
                at=one.span,
                message=f"{one.name} is {one.argument!r} by default here and {other.argument!r} elsewhere",
                evidence=f"{one.name}:{one.argument}",
                label=f"{one.argument!r} here",
                help=f"write ${{{one.name}{other.operator}{other.argument}}} in both places",
                related=(Related(other.span, f"{other.argument!r} here"),),
            )
