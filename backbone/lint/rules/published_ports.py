"""Rules on ports that are published to the host (KC132, KC133, KC135, KC136)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.addresses import ANY_ADDRESS, LOOPBACK
from backbone.lint.kafka import clusters, network, speakers, web
from backbone.lint.kafka.images import APACHE, BITNAMI, CONFLUENT, parse_image
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Port, Project, Service
    from backbone.source.span import Span

_JMX_FLAG = re.compile(r"-Dcom\.sun\.management\.jmxremote\.port=(?P<port>\d+)")

_JMX_SAFE = re.compile(r"-Dcom\.sun\.management\.jmxremote\.(authenticate=true|registry\.ssl=true)")


@rule("KC132", "controller-port-published", Severity.WARNING)
def controller_port_published(project: Project) -> Iterator[Finding]:
    """Flag a controller listener whose port is published to the host.

    Why:
        Nothing on the host needs it (tools can use --bootstrap-server), and whoever reaches it may change
        metadata.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9093:9093"]
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9092:9092"]
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER

    Source:
        apache/kafka docs/operations/kraft.md
    """
    for node in clusters.nodes(project):
        for listener in node.listeners:
            for port in node.service.ports:
                if listener.name in node.controller_names and port.target == listener.port:
                    yield Finding(
                        at=node.service.where("ports", port.index),
                        message=f"{node.name} publishes its controller listener, port {listener.port}",
                        service=node.name,
                        evidence=str(port.target),
                        label="the controllers' own port",
                        help="remove this entry",
                        related=(Related(node.where("listeners", part=listener.text), "the controller listener"),),
                    )


@rule("KC135", "loopback-listener-published", Severity.ERROR)
def loopback_listener_published(project: Project) -> Iterator[Finding]:
    """Flag a listener that is bound to the container's own loopback although its port is published.

    The same for Connect, Schema Registry, REST Proxy and ksqlDB. Left alone: host networking and containers that share
    a network namespace.

    Why:
        Docker hands connections to the container's address, not to its loopback: every client on the host is refused
        or cut off at once.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9092:9092"]
            environment: {KAFKA_NODE_ID: "1", KAFKA_LISTENERS: "PLAINTEXT://localhost:9092"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9092:9092"]
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://localhost:9092

    Source:
        listeners; Docker documentation, port publishing
    """
    names = network.of(project)
    nodes = speakers.by_service(project)
    for service in project.services.values():
        if network.on_host(service) or len(names.sharing_namespace(service)) > 1:
            continue
        for number, name, at in _loopback_ports(service, nodes.get(service.name)):
            for port in service.ports:
                if port.target == number:
                    yield Finding(
                        at=at,
                        message=f"{service.name} listens on {name}, its own loopback, but publishes port {number}",
                        service=service.name,
                        evidence=str(number),
                        label="reached only from inside this container",
                        help=f"listen on 0.0.0.0:{number}; what clients are told is another setting",
                        related=(Related(service.where("ports", port.index), "published here"),),
                    )


def _loopback_ports(service: Service, node: Node | None) -> Iterator[tuple[int, str, Span]]:
    """Yield (port, what is bound, where that is written) of each listener that only the container itself reaches."""
    for listener in node.listeners if node else ():
        prop = "listeners" if node and node.get("listeners") else "advertised.listeners"
        if node and listener.is_loopback and any(o.port == listener.port and not o.is_loopback for o in node.listeners):
            continue
        if node and listener.is_loopback:
            yield listener.port, listener.text, node.where(prop, part=listener.text)
    server = None if node else web.server_of(service)
    if server and server.variable and server.hosts <= LOOPBACK:
        for number in server.ports:
            yield number, f"{', '.join(server.hosts)}:{number}", service.where("environment", server.variable)


@rule("KC136", "published-port-dead", Severity.WARNING)
def published_port_dead(project: Project) -> Iterator[Finding]:
    """Flag a published port of a Kafka node, or of one of Confluent's servers, on which nothing listens.

    A number that stands anywhere in the service's variables or command (JMX, an agent, a debugger) counts as a port
    that is listened on. Left alone: images that are not known, mounted configuration, shared network namespaces.

    Why:
        Whoever connects is cut off at once, and looks for the reason in the wrong place.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9999:9999"]
            environment: {KAFKA_NODE_ID: "1", KAFKA_LISTENERS: "PLAINTEXT://:9092", KAFKA_JMX_PORT: "9001"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9999:9999"]
            environment: {KAFKA_NODE_ID: "1", KAFKA_LISTENERS: "PLAINTEXT://:9092", KAFKA_JMX_PORT: "9999"}

    Source:
        listeners; Docker documentation, port publishing
    """
    names = network.of(project)
    nodes = speakers.by_service(project)
    for service in project.services.values():
        if len(names.sharing_namespace(service)) > 1 or service.body.get("build"):
            continue
        ports = _open_ports(service, nodes.get(service.name))
        for port in service.ports if ports else ():
            if port.protocol == "tcp" and port.target not in ports:
                heard = ", ".join(str(number) for number in sorted(ports) if number in _listened(service, nodes))
                yield Finding(
                    at=service.where("ports", port.index),
                    message=f"{service.name} publishes port {port.target}, on which nothing listens",
                    service=service.name,
                    evidence=str(port.target),
                    label="nothing listens here",
                    help=f"publish one of {heard}, or remove this entry",
                )


def _listened(service: Service, nodes: Mapping[str, Node]) -> set[int]:
    node = nodes.get(service.name)
    server = web.server_of(service)
    return {listener.port for listener in node.listeners} if node else set(server.ports) if server else set()


def _open_ports(service: Service, node: Node | None) -> frozenset[int]:
    """Return every port that may be listened on, empty when that is not known."""
    if node:
        known = node.complete and node.vendor in (APACHE, CONFLUENT, BITNAMI) and node.listeners
        return node.other_ports | {listener.port for listener in node.listeners} if known else frozenset()
    server = web.server_of(service)
    image = parse_image(service.image)
    if server is None or not image.is_platform_part or service.command or service.entrypoint:
        return frozenset()
    told = {int(n) for value in service.environment.values() for n in re.findall(r"(?<![\d.])\d{2,5}(?![\d.])", value)}
    return server.ports | told


@rule("KC133", "jmx-exposed", Severity.ERROR)
def jmx_exposed(project: Project) -> Iterator[Finding]:
    """Flag plain JMX that is published on every address of the host.

    JMX with authentication, and a port published on loopback only, pass. In a project without a policy it is a warning:
    it works, for others as well.

    Why:
        Kafka starts JMX with authenticate=false and ssl=false, and a JMX client may load code into the
        process.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["9999:9999"]
            environment: {KAFKA_NODE_ID: "1", KAFKA_JMX_PORT: "9999"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            ports: ["127.0.0.1:9999:9999"]
            environment: {KAFKA_NODE_ID: "1", KAFKA_JMX_PORT: "9999"}

    Source:
        apache/kafka bin/kafka-run-class.sh, KAFKA_JMX_OPTS
    """
    for service in project.services.values():
        for variable, number in _jmx_ports(service):
            for port in service.ports:
                if port.target == number and is_open(port):
                    yield Finding(
                        at=service.where("ports", port.index),
                        message=f"{service.name} publishes plain JMX, port {number}, on every address",
                        service=service.name,
                        evidence=str(number),
                        label="open to the network",
                        help=f"publish '127.0.0.1:{(port.published or (number,))[0]}:{number}', or nothing",
                        related=(Related(service.where("environment", variable), "JMX without a password"),),
                        severity=Severity.WARNING if project.foreign else None,
                    )


def _jmx_ports(service: Service) -> Iterator[tuple[str, int]]:
    """Yield (variable, port) of JMX that asks for no password."""
    if any(_JMX_SAFE.search(value) for value in service.environment.values()):
        return
    for variable, value in service.environment.items():
        if re.fullmatch(r"(\w+_)?JMX_PORT", variable) and value.isdigit():
            yield variable, int(value)
        elif match := _JMX_FLAG.search(value):
            yield variable, int(match["port"])


def is_open(port: Port) -> bool:
    """Whether a port is published on every address of the host."""
    return port.host_ip in ANY_ADDRESS
