"""Evidence of the cluster: brokers, topics, registry, connectors, and the way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backbone import clients
from backbone.doctor.evidence import Settings, Topic
from backbone.errors import ExitCode, StackError
from backbone.events import dead_letters
from backbone.events.connectors import files as connector_files
from backbone.events.connectors import worker as connect_worker
from backbone.events.connectors.causes import explain
from backbone.events.contracts import registration, registry, repository
from backbone.stack import health as cluster_health

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from kafka.admin import KafkaAdminClient

    from backbone.events.dead_letters import Waiting
    from backbone.stack.engine import Stack
    from backbone.stack.health import ClusterHealth

_UNLIMITED = "-1"
_UNCLEAN = "unclean.leader.election.enable"
_RISKY = ("auto.create.topics.enable",)
"""What Kafka does by default and a cluster had better not."""
_SET = ("STATIC_BROKER_CONFIG", "DYNAMIC_BROKER_CONFIG")
_DEFAULTS = ("DYNAMIC_DEFAULT_BROKER_CONFIG",)
_OF_TOPIC = "DYNAMIC_TOPIC_CONFIG"
_DESCRIBED = ("retention.bytes", "segment.bytes")


def health(bootstrap: Sequence[str]) -> ClusterHealth:
    """Ask the brokers."""
    if found := cluster_health.probe(bootstrap):
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


def settings(bootstrap: Sequence[str]) -> Settings:
    """Ask each broker what is set on it, and what counts for each topic."""
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415 - slow, and only needed with a cluster

    with clients.admin(bootstrap) as client:
        nodes = [str(each["broker_id"]) for each in cluster_health.alive(client.describe_cluster()["brokers"])]
        names = [str(each["name"]) for each in client.describe_topics()]
        brokers = client.describe_configs(
            [ConfigResource(ConfigResourceType.BROKER, node) for node in nodes], config_filter="all"
        )
        asked = [ConfigResource(ConfigResourceType.TOPIC, name, [_UNCLEAN]) for name in names]
        topics = client.describe_configs(asked, config_filter="all")["topic"] if names else {}
    return Settings(
        {int(node): _values(entry, {*_SET, *_DEFAULTS}) for node, entry in brokers["broker"].items()},
        {name: _values(entry, {_OF_TOPIC}) for name, entry in topics.items()},
    )


def _values(entry: Mapping[str, Mapping[str, Any]], sources: Collection[str]) -> dict[str, str]:
    """Return the settings of some sources; one that only Kafka's default says counts too where that is a risk."""
    return {
        name: str(each["value"])
        for name, each in entry.items()
        if each["value"] is not None and (each["config_source"] in sources or name in _RISKY)
    }


def compatibility(stack: Stack) -> str:
    """Ask the registry for its global level."""
    return registry.of_stack(stack.model).level() or "NONE"


def levels(stack: Stack) -> dict[str, tuple[str, str]]:
    """Ask the registry for the levels of the subjects that have a contract in git, and return those that differ."""
    contracts = repository.load(stack.settings.root / repository.FOLDER, repository.SCHEMA_FILE)
    return registration.astray(contracts, registry.of_stack(stack.model))


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


def letters(stack: Stack) -> tuple[Waiting, ...]:
    """Return what waits among the dead letters of the connectors in git."""
    known = connector_files.load(stack.settings.root / connector_files.FOLDER, connector_files.SCHEMA_FILE)
    return dead_letters.waiting(stack.bootstrap, (each.dead_letters for each in known))


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
        if "retention.bytes" in entry and entry["retention.bytes"]["value"] != _UNLIMITED  # none: deleted meanwhile
    }


def _unseen(why: str) -> StackError:
    return StackError("not-seen", why, exit_code=ExitCode.NOTHING)
