"""The backbone as the running cluster describes it: what its files say is replaced by what brokers and worker tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.events.connectors.files import Connector
from backbone.security import access as rules
from backbone.security.layout import ADMIN
from backbone.stack import topic_rules, topics
from backbone.strimzi import access
from backbone.strimzi.model import operators_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kafka.admin import KafkaAdminClient

    from backbone.events.connectors.worker import Worker
    from backbone.stack.topics import Topic
    from backbone.strimzi.model import Backbone, User

_SET = ("STATIC_BROKER_CONFIG", "DYNAMIC_BROKER_CONFIG", "DYNAMIC_DEFAULT_BROKER_CONFIG")
"""Where a broker's setting comes from when somebody set it: its file, the broker's own, the cluster's (KIP-226)."""


def observe(said: Backbone, brokers: Mapping[str, str], worker: Worker | None) -> Backbone:
    """Return a backbone with what the cluster has instead of what files say.

    brokers: each broker's name and address; every one is asked for its own settings. worker: Connect's, None without.
    Raises StackError("no-broker") if one does not answer, "brokers-differ" if a setting is not the same on all.
    """
    told = {name: _broker(address) for name, address in brokers.items()}
    settings = _agreed({name: each for name, (each, _) in told.items()})
    kept = {name: value for name, value in said.settings.items() if operators_own(name)}
    line = next(iter(told.values()))[1]
    with clients.admin(list(brokers.values())) as client:
        found = topics.describe(client)
        count = len(client.describe_cluster()["brokers"])
        users = _users(said.users, client) if said.users else ()
    default = int(settings.get("default.replication.factor", "1"))
    return replace(
        said,
        version=said.version if said.version.startswith(line) else line,
        settings={**settings, **kept},
        size=replace(said.size, brokers=count),
        topics=tuple(_topics(said.topics, found, default)),
        users=users,
        worker=replace(said.worker, user=_named(users, said.worker.user)) if said.worker else None,
        connectors=tuple(_connectors(said.connectors, worker)) if worker else said.connectors,
    )


def _users(said: Sequence[User], client: KafkaAdminClient) -> tuple[User, ...]:
    """Return the users that the cluster lets in, with what it allows them; the administrator is none of them."""
    with_password = client.describe_user_scram_credentials().keys() - {ADMIN}
    return access.as_running(said, rules.describe(client), with_password)


def _named(users: Sequence[User], like: User | None) -> User | None:
    return next((each for each in users if like and each.name == like.name), None)


def _broker(address: str) -> tuple[dict[str, str], str]:
    """Return what is set on one broker, asked through its own address, and its version as far as it tells it."""
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415 - slow, and only needed with a cluster

    with clients.admin([address]) as client:
        node = _node(client, address)
        asked = ConfigResource(ConfigResourceType.BROKER, str(node))
        described: Mapping[str, Mapping[str, Any]] = client.describe_configs([asked], config_filter="all")["broker"][
            str(node)
        ]
        line = str(client.get_broker_version_data(node).broker_version_str)
    values = {
        name: str(each["value"])
        for name, each in described.items()
        if each["config_source"] in _SET and each["value"] is not None and not operators_own(name)
    }
    return values, line


def _node(client: KafkaAdminClient, address: str) -> int:
    listed = {f"{each['host']}:{each['port']}": int(each["broker_id"]) for each in client.describe_cluster()["brokers"]}
    if address not in listed:
        raise StackError(
            "no-broker",
            f"the cluster has no broker at {address}",
            context="its brokers: " + ", ".join(listed),
            hint="./invoke status",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return listed[address]


def _agreed(told: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the settings that all brokers have alike; StackError("brokers-differ") names those that they don't."""
    names = sorted({name for each in told.values() for name in each})
    values = {name: {broker: each.get(name, "(not set)") for broker, each in told.items()} for name in names}
    if differing := {name: each for name, each in values.items() if len(set(each.values())) > 1}:
        raise StackError(
            "brokers-differ",
            f"{len(differing)} settings are not the same on every broker",
            context="\n".join(
                f"{name}: " + ", ".join(f"{broker} {value}" for broker, value in each.items())
                for name, each in differing.items()
            ),
            hint="restart those that have the old values\n./invoke status",
            exit_code=ExitCode.FINDINGS,
        )
    return {name: next(iter(each.values())) for name, each in values.items()}


def _topics(said: Iterable[Topic], found: Mapping[str, Topic], default: int) -> Iterable[Topic]:
    """Yield the cluster's topics of applications, those that files name first; their copies as the file says it."""
    leaving = {topic.name for topic in said if topic.replicas < 0}
    names = [topic.name for topic in said if topic.name in found]
    names += sorted(name for name in found if name not in names and not topic_rules.memory(name))
    for name in names:
        topic = found[name]
        yield replace(topic, replicas=-1) if name in leaving and topic.replicas == default else topic


def _connectors(said: Iterable[Connector], worker: Worker) -> Iterable[Connector]:
    """Yield what the worker runs; one that nobody has started is stopped there too."""
    known = {each.name: each for each in said}
    running = worker.connectors()
    for name, each in known.items():
        if name in running:
            yield Connector(name, each.doc, False, _ordered(worker.config(name) or {}, each.config))  # noqa: FBT003
        else:
            yield replace(each, optional=True)
    for name in running:
        if name not in known:
            yield Connector(name, "", False, worker.config(name) or {})  # noqa: FBT003


def _ordered(config: Mapping[str, str], like: Mapping[str, str]) -> dict[str, str]:
    """Return a configuration in the order of another: Connect keeps none."""
    return {name: config[name] for name in (*like, *sorted(config.keys() - like.keys())) if name in config}
