"""KC702-KC706, a project's own files: topics.yml, and the contracts, connectors and requirements beside it.

Each is judged by its schema, as the tasks judge it when they use it, and by what no single file can tell. Where there
is no topics.yml, a project has another layout and these files are none of ours.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from backbone import json_schema, resources
from backbone.lint.kafka import properties
from backbone.lint.model import Edit, Finding, Severity, respelt, rule
from backbone.source import compose_file, disclosure
from backbone.source.compose_file import ScalarNode, SequenceNode, entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project
    from backbone.source.compose_file import ComposeFile, Node

TOPICS = Path("infra", "05-messaging", "kafka", "topics.yml")
CONTRACTS = Path("schemas", "contracts")
CONNECTORS = Path("infra", "05-messaging", "connect", "connectors")
ACCESS = Path("infra", "05-messaging", "security", "access.yml")
_SCHEMA = resources.schema("topics.schema.json")
_OTHERS = (
    (CONTRACTS, "*/contract.yml", resources.schema("contract.schema.json")),
    (CONNECTORS, "*.yml", resources.schema("connector.schema.json")),
    (ACCESS.parent, ACCESS.name, resources.schema("access.schema.json")),
    (Path("schemas"), "requirements.yml", resources.schema("requirements.schema.json")),
)
"""Folder, files in it, and the schema that they keep to."""
_MOST_FILES = 500
_EVERYTHING = {
    ("topics", "*"): ("all",),
    ("groups", "*"): ("all",),
    ("transactional_ids", "*"): ("all",),
    ("cluster", "true"): ("all", "alter"),
}
"""What in access.yml gives away all there is of a kind; who may alter the cluster makes rules, for themselves too."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@rule("KC702", "topics-file", Severity.ERROR, needs_model=False)
def topics_file(project: Project) -> Iterator[Finding]:
    """Flag what is wrong in infra/05-messaging/kafka/topics.yml.

    A departure from its schema, such as a number in quotes; a topic that is there twice; a property that no topic has.

    Why:
        The topics are made after the brokers have started: `up` would end there, and half of the stack would run.

    Fails:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/kafka/topics.yml
        topics:
          - name: orders
            partitions: "3"
            config: {retentoin.ms: "1000"}

    Passes:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/kafka/topics.yml
        topics:
          - name: orders
            partitions: 3
            config: {retention.ms: "1000"}

    Source:
        schemas/topics.schema.json; org.apache.kafka.common.config.TopicConfig
    """
    file = _read(project.directory / TOPICS)
    if file is not None:
        yield from _departures(file, _SCHEMA)
        yield from _misnamed(file)


@rule("KC703", "contract-without-topic", Severity.ERROR, needs_model=False)
def contract_without_topic(project: Project) -> Iterator[Finding]:
    """Flag a contract whose topic is not in topics.yml.

    Why:
        Nobody can send what the contract describes: with automatic creation switched off, the topic is never there.

    Fails:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/kafka/topics.yml
        topics:
          - {name: orders, partitions: 3}
        --- schemas/contracts/order-value/contract.yml
        topic: order

    Passes:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/kafka/topics.yml
        topics:
          - {name: orders, partitions: 3}
        --- schemas/contracts/orders-value/contract.yml
        topic: orders

    Source:
        schemas/contract.schema.json
    """
    for path in sorted((project.directory / CONTRACTS).glob("*/contract.yml"))[:_MOST_FILES]:
        if file := _read(path):
            yield from _absent(project, file, entries(file.root).get("topic"), f"the contract {path.parent.name}")


@rule("KC704", "connector-without-topic", Severity.ERROR, needs_model=False)
def connector_without_topic(project: Project) -> Iterator[Finding]:
    """Flag a connector file whose `topics`, or topic for dead letters, are not in topics.yml.

    Why:
        The sink waits for a topic that nobody makes, and reports no fault; without its topic for dead letters the first
        record that cannot be converted ends it.

    Fails:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/kafka/topics.yml
        topics:
          - {name: orders, partitions: 3}
        --- infra/05-messaging/connect/connectors/archive.yml
        config: {topics: "orders,returns"}

    Passes:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/kafka/topics.yml
        topics:
          - {name: orders, partitions: 3}
        --- infra/05-messaging/connect/connectors/archive.yml
        config: {topics: "orders"}

    Source:
        KIP-298; org.apache.kafka.connect.runtime.SinkConnectorConfig
    """
    for path in sorted((project.directory / CONNECTORS).glob("*.yml"))[:_MOST_FILES]:
        file = _read(path)
        config = entries(file.root).get("config") if file else None
        if file and config:
            for key in ("topics", "errors.deadletterqueue.topic.name"):
                yield from _absent(project, file, entries(config[1]).get(key), f"the connector {path.stem}")


@rule("KC705", "own-file-schema", Severity.ERROR, needs_model=False)
def own_file_schema(project: Project) -> Iterator[Finding]:
    """Flag a contract, a connector file, access.yml or requirements.yml that departs from its schema.

    A contract's versions, and whether one is compatible with the next, are judged by `contracts check`.

    Why:
        The file is used only after the stack has started: `up` would end there, or the connector would not run.

    Fails:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/kafka/topics.yml
        topics:
          - {name: orders, partitions: 3}
        --- infra/05-messaging/connect/connectors/archive.yml
        doc: Keeps every order in the database.
        config: {connector.class: org.example.Sink, tasks.max: 1, topics: orders}

    Passes:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/kafka/topics.yml
        topics:
          - {name: orders, partitions: 3}
        --- infra/05-messaging/connect/connectors/archive.yml
        doc: Keeps every order in the database.
        config: {connector.class: org.example.Sink, tasks.max: "1", topics: orders}

    Source:
        schemas/contract.schema.json, schemas/connector.schema.json, schemas/access.schema.json,
        schemas/requirements.schema.json
    """
    if (project.directory / TOPICS).exists():
        for folder, names, schema in _OTHERS:
            for path in sorted((project.directory / folder).glob(names))[:_MOST_FILES]:
                if file := _read(path):
                    yield from _departures(file, schema)


@rule("KC706", "access-to-everything", Severity.WARNING, needs_model=False)
def access_to_everything(project: Project) -> Iterator[Finding]:
    """Flag a user of access.yml who may do everything with every topic, group or transactional id, or with the cluster.

    On the cluster `alter` is as much as `all`: whoever has it makes rules, for themselves too.

    Why:
        A leaked password, or one service that is taken over, is then the whole cluster.

    Fails:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/security/access.yml
        users:
          app:
            login: password
            may:
              - {do: [all], topics: ["*"]}

    Passes:
        services:
          web: {image: "nginx:1.29.3"}
        --- infra/05-messaging/security/access.yml
        users:
          app:
            login: password
            may:
              - {do: [all], topics: ["app-*"]}
              - {do: [describe], topics: ["*"]}

    Source:
        Kafka documentation, Security, "Operations and Resources on Protocols"
    """
    file = _read(project.directory / ACCESS)
    users = entries(file.root).get("users") if file else None
    if file is None or users is None:
        return
    for name, (_, body) in entries(users[1]).items():
        listed = entries(body).get("may")
        for may in _parts(listed[1]) if listed else ():
            keys = entries(may)
            done = {str(node.value): node for node in _parts(keys["do"][1])} if "do" in keys else {}
            for (kind, everything), operations in _EVERYTHING.items():
                named = [str(node.value) for node in _parts(keys[kind][1])] if kind in keys else []
                for operation in (each for each in operations if each in done and everything in named):
                    what = "the cluster" if kind == "cluster" else f"every one of the {kind.replace('_', ' ')}"
                    yield Finding(
                        at=file.span_of(done[operation]),
                        message=f"{name} may do {operation} with {what}",
                        evidence=f"{name} {kind} {operation}",
                        label="more than anybody needs",
                        help="name what it does, and with what: a name, or a beginning with * at its end",
                    )


def _departures(file: ComposeFile, schema: Path) -> Iterator[Finding]:
    """Yield a finding for a file that cannot be read, else for each place where it departs from its schema."""
    name = file.path.name
    try:
        body = yaml.load(file.text, _LOADER) if file.root is not None else None  # noqa: S506 - a safe loader, in C
        wrong = file.problem.message if file.problem else "" if body is not None else "it is empty"
    except (yaml.YAMLError, ValueError) as error:  # a date that no calendar has
        wrong = str(error)
    if wrong or file.root is None:
        yield Finding(at=file.span(0, 0), message=f"{name} cannot be read: {wrong}", label="here", evidence="unread")
        return
    for departure in json_schema.departures(schema, body):
        if departure.keyword == "propertyNames" and schema == _SCHEMA:
            continue  # told at the key itself, by the list of what topics have
        node = _at(file.root, departure.path)
        at = file.span_of(node)
        yield Finding(
            at=at if at.line == at.end_line else file.span(at.start, at.start),
            message=f"{departure.place} of {name}: {_words(departure)}",
            evidence=f"{departure.place} {departure.keyword} {' '.join(departure.names)}".strip(),
            label="not what the schema allows",
            edits=_retyped(file, node, str(departure.limit)) if departure.keyword == "type" else (),
        )


def _words(departure: json_schema.Departure) -> str:
    """Return the validator's words, but for the value of what is secret."""
    if departure.path and disclosure.is_secret_name(str(departure.path[-1])):
        return "a reference such as ${secrets:secrets:NAME} has to stand here, never the value itself"
    return departure.message


def _misnamed(file: ComposeFile) -> Iterator[Finding]:
    """Yield a finding for each name that is there twice, and for each property that no topic has."""
    known = properties.of_topics()
    seen: set[str] = set()
    for topic in _topics(file):
        name = topic.get("name")
        if name and (text := str(name[1].value)) in seen:
            yield Finding(at=file.span_of(name[1]), message=f"the topic {text} is there twice", evidence=text)
        elif name:
            seen.add(text)
        for key, (node, _) in entries(topic["config"][1]).items() if "config" in topic else ():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
                yield Finding(
                    at=file.span_of(node),
                    message=f"no topic has the property {key}",
                    evidence=f"{name[1].value if name else ''} {key}",
                    label="Kafka rejects the topic",
                    help=f"did you mean {near[0]}?" if near else "remove it",
                    edits=respelt(file.span_of(node), file.text, key, near[0]) if near else (),
                )


def _absent(project: Project, file: ComposeFile, named: tuple[Node, Node] | None, who: str) -> Iterator[Finding]:
    """Yield a finding for each topic of a list that topics.yml does not have; none without that file."""
    topics = _read(project.directory / TOPICS)
    if topics is None or topics.root is None or named is None or not isinstance(named[1], ScalarNode):
        return
    known = {str(topic["name"][1].value) for topic in _topics(topics) if "name" in topic}
    for topic in filter(None, (part.strip() for part in named[1].value.split(","))):
        if topic not in known:
            near = difflib.get_close_matches(topic, known, n=1)
            yield Finding(
                at=file.span_of(named[1]),
                message=f"{who} names the topic {topic}, which is not in {TOPICS.name}",
                evidence=topic,
                label="no such topic",
                help=f"did you mean {near[0]}?" if near else f"add it to {TOPICS.as_posix()}",
            )


def _read(path: Path) -> ComposeFile | None:
    return compose_file.load(path)[0] if path.exists() else None


def _topics(file: ComposeFile) -> list[dict[str, tuple[Node, Node]]]:
    listed = entries(file.root).get("topics")
    return [entries(node) for node in listed[1].value] if listed and isinstance(listed[1], SequenceNode) else []


def _parts(node: Node) -> list[Node]:
    """Return the entries of a sequence, and a single node as the only one."""
    return list(node.value) if isinstance(node, SequenceNode) else [node]


def _at(root: Node, path: tuple[str | int, ...]) -> Node:
    """Return the node at a path, or the nearest one above it."""
    node = root
    for step in path:
        if isinstance(node, SequenceNode) and isinstance(step, int):
            node = node.value[step]
        elif str(step) in (known := entries(node)):
            node = known[str(step)][1]
    return node


def _retyped(file: ComposeFile, node: Node, wanted: str) -> tuple[Edit, ...]:
    """Return the edits that take the quotes from a number, or give them to what has to be text."""
    if not isinstance(node, ScalarNode):
        return ()
    at = file.span_of(node)
    if "integer" in wanted and node.style in ("'", '"') and node.value.isdecimal():
        return (Edit(at, node.value),)
    if "string" in wanted and compose_file.is_plain(node):
        return (Edit(at.before(), '"'), Edit(at.after(), '"'))
    return ()
