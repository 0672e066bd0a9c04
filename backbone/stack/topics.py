"""Topics: as the file wants them, as the cluster has them, and the steps from the one to the other."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from backbone import clients, json_schema, resources
from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kafka.admin import KafkaAdminClient

FILE = Path("infra", "05-messaging", "kafka", "topics.yml")
_SCHEMA = resources.schema("topics.schema.json")
_CLUSTER_DEFAULT = -1


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. replicas -1: the cluster's default. config: only what is set on the topic itself."""

    name: str
    partitions: int
    replicas: int = _CLUSTER_DEFAULT
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One step. kind: create, grow (partitions), configure, or refuse (what Kafka cannot do in place)."""

    kind: str
    topic: Topic
    detail: str

    def __str__(self) -> str:
        return f"{self.topic.name}: {self.kind} {self.detail}".rstrip()


def read(path: Path) -> tuple[Topic, ...]:
    """Return the topics of a file.

    Raises StackError("topics-file") with position and reason for one that is not valid or cannot be read.
    """
    try:
        text = reading.read_text(path)
    except StackError as error:
        raise StackError("topics-file", error.message, error.context, exit_code=ExitCode.USAGE) from error
    try:
        body = yaml.safe_load(text)
        faults = list(map(str, json_schema.departures(_SCHEMA, body)))
    except (RecursionError, yaml.YAMLError) as error:
        faults = [str(error)]
    if faults:
        raise StackError(
            "topics-file",
            f"{path.name} is not valid",
            context="\n".join(faults),
            hint=f"see {_SCHEMA}",
            exit_code=ExitCode.USAGE,
        )
    topics = tuple(Topic(**item) for item in body["topics"])
    names = [topic.name for topic in topics]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise StackError("topics-file", f"{path.name} names {', '.join(twice)} twice", exit_code=ExitCode.USAGE)
    return topics


def plan(wanted: Sequence[Topic], found: Mapping[str, Topic]) -> tuple[Change, ...]:
    """Return the steps that make a cluster's topics what a file wants; topics it does not name are left alone."""
    return tuple(change for topic in wanted for change in _steps(topic, found.get(topic.name)))


def _steps(want: Topic, have: Topic | None) -> Iterator[Change]:
    if have is None:
        replicas = "" if want.replicas == _CLUSTER_DEFAULT else f" × {want.replicas} replicas"
        yield Change("create", want, f"{want.partitions} partitions{replicas}")
        return
    if want.partitions > have.partitions:
        yield Change("grow", want, f"{have.partitions} → {want.partitions} partitions")
    elif want.partitions < have.partitions:
        yield Change("refuse", want, f"Kafka cannot take partitions away ({have.partitions} → {want.partitions})")
    if want.replicas not in {_CLUSTER_DEFAULT, have.replicas}:
        yield Change("refuse", want, f"replicas {have.replicas} → {want.replicas} needs a reassignment")
    differing = {key: value for key, value in want.config.items() if have.config.get(key) != value}
    if differing:
        yield Change("configure", want, ", ".join(f"{key}={value}" for key, value in sorted(differing.items())))


def describe(client: KafkaAdminClient, names: Sequence[str] | None = None) -> dict[str, Topic]:
    """Return the cluster's topics, or those of some names that exist, with the configuration set on each."""
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415

    described = [item for item in client.describe_topics() if names is None or item["name"] in names]
    if not described:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, item["name"]) for item in described]
    configs = client.describe_configs(asked, config_filter="dynamic")["topic"]
    return {item["name"]: _topic(item, configs.get(item["name"], {})) for item in described}


def _topic(item: Mapping[str, Any], config: Mapping[str, Mapping[str, Any]]) -> Topic:
    own = {
        key: str(value["value"]) for key, value in config.items() if value["config_source"] == "DYNAMIC_TOPIC_CONFIG"
    }
    return Topic(str(item["name"]), len(item["partitions"]), len(item["partitions"][0]["replica_nodes"]), own)


def apply(client: KafkaAdminClient, changes: Sequence[Change]) -> None:
    """Carry out a plan. StackError("topic-refused") for a step that Kafka cannot do, before anything is changed.

    A topic that is there by now was made by somebody with the same file: another `up`, or the one-shot of the stack.
    """
    from kafka.errors import TopicAlreadyExistsError  # noqa: PLC0415

    if refused := [change for change in changes if change.kind == "refuse"]:
        raise StackError(
            "topic-refused",
            "the cluster's topics cannot be made what the file says",
            context="\n".join(map(str, refused)),
            hint=f"change {FILE} back, or delete the topic: ./invoke topics delete {refused[0].topic.name}",
        )
    for change in changes:
        if change.kind == "create":
            with suppress(TopicAlreadyExistsError):
                _create(client, change.topic)
        elif change.kind == "grow":
            client.create_partitions({change.topic.name: change.topic.partitions})
        else:
            _configure(client, change.topic)


def create(client: KafkaAdminClient, topic: Topic) -> None:
    """Create a topic and wait until each partition has a leader; StackError("topic-exists") if it is there."""
    from kafka.errors import TopicAlreadyExistsError  # noqa: PLC0415

    try:
        _create(client, topic)
    except TopicAlreadyExistsError as error:
        raise StackError("topic-exists", f"there is already a topic {topic.name}", exit_code=ExitCode.USAGE) from error


def _create(client: KafkaAdminClient, topic: Topic) -> None:
    wanted = {
        "num_partitions": topic.partitions,
        "replication_factor": topic.replicas,
        "configs": dict(topic.config),
    }
    client.create_topics({topic.name: wanted}, wait_for_metadata=True)


def delete(client: KafkaAdminClient, name: str) -> None:
    """Delete a topic with all its records; StackError("no-such-topic") if there is none."""
    from kafka.errors import UnknownTopicOrPartitionError  # noqa: PLC0415

    try:
        client.delete_topics([name])
    except UnknownTopicOrPartitionError as error:
        raise StackError(
            "no-such-topic",
            f"there is no topic {name}",
            hint="./invoke topics list",
            exit_code=ExitCode.USAGE,
        ) from error


def apply_file(path: Path, bootstrap: Sequence[str]) -> tuple[Change, ...]:
    """Make a cluster's topics what a file says and return what was changed."""
    wanted = read(path)
    with clients.admin(bootstrap) as client:
        changes = plan(wanted, describe(client))
        apply(client, changes)
    return changes


def _configure(client: KafkaAdminClient, topic: Topic) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415

    try:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, dict(topic.config))])
    except ValueError as error:  # the client's own check of the keys, before it asks the cluster
        raise StackError(
            "topic-config",
            f"the configuration of {topic.name} has a key that Kafka does not know",
            context=str(error),
            hint=f"see the topic configurations of Kafka's documentation, then edit {FILE}",
            exit_code=ExitCode.USAGE,
        ) from error
