"""Who leads a partition, changed on purpose: the wanted replica goes first in the list, then preferred election."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.structs import TopicPartition

from backbone.failover.history import RECOVERY_S
from backbone.failover.patience import ask
from backbone.wait import CLOCK, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kafka.admin import KafkaAdminClient

    from backbone.wait import Clock

_PREFERRED, _UNCLEAN = 0, 1


def create_topic(
    bootstrap: Sequence[str], topic: str, partitions: int, replicas: int, settings: Mapping[str, str]
) -> None:
    """Create a topic of ours whose records never expire, with further settings over that."""
    configs = {"retention.ms": "-1", "retention.bytes": "-1", **settings}

    def create(client: KafkaAdminClient) -> None:
        with suppress(TopicAlreadyExistsError):  # by the attempt before: its answer was lost
            client.create_topics(
                {topic: {"num_partitions": partitions, "replication_factor": replicas, "configs": configs}}
            )
        client.wait_for_topics([topic])

    ask(bootstrap, f"topic {topic} to be created", create)


def lead(
    bootstrap: Sequence[str],
    topic: str,
    wanted: Mapping[int, int],
    timeout: float = RECOVERY_S,
    clock: Clock = CLOCK,
) -> None:
    """Make brokers the leaders of partitions (partition → node id). Replicas change their order, no data moves.

    Raises StackError("timed-out") with the leaders there are.
    """

    def reorder(client: KafkaAdminClient) -> None:
        current = _partitions(client, topic)
        if not wanted.keys() <= current.keys():
            raise UnknownTopicOrPartitionError(f"{topic} has partitions {sorted(current)}")
        orders = {
            TopicPartition(topic, partition): [node, *(other for other in current[partition][1] if other != node)]
            for partition, node in wanted.items()
        }
        client.alter_partition_reassignments(orders)
        _elect(client, _PREFERRED, topic, wanted, timeout)

    ask(bootstrap, f"the wanted leaders of {topic}", reorder, clock)


def rotation(bootstrap: Sequence[str], topic: str, clock: Clock = CLOCK) -> tuple[dict[int, int], ...]:
    """Return, turn by turn, who has to lead each partition so that all its replicas have led."""
    found = ask(bootstrap, f"the replicas of {topic}", lambda client: _partitions(client, topic), clock)
    replicas = {partition: sorted(nodes) for partition, (_, nodes) in found.items()}
    turns = max((len(nodes) for nodes in replicas.values()), default=0)
    return tuple({k: nodes[(turn + k) % len(nodes)] for k, nodes in replicas.items()} for turn in range(turns))


def elect_unclean(bootstrap: Sequence[str], topic: str, wanted: Mapping[int, int], timeout: float = RECOVERY_S) -> None:
    """Let replicas that are not in sync lead: what is not on them is lost (KIP-460, election type UNCLEAN).

    Raises StackError("timed-out") like `lead`.
    """
    ask(bootstrap, f"the wanted leaders of {topic}", lambda client: _elect(client, _UNCLEAN, topic, wanted, timeout))


def _elect(client: KafkaAdminClient, how: int, topic: str, wanted: Mapping[int, int], timeout: float) -> None:
    """Ask for an election until the wanted brokers lead: right after a failover it may be refused for a while."""
    seen: dict[int, tuple[int, list[int]]] = {}

    def elected() -> bool:
        try:
            client.elect_leaders(how, {topic: list(wanted)}, raise_errors=False)
            seen.update(_partitions(client, topic))
        except KafkaError:
            return False
        return all(seen.get(partition, (-1, []))[0] == node for partition, node in wanted.items())

    wait_until(
        elected, what=f"the wanted leaders of {topic}", timeout=timeout, interval=0.2, last_seen=lambda: str(seen)
    )


def _partitions(client: KafkaAdminClient, topic: str) -> dict[int, tuple[int, list[int]]]:
    """Return partition → (leader, replicas in their order)."""
    found = client.describe_topics([topic])[0]["partitions"]
    return {int(one["partition_index"]): (int(one["leader_id"]), list(one["replica_nodes"])) for one in found}
