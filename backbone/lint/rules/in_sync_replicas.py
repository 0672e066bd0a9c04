"""Rules on how many copies a write waits for (KC142 to KC144)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.lint.kafka import clients, clusters
from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.replication import AUTO_CREATE, DEFAULT_RF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project

MIN_ISR = "min.insync.replicas"

_PAIRS = (
    (DEFAULT_RF, MIN_ISR),
    ("transaction.state.log.replication.factor", "transaction.state.log.min.isr"),
    ("share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"),
)
"""Each replication factor with the property that says how many copies a write waits for."""

_ENOUGH = 3


@rule("KC142", "min-isr-exceeds-replication", Severity.ERROR)
def min_isr_exceeds_replication(project: Project) -> Iterator[Finding]:
    """Flag a topic default, or a topic, that waits for more copies than it has.

    An error for images that are known to be older than Kafka 4; from then on a warning.

    Why:
        Kafka 3 refuses each write with acks=all: "Messages are rejected since there are fewer in-sync replicas
        than required." Kafka 4 takes it, and waits for the copies there are: the setting is not in effect.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1
              KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 2

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1
              KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 1

    Source:
        min.insync.replicas; NotEnoughReplicasException
    """
    for node in clusters.brokers(project):
        for factor_name, isr_name in _PAIRS:
            factor, isr = node.number(factor_name), node.number(isr_name)
            written = [name for name in (isr_name, factor_name) if node.is_set(name)]
            if factor is None or isr is None or isr <= factor or not written or not node.complete:
                continue
            if factor_name == DEFAULT_RF and len(written) == 1 and node.get(AUTO_CREATE, "true").lower() == "false":
                continue  # every topic is created with a factor of its own
            yield Finding(
                at=node.where(written[0]),
                message=f"{node.name} waits for {isr} copies by {isr_name}, but {factor_name} is {factor}",
                service=node.name,
                evidence=isr_name,
                label=f"{isr_name} is {isr}",
                help=f"set {node.variable(isr_name)} to at most {factor}",
                related=tuple(Related(node.where(name), f"{name} is {factor}") for name in written[1:]),
                severity=Severity.ERROR
                if node.older_than(4, 0) and isr_name == written[0] and len(written) > 1
                else Severity.WARNING,
            )
    for asked in clients.replications(project):
        if asked.min_isr is not None and asked.min_isr > asked.factor:
            yield Finding(
                at=asked.where,
                message=f"{asked.service.name} creates a topic with fewer copies than it waits for",
                service=asked.service.name,
                evidence=asked.text,
                label="fewer copies than min.insync.replicas",
                help=f"set min.insync.replicas to at most {asked.factor}",
                severity=Severity.WARNING,
            )


@rule("KC143", "min-isr-equals-replication", Severity.WARNING)
def min_isr_equals_replication(project: Project) -> Iterator[Finding]:
    """Flag several copies of which none may be missing.

    Why:
        One broker that is away stops every write with acks=all: the copies protect the data, but nobody can
        add to it.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_DEFAULT_REPLICATION_FACTOR: 3
              KAFKA_MIN_INSYNC_REPLICAS: 3

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_DEFAULT_REPLICATION_FACTOR: 3
              KAFKA_MIN_INSYNC_REPLICAS: 2

    Source:
        min.insync.replicas
    """
    for node in clusters.brokers(project):
        for factor_name, isr_name in _PAIRS:
            factor, isr = node.number(factor_name), node.number(isr_name)
            written = [name for name in (isr_name, factor_name) if node.is_set(name)]
            if factor == isr and factor and factor > 1 and written:
                yield Finding(
                    at=node.where(written[0]),
                    message=f"{node.name}: {isr_name} equals {factor_name}, {factor}: no broker may be away",
                    service=node.name,
                    evidence=isr_name,
                    label="no copy may be missing",
                    help=f"set {node.told(isr_name, factor - 1)}",
                    related=tuple(Related(node.where(name), f"{factor} copies") for name in written[1:]),
                )


@rule("KC144", "min-isr-one", Severity.WARNING)
def min_isr_one(project: Project) -> Iterator[Finding]:
    """Flag three or more copies of which one is enough for a write.

    Why:
        acks=all then waits for the leader alone when the others lag; if that broker dies, acknowledged
        messages are lost. min.insync.replicas is 1 when nothing is set.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_DEFAULT_REPLICATION_FACTOR: 3

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_DEFAULT_REPLICATION_FACTOR: 3
              KAFKA_MIN_INSYNC_REPLICAS: 2

    Source:
        min.insync.replicas; peer clusters of three use 2
    """
    for node in clusters.brokers(project):
        for factor_name, isr_name in _PAIRS:
            factor, isr = node.number(factor_name), node.number(isr_name)
            if isr == 1 and factor and factor >= _ENOUGH and node.complete:
                set_isr = node.is_set(isr_name)
                yield Finding(
                    at=node.where(isr_name if set_isr else factor_name),
                    message=f"{node.name} keeps {factor} copies, but a write needs one ({isr_name} is 1)",
                    service=node.name,
                    evidence=isr_name,
                    label="one copy is enough" if set_isr else f"{isr_name} is left at 1",
                    help=f"set {node.told(isr_name, 2)}",
                    related=(Related(node.where(factor_name), f"{factor} copies"),) if set_isr else (),
                )
