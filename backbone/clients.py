"""Client settings for this cluster: the one place that knows them, for our tasks and for applications.

They are kafka-python's names; docs/performance.md gives the Java names, the reason and the measured effect of
each. The failover settings (docs/failover.md) buy shorter stalls when a broker goes for more requests on healthy days.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kafka.errors import NodeNotReadyError, UnknownBrokerIdError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.partitioner.sticky import StickyPartitioner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kafka import ConsumerRebalanceListener, KafkaConsumer


class _Connections(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python has no types
    """Takes a broker that the metadata does not list for one that is not ready."""

    def get_connection(self, node_id: object, **options: object) -> Any:
        """Return the connection to a broker, made if need be. Raises NodeNotReadyError: try again later."""
        try:
            return super().get_connection(node_id, **options)
        except UnknownBrokerIdError as error:
            self.cluster.request_update()
            raise NodeNotReadyError(node_id) from error


class NetClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """The network of a client (its setting kafka_client) that gets over a leader whom the metadata does not list.

    When a broker has died, brokers name it as a leader for a moment and no longer list it. kafka-python 3.0.12 raises
    then where nobody expects it: a producer's thread turns in a circle for good, without an error for its records (one
    in some 450 producers and kills with FAILOVER_PRODUCER), a consumer never asks that broker again.
    """

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net=net, manager=_Connections(net, **configs))


_CONNECTION: Mapping[str, Any] = MappingProxyType(
    {
        # After an outage the default lets a client ignore a healed broker for up to 30 s (Java: 1 s).
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 500,
        "retry_backoff_ms": 50,
        # A broker that is frozen or cut off keeps its sockets open; this is how long a client believes in it.
        "request_timeout_ms": 5_000,
        # No topic may come to life by a typing error.
        "allow_auto_create_topics": False,
    }
)

PRODUCER: Mapping[str, Any] = MappingProxyType(
    {
        **_CONNECTION,
        # An acknowledged record survives the loss of any one node (with min.insync.replicas=2 on the broker).
        "acks": "all",
        "enable_idempotence": True,
        # Longer than any fail-over of the cluster: a stall must not become a lost record.
        "delivery_timeout_ms": 120_000,
        # Kafka 4's own default (KIP-1030): on few cores a small batch costs less time than the requests it saves.
        "linger_ms": 5,
    }
)

CONSUMER: Mapping[str, Any] = MappingProxyType(
    {
        **_CONNECTION,
        # The offset is committed by the application when its work is done, not by a timer before that.
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        # The broker answers at the first byte; waiting longer only saves empty answers.
        "fetch_min_bytes": 1,
        "fetch_max_wait_ms": 500,
    }
)

_IMPATIENT: Mapping[str, Any] = MappingProxyType(
    {
        # A frozen or cut-off broker keeps its sockets open: only this clock ends the wait for it.
        "request_timeout_ms": 1_500,
        # A producer asks for a new leader only when the next attempt at the dead one has failed.
        "reconnect_backoff_max_ms": 100,
        # Hear of a new leader before a request to the old one has timed out. And a leader that is cut off from its
        # peers, but not from us, keeps telling us that it leads (default 5 min).
        "metadata_max_age_ms": 1_000,
        "kafka_client": NetClient,
    }
)

FAILOVER_PRODUCER: Mapping[str, Any] = MappingProxyType({**PRODUCER, **_IMPATIENT, "linger_ms": 2})

FAILOVER_CONSUMER: Mapping[str, Any] = MappingProxyType(
    {
        **CONSUMER,
        **_IMPATIENT,
        # Polling a leader for new data waits at most this; it must stay below request_timeout_ms.
        "fetch_max_wait_ms": 100,
        # A broker that was cut off says what it last knew, and kafka-python 3.0.12 believes it. The old leader, asked
        # for an offset it never got, says "out of range" (KIP-320), and a policy would begin at the start again.
        "auto_offset_reset": "none",
        # The group gives our partitions away after this (default 45 s); not below group.min.session.timeout.ms.
        "session_timeout_ms": 6_000,
        "heartbeat_interval_ms": 1_000,
    }
)


def producer_settings(bootstrap: Sequence[str], **changes: object) -> dict[str, Any]:
    """Return the keyword arguments of a KafkaProducer for this cluster, `changes` over the defaults."""
    # A partitioner keeps state, so each producer gets its own.
    here = {"bootstrap_servers": list(bootstrap), "kafka_client": NetClient, "partitioner": StickyPartitioner()}
    return {**PRODUCER, **here, **changes}


def consumer_settings(bootstrap: Sequence[str], **changes: object) -> dict[str, Any]:
    """Return the keyword arguments of a KafkaConsumer for this cluster, `changes` over the defaults."""
    return {**CONSUMER, "bootstrap_servers": list(bootstrap), "kafka_client": NetClient, **changes}


def join(consumer: KafkaConsumer, topic: str, listener: ConsumerRebalanceListener | None = None) -> None:
    """Subscribe to a topic, and know its partitions before the group is joined.

    kafka-python 3.0.12 joins without waiting for them: its first assignment is empty, and it joins once more when they
    are known. If a poll() times out during that second time, the outcome is dropped, and the consumer sits there
    without partitions for good (one in some 150 on this cluster).
    """
    consumer.subscribe([topic], listener=listener)
    consumer.partitions_for_topic(topic)
