"""What a topic is to the rest: the connectors, contracts, files and groups that its end would be felt by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.events.connectors import files
from backbone.events.contracts import repository
from backbone.stack import topic_rules, topics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def find(root: Path, topic: str, groups: Sequence[str], *, internal: bool = False) -> tuple[str, ...]:
    """Return a sentence for each that has to do with a topic, by the files below a root and the groups' offsets.

    groups: those that have an offset on it. Raises StackError("topic-protected") for a topic that Kafka, the registry,
    Connect or a connector's dead letters are kept in, unless `internal`; "connectors-invalid", "topics-file" for files
    that cannot be read: what they use is unknown.
    """
    connectors = _connectors(root)
    lettered = [each.name for each in connectors if each.dead_letters == topic]
    keeps = topic_rules.memory(topic) or (lettered and f"the dead letters of the connector {', '.join(lettered)}")
    if keeps and not internal:
        raise StackError(
            "topic-protected",
            f"{topic} holds {keeps}; nothing was deleted",
            hint=f"./invoke topics delete {topic} --internal",
            exit_code=ExitCode.USAGE,
        )
    found = [f"it holds {keeps}"] if keeps else []
    found += [f"the connector {each.name} reads it" for each in connectors if each.reads(topic)]
    found += [f"the connector {each.name} writes to it" for each in connectors if _feeds(each, topic)]
    subjects = (f"{topic}-{part}" for part in ("key", "value"))
    contracts = [subject for subject in subjects if (root / repository.FOLDER / subject).is_dir()]
    found += [f"the contract {subject} says what its records are" for subject in contracts]
    if any(each.name == topic for each in topics.read(root / topics.FILE)):
        found.append(f"{topics.FILE.name} names it: the next `up` makes it again, empty")
    return (*found, *(f"the group {name} has offsets on it" for name in groups))


def _connectors(root: Path) -> tuple[files.Connector, ...]:
    try:
        return files.load(root / files.FOLDER, files.SCHEMA_FILE)
    except StackError as error:
        if error.reference != "no-connectors":
            raise
        return ()


def _feeds(connector: files.Connector, topic: str) -> bool:
    """Tell whether a source writes to a topic: Debezium's are called PREFIX.SCHEMA.TABLE."""
    prefix = connector.config.get("topic.prefix")
    return bool(prefix and topic.startswith(f"{prefix}."))
