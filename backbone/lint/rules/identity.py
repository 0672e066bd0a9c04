"""Rules on who a node is: its id, its roles, its cluster (KC101, KC102, KC109, KC110, KC111)."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from typing import TYPE_CHECKING

from backbone.lint.kafka import clusters
from backbone.lint.kafka.images import APACHE, BITNAMI
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project
    from backbone.source.span import Span

_IMAGE_CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"  # what apache/kafka uses when CLUSTER_ID is not set
_CLUSTER_ID_BYTES = 16
_ZOOKEEPER_ENDED = (4, 0)


@rule("KC101", "node-id-invalid", Severity.ERROR)
def node_id_invalid(project: Project) -> Iterator[Finding]:
    """Flag a Kafka node whose id is missing, negative or no number, or that has another by broker.id.

    A node of the ZooKeeper style may leave broker.id out; there it is generated.

    Why:
        The node ends at once: "Invalid value … for configuration node.id: Value must be at least 0"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_PROCESS_ROLES: "broker,controller", KAFKA_NODE_ID: "-1"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_PROCESS_ROLES: "broker,controller", KAFKA_NODE_ID: "0"}

    Source:
        org.apache.kafka.server.config.AbstractKafkaConfig
    """
    for node in clusters.nodes(project):
        yield from _two_ids(node)
        absent = not node.get(node.id_property)
        if (node.id is not None and node.id >= 0) or (absent and (not node.roles or not node.complete)):
            continue
        found = node.get(node.id_property)
        yield Finding(
            at=node.where(node.id_property),
            message=f"{node.name} has node id {found!r}" if found else f"{node.name} has no node id",
            service=node.name,
            evidence="node.id",
            label="not a number from 0 up" if found else "sets roles but no node id",
            help=f"set {node.variable('node.id')} to a number that no other node has",
        )


def _two_ids(node: Node) -> Iterator[Finding]:
    ours, other = node.get("node.id"), node.get("broker.id")
    # Bitnami's start script has a way of its own with the two.
    if node.roles and ours.isdecimal() and other.isdecimal() and int(ours) != int(other) and node.vendor != BITNAMI:
        yield Finding(
            at=node.where("broker.id"),
            message=f"{node.name} has node.id {ours}, but broker.id {other}",
            service=node.name,
            evidence="broker.id",
            label="another id",
            help=f"remove {node.variable('broker.id')}",
            related=(Related(node.where("node.id"), "its id"),) if node.is_set("node.id") else (),
            why="The node ends at once: node.id and broker.id must have the same value.",
        )


@rule("KC102", "node-id-duplicate", Severity.ERROR)
def node_id_duplicate(project: Project) -> Iterator[Finding]:
    """Flag two nodes of one cluster with the same node id.

    Nodes of different clusters in one project may share an id. For two that no single profile starts together it is a
    note: they may be alternatives.

    Why:
        The second to come is refused by the controller as a duplicate registration and ends (KIP-631).

    Fails:
        x-common: &common
          KAFKA_PROCESS_ROLES: broker,controller
          KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
        services:
          kafka-1: {image: "apache/kafka:4.3.1", environment: {<<: *common, KAFKA_NODE_ID: "1"}}
          kafka-2: {image: "apache/kafka:4.3.1", environment: {<<: *common, KAFKA_NODE_ID: "1"}}

    Passes:
        x-common: &common
          KAFKA_PROCESS_ROLES: broker,controller
          KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
        services:
          kafka-1: {image: "apache/kafka:4.3.1", environment: {<<: *common, KAFKA_NODE_ID: "1"}}
          kafka-2: {image: "apache/kafka:4.3.1", environment: {<<: *common, KAFKA_NODE_ID: "2"}}

    Source:
        KIP-631, broker registration
    """
    for one in clusters.clusters(project):
        first: dict[int, Node] = {}
        for node in one.nodes:
            if node.id is None:
                continue
            other = first.setdefault(node.id, node)
            if other is not node:
                yield Finding(
                    at=node.where(node.id_property),
                    message=f"{node.name} has node id {node.id}, and so has {other.name}",
                    service=node.name,
                    evidence=str(node.id),
                    label="the same id again",
                    help=f"give {node.name} an id of its own, and the same one in the voters",
                    related=(Related(other.where(other.id_property), "first used here"),),
                    severity=None if node.service.starts_beside(other.service) else Severity.INFO,
                )


@rule("KC109", "cluster-id-differs", Severity.ERROR)
def cluster_id_differs(project: Project) -> Iterator[Finding]:
    """Flag a node whose CLUSTER_ID is not that of its cluster.

    A node of apache/kafka without the variable gets the image's built-in id, which counts as its value here.

    Why:
        Raft requests that carry another cluster id are refused (INCONSISTENT_CLUSTER_ID), so the node never
        joins.

    Fails:
        x-common: &common
          KAFKA_PROCESS_ROLES: broker,controller
          KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            environment: {<<: *common, KAFKA_NODE_ID: "1", CLUSTER_ID: MkU3OEVBNTcwNTJENDM2Qk}
          kafka-2:
            image: apache/kafka:4.3.1
            environment: {<<: *common, KAFKA_NODE_ID: "2", CLUSTER_ID: TWVzc2FnaW5nQmFja2JvbQ}

    Passes:
        x-common: &common
          CLUSTER_ID: TWVzc2FnaW5nQmFja2JvbQ
          KAFKA_PROCESS_ROLES: broker,controller
          KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
        services:
          kafka-1: {image: "apache/kafka:4.3.1", environment: {<<: *common, KAFKA_NODE_ID: "1"}}
          kafka-2: {image: "apache/kafka:4.3.1", environment: {<<: *common, KAFKA_NODE_ID: "2"}}

    Source:
        KIP-595, INCONSISTENT_CLUSTER_ID
    """
    for one in clusters.clusters(project):
        kraft = [node for node in one.nodes if node.roles]
        ids = {node.name: _effective_cluster_id(node) for node in kraft}
        if len(set(ids.values())) < 2:  # noqa: PLR2004 - two ids differ
            continue
        usual = Counter(ids.values()).most_common(1)[0][0]
        reference = next(node for node in kraft if ids[node.name] == usual)
        for node in kraft:
            if ids[node.name] != usual:
                yield Finding(
                    at=_cluster_id_span(node),
                    message=f"{node.name} has cluster id {ids[node.name]!r}, {reference.name} has {usual!r}",
                    service=node.name,
                    evidence="cluster-id",
                    label="another cluster",
                    help=f"set CLUSTER_ID: {usual} on every node",
                    related=(Related(_cluster_id_span(reference), f"{reference.name}'s cluster id"),),
                )


@rule("KC110", "cluster-id-format", Severity.WARNING)
def cluster_id_format(project: Project) -> Iterator[Finding]:
    """Flag a CLUSTER_ID that is not 16 bytes in 22 characters of URL-safe base64.

    Kafka's own tools make such an id (`kafka-storage random-uuid`). The formatter takes any text, other
    readers do not.

    Why:
        Uuid.fromString refuses it ("Input string … decoded as … bytes, which is not equal to the expected 16
        bytes"), so tools that read the id of this cluster fail later and elsewhere.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_PROCESS_ROLES: broker, CLUSTER_ID: hy-kafka-cluster}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_PROCESS_ROLES: broker, CLUSTER_ID: TWVzc2FnaW5nQmFja2JvbQ}

    Source:
        org.apache.kafka.common.Uuid
    """
    seen: set[str] = set()
    for node in clusters.nodes(project):
        found = node.cluster_id
        if not found or found in seen or _decoded_length(found) == _CLUSTER_ID_BYTES:
            continue
        seen.add(found)
        length = _decoded_length(found)
        size = "is no base64" if length is None else f"decodes to {length} bytes"
        yield Finding(
            at=_cluster_id_span(node),
            message=f"the cluster id {found!r} {size}, not to 16",
            service=node.name,
            evidence="cluster-id",
            label=size,
            help="make one with `kafka-storage.sh random-uuid`, and start with fresh data",
        )


@rule("KC111", "roles-unset", Severity.ERROR)
def roles_unset(project: Project) -> Iterator[Finding]:
    """Flag a node without process.roles: the ZooKeeper style, which ended with Kafka 3.9.

    For an image that still has ZooKeeper (Kafka 3, Confluent Platform 7) and a node that names one this is a
    warning, and in a project without a policy a note: it works. `latest`, and no tag at all, is Kafka 4.

    Why:
        Kafka 4 ends at once: "Missing required configuration … which has no default value."

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LISTENERS: "PLAINTEXT://:9092"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_PROCESS_ROLES: broker, KAFKA_LISTENERS: "PLAINTEXT://:9092"}

    Source:
        KIP-833; apache/kafka docs/getting-started/upgrade.md
    """
    for node in clusters.nodes(project):
        if node.roles or not node.complete or not node.vendor:
            continue
        zookeeper = bool(node.get("zookeeper.connect"))
        newest = node.image.tag in ("", "latest") and not node.image.digest and not node.service.image.endswith(":")
        unknown = node.image.kafka_version is None and not newest
        old = zookeeper and (node.older_than(*_ZOOKEEPER_ENDED) or unknown)
        yield Finding(
            at=node.where("zookeeper.connect"),
            message=f"{node.name} sets no process.roles" + (", it depends on ZooKeeper" if zookeeper else ""),
            service=node.name,
            evidence="process.roles",
            label="ZooKeeper style" if zookeeper else "neither broker nor controller",
            help=f"set {node.told('process.roles', 'broker,controller')} and the quorum voters",
            severity=(Severity.INFO if project.foreign else Severity.WARNING) if old else Severity.ERROR,
        )


def _effective_cluster_id(node: Node) -> str:
    return node.cluster_id or (_IMAGE_CLUSTER_ID if node.vendor == APACHE else "")


def _cluster_id_span(node: Node) -> Span:
    names = ("CLUSTER_ID", "KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID")
    variable = next((name for name in names if node.service.environment.get(name)), "")
    return node.service.where("environment", variable) if variable else node.service.span


def _decoded_length(text: str) -> int | None:
    """Return how many bytes a base64 text holds, None if it is none."""
    try:
        return len(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None
