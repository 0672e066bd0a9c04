"""Rules on how clients and nodes show who they are, and what travels readable (KC175 to KC178)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone import addresses
from backbone.lint.kafka import clusters
from backbone.lint.kafka.node import PROTOCOLS
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project

_MAP = "listener.security.protocol.map"
_ENABLED = "sasl.enabled.mechanisms"
_BETWEEN_BROKERS = "sasl.mechanism.inter.broker.protocol"
_DEFAULT_MECHANISM = "GSSAPI"
_AUTHORIZER = "authorizer.class.name"
_STANDARD = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
_SUPER_USERS = "super.users"


@rule("KC175", "protocol-unknown", Severity.ERROR)
def protocol_unknown(project: Project) -> Iterator[Finding]:
    """Flag a security protocol in the listeners' map that Kafka does not have.

    Why:
        The node ends at once: "Invalid security protocol `…` defined in listener.security.protocol.map"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: BROKER://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: BROKER:TLS

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: BROKER://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: BROKER:SSL

    Source:
        org.apache.kafka.common.security.auth.SecurityProtocol
    """
    for node in clusters.nodes(project):
        for word in addresses.entries(node.get(_MAP)) if node.is_set(_MAP) else ():
            name, colon, protocol = (part.strip() for part in word.partition(":"))
            if colon and protocol.upper() not in PROTOCOLS:
                yield Finding(
                    at=node.where(_MAP, part=word),
                    message=f"{node.name} gives {name} the protocol {protocol!r}, and there is no such",
                    service=node.name,
                    evidence=word,
                    label="no protocol of Kafka",
                    help=f"write one of {', '.join(sorted(PROTOCOLS))}",
                )


@rule("KC176", "login-in-the-clear", Severity.WARNING)
def login_in_the_clear(project: Project) -> Iterator[Finding]:
    """Flag a listener with a login but without TLS that other machines reach.

    A port that is published on loopback only passes.

    Why:
        Whoever is on the way reads every record, with PLAIN the password too, and can take over a connection that has
        logged in.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: CLIENTS://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENTS:SASL_PLAINTEXT
            ports: ["9092:9092"]

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: CLIENTS://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENTS:SASL_PLAINTEXT
            ports: ["127.0.0.1:9092:9092"]

    Source:
        Kafka documentation, Security, "SASL/PLAIN should be used only with SSL as transport layer"
    """
    for node in clusters.nodes(project):
        for listener in node.listeners:
            port = next((one for one in node.service.ports if one.target == listener.port), None)
            if port is None or node.protocol(listener.name) != "SASL_PLAINTEXT" or _stays_here(port.host_ip):
                continue
            prop = "listeners" if node.is_set("listeners") else "advertised.listeners"
            yield Finding(
                at=node.service.where("ports", port.index),
                message=f"{node.name} takes logins on {listener.name} without TLS, and other machines reach it",
                service=node.name,
                evidence=listener.name,
                label="readable on its way",
                help=f"publish it on 127.0.0.1, or give {listener.name} the protocol SASL_SSL",
                related=(Related(node.where(prop, part=listener.text), "the listener"),),
            )


def _stays_here(host: str) -> bool:
    return host in addresses.LOOPBACK or host.startswith("127.")


@rule("KC177", "inter-broker-mechanism", Severity.ERROR)
def inter_broker_mechanism(project: Project) -> Iterator[Finding]:
    """Flag brokers that log in to each other by a mechanism that their listener does not take.

    Both are GSSAPI when nothing is said. Bitnami's images pass: they set mechanisms of their own.

    Why:
        The node ends at once: "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms when
        SASL is used for inter-broker communication"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: BROKER://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: BROKER:SASL_SSL
              KAFKA_INTER_BROKER_LISTENER_NAME: BROKER
              KAFKA_SASL_ENABLED_MECHANISMS: SCRAM-SHA-512

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: BROKER://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: BROKER:SASL_SSL
              KAFKA_INTER_BROKER_LISTENER_NAME: BROKER
              KAFKA_SASL_ENABLED_MECHANISMS: SCRAM-SHA-512
              KAFKA_SASL_MECHANISM_INTER_BROKER_PROTOCOL: SCRAM-SHA-512

    Source:
        kafka.server.KafkaConfig, validateValues
    """
    for node in clusters.brokers(project):
        name = node.inter_broker_name
        if not _is_told_all(node) or not node.protocol(name).startswith("SASL_"):
            continue
        enabled = addresses.entries(node.of_listener(name, _ENABLED, _DEFAULT_MECHANISM))
        wanted = node.get(_BETWEEN_BROKERS, _DEFAULT_MECHANISM)
        if wanted not in enabled:
            yield Finding(
                at=node.where(_BETWEEN_BROKERS if node.is_set(_BETWEEN_BROKERS) else _ENABLED),
                message=f"{node.name} logs in to other brokers with {wanted}, and {name} takes {', '.join(enabled)}",
                service=node.name,
                evidence=f"{name}:{wanted}",
                label="the node ends",
                help=f"set {node.variable(_BETWEEN_BROKERS)} to one of {', '.join(enabled)}",
            )


@rule("KC178", "nodes-anonymous", Severity.ERROR)
def nodes_anonymous(project: Project) -> Iterator[Finding]:
    """Flag an authorizer that the nodes themselves do not get past, since nothing on their listener shows who they are.

    It looks at the controllers' listener, and at the one between brokers where there are several. A listener with SASL
    passes, and so does one with TLS that asks for certificates (ssl.client.auth).

    Why:
        Nodes are User:ANONYMOUS to each other there, who may do nothing: a broker is refused with "Cluster
        authorization failed." when it registers, and never starts.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@localhost:9093
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_SUPER_USERS: User:admin

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_LISTENERS: CLIENTS://:9092,CONTROLLER://:9093
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENTS:SSL,CONTROLLER:SSL
              KAFKA_INTER_BROKER_LISTENER_NAME: CLIENTS
              KAFKA_SSL_CLIENT_AUTH: required
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@localhost:9093
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_SUPER_USERS: User:CN=kafka

    Source:
        KIP-801; org.apache.kafka.common.security.auth.KafkaPrincipal, ANONYMOUS
    """
    for cluster in clusters.clusters(project):
        for node in cluster.nodes:
            if node.get(_AUTHORIZER) != _STANDARD or not _is_told_all(node) or not node.roles or _lets_anonymous(node):
                continue
            names = node.controller_names if node.is_controller else ()
            if node.is_broker and len(cluster.brokers) > 1:
                names = (*names, node.inter_broker_name)
            for name in dict.fromkeys(names):
                if _shows_nothing(node, name):
                    yield Finding(
                        at=node.where(_AUTHORIZER),
                        message=f"{node.name} refuses what nodes ask of it on {name}: there they show no identity",
                        service=node.name,
                        evidence=name,
                        label="asks for an identity that nodes do not show",
                        help=f"let {name} speak SSL with {node.variable('ssl.client.auth')}: required, or SASL, and "
                        f"name the nodes in {node.variable(_SUPER_USERS)}",
                    )


def _is_told_all(node: Node) -> bool:
    # Bitnami's start script adds mechanisms and ssl.client.auth by variables of its own.
    return node.complete and node.prefix == "KAFKA_"


def _lets_anonymous(node: Node) -> bool:
    names = [name.strip() for name in node.get(_SUPER_USERS).split(";")]
    # A class of somebody else's may find an identity where we see none.
    return (
        "User:ANONYMOUS" in names
        or node.get("allow.everyone.if.no.acl.found").lower() == "true"
        or bool(node.get("principal.builder.class"))
    )


def _shows_nothing(node: Node, name: str) -> bool:
    protocol = node.protocol(name)
    asked = node.of_listener(name, "ssl.client.auth", "none").lower()
    return protocol == "PLAINTEXT" or (protocol == "SSL" and asked == "none")
