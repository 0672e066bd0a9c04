"""The cluster under test: fresh topics, their state before and after, and what it says of itself."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone import clients
from backbone.bench.validity import PartitionState
from backbone.errors import StackError
from backbone.stack import health

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.bench.validity import Topology

PREFIX = "bench."
"""How the topics of a benchmark begin; no other topic is ever written to or removed."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A reachable cluster. Its methods raise StackError("no-broker") or "kafka-request" when it no longer answers."""

    bootstrap: tuple[str, ...]

    @contextlib.contextmanager
    def topic(self, partitions: int, replicas: int, settings: Mapping[str, str] | None = None) -> Iterator[str]:
        """Yield the name of a new topic whose leaders are elected; it is removed when the block ends."""
        name = PREFIX + secrets.token_hex(4)
        with clients.admin(self.bootstrap) as admin:
            spec = {
                "num_partitions": partitions,
                "replication_factor": replicas,
                "configs": {"min.insync.replicas": str(min(2, replicas)), **(settings or {})},
            }
            admin.create_topics({name: spec}, wait_for_metadata=True)
        try:
            yield name
        finally:
            # A cluster that has gone away is reported by what was being measured, not by tidying up.
            with contextlib.suppress(StackError), clients.admin(self.bootstrap) as admin:
                admin.delete_topics([name])

    def topology(self, topic: str) -> Topology:
        """Return the state of a topic's partitions."""
        with clients.admin(self.bootstrap) as admin:
            (described,) = admin.describe_topics([topic])
        return {each["partition_index"]: _state(each) for each in described["partitions"]}

    def brokers(self) -> list[str]:
        """Return HOST:PORT of every broker that is not fenced, by node id."""
        with clients.admin(self.bootstrap) as admin:
            listed = health.alive(admin.describe_cluster()["brokers"])
        return [f"{each['host']}:{each['port']}" for each in sorted(listed, key=lambda b: int(b["broker_id"]))]


def _state(described: Mapping[str, Any]) -> PartitionState:
    return PartitionState(
        leader=described["leader_id"],
        epoch=described["leader_epoch"],
        replicas=len(described["replica_nodes"]),
        in_sync=len(described["isr_nodes"]),
    )
