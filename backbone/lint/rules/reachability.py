"""Rules on who can reach what: the bootstrap addresses of clients (KC131)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.addresses import LOOPBACK
from backbone.lint.kafka import clients, network, speakers, web
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.kafka.clients import Bootstrap
    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project


@rule("KC131", "bootstrap-unreachable", Severity.ERROR)
def bootstrap_unreachable(project: Project) -> Iterator[Finding]:
    """Flag a service that connects to a host or port where no broker of the project answers.

    Understood are Connect, Schema Registry, REST proxies, user interfaces, exporters' arguments, applications
    with a bootstrap variable and scripts around Kafka's tools. A warning for a container that only waits to be entered
    (`tail -f /dev/null`). Left alone: hosts that may be outside the
    project (names with a dot, addresses, extra_hosts, external networks), services of the project that are
    unknown here, since they may speak Kafka, and projects without a Kafka node.

    Why:
        The client retries for ever or ends after a minute: "Couldn't resolve server … from
        bootstrap.servers", or "Bootstrap broker … disconnected".

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
          registry:
            image: confluentinc/cp-schema-registry:8.3.0
            environment: {SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS: "PLAINTEXT://kafka:29092"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
          registry:
            image: confluentinc/cp-schema-registry:8.3.0
            environment: {SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS: "PLAINTEXT://kafka:9092"}

    Source:
        org.apache.kafka.clients.ClientUtils
    """
    if not any(True for _ in speakers.speakers(project)):
        return
    for bootstrap in clients.bootstraps(project):
        if any(True for _ in clients.served_by(bootstrap, project)):
            continue
        reason, related = _why_unreachable(bootstrap, project)
        if reason:
            yield Finding(
                at=bootstrap.where,
                message=f"{bootstrap.service.name} connects to {bootstrap.endpoint.text}: {reason}",
                service=bootstrap.service.name,
                evidence=bootstrap.endpoint.text,
                label=reason,
                help=_reach_help(bootstrap, project),
                related=related,
                severity=Severity.WARNING if clients.is_idle(bootstrap.service) else None,
            )


def _why_unreachable(bootstrap: Bootstrap, project: Project) -> tuple[str, tuple[Related, ...]]:
    """Return why nobody answers there and where that is written; ("", ()) when somebody may."""
    client, host = bootstrap.service, bootstrap.endpoint.host
    names = network.of(project)
    found = names.resolve(client, host)
    every = speakers.by_service(project)
    nodes = [every[service.name] for service in found if service.name in every]
    if host in LOOPBACK and not nodes:
        return _host_reason(bootstrap, project) if network.on_host(client) else "that is its own container", ()
    if nodes:
        return _port_reason(nodes[0])
    if found:
        known = any(web.server_of(service) for service in found)
        return (f"{found[0].name} is no broker" if known else ""), ()
    called = names.called(host)
    if any(network.on_host(service) for service in (client, *called)):
        return "", ()
    if called:
        return f"it shares no network with {called[0].name}", (Related(called[0].span, "the other service"),)
    return "" if names.may_be_elsewhere(client, host) else "no service has this name", ()


def _port_reason(node: Node) -> tuple[str, tuple[Related, ...]]:
    """Return what a node does listen on, and where that is written."""
    listeners = node.client_listeners if node.is_broker else ()
    if not node.complete and not listeners:
        return "", ()
    words = ", ".join(f"{listener.name} {listener.port}" for listener in listeners)
    related = Related(node.where("listeners" if node.get("listeners") else "advertised.listeners"), "its listeners")
    return f"{node.name} listens on {words}" if words else f"{node.name} is no broker", (related,)


def _host_reason(bootstrap: Bootstrap, project: Project) -> str:
    """Return what is wrong with a loopback address used from the host's network."""
    port = bootstrap.endpoint.port
    services = project.services.values()
    published = any(p.published and p.published[0] <= port <= p.published[1] for s in services for p in s.ports)
    return (
        ""
        if published or any(network.on_host(node.service) for node in speakers.speakers(project))
        else "nothing publishes it"
    )


def _reach_help(bootstrap: Bootstrap, project: Project) -> str:
    names = network.of(project)
    here = names.networks(bootstrap.service)
    near = [node for node in speakers.speakers(project) if here & names.networks(node.service)]
    wanted = {service.name for service in names.called(bootstrap.endpoint.host)}
    near.sort(key=lambda node: node.name not in wanted)
    for node in near:
        for listener in node.advertised:
            if not listener.is_loopback and names.called(listener.host):
                return f"use {listener.host}:{listener.port} ({listener.name} of {node.name})"
    return "name a broker and the port of a listener that it advertises inside the network"
