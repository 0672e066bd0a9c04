"""Rules on a node's listeners and their names (KC121 to KC124, KC126)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.addresses import ANY_ADDRESS
from backbone.lint.kafka import clusters
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.addresses import Listener
    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project

_CONTROLLER_NAMES = "controller.listener.names"
_ADVERTISES_CONTROLLERS = (3, 9)


@rule("KC121", "advertised-listener-unknown", Severity.ERROR)
def advertised_listener_unknown(project: Project) -> Iterator[Finding]:
    """Flag an advertised listener whose name the node does not listen on.

    Why:
        The node ends at once: "advertised.listeners listener names must be equal to or a subset of the ones
        defined in listeners. Found …"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092,EXTERNAL://localhost:29092

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092,EXTERNAL://:29092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092,EXTERNAL://localhost:29092

    Source:
        kafka.server.KafkaConfig, validateValues
    """
    for node in clusters.nodes(project):
        if not node.get("listeners") or not node.get("advertised.listeners"):
            continue
        names = {listener.name for listener in node.listeners}
        for advertised in node.advertised:
            if advertised.name not in names:
                yield Finding(
                    at=node.where("advertised.listeners", part=advertised.text),
                    message=f"{node.name} advertises {advertised.name}, but listens only on {listed(names)}",
                    service=node.name,
                    evidence=advertised.name,
                    label="no listener has this name",
                    help=f"add {advertised.name}://:PORT to {node.variable('listeners')}, or rename it",
                    related=(Related(node.where("listeners"), "the listeners"),),
                )


@rule("KC122", "inter-broker-listener-unknown", Severity.ERROR)
def inter_broker_listener_unknown(project: Project) -> Iterator[Finding]:
    """Flag a broker that does not advertise the listener brokers are to use among themselves.

    Without inter.broker.listener.name that is the listener named like security.inter.broker.protocol,
    PLAINTEXT by default.

    Why:
        The node ends at once: "inter.broker.listener.name must be a listener name defined in
        advertised.listeners. The valid options based on currently configured listeners are …"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: INTERNAL://:9092
              KAFKA_ADVERTISED_LISTENERS: INTERNAL://kafka:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: INTERNAL:PLAINTEXT

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: INTERNAL://:9092
              KAFKA_ADVERTISED_LISTENERS: INTERNAL://kafka:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: INTERNAL:PLAINTEXT
              KAFKA_INTER_BROKER_LISTENER_NAME: INTERNAL

    Source:
        kafka.server.KafkaConfig, validateValues
    """
    for node in clusters.brokers(project):
        names = {advertised.name for advertised in node.advertised}
        if not names or node.inter_broker_name in names or not node.complete:
            continue
        asked = next(
            (key for key in ("inter.broker.listener.name", "security.inter.broker.protocol") if node.is_set(key)),
            "",
        )
        yield Finding(
            at=node.where(asked or node.advertised_property),
            message=f"{node.name} does not advertise its inter-broker listener {node.inter_broker_name}",
            service=node.name,
            evidence=node.inter_broker_name,
            label="not advertised" if asked else f"{node.inter_broker_name} is not among these",
            help=f"set {node.variable('inter.broker.listener.name')} to one of {listed(names)}",
            related=(Related(node.where(node.advertised_property), "advertised"),) if asked else (),
        )


@rule("KC123", "advertises-any-address", Severity.ERROR)
def advertises_any_address(project: Project) -> Iterator[Finding]:
    """Flag a broker that advertises 0.0.0.0, also by advertising nothing while it listens there.

    Why:
        The node ends at once: "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a
        routable IP address."

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_LISTENERS: "PLAINTEXT://0.0.0.0:9092"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://0.0.0.0:9092
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092

    Source:
        kafka.server.KafkaConfig, validateValues
    """
    for node in clusters.brokers(project):
        if not node.complete:
            continue
        for advertised in node.advertised:
            if advertised.host and advertised.host in ANY_ADDRESS:
                written = node.advertised_property == "advertised.listeners"
                yield Finding(
                    at=node.where(node.advertised_property, part=advertised.text),
                    message=f"{node.name} advertises {advertised.name} at {advertised.host}, nowhere",
                    service=node.name,
                    evidence=advertised.name,
                    label="advertised here" if written else "advertised too, as nothing else is said",
                    help=f"advertise {advertised.name}://{node.name}:{advertised.port}",
                )


@rule("KC124", "controller-listener-role", Severity.ERROR)
def controller_listener_role(project: Project) -> Iterator[Finding]:
    """Flag a controller listener that does not fit the node's roles.

    A controller must listen on one, a node that is only a broker must not, a node that is only a controller
    listens on nothing else, and every KRaft node names it. Kafka before 3.9 also refuses to advertise it.

    Why:
        The node ends at once, for example: "controller.listener.names must contain at least one value
        appearing in the 'listeners' configuration when running the KRaft controller role"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER

    Source:
        kafka.server.KafkaConfig, validateValues
    """
    for node in clusters.nodes(project):
        if node.roles and node.complete:
            for prop, part, words, fix in _role_faults(node):
                yield Finding(
                    at=node.where(prop, part=part),
                    message=f"{node.name} {words}",
                    service=node.name,
                    evidence=f"{prop}:{part}",
                    label="does not fit its roles",
                    help=fix,
                    related=(Related(node.where("process.roles"), "its roles"),)
                    if node.is_set("process.roles")
                    else (),
                )


def _role_faults(node: Node) -> Iterator[tuple[str, str, str, str]]:
    """Yield (property, part of its value, what is wrong, what to write)."""
    names = node.controller_names
    controllers = [listener for listener in node.listeners if listener.name in names]
    variable = node.variable("listeners")
    if not names:
        yield (
            "process.roles",
            "",
            "names no controller listener",
            f"set {node.told(_CONTROLLER_NAMES, 'CONTROLLER')}",
        )
        return
    if node.is_controller and not controllers:
        yield (
            "listeners",
            "",
            f"is a controller without a listener {listed(names)}",
            f"add {names[0]}://:9093",
        )
    if not node.is_controller:
        for listener in controllers:
            fix = f"remove it from {variable}; the controllers have it"
            yield "listeners", listener.text, f"is only a broker, but listens on {listener.name}", fix
    if not node.is_broker:
        for listener in node.client_listeners:
            fix = f"remove it from {variable}, or add the broker role"
            yield "listeners", listener.text, f"is only a controller, but listens on {listener.name}", fix
    if node.older_than(*_ADVERTISES_CONTROLLERS) and node.is_broker and node.is_set("advertised.listeners"):
        for listener in node.advertised:
            if listener.name in names:
                yield (
                    "advertised.listeners",
                    listener.text,
                    f"advertises {listener.name} to clients",
                    "remove it",
                )


@rule("KC126", "listener-port-twice", Severity.ERROR)
def listener_port_twice(project: Project) -> Iterator[Finding]:
    """Flag two listeners of one node on the same port.

    One IPv4 and one IPv6 address may share a port; two host names may not.

    Why:
        The node ends at once: "Each listener must have a different port, listeners: …"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092,EXTERNAL://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: PLAINTEXT:PLAINTEXT,EXTERNAL:PLAINTEXT

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092,EXTERNAL://:9094
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: PLAINTEXT:PLAINTEXT,EXTERNAL:PLAINTEXT

    Source:
        org.apache.kafka.server.config.AbstractKafkaConfig
    """
    for node in clusters.nodes(project):
        first: dict[int, Listener] = {}
        for listener in node.listeners:
            other = first.setdefault(listener.port, listener)
            families = {":" in listener.host, ":" in other.host}
            numeric = all(entry.host[:1].isdigit() or ":" in entry.host for entry in (listener, other))
            if other is listener or listener.port == 0 or (len(families) > 1 and numeric):
                continue
            yield Finding(
                at=node.where("listeners", part=listener.text),
                message=f"{node.name} listens on port {listener.port} as {other.name} and {listener.name}",
                service=node.name,
                evidence=f"{listener.name}:{listener.port}",
                label="the same port again",
                help=f"give {listener.name} a port of its own",
                related=(Related(node.where("listeners", part=other.text), "first used here"),),
            )


def listed(names: set[str] | tuple[str, ...]) -> str:
    """Return the names of listeners in a sentence."""
    return ", ".join(sorted(names)) or "nothing"
