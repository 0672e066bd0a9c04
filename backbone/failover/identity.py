"""What each broker says of itself: the settings that decide how long a failover takes, and its version.

Asked at the start, after each fault and at the end: a broker may have been started again with another profile or image.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from kafka.admin import ConfigResource, ConfigResourceType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kafka.admin import KafkaAdminClient

    from backbone.failover.history import History

TIMINGS = (
    "broker.session.timeout.ms",
    "broker.heartbeat.interval.ms",
    "controller.quorum.fetch.timeout.ms",
    "controller.quorum.election.timeout.ms",
    "controller.quorum.election.backoff.max.ms",
    "replica.fetch.wait.max.ms",
    "replica.lag.time.max.ms",
    "min.insync.replicas",
    "unclean.leader.election.enable",
)
"""The settings that decide how long a failover takes and what it may cost; every report names them."""

VERSION = "Kafka version by its API versions"
"""No request tells a broker's version: this is the newest whose requests it knows."""


def timings(client: KafkaAdminClient, node: int) -> dict[str, str]:
    """Return the settings of one broker, which it tells itself."""
    asked = ConfigResource(ConfigResourceType.BROKER, str(node), list(TIMINGS))
    described = client.describe_configs([asked], config_filter="all")["broker"][str(node)]
    return {name: str(described[name]["value"]) for name in TIMINGS if name in described}


def identity(client: KafkaAdminClient, node: int) -> dict[str, str]:
    """Return settings and version of one broker. The client has to be connected through that broker's own address."""
    return timings(client, node) | {VERSION: str(client.get_broker_version_data(node).broker_version_str)}


def differences(history: History) -> Iterator[str]:
    """Yield a line for each setting or version in which brokers differ from each other, or from what they said before.

    Stalls of two profiles are not one figure; what is lost is lost under any.
    """
    said: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for told in history.identities:
        for name, value in told.values:
            tellers = said[name].setdefault(value, [])
            if told.teller not in tellers:
                tellers.append(told.teller)
    for name, values in said.items():
        if len(values) > 1:
            yield f"{name} is " + " and ".join(f"{value} ({', '.join(who)})" for value, who in values.items())
