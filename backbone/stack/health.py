"""Is the cluster truly ready? Asked from outside, of the brokers themselves, over the addresses clients use."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kafka.admin import KafkaAdminClient

CONNECT_TIMEOUT_MS = 3000
_REQUEST_TIMEOUT_MS = 5000


@dataclass(frozen=True, slots=True)
class PartitionState:
    """One partition: leader -1 when offline; replicas and in-sync replicas as broker ids; its min.insync.replicas."""

    topic: str
    partition: int
    leader: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    min_isr: int


@dataclass(frozen=True, slots=True)
class ClusterHealth:
    """What a broker says of its cluster: who is alive, who leads the quorum, and every partition."""

    cluster_id: str
    controller: int
    brokers: tuple[int, ...]
    partitions: tuple[PartitionState, ...]

    @property
    def offline(self) -> tuple[PartitionState, ...]:
        """Partitions without a leader."""
        return tuple(item for item in self.partitions if item.leader < 0)

    @property
    def under_replicated(self) -> tuple[PartitionState, ...]:
        """Partitions with a replica out of sync."""
        return tuple(item for item in self.partitions if len(item.isr) < len(item.replicas))

    @property
    def under_min_isr(self) -> tuple[PartitionState, ...]:
        """Partitions that refuse acks=all writes now."""
        return tuple(item for item in self.partitions if len(item.isr) < min(item.min_isr, len(item.replicas)))

    def missing(self, brokers: int) -> str:
        """Say what keeps a cluster of so many brokers from being ready; empty when it is."""
        if len(self.brokers) < brokers:
            return f"{len(self.brokers)} of {brokers} brokers alive"
        if self.controller < 0:
            return "no active controller"
        if self.offline:
            return f"{len(self.offline)} partitions offline"
        if self.under_replicated:
            return f"{len(self.under_replicated)} partitions not fully replicated"
        return ""


@contextmanager
def admin(bootstrap: Sequence[str], timeout_ms: int = CONNECT_TIMEOUT_MS) -> Iterator[KafkaAdminClient]:
    """Open an admin client; StackError("no-broker") if none of the addresses answers in time."""
    from kafka.admin import KafkaAdminClient  # noqa: PLC0415 - 0.3 s that `lint` and `logs` need not pay
    from kafka.errors import KafkaError  # noqa: PLC0415

    # While brokers start, refused connections are expected; the client would log each of them.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        client = KafkaAdminClient(
            bootstrap_servers=list(bootstrap),
            bootstrap_timeout_ms=timeout_ms,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            reconnect_backoff_max_ms=500,
        )
    except (KafkaError, OSError) as error:
        raise StackError(
            "no-broker",
            f"no broker answers at {', '.join(bootstrap)}",
            context=f"{type(error).__name__}: {error}",
            hint="./invoke status   # or start the stack: ./invoke up",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    try:
        yield client
    except KafkaError as error:
        raise StackError(
            "kafka-request",
            f"the cluster refused or did not answer: {type(error).__name__}",
            context=str(error)[:400],
            hint="./invoke status",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    finally:
        client.close()


def alive(brokers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those of a described cluster's brokers that are not fenced (Kafka 4 lists the others too: KIP-1073)."""
    return [broker for broker in brokers if not broker.get("is_fenced")]


def cluster_health(client: KafkaAdminClient) -> ClusterHealth:
    """Ask for brokers, controller and every partition."""
    cluster = client.describe_cluster()
    quorum = client.describe_metadata_quorum()
    return ClusterHealth(
        cluster_id=str(cluster["cluster_id"]),
        controller=int(quorum["topics"][0]["partitions"][0]["leader_id"]),
        brokers=tuple(sorted(int(broker["broker_id"]) for broker in alive(cluster["brokers"]))),
        partitions=tuple(_partitions(client)),
    )


def probe(bootstrap: Sequence[str]) -> ClusterHealth | None:
    """Return the cluster's health, None while no broker answers."""
    try:
        with admin(bootstrap, timeout_ms=1000) as client:
            return cluster_health(client)
    except StackError:
        return None


def _partitions(client: KafkaAdminClient) -> Iterator[PartitionState]:
    topics = client.describe_topics()
    min_isr = _min_isr(client, [str(topic["name"]) for topic in topics])
    for topic in topics:
        for item in topic["partitions"]:
            yield PartitionState(
                topic=str(topic["name"]),
                partition=int(item["partition_index"]),
                leader=int(item["leader_id"]),
                replicas=tuple(item["replica_nodes"]),
                isr=tuple(item["isr_nodes"]),
                min_isr=min_isr.get(str(topic["name"]), 1),
            )


def _min_isr(client: KafkaAdminClient, topics: Sequence[str]) -> dict[str, int]:
    """Return each topic's min.insync.replicas as it counts now: its own, else the cluster's (KIP-966)."""
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415

    if not topics:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, ["min.insync.replicas"]) for name in topics]
    described = client.describe_configs(asked, config_filter="all")["topic"]
    return {name: int(values["min.insync.replicas"]["value"]) for name, values in described.items()}
