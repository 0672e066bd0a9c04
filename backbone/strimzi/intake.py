"""A team's KafkaTopics, KafkaUsers and KafkaConnectors as this stack's own files, and what cannot come along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from backbone import json_schema
from backbone.errors import ExitCode, StackError
from backbone.events.connectors import files as connector_files
from backbone.source import reading
from backbone.stack import home, topic_rules
from backbone.stack import topics as topic_files
from backbone.strimzi import access, connect, topics
from backbone.strimzi.model import NAME, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from backbone.events.connectors.files import Connector
    from backbone.stack.home import Change
    from backbone.stack.topics import Topic
    from backbone.strimzi.manifest import Manifest
    from backbone.strimzi.model import User

_BROKERS = 3
"""This stack's: more copies than that it cannot make."""
_KINDS = ("KafkaTopic", "KafkaUser", "KafkaConnector")
_GROUP = "kafka.strimzi.io/"
_OWN = "this stack has its own Compose files for it"
_INSTEAD = {
    **dict.fromkeys(("Kafka", "KafkaNodePool", "KafkaConnect", "KafkaBridge"), _OWN),
    **dict.fromkeys(("KafkaMirrorMaker2", "KafkaMirrorMaker"), "there is no second cluster here to mirror"),
    "Secret": "secrets are made here, on first use",
    "Namespace": "nothing here is in a namespace",
}
_HEAD = "# Read from resources of Strimzi by `./invoke import strimzi`.\n"


@dataclass(frozen=True, slots=True)
class Intake:
    """What was read, and what was not: each with the file and the reason."""

    topics: tuple[Topic, ...]
    users: tuple[User, ...]
    connectors: tuple[Connector, ...]
    left_out: tuple[LeftOut, ...]


def read(manifests: Sequence[Manifest], unread: Sequence[tuple[str, str]] = ()) -> Intake:
    """Return topics, users and connectors of some resources; StackError("nothing-to-import") if there are none.

    unread: (file, reason) of files that could not be read at all.
    """
    found: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}
    left = [LeftOut(file, f"cannot be read: {why}") for file, why in unread]
    readers = {"KafkaTopic": _topic, "KafkaUser": _user, "KafkaConnector": _connector}
    for each in manifests:
        if each.kind == "Kustomization":
            continue
        if each.kind not in readers or not str(each.body.get("apiVersion", "")).startswith(_GROUP):
            left.append(LeftOut(_what(each), _reason(each)))
            continue
        try:
            value, notes = readers[each.kind](each)
        except reading.NONSENSE as error:
            left.append(LeftOut(_what(each), f"cannot be read: {type(error).__name__} {error}"))
            continue
        left += [LeftOut(_what(each), note) for note in notes]
        if value is None:
            continue
        if other := _taken(value.name, found[each.kind], each.kind):
            left.append(LeftOut(_what(each), other))
        else:
            found[each.kind][value.name] = value
    if not any(found.values()):
        raise StackError(
            "nothing-to-import",
            f"none of {len(manifests)} resources is a {', '.join(_KINDS)} that this stack can take",
            context="\n".join(f"{each.what}: {each.instead}" for each in left[:20]) or None,
            exit_code=ExitCode.NOTHING,
        )
    read_topics, users, connectors = (tuple(found[kind].values()) for kind in _KINDS)
    return Intake(read_topics, users, connectors, tuple(left))


def _reason(manifest: Manifest) -> str:
    """Return why a resource of another kind stays where it is."""
    if not manifest.kind or "apiVersion" not in manifest.body:
        return "it is no resource: kind and apiVersion are missing"
    if manifest.kind in _KINDS:
        return f"apiVersion {manifest.body['apiVersion']} is not the operator's"
    return _INSTEAD.get(manifest.kind, f"only {', '.join(_KINDS)} are read")


def _taken(name: str, found: Mapping[str, Any], kind: str) -> str:
    """Return why a name cannot be taken in beside those that were, "" if it can."""
    if name in found:
        return f"another {kind} was read for {name} before it"
    other = topic_rules.collision(name, [*found, name]) if kind == "KafkaTopic" else None
    return f"{name} and {other} cannot both be: Kafka takes a dot and an underscore for the same" if other else ""


def _what(manifest: Manifest) -> str:
    return f"{manifest.file}: {manifest.kind or 'no kind'} {manifest.name}".rstrip()


def _topic(manifest: Manifest) -> tuple[Topic | None, Sequence[str]]:
    topic = topics.topic(manifest)
    notes = []
    if topic.replicas > _BROKERS:
        notes.append(f"replicas {topic.replicas}: this stack has {_BROKERS} brokers, so it is the cluster's default")
        topic = replace(topic, replicas=-1)
    faults = topic_files.faults({"topics": [_item(topic)]})
    return (None, [*notes, *faults]) if faults else (topic, notes)


def _user(manifest: Manifest) -> tuple[User | None, Sequence[str]]:
    asked = manifest.get("spec", "authentication", "type")
    if asked not in {"scram-sha-512", "tls"}:
        return None, [f"authentication {asked}: this stack has scram-sha-512 and tls"]
    notes = [f"{name} is left out" for name in ("quotas", "template") if manifest.get("spec", name)]
    if (kind := manifest.get("spec", "authorization", "type") or "simple") != "simple":
        return None, [*notes, f"authorization {kind}: this stack has simple"]
    user, not_taken = access.taken(topics.user(manifest))
    faults = [f"{each.place}: {each.message}" for each in access.faults(user)]
    return (None, [*notes, *faults]) if faults else (user, [*notes, *not_taken])


def _connector(manifest: Manifest) -> tuple[Connector | None, Sequence[str]]:
    connector = connect.connector(manifest)
    body = {"doc": connector.doc, "optional": connector.optional, "config": dict(connector.config)}
    faults = json_schema.departures(connector_files.SCHEMA_FILE, body)
    notes = [f"{name} is left out" for name in ("autoRestart", "version") if manifest.get("spec", name)]
    if manifest.get("spec", "state") == "paused" or manifest.get("spec", "pause"):
        notes.append("paused is left out: here it runs, or is optional")
    # The place alone: the validator's words hold the value, and it may be a password.
    faulty = [f"{each.place}: {each.keyword}" for each in faults]
    if not NAME.fullmatch(connector.name):
        faulty.append("metadata.name: no name that Kubernetes takes")
    return (None, [*notes, *faulty]) if faulty else (connector, notes)


def _item(topic: Topic) -> dict[str, Any]:
    item: dict[str, Any] = {"name": topic.name, "partitions": topic.partitions}
    if topic.replicas > 0:
        item["replicas"] = topic.replicas
    return item | ({"config": dict(topic.config)} if topic.config else {})


def changes(intake: Intake, root: Path) -> list[Change]:
    """Return what differs in a home's files: topics.yml, access.yml and a file for each connector.

    Users of access.yml with a certificate stay, for they are this stack's services. A file that means the same already
    is left as it is, with its comments and its order.
    """
    found = (home.change(root, path, (_HEAD + _yaml(body)).encode()) for path, body in _bodies(intake, root))
    return [each for each in found if _meaning(each.before) != _meaning(each.after)]


def _bodies(intake: Intake, root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    if intake.topics:
        yield topic_files.FILE, {"topics": list(map(_item, intake.topics))}
    if intake.users:
        yield access.FILE, access.body((*intake.users, *_services(root, {each.name for each in intake.users})))
    for each in intake.connectors:
        body = {"doc": each.doc, **({"optional": True} if each.optional else {}), "config": dict(each.config)}
        yield connector_files.FOLDER / f"{each.name}.yml", body


def _services(root: Path, others: set[str]) -> list[User]:
    """Return the users of a home's access.yml that show a certificate, without some; none of a file that is no such."""
    try:
        found = access.users(yaml.safe_load(reading.peek(root / access.FILE)))
    except (yaml.YAMLError, *reading.NONSENSE):
        return []
    return [each for each in found if each.authentication == "tls" and each.name not in others]


def _meaning(text: bytes | None) -> Any:
    """Return what a file says, whatever the order of its topics or users; its own text if it is no YAML."""
    try:
        body = yaml.safe_load(text) if text else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    if isinstance(body, dict) and isinstance(body.get("topics"), list):
        return sorted(body["topics"], key=str)
    if isinstance(body, dict) and isinstance(body.get("users"), dict):
        return access.meaning(body)
    return body


def _yaml(body: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(body), sort_keys=False, width=2**16, allow_unicode=True)
