"""A team's KafkaTopics, KafkaUsers and KafkaConnectors as this stack's own files, and what cannot come along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from backbone import json_schema
from backbone.errors import ExitCode, StackError
from backbone.events.connectors import files as connector_files
from backbone.source import reading
from backbone.stack import home
from backbone.stack import topics as topic_files
from backbone.strimzi import access, connect, topics
from backbone.strimzi.model import LeftOut

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
_HEAD = "# Read from resources of Strimzi by `./invoke import strimzi`.\n"


@dataclass(frozen=True, slots=True)
class Intake:
    """What was read, and what was not: each with the file and the reason."""

    topics: tuple[Topic, ...]
    users: tuple[User, ...]
    connectors: tuple[Connector, ...]
    left_out: tuple[LeftOut, ...]


def read(manifests: Sequence[Manifest]) -> Intake:
    """Return topics, users and connectors of some resources; StackError("nothing-to-import") if there are none."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}
    left: list[LeftOut] = []
    readers = {"KafkaTopic": _topic, "KafkaUser": _user, "KafkaConnector": _connector}
    for each in manifests:
        if each.kind == "Kustomization":
            continue
        if each.kind not in readers:
            left.append(LeftOut(_what(each), "this stack has its own Compose files for it"))
            continue
        try:
            value, notes = readers[each.kind](each)
        except reading.NONSENSE as error:
            left.append(LeftOut(_what(each), f"cannot be read: {type(error).__name__} {error}"))
            continue
        left += [LeftOut(_what(each), note) for note in notes]
        if value is not None:
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
    user = topics.user(manifest)
    notes = [f"{name} is left out" for name in ("quotas", "template") if manifest.get("spec", name)]
    return replace(user, acls=tuple(acl for acl in user.acls if access.fits(acl))), [*notes, *access.not_taken(user)]


def _connector(manifest: Manifest) -> tuple[Connector | None, Sequence[str]]:
    connector = connect.connector(manifest)
    body = {"doc": connector.doc, "optional": connector.optional, "config": dict(connector.config)}
    faults = json_schema.departures(connector_files.SCHEMA_FILE, body)
    notes = [f"{name} is left out" for name in ("autoRestart", "version") if manifest.get("spec", name)]
    # The place alone: the validator's words hold the value, and it may be a password.
    faulty = [f"{each.place}: {each.keyword}" for each in faults]
    return (None, [*notes, *faulty]) if faulty else (connector, notes)


def _item(topic: Topic) -> dict[str, Any]:
    item: dict[str, Any] = {"name": topic.name, "partitions": topic.partitions}
    if topic.replicas > 0:
        item["replicas"] = topic.replicas
    return item | ({"config": dict(topic.config)} if topic.config else {})


def changes(intake: Intake, root: Path) -> list[Change]:
    """Return what differs in a home's files: topics.yml, access.yml and a file for each connector.

    A file that means the same already is left as it is, with its comments and its order.
    """
    found = (home.change(root, path, (_HEAD + _yaml(body)).encode()) for path, body in _bodies(intake))
    return [each for each in found if _meaning(each.before) != _meaning(each.after)]


def _bodies(intake: Intake) -> Iterator[tuple[Path, dict[str, Any]]]:
    if intake.topics:
        yield topic_files.FILE, {"topics": list(map(_item, intake.topics))}
    if intake.users:
        yield access.FILE, access.body(intake.users)
    for each in intake.connectors:
        body = {"doc": each.doc, **({"optional": True} if each.optional else {}), "config": dict(each.config)}
        yield connector_files.FOLDER / f"{each.name}.yml", body


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
