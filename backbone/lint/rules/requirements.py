"""KC601-KC605, requirements: what a policy demands of its own project ([require] in policy.toml)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project, Service


@rule("KC601", "profile-gate", Severity.ERROR)
def profile_gate(project: Project) -> Iterator[Finding]:
    """Flag a service that its folder's profile does not gate.

    `[require.profiles]` names a profile for a folder; every service written below it must carry that profile.


    Why:
        A service without the profile starts with every `docker compose up`, whatever was asked for.

    Fails:
        services:
          cache:
            image: redis:7.4.1
        --- policy.toml
        [require.profiles]
        "." = "data"

    Passes:
        services:
          cache:
            image: redis:7.4.1
            profiles: [data]
        --- policy.toml
        [require.profiles]
        "." = "data"
    """
    for service in project.services.values():
        folder, wanted = _gate(project, service)
        if wanted and wanted not in service.profiles:
            has = ", ".join(sorted(service.profiles)) or "none"
            yield Finding(
                at=service.where("profiles"),
                message=f"{service.name} must be gated by the profile {wanted!r}, it has {has}",
                service=service.name,
                help=f"profiles: [{wanted}]",
                evidence=folder,
                label=f"not in {wanted}",
            )


@rule("KC602", "broker-count", Severity.ERROR)
def broker_count(project: Project) -> Iterator[Finding]:
    """Flag a project that has fewer Kafka brokers than its policy demands.

    Why:
        With fewer, the high availability that the stack is there to show is not there.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_PROCESS_ROLES: "broker,controller"}
        --- policy.toml
        [require]
        brokers = 3

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_PROCESS_ROLES: "broker,controller"}
        --- policy.toml
        [require]
        brokers = 1
    """
    wanted = project.require.brokers
    roles = {
        service: service.environment["KAFKA_PROCESS_ROLES"].split(",")
        for service in project.services.values()
        if "KAFKA_PROCESS_ROLES" in service.environment
    }
    brokers = [service for service, given in roles.items() if "broker" in given]
    if len(brokers) >= wanted or (project.profiles and not brokers):
        return
    others = [service.where("environment", "KAFKA_PROCESS_ROLES") for service in roles if service not in brokers]
    first, *more = others or [service.span for service in brokers] or [project.where()]
    label = "not a broker" if others else "a broker" if brokers else "no broker"
    yield Finding(
        at=first,
        message=f"the policy demands {wanted} brokers or more, the project has {len(brokers)}",
        evidence="brokers",
        label=label,
        related=tuple(Related(span, label) for span in more),
    )


@rule("KC603", "network-membership", Severity.ERROR)
def network_membership(project: Project) -> Iterator[Finding]:
    """Flag a service that does not join the network the policy names.

    A service that has no network at all (`network_mode: none`) talks to nobody and passes; one that shares another's
    (`network_mode: service:NAME`) is where that one is.

    Why:
        Docker's DNS answers only between services on one network; elsewhere the service's name means nothing.

    Fails:
        services:
          cache:
            image: redis:7.4.1
        --- policy.toml
        [require]
        network = "infra_net"

    Passes:
        services:
          cache:
            image: redis:7.4.1
            networks: [infra_net]
          beside:
            image: redis:7.4.1
            network_mode: service:cache
        networks:
          infra_net: {}
        --- policy.toml
        [require]
        network = "infra_net"
    """
    wanted = project.require.network
    for service in project.services.values():
        mode = str(service.body.get("network_mode") or "")
        if wanted and wanted not in service.networks and mode != "none" and not mode.startswith("service:"):
            yield Finding(
                at=service.where("networks"),
                message=f"{service.name} is not on the network {wanted}",
                service=service.name,
                help=f"networks: [{wanted}]",
                evidence=wanted,
                label=f"not on {wanted}",
            )


@rule("KC604", "logging-template", Severity.ERROR)
def logging_template(project: Project) -> Iterator[Finding]:
    """Flag a service that does not extend the file with the shared logging settings.

    Why:
        It keeps its own idea of log driver and size, so one switch no longer moves all logs to the log store.

    Fails:
        services:
          cache:
            image: redis:7.4.1
        --- policy.toml
        [require]
        logging_template = "common.yml"
        --- common.yml
        services:
          base: {logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}}

    Passes:
        services:
          cache:
            image: redis:7.4.1
            extends: {file: common.yml, service: base}
        --- policy.toml
        [require]
        logging_template = "common.yml"
        --- common.yml
        services:
          base: {logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}}
    """
    wanted = project.require.logging_template
    template = (project.directory / wanted).resolve()
    for service in project.services.values():
        definitions = project.sources.definitions(service.name)
        if wanted and all(each.document.file.path != template for each in definitions):
            yield Finding(
                at=service.key("extends"),
                message=f"{service.name} does not extend {wanted}",
                service=service.name,
                help=f"extends: {{file: {wanted}, service: …}}",
                evidence=wanted,
                label="not extended",
            )


@rule("KC605", "port-from-env", Severity.ERROR)
def port_from_env(project: Project) -> Iterator[Finding]:
    """Flag a host port that is not a variable of `.env.example`.

    Why:
        Two checkouts, or another program on the machine, need another port: one file must be the place to set
        it.

    Fails:
        services:
          cache:
            image: redis:7.4.1
            ports: ["127.0.0.1:6379:6379"]
        --- policy.toml
        [require]
        ports_from_env = true

    Passes:
        services:
          cache:
            image: redis:7.4.1
            ports: ["127.0.0.1:${CACHE_PORT:-6379}:6379"]
        --- .env.example
        CACHE_PORT=6379
        --- policy.toml
        [require]
        ports_from_env = true
    """
    known = project.example.assignments if project.example else {}
    for service in project.services.values():
        for port in service.ports if project.require.ports_from_env else ():
            at = service.where("ports", port.index, "published")
            used = project.sources.used("services", service.name, "ports", port.index, "published")
            values = {each.value for each in used if each.name in known}
            if port.published and str(port.published[0]) not in values:
                yield Finding(
                    at=at,
                    message=f"{service.name} publishes {port.published[0]}, which .env.example does not set",
                    service=service.name,
                    help=f"publish a variable that .env.example sets to {port.published[0]}",
                    evidence=f"{port.published[0]}/{port.protocol}",
                    label="a fixed port",
                )


def _gate(project: Project, service: Service) -> tuple[str, str]:
    """Return the deepest folder with a profile that a service is written below, and that profile."""
    definitions = project.sources.definitions(service.name)
    if not definitions:
        return "", ""
    path = definitions[0].document.file.path
    if not path.is_relative_to(project.directory):
        return "", ""
    relative = PurePosixPath(path.relative_to(project.directory).as_posix())
    gates = project.require.profiles
    folders = [folder for folder in gates if relative.is_relative_to(PurePosixPath(folder))]
    deepest = max(folders, key=lambda folder: len(PurePosixPath(folder).parts), default="")
    return deepest, gates.get(deepest, "")
