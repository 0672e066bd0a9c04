"""Rules on what is said of each listener: its protocol, and settings for it alone (KC125, KC137)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.lint.kafka import clusters
from backbone.lint.kafka.node import PROTOCOLS
from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.listeners import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project


_OF_ONE = "listener.name."

_MAP = "listener.security.protocol.map"


@rule("KC125", "listener-without-protocol", Severity.ERROR)
def listener_without_protocol(project: Project) -> Iterator[Finding]:
    """Flag a listener whose name says no security protocol and is not in the protocol map.

    A controller listener needs no entry as long as no map is set and nothing but PLAINTEXT is in use.

    Why:
        The node ends at once: "No security protocol defined for listener …"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: INTERNAL://:9092,EXTERNAL://:29092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: INTERNAL:PLAINTEXT

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: INTERNAL://:9092,EXTERNAL://:29092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: INTERNAL:PLAINTEXT,EXTERNAL:SASL_PLAINTEXT

    Source:
        org.apache.kafka.network.SocketServerConfigs
    """
    for node in clusters.nodes(project):
        if not node.complete:
            continue
        known = node.protocols.keys() if node.protocols else PROTOCOLS | set(node.controller_names)
        prop = "listeners" if node.get("listeners") else "advertised.listeners"
        for listener in node.listeners:
            if listener.name not in known:
                mapped = node.is_set(_MAP)
                yield Finding(
                    at=node.where(prop, part=listener.text),
                    message=f"{node.name} does not say which security protocol {listener.name} uses",
                    service=node.name,
                    evidence=listener.name,
                    label="no protocol",
                    help=f"add {listener.name}:PLAINTEXT to {node.variable(_MAP)}"
                    + ("" if mapped else ", with every other listener"),
                    related=(Related(node.where(_MAP), "the protocol map"),) if mapped else (),
                )


@rule("KC137", "listener-settings-unused", Severity.ERROR)
def listener_settings_unused(project: Project) -> Iterator[Finding]:
    """Flag a setting for one listener (`listener.name.NAME.…`) of a node that has no listener of this name.

    In a variable the name is in upper case, and its own `_` is doubled: KAFKA_LISTENER_NAME_SASL__PLAINTEXT_….

    Why:
        Kafka reads past it: the listener that was meant starts with other settings, or the node ends with "Could not
        find a 'KafkaServer' or '…' entry in the JAAS configuration".

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: BROKER://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: BROKER:SASL_PLAINTEXT
              KAFKA_LISTENER_NAME_EXTERNAL_SASL_ENABLED_MECHANISMS: PLAIN

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: BROKER://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: BROKER:SASL_PLAINTEXT
              KAFKA_LISTENER_NAME_BROKER_SASL_ENABLED_MECHANISMS: PLAIN

    Source:
        KIP-103; org.apache.kafka.common.network.ListenerName, configPrefix
    """
    for node in clusters.nodes(project):
        names = {listener.name for listener in node.listeners} | set(node.controller_names)
        # Bitnami's start script makes a dot of every `_`, and puts two names back as they were.
        spelt = {name.lower() for name in names} | {
            name.lower().replace("_", ".") for name in names if node.prefix != "KAFKA_"
        }
        for setting in node.settings.values() if node.complete and node.listeners else ():
            rest = setting.name.removeprefix(_OF_ONE)
            if rest == setting.name or any(rest.startswith(f"{name}.") for name in spelt):
                continue
            meant = next((name for name in names if rest.startswith(name.lower().replace("_", ".") + ".")), "")
            spelling = meant.lower() if setting.flag else meant.replace("_", "__")
            yield Finding(
                at=node.key(setting),
                message=f"{node.name} sets {setting.name}, but has no such listener; it has {listed(names)}",
                service=node.name,
                evidence=setting.variable or setting.name,
                label="read by nobody",
                help=f"write {spelling} in it" if meant else f"name one of {listed(names)}",
                related=(Related(node.where("listeners"), "the listeners"),) if node.is_set("listeners") else (),
            )
