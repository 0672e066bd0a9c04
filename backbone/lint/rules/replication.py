"""Rules on copies of the data (KC141, KC145, KC146)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.lint.kafka import clients, clusters
from backbone.lint.model import Finding, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.kafka.clusters import Cluster
    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project

DEFAULT_RF = "default.replication.factor"
MIN_ISR = "min.insync.replicas"
AUTO_CREATE = "auto.create.topics.enable"
_UNCLEAN = "unclean.leader.election.enable"

_FACTORS = (
    DEFAULT_RF,
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)

_UNSET_SEVERITY = {
    # What Kafka does with its default of 3 when fewer brokers are there.
    "offsets.topic.replication.factor": Severity.ERROR,  # no consumer group works
    "transaction.state.log.replication.factor": Severity.WARNING,  # no transaction works
    "share.coordinator.state.topic.replication.factor": Severity.INFO,  # no share group works
}
_SHARE_GROUPS = (4, 2)


@rule("KC141", "replication-exceeds-brokers", Severity.ERROR)
def replication_exceeds_brokers(project: Project) -> Iterator[Finding]:
    """Flag a replication factor above the number of brokers that a profile starts.

    Looked at: the broker's own topics (offsets, transactions, share groups; Kafka's default is 3 when nothing
    is set), the default for new topics, Connect's and registries' storage topics, and `kafka-topics
    --create`.

    Why:
        The topic is never created: "Unable to replicate the partition 3 time(s): The target replication
        factor of 3 cannot be reached because only 1 broker(s) are registered". Without the offsets topic no
        group can read.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 3

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 1
              KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1
              KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 1
              KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: 1
              KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: 1

    Source:
        org.apache.kafka.metadata.placement.StripedReplicaPlacer
    """
    for one in clusters.clusters(project):
        profiles, count = one.smallest()
        for node in one.brokers:
            for prop in _FACTORS:
                yield from _too_many(one, node, prop, count, profiles)
    for asked in clients.replications(project):
        used = clients.cluster_of(asked, project)
        if used is None:
            continue
        active = (
            (profiles, count) for profiles, count in used.sizes() if asked.service.name in project.active(profiles)
        )
        profiles, count = min(active, key=lambda pair: pair[1], default=(frozenset(), len(used.brokers)))
        if 0 < count < asked.factor:
            yield Finding(
                at=asked.where,
                message=f"{asked.service.name} asks for {asked.factor} copies, {_there(count, profiles)}",
                service=asked.service.name,
                evidence=f"{asked.name}:{asked.factor}",
                label=f"more than {count}",
                help=f"set it to {count}, or start {asked.factor} brokers",
            )


def _too_many(one: Cluster, node: Node, prop: str, count: int, profiles: frozenset[str]) -> Iterator[Finding]:
    factor = node.number(prop)
    written = node.is_set(prop)
    # Without roles it starts only as a node of the ZooKeeper style, which ended with Kafka 4.
    starts = node.roles or (node.get("zookeeper.connect") and node.older_than(4, 0))
    if factor is None or not 0 < count < factor or not (written or (node.complete and node.vendor and starts)):
        return
    if not written and (node is not one.brokers[0] or prop not in _UNSET_SEVERITY):
        return
    if prop.startswith("share.") and not written and (node.image.kafka_version or (0, 0)) < _SHARE_GROUPS:
        return
    yield Finding(
        at=node.where(prop),
        message=f"{node.name} asks for {factor} copies by {prop}"
        + ("" if written else ", Kafka's default")
        + f", {_there(count, profiles)}",
        service=node.name,
        evidence=prop,
        label=f"more than {count}" if written else f"{prop} is not set",
        help=f"set {node.told(prop, count)}",
        severity=Severity.ERROR if written else _UNSET_SEVERITY[prop],
    )


def _there(count: int, profiles: frozenset[str]) -> str:
    words = f"{count} broker is" if count == 1 else f"{count} brokers are"
    return f"but {words} there" + (f" with profile {', '.join(sorted(profiles))}" if profiles else "")


@rule("KC145", "auto-create-topics", Severity.INFO)
def auto_create_topics(project: Project) -> Iterator[Finding]:
    """Note a broker that creates a topic for every name it is asked for.

    Why:
        A misspelt name becomes a topic with default partitions, and the message waits where nobody reads.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_PROCESS_ROLES: "broker,controller"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false"

    Source:
        auto.create.topics.enable, true by default
    """
    for node in clusters.brokers(project):
        if node.get(AUTO_CREATE, "true").lower() != "false" and node.complete:
            yield Finding(
                at=node.where(AUTO_CREATE),
                message=f"{node.name} creates a topic for every name it is asked for",
                service=node.name,
                evidence=AUTO_CREATE,
                label="auto creation is on" if node.is_set(AUTO_CREATE) else "auto creation is on by default",
                help=f"set {node.told(AUTO_CREATE, 'false')} and create topics explicitly",
            )


@rule("KC146", "unclean-election", Severity.WARNING)
def unclean_election(project: Project) -> Iterator[Finding]:
    """Flag a broker that may make a replica leader which lacks acknowledged messages.

    Why:
        After such an election what the others had and this one had not is cut off: acknowledged messages are
        lost.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE: "true"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE: "false"}

    Source:
        unclean.leader.election.enable, false by default
    """
    for node in clusters.nodes(project):
        if node.get(_UNCLEAN).lower() == "true":
            yield Finding(
                at=node.where(_UNCLEAN),
                message=f"{node.name} allows unclean leader election, which loses acknowledged messages",
                service=node.name,
                evidence=_UNCLEAN,
                label="data loss allowed",
                help=f"set {node.told(_UNCLEAN, 'false')}, the default",
            )
