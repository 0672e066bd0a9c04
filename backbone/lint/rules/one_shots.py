"""Rules on services that run once: init scripts, migrations, topic creation (KC403, KC404, KC405)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.lint.kafka import clients, clusters
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.lint.project import Project, Service
    from backbone.source.span import Span

COMPLETED = "service_completed_successfully"

_NAME = re.compile(
    r"(^|[-_.])(init|setup|migrat\w*|bootstrap|provision\w*|seed|create[-_]topics?|topics?[-_]creat\w*)($|[-_.])"
)
_WORK = re.compile(
    r"--create\b|--alter\b|\bmkdir\b|\bchown\b|\bchmod\b|\bexit 0\b"
    r"|curl\b[^\n]*-X\s*(POST|PUT)|kafka-storage|kafka-acls"
)
_STAYS = re.compile(
    r"sleep\s+infinity|tail\s+-f|while\s+(true|:)|docker/run\b|kafka-server-start|exec\s+\S*java|\bwait\b\s*$"
)
_SHELL = re.compile(r"(.*/)?(ba|da|a|z|k)?sh")
_STOPS_ON_ERROR = re.compile(r"(^|[\n;&]|\s)set\s+(-\w*e\w*|-o\s+errexit|-\w+\s+-\w*e)")
_FLAG = re.compile(r"-[a-z]+")
_COMMAND_FLAG = re.compile(r"-[a-z]*c[a-z]*")
_ALWAYS = frozenset({"always", "unless-stopped"})


def one_shots(project: Project) -> Mapping[str, Service]:
    """Return the services that run once and end.

    Those are: what another waits for with service_completed_successfully, and shell scripts that do a piece
    of work (by their commands or their name), stay for nothing and are not restarted always.
    """
    adopted = adopters(project)
    nodes = clusters.by_service(project)
    return {
        name: service
        for name, service in project.services.items()
        if name in adopted or (name not in nodes and _looks_like_one(service))
    }


def adopters(project: Project) -> Mapping[str, list[str]]:
    """Return, for each service that is waited for to complete, who waits."""
    found: dict[str, list[str]] = {}
    for service in project.services.values():
        for name, condition in service.depends_on.items():
            if condition == COMPLETED:
                found.setdefault(name, []).append(service.name)
    return found


def _looks_like_one(service: Service) -> bool:
    text = script(service)
    restart = restart_policy(service)
    if _STAYS.search(text) or service.healthcheck or service.ports:
        return False
    named = bool(_NAME.search(service.name))
    if restart in _ALWAYS:
        return named and bool(_WORK.search(text))
    return bool(_WORK.search(text) and is_shell(service)) or (named and bool(text))


def script(service: Service) -> str:
    """Return the text of entrypoint and command."""
    return "\n".join(text for _, text in clients.scripts_of(service))


def is_shell(service: Service) -> bool:
    """Whether a service runs a shell with the script among its words."""
    words = [*service.entrypoint, *service.command]
    return any(_SHELL.fullmatch(word) for word in words) and any(re.fullmatch(r"-\w*c\w*", word) for word in words)


def restart_policy(service: Service) -> str:
    """Return the restart policy without its count, "no" when nothing is said."""
    condition = ((service.body.get("deploy") or {}).get("restart_policy") or {}).get("condition")
    if condition:
        return {"any": "always", "none": "no"}.get(str(condition), str(condition))
    return str(service.body.get("restart") or "no").partition(":")[0]


def _command_span(service: Service) -> Span:
    return service.key("command") if service.has("command") else service.key("entrypoint")


@rule("KC403", "one-shot-not-adopted", Severity.WARNING)
def one_shot_not_adopted(project: Project) -> Iterator[Finding]:
    """Flag a service that runs once and that no other service waits for to complete.

    Why:
        `docker compose up --wait` takes the end of a container nobody waits for as a failure and exits 1,
        though all is well; and nobody learns when the script really failed.

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1"}
          kafka-init:
            image: apache/kafka:4.3.1
            command: [bash, -c, "kafka-topics.sh --bootstrap-server kafka:9092 --create --topic events"]

    Passes:
        services:
          kafka: {image: "apache/kafka:4.3.1"}
          kafka-init:
            image: apache/kafka:4.3.1
            command: [bash, -c, "kafka-topics.sh --bootstrap-server kafka:9092 --create --topic events"]
          registry:
            image: confluentinc/cp-schema-registry:8.3.0
            depends_on: {kafka-init: {condition: service_completed_successfully}}

    Source:
        docker/compose pkg/compose/start.go; docker/compose#10596
    """
    adopted = adopters(project)
    for name, service in one_shots(project).items():
        if name not in adopted and restart_policy(service) not in _ALWAYS:
            yield Finding(
                at=service.span,
                message=f"{name} runs once, but no service waits for it to complete",
                service=name,
                evidence="not-adopted",
                label="`up --wait` exits 1 when it ends",
                help=f"let a long-running service depend on it: {name}: {{condition: {COMPLETED}}}",
                related=(Related(_command_span(service), "what it runs"),),
            )


@rule("KC404", "one-shot-restarts", Severity.ERROR)
def one_shot_restarts(project: Project) -> Iterator[Finding]:
    """Flag a service that runs once and is started again each time it ends.

    `on-failure` passes: it ends with success.

    Why:
        With `always` or `unless-stopped` Docker starts the script again and again, and who waits for its
        completion waits for ever.

    Fails:
        services:
          kafka-init:
            image: apache/kafka:4.3.1
            restart: unless-stopped
            command: [bash, -c, "kafka-topics.sh --bootstrap-server kafka:9092 --create --topic events"]
          app:
            image: example/app:1.0.0
            depends_on: {kafka-init: {condition: service_completed_successfully}}

    Passes:
        services:
          kafka-init:
            image: apache/kafka:4.3.1
            restart: on-failure
            command: [bash, -c, "kafka-topics.sh --bootstrap-server kafka:9092 --create --topic events"]
          app:
            image: example/app:1.0.0
            depends_on: {kafka-init: {condition: service_completed_successfully}}

    Source:
        Docker documentation, restart policies
    """
    adopted = adopters(project)
    for name, service in one_shots(project).items():
        policy = restart_policy(service)
        if policy in _ALWAYS:
            waiting = adopted.get(name, ())
            yield Finding(
                at=service.where("restart") if service.has("restart") else service.where("deploy", "restart_policy"),
                message=f"{name} runs once, but its restart policy is {policy}",
                service=name,
                evidence=policy,
                label="starts again each time it ends",
                help='set restart: "no", or on-failure',
                related=tuple(
                    Related(project.services[who].where("depends_on", name), f"{who} waits for its end")
                    for who in waiting[:1]
                ),
            )


@rule("KC405", "one-shot-ignores-failure", Severity.WARNING)
def one_shot_ignores_failure(project: Project) -> Iterator[Finding]:
    """Flag an init script of several commands that goes on when one fails.

    A script with `set -e`, a shell with -e, and commands all joined by && pass.

    Why:
        The shell returns the code of the last command, often an echo: a topic was not created, the service
        ends with 0, and what depends on it starts.

    Fails:
        services:
          kafka-init:
            image: apache/kafka:4.3.1
            command:
              - bash
              - -c
              - |
                kafka-topics.sh --bootstrap-server kafka:9092 --create --topic events
                echo complete

    Passes:
        services:
          kafka-init:
            image: apache/kafka:4.3.1
            command:
              - bash
              - -c
              - |
                set -e
                kafka-topics.sh --bootstrap-server kafka:9092 --create --topic events
                echo complete

    Source:
        POSIX, shell command language: set -e
    """
    for name, service in one_shots(project).items():
        if not is_shell(service):
            continue
        words = [*service.entrypoint, *service.command]
        flag = next(index for index, word in enumerate(words) if _COMMAND_FLAG.fullmatch(word))
        text = "\n".join(words[flag + 1 : flag + 2])
        if any("e" in word for word in words[: flag + 1] if _FLAG.fullmatch(word)) or _STOPS_ON_ERROR.search(text):
            continue
        if len(_commands(text)) > 1:
            yield Finding(
                at=_command_span(service),
                message=f"the script of {name} goes on when a command fails",
                service=name,
                evidence="set -e",
                label="no `set -e`",
                help="begin the script with `set -e`",
            )


def _commands(text: str) -> list[str]:
    """Return the commands of a script that run whatever the one before returned."""
    joined = re.sub(r"\\\n\s*", " ", text)
    joined = re.sub(r"(&&|\|\|)\s*\n", r"\1 ", joined)
    lines = [line.strip() for line in re.split(r"\n|;(?!;)", joined)]
    structure = re.compile(r"#|(then|do|done|fi|else|esac)\b")
    return [line for line in lines if line and not structure.match(line)]
