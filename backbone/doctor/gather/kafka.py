"""Evidence of the cluster: brokers, topics, registry, connectors, and the way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone import clients
from backbone.doctor.evidence import Topic
from backbone.errors import ExitCode, StackError
from backbone.events.connectors import worker as connect_worker
from backbone.events.connectors.causes import explain
from backbone.events.contracts.registry import Registry
from backbone.stack import endpoints
from backbone.stack import health as cluster_health

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kafka.admin import KafkaAdminClient

    from backbone.stack.engine import Stack
    from backbone.stack.health import ClusterHealth

_UNLIMITED = "-1"
_DESCRIBED = ("retention.bytes", "segment.bytes")


def health(stack: Stack) -> ClusterHealth:
    """Ask the brokers."""
    if found := cluster_health.probe(stack.bootstrap):
        return found
    raise _unseen("no broker answers")


def unreachable(stack: Stack) -> tuple[str, ...]:
    """Connect to every advertised address of the brokers that run, from where its clients are."""
    up = {state.name for state in stack.engine.states() if state.name in stack.brokers and state.phase == "running"}
    if not up:
        raise _unseen("no broker runs")
    return tuple(stack.engine.unreachable(stack.model.only(up)))


def topics(stack: Stack) -> tuple[Topic, ...]:
    """Return what each topic may grow to, by its effective retention and segment size."""
    with clients.admin(stack.bootstrap) as client:
        described = client.describe_topics()
        settings = _retention(client, [str(item["name"]) for item in described])
    return tuple(
        Topic(name, len(item["partitions"]), len(item["partitions"][0]["replica_nodes"]), settings[name])
        for item in described
        if (name := str(item["name"])) in settings
    )


def compatibility(stack: Stack) -> str:
    """Ask the registry for its global level."""
    return Registry(endpoints.named(stack.model, "schema-registry", "SCHEMA_REGISTRY_URL")).level() or "NONE"


def connectors(stack: Stack) -> dict[str, Mapping[str, str]]:
    """Ask Connect for its connectors: name → part → state."""
    worker = connect_worker.of_stack(stack.model)
    found: dict[str, Mapping[str, str]] = {}
    for name in worker.connectors():
        if state := worker.state(name):
            tasks = {
                f"task {task.number}": f"{task.state} ({explain(task.trace).told})" if task.trace else task.state
                for task in state.tasks
            }
            found[name] = {"connector": state.state, **tasks}
    return found


def _retention(client: KafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Return topic → bytes a partition keeps at most: retention and the segment being written; compacted ones none."""
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415 - slow, and only needed with a cluster

    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, list(_DESCRIBED)) for name in names]
    values = client.describe_configs(asked, config_filter="all")["topic"]
    return {
        name: int(entry["retention.bytes"]["value"]) + int(entry["segment.bytes"]["value"])
        for name, entry in values.items()
        if entry["retention.bytes"]["value"] != _UNLIMITED
    }


def _unseen(why: str) -> StackError:
    return StackError("not-seen", why, exit_code=ExitCode.NOTHING)
