"""An upgrade of a cluster that is not this stack's: in which order, and what speaks against it. Nothing is changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.stack import health, kafka_versions
from backbone.upgrade import features, survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kafka.admin import KafkaAdminClient

    from backbone.stack.health import ClusterHealth
    from backbone.upgrade.survey import Node, Survey

_FIRST_OF_4 = 7
"""The first metadata.version that Kafka 4 reads: 3.3-IV3 (MetadataVersion.MINIMUM_VERSION)."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is, the order of the restarts, what has to be mended before, and what clients will notice."""

    found: Survey
    order: tuple[str, ...]
    against: tuple[str, ...]
    noticed: tuple[str, ...]


def make(bootstrap: Sequence[str], target: str) -> Plan:
    """Ask every broker of a cluster. Raises StackError("no-broker"), "version-unknown" for what is no version."""
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", target):
        raise StackError(
            "version-unknown", f"{target!r} is no version of Kafka, such as 4.4.0", exit_code=ExitCode.USAGE
        )
    found = survey.elsewhere(bootstrap)
    with clients.admin(bootstrap) as client:
        brokers = {int(each["broker_id"]) for each in client.describe_cluster()["brokers"]}
        seen = health.cluster_health(client)
        separate = [voter for voter in _voters(client) if voter not in brokers]
    return judged(found, seen, target, separate=separate, leader=seen.controller)


def judged(found: Survey, seen: ClusterHealth, target: str, *, separate: Sequence[int], leader: int) -> Plan:
    """Return the plan for what was found. separate: the voters that are no brokers; leader: the active one's id."""
    controllers = [f"controller {one}" for one in sorted(separate, key=lambda one: (one == leader, one))]
    order = (*controllers, *(node.name for node in found.behind(target)))
    return Plan(found, order, tuple(_against(found, seen, target)), tuple(_noticed(seen, separate)))


def _against(found: Survey, seen: ClusterHealth, target: str) -> Iterator[str]:
    if silent := [node.name for node in found.nodes if node.features is None]:
        yield f"{', '.join(silent)} did not answer: each must before another is stopped"
    if words := seen.missing(len(found.nodes)):
        yield f"the cluster is not whole: {words}"
    level = found.finalized.get(features.METADATA)
    wanted = kafka_versions.numbers(kafka_versions.minor(target))
    if level is None:
        yield "no metadata.version is finalised: it is no KRaft cluster, which Kafka 3.9 makes of it (KIP-866)"
    elif level < _FIRST_OF_4 and wanted >= (4, 0):
        yield f"metadata.version is {level}, and Kafka 4 reads {_FIRST_OF_4} (3.3) and later: finalise one first"
    elif kafka_versions.numbers(found.finalized_release) > wanted:
        yield f"the data is finalised at Kafka {found.finalized_release}, which {target} refuses"
    if newer := [node.name for node in found.nodes if node.features and _numbers(node) > wanted]:
        yield f"{', '.join(newer)} run a newer release than {target}"


def _noticed(seen: ClusterHealth, separate: Sequence[int]) -> Iterator[str]:
    tight = sorted({one.topic for one in seen.partitions if len(one.replicas) <= one.min_isr})
    if tight:
        more = f" and {len(tight) - _SHOWN} more" if len(tight) > _SHOWN else ""
        yield (
            f"no replica to spare for a restart, so that writes with acks=all wait: {', '.join(tight[:_SHOWN])}{more}"
        )
    if separate:
        yield "the controllers are no brokers and were not asked what they run"


def _numbers(node: Node) -> tuple[int, ...]:
    return kafka_versions.numbers(node.features.release) if node.features else ()


def _voters(client: KafkaAdminClient) -> list[int]:
    voters = client.describe_metadata_quorum()["topics"][0]["partitions"][0]["current_voters"]
    return [int(voter["replica_id"]) for voter in voters]
