"""Client settings for this cluster: the one place that knows them, for our tasks and for applications.

They are kafka-python's names; docs/performance.md gives the Java names, the reason and the measured effect of
each.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kafka.partitioner.sticky import StickyPartitioner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def producer_settings(bootstrap: Sequence[str], **changes: object) -> dict[str, Any]:
    """Return the keyword arguments of a KafkaProducer for this cluster, `changes` over the defaults."""
    # A partitioner keeps state, so each producer gets its own.
    return {**PRODUCER, "bootstrap_servers": list(bootstrap), "partitioner": StickyPartitioner(), **changes}


def consumer_settings(bootstrap: Sequence[str], **changes: object) -> dict[str, Any]:
    """Return the keyword arguments of a KafkaConsumer for this cluster, `changes` over the defaults."""
    return {**CONSUMER, "bootstrap_servers": list(bootstrap), **changes}
