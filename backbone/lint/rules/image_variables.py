"""Rules on the variables that an image's start script asks for, or ends at (KC113)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.lint.kafka import clusters
from backbone.lint.kafka.images import BITNAMI, CONFLUENT, parse_image
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project, Service

_CONNECT = (
    "CONNECT_BOOTSTRAP_SERVERS", "CONNECT_GROUP_ID", "CONNECT_CONFIG_STORAGE_TOPIC", "CONNECT_OFFSET_STORAGE_TOPIC",
    "CONNECT_STATUS_STORAGE_TOPIC", "CONNECT_KEY_CONVERTER", "CONNECT_VALUE_CONVERTER",
    "CONNECT_REST_ADVERTISED_HOST_NAME",
)  # fmt: skip

_REQUIRED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    # The variables of which each of Confluent's start scripts wants at least one (`ub ensure`, before that `dub`).
    "cp-zookeeper": (("ZOOKEEPER_CLIENT_PORT", "ZOOKEEPER_SECURE_CLIENT_PORT"),),
    "cp-kafka-connect": tuple((name,) for name in _CONNECT),
    "cp-kafka-connect-base": tuple((name,) for name in _CONNECT),
    "cp-server-connect": tuple((name,) for name in _CONNECT),
    "cp-server-connect-base": tuple((name,) for name in _CONNECT),
    "cp-schema-registry": (
        ("SCHEMA_REGISTRY_HOST_NAME",),
        ("SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS", "SCHEMA_REGISTRY_KAFKASTORE_CONNECTION_URL"),
    ),
    "cp-kafka-rest": (("KAFKA_REST_HOST_NAME",), ("KAFKA_REST_BOOTSTRAP_SERVERS", "KAFKA_REST_ZOOKEEPER_CONNECT")),
}

_REFUSED = ("KAFKA_ADVERTISED_HOST", "KAFKA_ADVERTISED_PORT", "KAFKA_HOST", "KAFKA_PORT")
"""What the start script of Confluent's brokers ends at, because listeners took their place."""

_KEYSTORE = ["KAFKA_SSL_KEYSTORE_FILENAME", "KAFKA_SSL_KEY_CREDENTIALS", "KAFKA_SSL_KEYSTORE_CREDENTIALS"]
_TRUSTSTORE = ["KAFKA_SSL_TRUSTSTORE_FILENAME", "KAFKA_SSL_TRUSTSTORE_CREDENTIALS"]

_BITNAMI_CHECKS = (3, 6)
"""From this version on every build of Bitnami's refuses KRaft together with ZooKeeper."""


@rule("KC113", "image-variable", Severity.ERROR)
def image_variable(project: Project) -> Iterator[Finding]:
    """Flag a variable without which a Confluent image ends at once, or with which it, or Bitnami's, does.

    Looked at: brokers and controllers (CLUSTER_ID of a KRaft node, KAFKA_ADVERTISED_LISTENERS, ZooKeeper beside KRaft,
    the keystore of a listener whose name ends in SSL, KAFKA_OPTS where one is called SASL_…), ZooKeeper, Connect,
    Schema Registry and REST Proxy. Left alone: confluent-local, which has a default for each,
    services that are built, run another command or mount their start script or configuration.

    Why:
        The start script checks its variables before anything else and ends: "CLUSTER_ID is required."

    Fails:
        services:
          kafka:
            image: confluentinc/cp-kafka:8.2.0
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER

    Passes:
        services:
          kafka:
            image: confluentinc/cp-kafka:8.2.0
            environment:
              CLUSTER_ID: MkU3OEVBNTcwNTJENDM2Qk
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER

    Source:
        confluentinc/kafka-images, include/etc/confluent/docker/configure of each image; bitnami/containers, libkafka.sh
    """
    for service in project.services.values():
        image = parse_image(service.image)
        if image.repository.startswith("confluentinc/") and not _is_changed(service):
            yield from _missing(service, _REQUIRED.get(image.name, ()))
    for node in clusters.nodes(project):
        starts_by_itself = node.complete and not _is_changed(node.service)
        if node.vendor == CONFLUENT and node.image.name != "confluent-local" and starts_by_itself:
            yield from _of_node(node)
        if node.vendor == BITNAMI and starts_by_itself:
            yield from _of_two_minds(node)


def _of_node(node: Node) -> Iterator[Finding]:
    """Yield what the start script of Confluent's broker images would end at."""
    given = node.service.environment
    advertised = given.get("KAFKA_ADVERTISED_LISTENERS", "")
    wanted = ["CLUSTER_ID"] * bool(node.roles) + ["KAFKA_ADVERTISED_LISTENERS"] * node.is_broker
    # By the names of listeners alone: what the protocol map makes of them is not looked at.
    if "SSL://" in advertised:
        wanted += _KEYSTORE + _TRUSTSTORE * bool(
            re.search("required|requested", given.get("KAFKA_SSL_CLIENT_AUTH", ""))
        )
    if re.search(r"SASL_.*://", advertised):
        wanted.append("KAFKA_OPTS")
    yield from _missing(node.service, [(name,) for name in wanted])
    for name in (*_REFUSED, *(() if node.is_broker else ("KAFKA_ADVERTISED_LISTENERS",))):
        if given.get(name):
            yield Finding(
                at=node.service.key("environment", name),
                message=f"{node.name} sets {name}, at which its image ends",
                service=node.name,
                evidence=name,
                label="refused by the start script",
                help="remove it: " + ("listeners say it all" if name in _REFUSED else "controllers advertise nothing"),
            )


def _of_two_minds(node: Node) -> Iterator[Finding]:
    """Yield a ZooKeeper beside KRaft, which Bitnami's start script takes for a migration only; Kafka 4 has none."""
    migrates = node.get("zookeeper.metadata.migration.enable").lower() in ("true", "yes", "1")
    known = node.image.kafka_version is not None and _BITNAMI_CHECKS <= node.image.kafka_version < (4, 0)
    if known and node.roles and node.get("zookeeper.connect") and not migrates:
        yield Finding(
            at=node.where("zookeeper.connect"),
            message=f"{node.name} names a ZooKeeper and has roles of KRaft, at which its image ends",
            service=node.name,
            evidence="both",
            label="refused by the start script",
            help=f"remove {node.variable('zookeeper.connect')}, or {node.variable('process.roles')}",
            related=(Related(node.where("process.roles"), "KRaft"),),
        )


def _missing(service: Service, wanted: Sequence[tuple[str, ...]]) -> Iterator[Finding]:
    """Yield one finding for all that a service does not set; of each group one variable is enough.

    A variable that is there but empty was meant to come from outside: KC303 tells when it does not.
    """
    absent = [" or ".join(group) for group in wanted if not any(name in service.environment for name in group)]
    if absent:
        yield Finding(
            at=service.key("environment") if service.has("environment") else service.span,
            message=f"{service.name} does not set {', '.join(absent)}, without which its image ends",
            service=service.name,
            evidence=" ".join(absent),
            label=f"no {absent[0]}" + (", …" if len(absent) > 1 else ""),
            help=f"set {', '.join(absent)}"
            + (
                " (`kafka-storage random-uuid` prints an id; all nodes have the same)" if "CLUSTER_ID" in absent else ""
            ),
        )


def _is_changed(service: Service) -> bool:
    """Whether a service runs something else than its image's own start script with its own files."""
    scripts = any(target.startswith("/etc/confluent/docker") for target in service.mounted)
    return bool(service.body.get("build") or service.command or service.entrypoint or scripts)
