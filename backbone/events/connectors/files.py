"""Connectors as files, infra/05-messaging/connect/connectors/NAME.yml, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from backbone import json_schema, resources
from backbone.errors import ExitCode, StackError
from backbone.events.contracts.positions import line_of
from backbone.source import disclosure, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FOLDER = Path("infra", "05-messaging", "connect", "connectors")
SCHEMA_FILE = resources.schema("connector.schema.json")
"""Both below the root of a checkout."""


@dataclass(frozen=True, slots=True)
class Connector:
    """One connector: the file's name is its name, and the worker gets `config` as it stands there."""

    name: str
    doc: str
    optional: bool
    config: Mapping[str, str]

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that a sink reads; none for a source."""
        return tuple(filter(None, (topic.strip() for topic in self.config.get("topics", "").split(","))))

    def reads(self, topic: str) -> bool:
        """Tell whether a sink reads a topic, by name or by pattern."""
        pattern = self.config.get("topics.regex")
        return topic in self.topics or bool(pattern and re.fullmatch(pattern, topic))

    @property
    def dead_letters(self) -> str | None:
        """The topic for records that cannot be read, if it has one."""
        return self.config.get("errors.deadletterqueue.topic.name")


def load(folder: Path, schema_file: Path) -> tuple[Connector, ...]:
    """Return every connector, by name.

    Raises StackError("connectors-invalid") with file, line and reason for each fault, "no-connectors".
    """
    connectors, faults = [], []
    for file in sorted(folder.glob("*.yml")):
        connector, found = _read(file, schema_file)
        faults += found
        if connector is not None:
            connectors.append(connector)
    if faults:
        raise StackError(
            "connectors-invalid",
            f"the connectors in {folder.name}/ have {len(faults)} fault{'s'[: len(faults) > 1]}",
            context="\n".join(faults),
            hint=f"each key is explained in {schema_file.name}",
            exit_code=ExitCode.USAGE,
        )
    if not connectors:
        raise StackError("no-connectors", f"there is no connector in {folder}", exit_code=ExitCode.NOTHING)
    return tuple(connectors)


def select(connectors: Iterable[Connector], names: Sequence[str]) -> tuple[Connector, ...]:
    """Return the named connectors, or without a name those that are not optional."""
    known = {connector.name: connector for connector in connectors}
    if unknown := [name for name in names if name not in known]:
        raise StackError(
            "unknown-connector",
            f"there is no connector {unknown[0]!r} in git",
            context="connectors: " + ", ".join(known),
            exit_code=ExitCode.USAGE,
        )
    if names:
        return tuple(known[name] for name in dict.fromkeys(names))
    return tuple(connector for connector in known.values() if not connector.optional)


def _read(file: Path, schema: Path) -> tuple[Connector | None, list[str]]:
    try:
        text = reading.read_text(file)
        body = yaml.safe_load(text)
    except StackError as error:
        return None, [f"{file}:1: cannot be read: {error.context}"]
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or a number that is none
        mark = getattr(error, "problem_mark", None)
        return None, [f"{file}:{mark.line + 1 if mark else 1}: {getattr(error, 'problem', error)}"]
    faults = [
        f"{file}:{line_of(text, list(each.path))}: {_words(each)}" for each in json_schema.departures(schema, body)
    ]
    if faults:
        return None, faults
    return Connector(file.stem, body["doc"], body.get("optional", False), body["config"]), []


def _words(departure: json_schema.Departure) -> str:
    """Put the setting before the validator's words, and keep the value of a password out of them."""
    name = str(departure.path[-1]) if departure.path else ""
    if disclosure.is_secret_name(name):
        return f"{name} is a reference such as ${{secrets:secrets:postgres_password}}, never the value itself"
    return f"{name}: {departure.message}" if name else departure.message
