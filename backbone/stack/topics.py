"""Topics: as the file wants them, as the cluster has them, and the steps from the one to the other."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from backbone import clients, durable_file, json_schema, resources
from backbone.errors import ExitCode, StackError
from backbone.source import reading, yaml_file
from backbone.stack import topic_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kafka.admin import KafkaAdminClient

FILE = Path("infra", "05-messaging", "kafka", "topics.yml")
_SCHEMA = resources.schema("topics.schema.json")
_CLUSTER_DEFAULT = -1
_TAKEN = "OK"
"""What kafka-python says of a setting that the broker took."""
KEYS_MOVE = "the records of a key go to another partition from then on, so their order across the change is lost"
_REFUSED = re.compile(r"error_message=(['\"])(?P<words>.+?)\1")
"""Where kafka-python's error has the broker's words for a request that it refused."""
_UNDONE = "unknown"
"""The kind of a difference that no step mends: whoever made the topic decides about it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. replicas -1: the cluster's default. config: only what is set on the topic itself."""

    name: str
    partitions: int
    replicas: int = _CLUSTER_DEFAULT
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between file and cluster.

    kind: create, grow (partitions), configure, unset (a setting that the file does not name goes back to the cluster's
    default), refuse (what Kafka cannot do in place), or unknown (a topic that the file does not name; it stays).
    """

    kind: str
    topic: Topic
    detail: str

    @property
    def mends(self) -> bool:
        """Whether `apply` does something about it."""
        return self.kind != _UNDONE

    def __str__(self) -> str:
        return f"{self.topic.name}: {self.kind} {self.detail}".rstrip()


def read(path: Path) -> tuple[Topic, ...]:
    """Return the topics of a file.

    Raises StackError("topics-file") with position and reason for one that is not valid or cannot be read.
    """
    body = yaml_file.read(path, "topics-file", faults, hint=f"see {_SCHEMA}")
    topics = tuple(Topic(**item) for item in body["topics"])
    names = [topic.name for topic in topics]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise StackError("topics-file", f"{path.name} names {', '.join(twice)} twice", exit_code=ExitCode.USAGE)
    return topics


def add(path: Path, name: str) -> bool:
    """Append a topic of one partition a broker to a file, which keeps its comments; False if it is there already.

    Raises StackError("topics-file") for a file that is not valid, or whose form takes no item at its end.
    """
    before = read(path)
    if any(topic.name == name for topic in before):
        return False
    text = reading.read_text(path)
    margin = re.search(r"^ *(?=- )", text, re.MULTILINE)
    indent = margin[0] if margin else "  "
    longer = f"{text.rstrip()}\n{indent}- name: {json.dumps(name)}\n{indent}  partitions: 3\n"
    with suppress(yaml.YAMLError):
        body = yaml.safe_load(longer)
        if [item["name"] for item in body["topics"]] == [*(topic.name for topic in before), name]:
            durable_file.rewrite(path, longer)
            return True
    raise StackError(
        "topics-file",
        f"{path.name} takes no item at its end, so {name} was not added",
        context=str(path),
        hint=f"add by hand: {{name: {json.dumps(name)}, partitions: 3}}",
        exit_code=ExitCode.USAGE,
    )


def faults(body: Any) -> list[str]:
    """Return what is wrong with a file: its form, or else its names and settings by Kafka's rules."""
    departures = json_schema.departures(_SCHEMA, body)
    form = [each for each in departures if not (each.path[-1:] == ("name",) and isinstance(each.value, str))]
    if form:
        return list(map(str, form))
    found = []
    names = [item["name"] for item in body["topics"]]
    for number, item in enumerate(body["topics"]):
        place = f"$.topics[{number}]"
        if reason := topic_rules.application_fault(item["name"]):
            found.append(f"{place}.name: {reason}")
        elif other := topic_rules.collision(item["name"], names):
            found.append(f"{place}.name: {_alike(item['name'], other)}")
        reasons = (topic_rules.setting_fault(key, value) for key, value in item.get("config", {}).items())
        found += [f"{place}.config: {reason}" for reason in reasons if reason]
    return found


def _alike(name: str, other: str) -> str:
    return f"{name} and {other} cannot both be: Kafka takes a dot and an underscore for the same in metrics"


def plan(wanted: Sequence[Topic], found: Mapping[str, Topic]) -> tuple[Change, ...]:
    """Return how a cluster's topics differ from what a file wants, without what Kafka, registry and Connect keep."""
    names = {topic.name for topic in wanted}
    others = (topic for name, topic in sorted(found.items()) if name not in names and not topic_rules.memory(name))
    unknown = (Change(_UNDONE, topic, f"is not in {FILE.name}; it is left alone") for topic in others)
    return (*(change for topic in wanted for change in _steps(topic, found)), *unknown)


def _steps(want: Topic, found: Mapping[str, Topic]) -> Iterator[Change]:
    have = found.get(want.name)
    if have is None:
        if other := topic_rules.collision(want.name, found):
            yield Change("refuse", want, _alike(want.name, other))
            return
        replicas = "" if want.replicas == _CLUSTER_DEFAULT else f" × {want.replicas} replicas"
        yield Change("create", want, f"{want.partitions} partitions{replicas}")
        return
    if want.partitions > have.partitions:
        yield Change("grow", want, f"{have.partitions} → {want.partitions} partitions: {KEYS_MOVE}")
    elif want.partitions < have.partitions:
        yield Change("refuse", want, f"Kafka cannot take partitions away ({have.partitions} → {want.partitions})")
    if want.replicas not in {_CLUSTER_DEFAULT, have.replicas}:
        yield Change("refuse", want, f"replicas {have.replicas} → {want.replicas} needs a reassignment")
    differing = {key: value for key, value in want.config.items() if have.config.get(key) != value}
    if differing:
        yield Change("configure", want, ", ".join(f"{key}={value}" for key, value in sorted(differing.items())))
    removed = {key: value for key, value in have.config.items() if key not in want.config}
    if removed:
        detail = ", ".join(f"{key} (was {value})" for key, value in sorted(removed.items()))
        yield Change("unset", Topic(want.name, want.partitions, want.replicas, removed), detail)


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
            hint=f"change {FILE} back, or delete the topic\n./invoke topics delete {refused[0].topic.name}",
        )
    for change in changes:
        if change.kind == "create":
            with suppress(TopicAlreadyExistsError):
                _create(client, change.topic)
        elif change.kind == "grow":
            client.create_partitions({change.topic.name: change.topic.partitions})
        elif change.mends:
            _configure(client, change.topic, unset=change.kind == "unset")


def create(client: KafkaAdminClient, topic: Topic) -> None:
    """Create a topic and wait until each partition has a leader.

    Raises StackError("topic-name") or "topic-config" for what Kafka does not take, before anything is sent,
    "topic-exists", and "topic-refused" with the broker's words for what this cluster does not.
    """
    from kafka.errors import AuthorizationError, KafkaError, TopicAlreadyExistsError  # noqa: PLC0415

    check(topic)
    if other := topic_rules.collision(topic.name, client.list_topics()):
        raise StackError("topic-name", _alike(topic.name, other), exit_code=ExitCode.USAGE)
    try:
        _create(client, topic)
    except TopicAlreadyExistsError as error:
        raise StackError("topic-exists", f"there is already a topic {topic.name}", exit_code=ExitCode.USAGE) from error
    except AuthorizationError:
        raise  # told as what it is by who opened the client
    except KafkaError as error:
        if words := _REFUSED.search(str(error)):
            raise StackError("topic-refused", f"the cluster does not make {topic.name}", words["words"]) from error
        raise


def check(topic: Topic) -> None:
    """Judge a topic by Kafka's rules; StackError("topic-name") or "topic-config" with a sentence for each fault."""
    if reason := topic_rules.name_fault(topic.name):
        raise StackError("topic-name", reason, exit_code=ExitCode.USAGE)
    counts = {"partitions": topic.partitions, "replicas": topic.replicas}
    reasons = [f"{name} is a number from 1, not {count}" for name, count in counts.items() if _no_count(count)]
    faults = (topic_rules.setting_fault(key, value) for key, value in topic.config.items())
    if reasons := [*reasons, *(reason for reason in faults if reason)]:
        raise StackError(
            "topic-config",
            f"Kafka does not take {'these settings' if reasons[1:] else 'this setting'} of {topic.name}",
            context="\n".join(reasons),
            exit_code=ExitCode.USAGE,
        )


def _no_count(count: int) -> bool:
    """Tell whether Kafka takes no such number of partitions or replicas: one at least, in 32 bits."""
    return count != _CLUSTER_DEFAULT and not 1 <= count < 1 << 31


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
        raise no_such(name) from error


def no_such(name: str) -> StackError:
    """Return the error for a topic that is not there."""
    return StackError(
        "no-such-topic", f"there is no topic {name}", hint="./invoke topics list", exit_code=ExitCode.USAGE
    )


def apply_file(path: Path, bootstrap: Sequence[str]) -> tuple[Change, ...]:
    """Make a cluster's topics what a file says and return what was changed; topics it does not name are left alone."""
    wanted = read(path)
    with clients.admin(bootstrap) as client:
        changes = plan(wanted, describe(client))
        apply(client, changes)
    return tuple(change for change in changes if change.mends)


def _configure(client: KafkaAdminClient, topic: Topic, *, unset: bool) -> None:
    from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType  # noqa: PLC0415

    operation = AlterConfigOp.DELETE if unset else AlterConfigOp.SET
    wanted = {key: (operation, None if unset else value) for key, value in topic.config.items()}
    try:
        said = client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, wanted)])
        reason = said["topic"][topic.name]  # refusals come as an answer, in the broker's words
    except ValueError as error:  # the client's own check of the keys, before it asks the cluster
        reason = str(error)
    if reason != _TAKEN:
        raise StackError(
            "topic-config",
            f"the cluster does not take the settings of {topic.name}",
            context=reason,
            hint=f"see the topic configurations of Kafka's documentation, then edit {FILE}",
            exit_code=ExitCode.USAGE,
        )
