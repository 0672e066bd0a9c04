"""Is the cluster truly ready? Asked from outside, of the brokers themselves, over the addresses clients use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone import clients
from backbone.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kafka.admin import KafkaAdminClient

    Least = Callable[[Sequence[str]], Mapping[str, int]]


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


def alive(brokers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those of a described cluster's brokers that are not fenced (Kafka 4 lists the others too: KIP-1073)."""
    return [broker for broker in brokers if not broker.get("is_fenced")]


def cluster_health(client: KafkaAdminClient, least: Least | None = None) -> ClusterHealth:
    """Ask for brokers, controller and every partition. least: tells min.insync.replicas by topic (None: asked too)."""
    cluster = client.describe_cluster()
    quorum = client.describe_metadata_quorum()
    return ClusterHealth(
        cluster_id=str(cluster["cluster_id"]),
        controller=int(quorum["topics"][0]["partitions"][0]["leader_id"]),
        brokers=tuple(sorted(int(broker["broker_id"]) for broker in alive(cluster["brokers"]))),
        partitions=tuple(_partitions(client, least or (lambda topics: min_isr(client, topics)))),
    )


def probe(bootstrap: Sequence[str]) -> ClusterHealth | None:
    """Return the cluster's health, None while no broker answers."""
    try:
        with clients.admin(bootstrap, bootstrap_timeout_ms=1000) as client:
            return cluster_health(client)
    except StackError:
        return None


def _partitions(client: KafkaAdminClient, least: Least) -> Iterator[PartitionState]:
    topics = client.describe_topics()
    found = least([str(topic["name"]) for topic in topics])
    for topic in topics:
        for item in topic["partitions"]:
            yield PartitionState(
                topic=str(topic["name"]),
                partition=int(item["partition_index"]),
                leader=int(item["leader_id"]),
                replicas=tuple(item["replica_nodes"]),
                isr=tuple(item["isr_nodes"]),
                min_isr=found.get(str(topic["name"]), 1),
            )


def min_isr(client: KafkaAdminClient, topics: Sequence[str]) -> dict[str, int]:
    """Return each topic's min.insync.replicas as it counts now: its own, else the cluster's (KIP-966).

    A topic that was deleted meanwhile is left out.
    """
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415

    if not topics:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, ["min.insync.replicas"]) for name in topics]
    described = client.describe_configs(asked, config_filter="all")["topic"]
    return {
        name: int(values["min.insync.replicas"]["value"])
        for name, values in described.items()
        if "min.insync.replicas" in values
    }
