"""Rules on what a broker tells clients to use (KC127 to KC130)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from backbone.addresses import LOOPBACK, is_ip_address
from backbone.lint.kafka import clients, network, speakers
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.addresses import Listener
    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Port, Project, Service

_UNROUTABLE = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104 - recognised, never bound


@rule("KC127", "external-port-mismatch", Severity.ERROR)
def external_port_mismatch(project: Project) -> Iterator[Finding]:
    """Flag an advertised port of the host that does not lead to that listener.

    Looked at: addresses for clients outside the project's networks (localhost, an IP address,
    host.docker.internal; other names are a warning, since a proxy may stand in between). Left alone: listeners
    that no published port leads to (with localhost and the listener's own port they are for tools inside the
    container; with another port they are for nobody, a warning), those bound to loopback, host ports that another
    service publishes, host networking, containers that share the broker's network, ports that Docker picks.

    Why:
        The first connection succeeds, then the client is sent to a closed or wrong port and times out.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9095:9092"]
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://localhost:9092

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9095:9092"]
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://localhost:9095

    Source:
        apache/kafka docs/getting-started/docker.md; advertised.listeners
    """
    names = network.of(project)
    for node in speakers.speakers(project):
        shared = len(names.sharing_namespace(node.service)) > 1
        if network.on_host(node.service) or shared:
            continue
        for advertised in node.advertised:
            listener = node.listener(advertised.name)
            owner = names.owner(node.service)
            if listener is None or not _is_for_the_host(node, advertised, listener, names):
                continue
            if not _published_elsewhere(advertised.port, owner, project):
                yield from _port_faults(node, advertised, listener, owner, project)


def _is_for_the_host(node: Node, advertised: Listener, listener: Listener, names: network.Names) -> bool:
    """Whether an advertised address is for clients outside the project's networks."""
    if listener.is_loopback or names.called(advertised.host) or advertised.name in node.controller_names:
        return False
    written = node.is_set("advertised.listeners") or bool(node.service.ports)
    return written and advertised.host not in _UNROUTABLE and bool(advertised.host)


def _published_elsewhere(number: int, owner: Service, project: Project) -> bool:
    """Whether another service, such as a proxy before the brokers, publishes a port of the host."""
    return any(first <= number <= last and name != owner.name for name, first, last in _published_by_others(project))


@lru_cache(maxsize=8)
def _published_by_others(project: Project) -> tuple[tuple[str, int, int], ...]:
    """Return each service that is no Kafka node with the first and last of the host ports it publishes."""
    nodes = speakers.by_service(project)
    others = (service for service in project.services.values() if service.name not in nodes)
    return tuple((other.name, *port.published) for other in others for port in other.ports if port.published)


def _port_faults(
    node: Node, advertised: Listener, listener: Listener, owner: Service, project: Project
) -> Iterator[Finding]:
    tcp = [port for port in owner.ports if port.protocol == "tcp"]
    here = [port for port in tcp if _publishes(port, advertised.port)]
    right = [port for port in tcp if port.target == listener.port]
    if any(port.target == listener.port for port in here) or any(port.published is None for port in right):
        return
    certain = advertised.host in LOOPBACK | network.GATEWAY_NAMES or is_ip_address(advertised.host)
    others = [port for port in right if port.published]
    closed = not here and not others and advertised.host not in network.GATEWAY_NAMES
    if closed and (advertised.host not in LOOPBACK or advertised.port == listener.port):
        return  # for tools inside the container, or for nobody
    where = f"{advertised.host}:{advertised.port}"
    taken = next((other.name for other in project.services.values() if _publishes_any(other, advertised.port)), "")
    yield Finding(
        at=node.where(node.advertised_property, part=advertised.text),
        message=f"{node.name} tells clients on the host to use {where}, which "
        + (
            f"leads to container port {here[0].target}, not to {advertised.name}"
            if here
            else f"leads to {taken}"
            if taken
            else "nothing publishes"
        ),
        service=node.name,
        evidence=f"{advertised.name}:{advertised.port}",
        label="advertised here",
        help=_port_help(advertised, listener, others, taken=bool(taken)),
        related=tuple(Related(node.service.where("ports", port.index), "published here") for port in here or others),
        severity=Severity.ERROR if certain and not closed else Severity.WARNING,
    )


def _publishes(port: Port, number: int) -> bool:
    return port.published is not None and port.published[0] <= number <= port.published[1]


def _publishes_any(service: Service, number: int) -> bool:
    return any(_publishes(port, number) for port in service.ports)


def _port_help(advertised: Listener, listener: Listener, others: list[Port], *, taken: bool) -> str:
    publish = f"publish '127.0.0.1:{advertised.port}:{listener.port}'"
    published = others[0].published if others else None
    if taken:
        return f"advertise {published[0] if published else 'a port of its own, and publish it'}"
    return f"{publish}, or advertise {published[0]}" if published else publish


@rule("KC128", "external-address-shared", Severity.ERROR)
def external_address_shared(project: Project) -> Iterator[Finding]:
    """Flag two brokers of one cluster that advertise the same address.

    Why:
        A client that is sent to one broker reaches the other and gets NOT_LEADER_OR_FOLLOWER, for ever.

    Fails:
        x-common: &common
          KAFKA_PROCESS_ROLES: broker,controller
          KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
          KAFKA_LISTENERS: EXTERNAL://:9092,CONTROLLER://:9093
          KAFKA_ADVERTISED_LISTENERS: EXTERNAL://localhost:9092
        services:
          kafka-1: {image: "apache/kafka:4.3.1", environment: {<<: *common, KAFKA_NODE_ID: "1"}}
          kafka-2: {image: "apache/kafka:4.3.1", environment: {<<: *common, KAFKA_NODE_ID: "2"}}

    Passes:
        x-common: &common
          KAFKA_PROCESS_ROLES: broker,controller
          KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
          KAFKA_LISTENERS: EXTERNAL://:9092,CONTROLLER://:9093
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            environment: {<<: *common, KAFKA_NODE_ID: "1", KAFKA_ADVERTISED_LISTENERS: "EXTERNAL://localhost:9092"}
          kafka-2:
            image: apache/kafka:4.3.1
            environment: {<<: *common, KAFKA_NODE_ID: "2", KAFKA_ADVERTISED_LISTENERS: "EXTERNAL://localhost:9094"}

    Source:
        Kafka protocol, Metadata response
    """
    names = network.of(project)
    nodes = speakers.by_service(project)
    for one in speakers.speaking(project):
        first: dict[tuple[str, int], tuple[Node, Listener]] = {}
        for node in one.brokers:
            for advertised in node.advertised:
                elsewhere = advertised.host and advertised.host not in _UNROUTABLE
                if not elsewhere or _is_a_node(advertised, nodes, names):
                    continue
                host = "localhost" if advertised.host in LOOPBACK else advertised.host.lower()
                other, earlier = first.setdefault((host, advertised.port), (node, advertised))
                if other is not node:
                    yield Finding(
                        at=node.where(node.advertised_property, part=advertised.text),
                        message=f"{node.name} and {other.name} advertise {advertised.host}:{advertised.port}",
                        service=node.name,
                        evidence=advertised.text,
                        label="the same address again",
                        help=f"give {node.name} a port of its own, published to its own listener",
                        related=(Related(other.where(other.advertised_property, part=earlier.text), other.name),),
                        severity=None if node.service.starts_beside(other.service) else Severity.INFO,
                    )


def _is_a_node(advertised: Listener, nodes: Mapping[str, Node], names: network.Names) -> bool:
    """Whether an address is a node's own name: KC129 says when it is the wrong one."""
    return any(service.name in nodes for service in names.called(advertised.host))


@rule("KC129", "internal-host-foreign", Severity.ERROR)
def internal_host_foreign(project: Project) -> Iterator[Finding]:
    """Flag a broker that advertises another node's name, or a name that nobody has.

    A service that is no Kafka node (a proxy between clients and brokers) may be advertised. A name that no service has
    counts for the inter-broker listener and for one that no published port leads to, since only containers of the
    project reach those. Redpanda's flags are read like Kafka's properties.

    Why:
        Clients and brokers that are sent to this broker reach another one, or nobody.

    Fails:
        x-common: &common
          KAFKA_PROCESS_ROLES: broker,controller
          KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
          KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            environment: {<<: *common, KAFKA_NODE_ID: "1", KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://kafka-1:9092"}
          kafka-2:
            image: apache/kafka:4.3.1
            environment: {<<: *common, KAFKA_NODE_ID: "2", KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://kafka-1:9092"}

    Passes:
        x-common: &common
          KAFKA_PROCESS_ROLES: broker,controller
          KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
          KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            environment: {<<: *common, KAFKA_NODE_ID: "1", KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://kafka-1:9092"}
          kafka-2:
            image: apache/kafka:4.3.1
            environment: {<<: *common, KAFKA_NODE_ID: "2", KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://kafka-2:9092"}

    Source:
        advertised.listeners
    """
    names = network.of(project)
    others = speakers.by_service(project).keys()
    for node in speakers.speakers(project):
        own = {service.name for service in names.sharing_namespace(node.service)}
        for advertised in node.advertised:
            called = {service.name for service in names.called(advertised.host)}
            foreign = bool(called & others) and not called & own
            lost = (
                not called
                and _is_internal(node, advertised, names)
                and advertised.host not in LOOPBACK | _UNROUTABLE | {""}
                and not names.may_be_elsewhere(node.service, advertised.host)
            )
            if (foreign or lost) and advertised.name not in node.controller_names:
                yield Finding(
                    at=node.where(node.advertised_property, part=advertised.text),
                    message=f"{node.name} advertises {advertised.name} at {advertised.host}, "
                    + ("which is another node" if foreign else "a name that no service has"),
                    service=node.name,
                    evidence=advertised.text,
                    label="another node" if foreign else "no service has this name",
                    help=f"write {advertised.name}://{node.name}:{advertised.port}",
                )


def _is_internal(node: Node, advertised: Listener, names: network.Names) -> bool:
    """Whether only brokers, or only containers, use a listener."""
    listener = node.listener(advertised.name)
    published = {port.target for port in names.owner(node.service).ports}
    closed = listener is not None and not listener.is_loopback and listener.port not in published
    return advertised.name == node.inter_broker_name or (closed and node.complete)


@rule("KC130", "localhost-advertised", Severity.ERROR)
def localhost_advertised(project: Project) -> Iterator[Finding]:
    """Flag a listener that other containers use and that is advertised as localhost.

    Others are: further nodes of the cluster, for the inter-broker listener, and services that bootstrap to it, by a
    name of the broker or through a published port of the host (host.docker.internal).

    Why:
        The first connection succeeds, then each client is sent to its own container: "Connection to node 1
        (localhost/127.0.0.1:9092) could not be established."

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://localhost:9092
          ui:
            image: ghcr.io/kafbat/kafka-ui:v1.4.2
            environment: {KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS: "kafka:9092"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
          ui:
            image: ghcr.io/kafbat/kafka-ui:v1.4.2
            environment: {KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS: "kafka:9092"}

    Source:
        advertised.listeners
    """
    used: dict[tuple[str, str], list[clients.Bootstrap]] = {}
    names = network.of(project)
    for bootstrap in clients.bootstraps(project):
        reached = (*clients.served_by(bootstrap, project), *clients.through_the_host(bootstrap, project))
        for node, listener in reached:
            if bootstrap.speaks and bootstrap.service not in names.sharing_namespace(node.service):
                used.setdefault((node.name, listener.name), []).append(bootstrap)
    for one in speakers.speaking(project):
        for node in one.brokers:
            for advertised in node.advertised:
                users = used.get((node.name, advertised.name), [])
                apart = len(one.brokers) > 1 and not network.on_host(node.service)
                inter_broker = apart and advertised.name == node.inter_broker_name
                if advertised.is_loopback and (users or inter_broker):
                    who = ", ".join(dict.fromkeys(user.service.name for user in users)) or "the other brokers"
                    yield Finding(
                        at=node.where(node.advertised_property, part=advertised.text),
                        message=f"{node.name} sends {who} to {advertised.host}:{advertised.port}",
                        service=node.name,
                        evidence=advertised.name,
                        label="localhost is each container itself",
                        help=_within_reach(node, advertised, users),
                        related=tuple(Related(user.where, f"{user.service.name} connects here") for user in users[:3]),
                    )


def _within_reach(node: Node, advertised: Listener, users: list[clients.Bootstrap]) -> str:
    hosts = {user.endpoint.host for user in users}
    if hosts and hosts <= network.GATEWAY_NAMES:
        return (
            f"advertise {advertised.name}://{min(hosts)}:{advertised.port}, or give containers a listener of their own"
        )
    return f"advertise {advertised.name}://{node.name}:{advertised.port}"
